package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

const frozenSQL = `
select amount_fen, state, is_foreign, exists (select from requests where out_refund_no = r.out_refund_no)
  from refunds r where out_refund_no = @out_refund_no and transaction_id = @transaction_id`

// told is a refund in the books that WeChat has a word on.
type told struct {
	frozenFen     int64
	was           payment.RefundState
	foreign, part bool
}

func (a *account) told(ctx context.Context, outRefundNo string) (t told, err error) {
	err = a.tx.QueryRow(ctx, frozenSQL, pgx.NamedArgs{"out_refund_no": outRefundNo, "transaction_id": a.id()}).
		Scan(&t.frozenFen, &t.was, &t.foreign, &t.part)
	return t, err
}

const refundSaidSQL = `
update refunds
   set state = @state, refund_id = coalesce(nullif(@refund_id, ''), refund_id),
       asked_at = case when is_foreign then null else coalesce(asked_at, now()) end, -- WeChat has it, so it was asked
       finished_at = case when @final then now() end
 where out_refund_no = @out_refund_no`

// later ranks the states of a refund: WeChat's word moves it on, never back.
var later = map[payment.RefundState]int{
	payment.RefundWithdrawn: -1, payment.RefundRequested: 0, payment.RefundProcessing: 1, payment.RefundAbnormal: 2,
	payment.RefundSuccess: 3, payment.RefundClosed: 3,
}

// RefundSaid writes WeChat's word on a refund down; NotFound for a number that
// is not in the books. It counts only if its amount is the frozen one.
func (s *Store) RefundSaid(ctx context.Context, word activities.RefundWord) (payment.Books, error) {
	if err := clear(word); err != nil {
		return payment.Books{}, err
	}
	return s.changeRefund(ctx, word.OutRefundNo, func(a *account) error { return a.refundSaid(ctx, word) })
}

func clear(word activities.RefundWord) error {
	if _, known := later[word.State]; !known {
		return payment.Failf(payment.Unknown, "refund_unclear", "WeChat's answer names no state that we know")
	}
	return nil
}

func (a *account) refundSaid(ctx context.Context, word activities.RefundWord) error {
	refund, err := a.told(ctx, word.OutRefundNo)
	switch {
	case err != nil:
		return err
	case later[word.State] <= later[refund.was]: // repeated, late, or after the end
		return nil
	case word.AmountFen != refund.frozenFen || (word.TransactionID != "" && word.TransactionID != a.id()):
		return a.doubt(ctx, refund, word)
	}
	if err := a.record(ctx, word); err != nil {
		return err
	}
	return a.refundMoved(ctx, refund, word)
}

// record moves a refund to where WeChat says it is. The sum of the refunds is
// counted by the schema.
func (a *account) record(ctx context.Context, word activities.RefundWord) error {
	_, err := a.tx.Exec(ctx, refundSaidSQL, pgx.NamedArgs{
		"out_refund_no": word.OutRefundNo, "state": word.State, "refund_id": word.RefundID, "final": word.State.Final(),
	})
	if err != nil {
		return err
	}
	if word.State == payment.RefundSuccess {
		a.refundedFen += word.AmountFen
	}
	return a.note(ctx, fmt.Sprintf("refund %s of %d fen: %s", word.OutRefundNo, word.AmountFen, word.State))
}

// doubt asks for a person where WeChat's word is not on what we asked for. What
// goes its own way beside the refund is not held for it.
func (a *account) doubt(ctx context.Context, refund told, word activities.RefundWord) error {
	detail := fmt.Sprintf("%s: WeChat names %d fen, or another payment; we asked for %d fen", word.OutRefundNo, word.AmountFen, refund.frozenFen)
	if a.stage != payment.Compensating {
		return a.openCase(ctx, payment.CaseRefundMismatch, word.OutRefundNo, detail)
	}
	return a.stop(ctx, payment.Hold{Reason: payment.CaseRefundMismatch, Direction: payment.Backward}, detail)
}

// refundMoved does what a refund's new state asks for.
func (a *account) refundMoved(ctx context.Context, refund told, word activities.RefundWord) error {
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
		return a.wentBack(ctx, refund, word)
	case payment.RefundAbnormal:
		return a.openCase(ctx, payment.CaseRefundAbnormal, word.OutRefundNo, "the payer's account cannot take the money; WeChat waits for the merchant")
	case payment.RefundClosed:
		return a.cameToNothing(ctx, refund, payment.CaseRefundClosed,
			word.OutRefundNo, "WeChat closed it; a new number needs a person and an approver")
	}
	return a.refundStep(ctx, refund, "running")
}

// refundStep notes an attempt at our own step; somebody else's refund is none.
func (a *account) refundStep(ctx context.Context, refund told, state string) error {
	if refund.foreign {
		return nil
	}
	return a.step(ctx, "refund", state)
}

func (a *account) wentBack(ctx context.Context, refund told, word activities.RefundWord) error {
	if err := a.refundStep(ctx, refund, "done"); err != nil {
		return err
	}
	if refund.part {
		if err := a.endPart(ctx, word.OutRefundNo, payment.RequestDone, fmt.Sprintf("%d fen went back", word.AmountFen)); err != nil {
			return err
		}
	}
	cause := word.OutRefundNo
	if refund.foreign {
		cause = string(payment.CaseForeignRefund)
	}
	return a.addsUp(ctx, cause)
}

// cameToNothing ends a refund of which no money went back. A compensation that
// waits for it is held; of a part, whoever asked for it learns why.
func (a *account) cameToNothing(ctx context.Context, refund told, kind payment.CaseKind, outRefundNo, why string) error {
	if refund.foreign {
		return nil
	}
	if err := a.refundStep(ctx, refund, "refused"); err != nil {
		return err
	}
	detail := outRefundNo + ": " + why
	if !refund.part || a.stage == payment.Compensating {
		return a.stop(ctx, payment.Hold{Reason: kind, Direction: payment.Backward}, detail)
	}
	if err := a.endPart(ctx, outRefundNo, payment.RequestRefused, why); err != nil {
		return err
	}
	return a.openCase(ctx, kind, outRefundNo, detail)
}

// RefundRefused writes down that WeChat will not make our refund, and has none of
// its number. A compensation is held, to be tried again under the same number, or
// under a new one where too little is left for it; a part is given up.
func (s *Store) RefundRefused(ctx context.Context, outRefundNo, why string) (payment.Books, error) {
	return s.changeRefund(ctx, outRefundNo, func(a *account) error {
		open, err := a.openRefund(ctx)
		if errors.Is(err, pgx.ErrNoRows) || err == nil && (open.OutRefundNo != outRefundNo || open.State != payment.RefundRequested) {
			return nil // it has moved on
		}
		if err != nil || !open.Part && a.stage != payment.Compensating {
			return err
		}
		purse, err := a.purse(ctx)
		if err != nil {
			return err
		}
		why = oneLine(why, 300)
		if open.Part || purse.leftFen < 0 {
			if err := a.withdraw(ctx, open, "WeChat refuses: "+why); err != nil {
				return err
			}
		}
		return a.cameToNothing(ctx, told{part: open.Part}, payment.CaseRefundRefused, outRefundNo, why)
	})
}
