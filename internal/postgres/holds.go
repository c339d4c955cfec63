package postgres

import (
	"cmp"
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

// Hold stops the saga for a person. It does nothing where the books moved on and
// its reason no longer holds: the caller reads that in the books it gets back.
func (s *Store) Hold(ctx context.Context, stop activities.Stop) (payment.Books, error) {
	return s.change(ctx, stop.TransactionID, func(a *account) error {
		stale, err := a.stale(ctx, stop.Hold.Reason)
		if err != nil || stale {
			return err
		}
		return a.stop(ctx, stop.Hold, stop.Detail)
	})
}

// heldFrom names the one stage in which a reason to hold can be true; what is
// not here can be true in any.
var heldFrom = map[payment.CaseKind]payment.Stage{
	payment.CaseUnknownOrder:  payment.Received,
	payment.CaseNotPaid:       payment.Received,
	payment.CaseShipUnknown:   payment.Paid,
	payment.CaseCancelRefused: payment.Compensating,
	payment.CaseCancelUnknown: payment.Compensating,
	payment.CaseRefundRefused: payment.Compensating,
	payment.CaseRefundClosed:  payment.Compensating,
}

// stale tells whether a late answer, or a person, was faster than this hold.
func (a *account) stale(ctx context.Context, reason payment.CaseKind) (bool, error) {
	if from, ok := heldFrom[reason]; ok && a.stage != from {
		return true, nil
	}
	shipment, err := a.shipment(ctx)
	switch reason {
	case payment.CaseShipUnknown:
		return shipment == payment.ShipAccepted, err
	case payment.CaseCancelRefused, payment.CaseCancelUnknown:
		return !shipment.ToCancel(), err
	}
	return false, err
}

const rehungSQL = `
update payments set hold_reason = @hold_reason, hold_until = @hold_until, updated_at = now()
 where transaction_id = @transaction_id and stage = 'holding'`

// stop holds the payment, opens the case that says why, and ends a running
// request as refused, so that a person may ask again. Where a person is awaited
// already, a new reason takes the old one's place; the direction stays, because
// it says where the saga was going when it still went.
func (a *account) stop(ctx context.Context, hold payment.Hold, detail string) error {
	why := "held: " + string(hold.Reason)
	switch {
	case a.stage.Final(), a.stage == payment.Quarantined:
		return nil
	case a.stage == payment.Holding && a.hold.Reason == hold.Reason:
		return nil
	case a.stage == payment.Holding:
		if err := closeCase(ctx, a.tx, a.id(), why, a.hold.Reason); err != nil {
			return err
		}
		_, err := a.tx.Exec(ctx, rehungSQL, pgx.NamedArgs{
			"transaction_id": a.id(), "hold_reason": hold.Reason, "hold_until": orNull(hold.Until),
		})
		if err != nil {
			return err
		}
		if err := a.note(ctx, why); err != nil {
			return err
		}
	default:
		hold.Direction = cmp.Or(hold.Direction, a.direction())
		a.hold = hold
		if err := a.move(ctx, payment.Holding, why); err != nil {
			return err
		}
	}
	if err := a.dropUnsent(ctx, why); err != nil {
		return err
	}
	if err := a.endRunning(ctx, payment.RequestRefused, why); err != nil {
		return err
	}
	return a.openCase(ctx, hold.Reason, "", oneLine(detail, 500))
}

func (a *account) direction() payment.Direction {
	if a.stage == payment.Compensating {
		return payment.Backward
	}
	return payment.Forward
}

// deadlineSlack forgives a database whose clock is behind Temporal's, whose
// timer says that the deadline has come.
const deadlineSlack = time.Second

const expiredSQL = `
select coalesce(hold_until <= clock_timestamp() + @slack::interval, false)
  from payments where transaction_id = @transaction_id`

// EndHold compensates a payment whose hold has run out; any other is only read.
func (s *Store) EndHold(ctx context.Context, transactionID string) (payment.Books, error) {
	return s.change(ctx, transactionID, func(a *account) error {
		if a.stage != payment.Holding {
			return nil
		}
		var expired bool
		err := a.tx.QueryRow(ctx, expiredSQL, pgx.NamedArgs{"transaction_id": a.id(), "slack": deadlineSlack}).Scan(&expired)
		if err != nil || !expired {
			return err
		}
		reason := a.hold.Reason
		return a.undo(ctx, string(reason), payment.GoodsStop, "nobody came in time for "+string(reason))
	})
}

// release lets a held payment go on the way it was going: back to compensating,
// or forward to as far as it had come.
func (a *account) release(ctx context.Context, why string) error {
	if a.hold.Direction == payment.Backward {
		return a.move(ctx, payment.Compensating, why)
	}
	accepted, err := a.accepted(ctx)
	if err != nil {
		return err
	}
	shipment, err := a.shipment(ctx)
	switch {
	case err != nil:
		return err
	case shipment == payment.ShipDispatched:
		return a.shipped(ctx, why)
	case shipment == payment.ShipRefused: // while it was held
		return a.undo(ctx, shopRefused, payment.GoodsStop, "the shop had refused; "+why)
	case accepted:
		return a.move(ctx, payment.Paid, why)
	}
	doubted := a.wechatSays != "" && a.wechatSays != success
	if err := a.move(ctx, payment.Received, why); err != nil {
		return err
	}
	if doubted {
		return a.wechatSaid(ctx, askAgain)
	}
	return a.judge(ctx)
}

const acceptedSQL = `
select exists (select from orders where out_trade_no = @out_trade_no and paid_by = @transaction_id)`

// accepted tells whether this payment is the one that paid its order.
func (a *account) accepted(ctx context.Context) (yes bool, err error) {
	err = a.tx.QueryRow(ctx, acceptedSQL, pgx.NamedArgs{
		"transaction_id": a.id(), "out_trade_no": a.paid.OutTradeNo,
	}).Scan(&yes)
	return yes, err
}
