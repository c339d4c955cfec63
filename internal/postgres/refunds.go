package postgres

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/paysaga/paysaga/internal/payment"
)

// OpenRefund returns the payment's open refund, or takes the next number and
// freezes what is left under it. Conflict if no money may go back, has not gone
// back yet, or WeChat would not give it back: the books then say why. Busy while
// somebody else's refunds must end first.
func (s *Store) OpenRefund(ctx context.Context, transactionID string) (payment.Refund, error) {
	var refund payment.Refund
	_, err := s.change(ctx, transactionID, func(a *account) error {
		open, err := a.fittingRefund(ctx)
		switch {
		case err != nil:
			return err
		case open.OutRefundNo != "":
			refund = open
			return a.mayRefund(ctx, open)
		case a.stage != payment.Compensating:
			return nil
		}
		if err := a.mayRefund(ctx, open); err != nil {
			return err
		}
		taken, err := a.freeze(ctx)
		if err != nil || !taken {
			return err
		}
		refund, err = a.openRefund(ctx)
		return err
	})
	switch {
	case err != nil:
		return payment.Refund{}, err
	case refund.OutRefundNo == "":
		return refund, payment.Failf(payment.Conflict, "refund_stopped", "no refund is made now; the books say why")
	}
	return refund, nil
}

// mayRefund is the fence before money: only a payment that is being undone, and
// whose goods are stopped, unless a person said what is to become of them. A part
// that a person asked for goes back while the payment goes on, too.
func (a *account) mayRefund(ctx context.Context, refund payment.Refund) error {
	if refund.Part && slices.Contains(payment.Askable[payment.PartialRefund], a.stage) {
		return nil
	}
	if a.stage != payment.Compensating {
		return payment.Failf(payment.Conflict, "not_to_refund", "a payment that is %s is not refunded", a.stage)
	}
	shipment, err := a.shipment(ctx)
	if err == nil && !loose(a.goods) && shipment.ToCancel() {
		return payment.Failf(payment.Internal, "may_still_ship", "its shipment is %s, so no money goes back", shipment)
	}
	return err
}

const openRefundSQL = `
select out_refund_no, transaction_id, amount_fen, total_fen, state, asked_at, ready_at, reason,
       exists (select from requests where out_refund_no = r.out_refund_no) as part
  from refunds r
 where transaction_id = @transaction_id and not is_foreign and state in ('requested', 'processing', 'abnormal')`

func (a *account) openRefund(ctx context.Context) (r payment.Refund, err error) {
	var askedAt *time.Time
	err = a.tx.QueryRow(ctx, openRefundSQL, pgx.NamedArgs{"transaction_id": a.id()}).Scan(
		&r.OutRefundNo, &r.TransactionID, &r.AmountFen, &r.TotalFen, &r.State, &askedAt, &r.ReadyAt, &r.Reason, &r.Part)
	r.AskedAt = orZero(askedAt)
	return r, err
}

// fittingRefund is the open refund, or none: one that WeChat was never asked for
// is given up where somebody else's left too little for it meanwhile.
func (a *account) fittingRefund(ctx context.Context) (payment.Refund, error) {
	open, err := a.openRefund(ctx)
	if errors.Is(err, pgx.ErrNoRows) {
		return payment.Refund{}, nil
	}
	if err != nil || !open.AskedAt.IsZero() {
		return open, err
	}
	purse, err := a.purse(ctx)
	if err != nil || purse.leftFen >= 0 {
		return open, err
	}
	return payment.Refund{}, a.withdraw(ctx, open, "somebody else's refund left too little for it")
}

const freezeSQL = `
insert into refunds (out_refund_no, transaction_id, amount_fen, total_fen, reason, ready_at)
select @out_refund_no, @transaction_id, @amount_fen, @total_fen, @reason,
       greatest(now(), max(asked_at) + @spacing)
  from refunds where transaction_id = @transaction_id`

// freeze takes the next number for what is left, or holds the payment where a
// person must look first.
func (a *account) freeze(ctx context.Context) (taken bool, err error) {
	purse, err := a.purse(ctx)
	if err != nil {
		return false, err
	}
	unseen, err := a.unseenNo(ctx)
	switch barred := purse.barred(); {
	case err != nil:
		return false, err
	case purse.leftFen <= 0 && a.refundedFen < a.paid.AmountFen:
		return false, payment.Failf(payment.Busy, payment.CodeRefundsPending, "another refund of this payment has not ended")
	case purse.leftFen <= 0:
		return false, payment.Failf(payment.Conflict, "nothing_left", "all of it went back")
	case barred != "":
		return false, a.stop(ctx, payment.Hold{Reason: payment.CaseRefundRefused, Direction: payment.Backward}, barred)
	case unseen:
		return false, a.stop(ctx, payment.Hold{Reason: payment.CaseRefundClosed, Direction: payment.Backward},
			"its last refund came to nothing at WeChat; a new number needs a person and an approver")
	}
	return true, a.write(ctx, payment.Refund{
		OutRefundNo: payment.RefundNumber(a.id(), purse.next), AmountFen: purse.leftFen, Reason: forThePayer(a.undoCause),
	})
}

func (a *account) write(ctx context.Context, r payment.Refund) error {
	_, err := a.tx.Exec(ctx, freezeSQL, pgx.NamedArgs{
		"transaction_id": a.id(), "out_refund_no": r.OutRefundNo,
		"amount_fen": r.AmountFen, "total_fen": a.paid.AmountFen,
		"reason": r.Reason, "spacing": a.store.settings.Terms.RefundSpacing,
	})
	return err
}

// forThePayer is the reason WeChat shows to the payer.
func forThePayer(cause string) string {
	switch cause {
	case secondPayment:
		return "订单重复支付，退回本次付款"
	case latePayment:
		return "订单已关闭或已过期，退回付款"
	case shopRefused, string(payment.CaseShipUnknown):
		return "商家无法发货"
	}
	return "商家退款"
}

const refundAskedSQL = `
update refunds set asked_at = coalesce(asked_at, now()) where out_refund_no = @out_refund_no`

// RefundAsked commits that WeChat is about to be asked. Busy if a person stopped
// the payment since its number was taken, or the refund has ended.
func (s *Store) RefundAsked(ctx context.Context, outRefundNo string) error {
	_, err := s.changeRefund(ctx, outRefundNo, func(a *account) error {
		open, err := a.openRefund(ctx)
		if errors.Is(err, pgx.ErrNoRows) || err == nil && open.OutRefundNo != outRefundNo {
			return payment.Failf(payment.Busy, "refund_ended", "the refund has ended")
		}
		if err == nil {
			err = a.mayRefund(ctx, open)
		}
		if err != nil {
			return payment.Fail(payment.Busy, payment.CodeOf(err), "the refund may not be sent now", err)
		}
		_, err = a.tx.Exec(ctx, refundAskedSQL, pgx.NamedArgs{"out_refund_no": outRefundNo})
		return err
	})
	return err
}

const paymentOfRefundSQL = `select transaction_id from refunds where out_refund_no = @out_refund_no`

// changeRefund is change for who knows a refund's number only. NotFound if the
// books have none of that number.
func (s *Store) changeRefund(ctx context.Context, outRefundNo string, do func(*account) error) (payment.Books, error) {
	var transactionID string
	err := s.pool.QueryRow(ctx, paymentOfRefundSQL, pgx.NamedArgs{"out_refund_no": outRefundNo}).Scan(&transactionID)
	if err != nil {
		return payment.Books{}, fault(err)
	}
	return s.change(ctx, transactionID, do)
}
