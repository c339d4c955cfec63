package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/paysaga/paysaga/internal/payment"
)

// A refund of part of a payment has its number and amount from the moment it was
// asked for, in the request's own row. Its refund row is written when the saga
// begins it, and from then on the refund, not the saga, ends the request.

// beginPart writes the refund that a request froze, for WeChat to be asked.
func (a *account) beginPart(ctx context.Context, request payment.Request) error {
	err := a.write(ctx, payment.Refund{
		OutRefundNo: request.OutRefundNo, AmountFen: request.AmountFen, Reason: forThePayer(request.ID),
	})
	if err != nil {
		return err
	}
	return a.endRequest(ctx, request.ID, payment.Running, "")
}

// noPart says why a part that was asked for may not go back any more; empty if
// it may.
func (a *account) noPart(ctx context.Context, request payment.Request) (string, error) {
	purse, err := a.purse(ctx)
	if err != nil {
		return "", err
	}
	_, err = a.openRefund(ctx)
	switch {
	case err == nil:
		return "another refund of this payment is on its way", nil
	case !errors.Is(err, pgx.ErrNoRows):
		return "", err
	case request.AmountFen > purse.leftFen:
		return "more than is left to refund now", nil
	}
	return purse.barred(), nil
}

const withdrawSQL = `
update refunds set state = 'withdrawn', finished_at = now() where out_refund_no = @out_refund_no and state = 'requested'`

// withdraw gives up a refund that WeChat does not have, and ends the request for
// it as refused.
func (a *account) withdraw(ctx context.Context, r payment.Refund, why string) error {
	if _, err := a.tx.Exec(ctx, withdrawSQL, pgx.NamedArgs{"out_refund_no": r.OutRefundNo}); err != nil {
		return err
	}
	if err := a.note(ctx, "refund "+r.OutRefundNo+" is not made: "+why); err != nil {
		return err
	}
	return a.endPart(ctx, r.OutRefundNo, payment.RequestRefused, why)
}

// dropUnsent gives up a part that WeChat was never asked for, because the payment
// turns another way.
func (a *account) dropUnsent(ctx context.Context, why string) error {
	open, err := a.openRefund(ctx)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && (!open.Part || !open.AskedAt.IsZero()) {
		return nil
	}
	if err != nil {
		return err
	}
	return a.withdraw(ctx, open, why)
}

const endPartSQL = `
update requests set state = @state, detail = @detail, updated_at = now()
 where out_refund_no = @out_refund_no and state in ('queued', 'running')`

// endPart ends the request that asked for a part, if one did.
func (a *account) endPart(ctx context.Context, outRefundNo string, state payment.RequestState, detail string) error {
	tag, err := a.tx.Exec(ctx, endPartSQL, pgx.NamedArgs{
		"out_refund_no": outRefundNo, "state": state, "detail": oneLine(detail, 300),
	})
	if err != nil || tag.RowsAffected() == 0 {
		return err
	}
	return a.note(ctx, "request "+string(state)+": "+oneLine(detail, 300))
}

// addsUp turns a payment round whose refunds have come to all that was paid, so
// that it ends as refunded. Goods that have left are the payer's to keep; what
// may still be stopped is stopped first.
func (a *account) addsUp(ctx context.Context, cause string) error {
	if a.refundedFen != a.paid.AmountFen {
		return nil
	}
	const why = "its refunds add up to all that was paid"
	switch a.stage {
	case payment.Paid:
		return a.undo(ctx, cause, payment.GoodsStop, why)
	case payment.Shipped, payment.Completed:
		return a.undo(ctx, cause, payment.GoodsKept, why)
	}
	return nil
}

const unseenNoSQL = `
select exists (select from requests
                where transaction_id = @transaction_id and approver <> '' and state in ('running', 'done')
                  and coalesce(decided_at, created_at) >= coalesce((
                      select max(finished_at) from refunds where transaction_id = @transaction_id and not is_foreign), '-infinity'))`

// unseenNo tells whether going on would take a new number after WeChat's no, and
// no approver has seen that no.
func (a *account) unseenNo(ctx context.Context) (bool, error) {
	wants, err := a.wantsNewNumber(ctx)
	if err != nil || !wants {
		return false, err
	}
	var seen bool
	err = a.tx.QueryRow(ctx, unseenNoSQL, pgx.NamedArgs{"transaction_id": a.id()}).Scan(&seen)
	return !seen, err
}
