package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/paysaga/paysaga/internal/payment"
)

const openRefundSQL = `
select out_refund_no, transaction_id, amount_fen, total_fen, state, asked_at, ready_at, reason
  from refunds
 where transaction_id = @transaction_id and not is_foreign and state in ('requested', 'processing', 'abnormal')`

// What is left counts every refund that WeChat did not call CLOSED, whoever made
// it; a number counts every refund of ours, so that none is used twice.
const standingRefundsSQL = `
select @amount_fen - coalesce(sum(amount_fen) filter (where state <> 'closed'), 0)::bigint as left_fen,
       count(*) filter (where not is_foreign) + 1 as n
  from refunds where transaction_id = @transaction_id`

const freezeSQL = `
insert into refunds (out_refund_no, transaction_id, amount_fen, total_fen, reason, ready_at)
select @out_refund_no, @transaction_id, @amount_fen, @total_fen, @reason,
       greatest(now(), max(asked_at) + @spacing)
  from refunds where transaction_id = @transaction_id`

// OpenRefund returns the payment's open refund, or takes the next number and
// freezes what is left under it. Conflict if the payment is not being undone or
// has nothing left to give back; Busy while other refunds must end first.
func (s *Store) OpenRefund(ctx context.Context, transactionID string) (payment.Refund, error) {
	var refund payment.Refund
	_, err := s.change(ctx, transactionID, func(a *account) (err error) {
		if err := a.mayRefund(ctx); err != nil {
			return err
		}
		refund, err = a.openRefund(ctx)
		if !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		if err := a.freeze(ctx); err != nil {
			return err
		}
		refund, err = a.openRefund(ctx)
		return err
	})
	if err != nil {
		return payment.Refund{}, err
	}
	return refund, nil
}

// mayRefund is the fence before money: only a payment that is being undone, and
// whose goods are stopped, unless a person said what is to become of them.
func (a *account) mayRefund(ctx context.Context) error {
	if a.stage != payment.Compensating {
		return payment.Failf(payment.Conflict, "not_to_refund", "a payment that is %s is not refunded", a.stage)
	}
	shipment, err := a.shipment(ctx)
	if err == nil && a.goods == payment.GoodsStop && shipment.ToCancel() {
		return payment.Failf(payment.Internal, "may_still_ship", "its shipment is %s, so no money goes back", shipment)
	}
	return err
}

func (a *account) openRefund(ctx context.Context) (r payment.Refund, err error) {
	var askedAt *time.Time
	err = a.tx.QueryRow(ctx, openRefundSQL, pgx.NamedArgs{"transaction_id": a.id()}).Scan(
		&r.OutRefundNo, &r.TransactionID, &r.AmountFen, &r.TotalFen, &r.State, &askedAt, &r.ReadyAt, &r.Reason)
	r.AskedAt = orZero(askedAt)
	return r, err
}

func (a *account) freeze(ctx context.Context) error {
	leftFen, n, err := a.left(ctx)
	switch {
	case err != nil:
		return err
	case leftFen <= 0 && a.refundedFen < a.paid.AmountFen:
		return payment.Failf(payment.Busy, "refunds_pending", "another refund of this payment has not ended")
	case leftFen <= 0:
		return payment.Failf(payment.Conflict, "nothing_left", "all of it went back")
	}
	_, err = a.tx.Exec(ctx, freezeSQL, pgx.NamedArgs{
		"transaction_id": a.id(), "out_refund_no": payment.RefundNumber(a.id(), n),
		"amount_fen": leftFen, "total_fen": a.paid.AmountFen,
		"reason": forThePayer(a.undoCause), "spacing": a.store.settings.Terms.RefundSpacing,
	})
	return err
}

func (a *account) left(ctx context.Context) (leftFen int64, n int, err error) {
	err = a.tx.QueryRow(ctx, standingRefundsSQL, pgx.NamedArgs{
		"transaction_id": a.id(), "amount_fen": a.paid.AmountFen,
	}).Scan(&leftFen, &n)
	return leftFen, n, err
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
// the payment since its number was taken.
func (s *Store) RefundAsked(ctx context.Context, outRefundNo string) error {
	_, err := s.changeRefund(ctx, outRefundNo, func(a *account) error {
		if err := a.mayRefund(ctx); err != nil {
			return payment.Fail(payment.Busy, payment.CodeOf(err), "the refund may not be sent now", err)
		}
		_, err := a.tx.Exec(ctx, refundAskedSQL, pgx.NamedArgs{"out_refund_no": outRefundNo})
		return err
	})
	return err
}

const paymentOfRefundSQL = `select transaction_id from refunds where out_refund_no = @out_refund_no`

// changeRefund is change for who knows a refund's number only. NotFound if the
// number is not ours.
func (s *Store) changeRefund(ctx context.Context, outRefundNo string, do func(*account) error) (payment.Books, error) {
	var transactionID string
	err := s.pool.QueryRow(ctx, paymentOfRefundSQL, pgx.NamedArgs{"out_refund_no": outRefundNo}).Scan(&transactionID)
	if err != nil {
		return payment.Books{}, fault(err)
	}
	return s.change(ctx, transactionID, do)
}
