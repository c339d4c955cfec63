package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

// RefundHeard writes WeChat's word on a refund of a payment down, whoever made
// it. One that the books do not know was made elsewhere: it becomes a row of its
// own, counts against what is left, opens a case, and holds the payment as long
// as nobody asked the shop to ship.
func (s *Store) RefundHeard(ctx context.Context, transactionID string, word activities.RefundWord) (payment.Books, error) {
	if err := clear(word); err != nil {
		return payment.Books{}, err
	}
	return s.change(ctx, transactionID, func(a *account) error { return a.hear(ctx, word) })
}

func (a *account) hear(ctx context.Context, word activities.RefundWord) error {
	_, err := a.told(ctx, word.OutRefundNo)
	switch {
	case err == nil:
		return a.refundSaid(ctx, word)
	case !errors.Is(err, pgx.ErrNoRows):
		return err
	case word.TransactionID != a.id() || word.AmountFen <= 0 || word.AmountFen > a.paid.AmountFen:
		return a.openCase(ctx, payment.CaseConflictingNews, word.OutRefundNo,
			fmt.Sprintf("%s: WeChat names a refund of %d fen, or of another payment", word.OutRefundNo, word.AmountFen))
	}
	return a.madeElsewhere(ctx, word)
}

func (a *account) madeElsewhere(ctx context.Context, word activities.RefundWord) error {
	if err := a.writeForeign(ctx, word); err != nil {
		return err
	}
	if err := a.dropRefused(ctx); err != nil {
		return err
	}
	detail := fmt.Sprintf("refund %s of %d fen is %s at WeChat, and not ours", word.OutRefundNo, word.AmountFen, word.State)
	unshipped, err := a.unshipped(ctx)
	switch {
	case err != nil:
		return err
	case unshipped && word.State != payment.RefundClosed:
		return a.stop(ctx, payment.Hold{Reason: payment.CaseForeignRefund, Direction: payment.Forward}, detail)
	}
	if err := a.openCase(ctx, payment.CaseForeignRefund, word.OutRefundNo, detail); err != nil {
		return err
	}
	return a.addsUp(ctx, string(payment.CaseForeignRefund))
}

// unshipped tells whether nobody has asked the shop to ship yet, and somebody may:
// the payment goes forward, or would after a person looked at something else.
func (a *account) unshipped(ctx context.Context) (bool, error) {
	shipment, err := a.shipment(ctx)
	would := a.stage == payment.Holding && a.hold.Direction == payment.Forward && a.hold.Reason != payment.CaseForeignRefund
	return shipment == payment.ShipNone && (a.stage == payment.Received || a.stage == payment.Paid || would), err
}

// dropRefused gives up the refund that WeChat refused, and that the payment is held
// for, where it asks for more than others left: what is left goes under a new number.
func (a *account) dropRefused(ctx context.Context) error {
	if a.hold.Reason != payment.CaseRefundRefused {
		return nil
	}
	open, err := a.openRefund(ctx)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	purse, err := a.purse(ctx)
	if err != nil || purse.leftFen >= 0 {
		return err
	}
	return a.withdraw(ctx, open, "somebody else's refund left too little for it")
}

const foreignSQL = `
insert into refunds (out_refund_no, transaction_id, amount_fen, total_fen, state, is_foreign, refund_id, ready_at, finished_at)
values (@out_refund_no, @transaction_id, @amount_fen, @total_fen, @state, true, @refund_id, now(),
        case when @final then now() end)`

// writeForeign adds somebody else's refund to the books.
func (a *account) writeForeign(ctx context.Context, word activities.RefundWord) error {
	_, err := a.tx.Exec(ctx, foreignSQL, pgx.NamedArgs{
		"out_refund_no": word.OutRefundNo, "transaction_id": a.id(),
		"amount_fen": word.AmountFen, "total_fen": a.paid.AmountFen,
		"state": word.State, "refund_id": word.RefundID, "final": word.State.Final(),
	})
	if err != nil {
		return err
	}
	if word.State == payment.RefundSuccess {
		a.refundedFen += word.AmountFen
	}
	return a.note(ctx, fmt.Sprintf("refund %s of %d fen: %s, made elsewhere", word.OutRefundNo, word.AmountFen, word.State))
}

const refundNewsSQL = `
select exists (select from inbox i
                where i.transaction_id = @transaction_id and i.kind = 'refund' and i.verdict <> 'noted'
                  and not exists (select from refunds where out_refund_no = i.out_refund_no))`

// refundNews tells whether WeChat told of a refund that is not in the books. It
// may have come before the news of the payment itself.
func (a *account) refundNews(ctx context.Context) (yes bool, err error) {
	err = a.tx.QueryRow(ctx, refundNewsSQL, pgx.NamedArgs{"transaction_id": a.id()}).Scan(&yes)
	return yes, err
}

const refundSeenSQL = `
select exists (select from refunds where transaction_id = @transaction_id and is_foreign and state <> 'closed')`

// refundSeen tells whether the books know a refund that somebody else made. A
// payment that is not judged yet was held for it.
func (a *account) refundSeen(ctx context.Context) (yes bool, err error) {
	err = a.tx.QueryRow(ctx, refundSeenSQL, pgx.NamedArgs{"transaction_id": a.id()}).Scan(&yes)
	return yes, err
}

const refundNewsWaitsSQL = `
select exists (select from inbox i
                where i.transaction_id = @transaction_id and i.kind = 'refund' and not i.done
                  and not exists (select from refunds where out_refund_no = i.out_refund_no))`

// refundNewsWaits tells whether such news is still being asked about.
func (a *account) refundNewsWaits(ctx context.Context) (yes bool, err error) {
	err = a.tx.QueryRow(ctx, refundNewsWaitsSQL, pgx.NamedArgs{"transaction_id": a.id()}).Scan(&yes)
	return yes, err
}

const openForeignSQL = `
select out_refund_no from refunds
 where transaction_id = @transaction_id and is_foreign and state in ('requested', 'processing', 'abnormal')
 order by created_at, out_refund_no`

// OpenForeign are the numbers of refunds that somebody else made and that had not
// ended when WeChat last said.
func (s *Store) OpenForeign(ctx context.Context, transactionID string) ([]string, error) {
	rows, _ := s.pool.Query(ctx, openForeignSQL, pgx.NamedArgs{"transaction_id": transactionID}) // its error comes back below
	numbers, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return numbers, fault(err)
}
