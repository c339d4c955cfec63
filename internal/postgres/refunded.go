package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

const frozenSQL = `select amount_fen, state from refunds where out_refund_no = @out_refund_no`

const refundSaidSQL = `
update refunds
   set state = @state, refund_id = coalesce(nullif(@refund_id, ''), refund_id),
       asked_at = coalesce(asked_at, now()), -- WeChat has it, so it was asked
       finished_at = case when @final then now() end
 where out_refund_no = @out_refund_no`

// later ranks the states of a refund: WeChat's word moves it on, never back.
var later = map[payment.RefundState]int{
	payment.RefundRequested: 0, payment.RefundProcessing: 1, payment.RefundAbnormal: 2,
	payment.RefundSuccess: 3, payment.RefundClosed: 3,
}

// RefundSaid writes WeChat's word on a refund down; NotFound for a number that
// is not ours. It counts only if its amount is the frozen one.
func (s *Store) RefundSaid(ctx context.Context, word activities.RefundWord) (payment.Books, error) {
	rank, known := later[word.State]
	if !known {
		return payment.Books{}, payment.Failf(payment.Unknown, "refund_unclear", "WeChat's answer names no state that we know")
	}
	return s.changeRefund(ctx, word.OutRefundNo, func(a *account) error {
		var frozenFen int64
		var was payment.RefundState
		err := a.tx.QueryRow(ctx, frozenSQL, pgx.NamedArgs{"out_refund_no": word.OutRefundNo}).Scan(&frozenFen, &was)
		switch {
		case err != nil:
			return err
		case rank <= later[was]: // repeated, late, or after the end
			return nil
		case word.AmountFen != frozenFen || (word.TransactionID != "" && word.TransactionID != a.id()):
			return a.stop(ctx, payment.Hold{Reason: payment.CaseConflictingNews, Direction: payment.Backward},
				fmt.Sprintf("%s: WeChat names %d fen, or another payment; we asked for %d fen", word.OutRefundNo, word.AmountFen, frozenFen))
		}
		_, err = a.tx.Exec(ctx, refundSaidSQL, pgx.NamedArgs{
			"out_refund_no": word.OutRefundNo, "state": word.State, "refund_id": word.RefundID, "final": word.State.Final(),
		})
		if err != nil {
			return err
		}
		return a.refundMoved(ctx, word)
	})
}

// refundMoved does what a refund's new state asks for. The sum of the refunds is
// counted by the schema.
func (a *account) refundMoved(ctx context.Context, word activities.RefundWord) error {
	if err := a.note(ctx, fmt.Sprintf("refund %s of %d fen: %s", word.OutRefundNo, word.AmountFen, word.State)); err != nil {
		return err
	}
	if word.State.Final() {
		ended := "WeChat says " + string(word.State)
		err := errors.Join(
			closeCase(ctx, a.tx, word.OutRefundNo, ended, payment.CaseRefundAbnormal),
			closeCase(ctx, a.tx, a.id(), ended, payment.CaseRefundStuck))
		if err != nil {
			return err
		}
	}
	switch word.State {
	case payment.RefundSuccess:
		return a.step(ctx, "refund", "done")
	case payment.RefundAbnormal:
		return a.openCase(ctx, payment.CaseRefundAbnormal, word.OutRefundNo, "the payer's account cannot take the money; WeChat waits for the merchant")
	case payment.RefundClosed:
		if err := a.step(ctx, "refund", "refused"); err != nil {
			return err
		}
		return a.stop(ctx, payment.Hold{Reason: payment.CaseRefundClosed, Direction: payment.Backward},
			word.OutRefundNo+": WeChat closed it; a new number needs a person and an approver")
	}
	return a.step(ctx, "refund", "running")
}

const refundOrderSQL = `
update orders set state = 'refunded' where paid_by = @transaction_id and state in ('paid', 'shipped')`

// MarkRefunded ends a compensation whose money went back: payment, order, the
// event to tell, and the request that asked for it. Conflict while some of the
// money has not gone back.
func (s *Store) MarkRefunded(ctx context.Context, transactionID string) (payment.Books, error) {
	return s.change(ctx, transactionID, func(a *account) error {
		if a.stage != payment.Compensating {
			return nil
		}
		if a.refundedFen != a.paid.AmountFen {
			return payment.Failf(payment.Conflict, "not_refunded", "%d of %d fen went back", a.refundedFen, a.paid.AmountFen)
		}
		if err := a.move(ctx, payment.Refunded, "refunded in full"); err != nil {
			return err
		}
		if err := a.orderRefunded(ctx); err != nil {
			return err
		}
		if err := a.endRunning(ctx, payment.RequestDone, "refunded in full"); err != nil {
			return err
		}
		if err := a.step(ctx, "mark_refunded", "done"); err != nil {
			return err
		}
		return a.stepBecame(ctx, "mark_paid", "undone")
	})
}

// orderRefunded takes the order along if this payment had paid it, and notes
// whom to tell what.
func (a *account) orderRefunded(ctx context.Context) error {
	tag, err := a.tx.Exec(ctx, refundOrderSQL, pgx.NamedArgs{"transaction_id": a.id()})
	if err != nil {
		return err
	}
	if tag.RowsAffected() == 1 {
		return a.tell(ctx, orderRefunded)
	}
	return a.tell(ctx, paymentRefunded)
}
