package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

const intentSQL = `
insert into shipments (transaction_id, out_trade_no, ship_key, state)
select transaction_id, out_trade_no, 'ship-' || transaction_id, @state::text
  from payments where transaction_id = @transaction_id
on conflict (transaction_id) do nothing`

const parcelSQL = `
select s.ship_key, p.out_trade_no, p.transaction_id, p.amount_fen, p.currency, coalesce(o.shipping, '{}'),
       s.state, s.shipment_id, s.forgotten_at
  from shipments s
  join payments p using (transaction_id)
  left join orders o on o.out_trade_no = p.out_trade_no
 where s.transaction_id = @transaction_id`

// ClaimShip writes the intent to ship, or finds it. Only a paid payment that has
// paid its order ships; anything else, and a shipment the shop has answered
// already, is a Conflict.
func (s *Store) ClaimShip(ctx context.Context, transactionID string) (activities.Parcel, error) {
	var parcel activities.Parcel
	_, err := s.change(ctx, transactionID, func(a *account) error {
		accepted, err := a.accepted(ctx)
		if err != nil {
			return err
		}
		if a.stage != payment.Paid || !accepted {
			return payment.Failf(payment.Conflict, "not_to_ship", "a payment that is %s is not shipped", a.stage)
		}
		if err := a.unheardRefund(ctx); err != nil {
			return err
		}
		parcel, err = a.parcel(ctx, payment.ShipRequested)
		if err != nil {
			return err
		}
		if parcel.State != payment.ShipRequested {
			return payment.Failf(payment.Conflict, "not_to_ship", "its shipment is %s", parcel.State)
		}
		return nil
	})
	if payment.CodeOf(err) == "one_shipment_per_order" {
		// Not a Conflict: nothing the saga could read in its books ends this.
		err = payment.Fail(payment.Internal, "order_ships_already", "another payment's shipment of this order is on its way", err)
	}
	return parcel, err
}

// unheardRefund keeps a shipment that nobody has asked for back while the saga
// still asks WeChat what a refund it told us of is about.
func (a *account) unheardRefund(ctx context.Context) error {
	shipment, err := a.shipment(ctx)
	if err != nil || shipment != payment.ShipNone {
		return err
	}
	waiting, err := a.refundNewsWaits(ctx)
	if err == nil && waiting {
		err = payment.Failf(payment.Busy, "refund_unheard", "WeChat told of a refund that is not in the books yet")
	}
	return err
}

// parcel is the payment's shipment, begun in a state if there was none.
func (a *account) parcel(ctx context.Context, state payment.Shipment) (p activities.Parcel, err error) {
	args := pgx.NamedArgs{"transaction_id": a.id(), "state": state}
	if _, err = a.tx.Exec(ctx, intentSQL, args); err != nil {
		return p, err
	}
	var forgottenAt *time.Time
	err = a.tx.QueryRow(ctx, parcelSQL, args).Scan(
		&p.Key, &p.OutTradeNo, &p.TransactionID, &p.AmountFen, &p.Currency, &p.Shipping, &p.State, &p.ShipmentID, &forgottenAt)
	p.ForgottenAt = orZero(forgottenAt)
	return p, err
}

const shipmentSQL = `select state from shipments where transaction_id = @transaction_id`

// shipment is the state of the payment's shipment; ShipNone if it has none.
func (a *account) shipment(ctx context.Context) (state payment.Shipment, err error) {
	err = a.tx.QueryRow(ctx, shipmentSQL, pgx.NamedArgs{"transaction_id": a.id()}).Scan(&state)
	if errors.Is(err, pgx.ErrNoRows) {
		return payment.ShipNone, nil
	}
	return state, err
}

// The facts are kept whatever came in between. A tombstone stays one until the
// shop has said what became of it, and what is dispatched stays so: stragglers
// tell old news. That the shop dispatched what it had cancelled is no old news.
const dispatchedSQL = `
update shipments
   set state = case when state in ('dispatched', 'cancelling') or (state = 'cancelled' and @state <> 'dispatched')
                    then state else @state end,
       shipment_id = coalesce(nullif(@shipment_id, ''), shipment_id),
       carrier     = coalesce(nullif(@carrier, ''), carrier),
       tracking_no = coalesce(nullif(@tracking_no, ''), tracking_no),
       updated_at  = now()
 where transaction_id = @transaction_id`

// Dispatched writes the shop's yes down: accepted to be dispatched later, or
// dispatched, which is the pivot of a payment that still goes forward, or waits
// for a person only because this answer was missing.
func (s *Store) Dispatched(ctx context.Context, transactionID string, word activities.Dispatch) (payment.Books, error) {
	if word.State != payment.ShipAccepted && word.State != payment.ShipDispatched {
		return payment.Books{}, payment.Failf(payment.Unknown, "shop_unclear", "the shop's answer says neither accepted nor dispatched")
	}
	return s.change(ctx, transactionID, func(a *account) error {
		before, err := a.shipment(ctx)
		if err != nil {
			return err
		}
		tag, err := a.tx.Exec(ctx, dispatchedSQL, pgx.NamedArgs{
			"transaction_id": a.id(), "state": word.State,
			"shipment_id": word.ShipmentID, "carrier": word.Carrier, "tracking_no": word.TrackingNo,
		})
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return payment.Failf(payment.NotFound, "no_shipment", "nobody asked the shop to ship this payment")
		}
		now, err := a.shipment(ctx)
		switch {
		case err != nil || now == before:
			return err
		case before == payment.ShipCancelled, a.stage == payment.Refunded, a.stage == payment.Resolved:
			return a.dispatchedAnyway(ctx)
		}
		return a.answeredYes(ctx, now)
	})
}

// dispatchedAnyway is told of goods that left although the money goes back, or
// went. As long as WeChat was not asked for it, the money stays until a person
// has looked.
func (a *account) dispatchedAnyway(ctx context.Context) error {
	const why = "the shop dispatched it, although the money goes back"
	open, err := a.openRefund(ctx)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	asked := !open.AskedAt.IsZero() && !open.Part
	if a.stage == payment.Compensating && !asked && a.refundedFen < a.paid.AmountFen {
		return a.stop(ctx, payment.Hold{Reason: payment.CaseCancelRefused, Direction: payment.Backward}, why)
	}
	return a.openCase(ctx, payment.CaseDispatchedAnyway, "", why)
}

func (a *account) answeredYes(ctx context.Context, now payment.Shipment) error {
	goesOn := a.stage == payment.Paid || (a.stage == payment.Holding && a.hold.Reason == payment.CaseShipUnknown)
	switch {
	case !goesOn:
		return a.note(ctx, "the shop has "+string(now)+" the shipment, too late to ship for this payment")
	case now == payment.ShipDispatched:
		if err := a.step(ctx, "ship", "done"); err != nil {
			return err
		}
		return a.shipped(ctx, "the shop dispatched")
	case a.stage == payment.Holding:
		if err := a.move(ctx, payment.Paid, "the shop accepted the shipment"); err != nil {
			return err
		}
	}
	if err := a.step(ctx, "ship", "running"); err != nil {
		return err
	}
	return a.note(ctx, "the shop accepted the shipment, and dispatches later")
}

const shipOrderSQL = `
update orders set state = 'shipped' where paid_by = @transaction_id and state = 'paid'`

// shipped is the pivot: payment, order and the event to tell, together.
func (a *account) shipped(ctx context.Context, why string) error {
	if err := a.move(ctx, payment.Shipped, why); err != nil {
		return err
	}
	if _, err := a.tx.Exec(ctx, shipOrderSQL, pgx.NamedArgs{"transaction_id": a.id()}); err != nil {
		return err
	}
	if err := closeCase(ctx, a.tx, a.id(), why, payment.CaseDispatchOverdue); err != nil {
		return err
	}
	return a.tell(ctx, orderShipped)
}

const shipmentMovesSQL = `
update shipments set state = @state, updated_at = now()
 where transaction_id = @transaction_id and state = any(@from)`

// shipmentMoves takes the shipment from one of some states to another, and tells
// whether it did.
func (a *account) shipmentMoves(ctx context.Context, to payment.Shipment, from ...payment.Shipment) (bool, error) {
	tag, err := a.tx.Exec(ctx, shipmentMovesSQL, pgx.NamedArgs{"transaction_id": a.id(), "state": to, "from": from})
	return tag.RowsAffected() == 1, err
}

// ShipRefused writes the shop's no down and turns the payment round. A no after
// a yes is a straggler's, and changes nothing.
func (s *Store) ShipRefused(ctx context.Context, transactionID, why string) (payment.Books, error) {
	return s.change(ctx, transactionID, func(a *account) error {
		return a.willNotShip(ctx, payment.ShipRequested, "the shop refuses: "+oneLine(why, 300))
	})
}

// CalledOff writes down that the shop cancelled what it had accepted, and turns
// the payment round. Before its yes, what it shows as cancelled is not this.
func (s *Store) CalledOff(ctx context.Context, transactionID string) (payment.Books, error) {
	return s.change(ctx, transactionID, func(a *account) error {
		return a.willNotShip(ctx, payment.ShipAccepted, "the shop cancelled what it had accepted")
	})
}

func (a *account) willNotShip(ctx context.Context, was payment.Shipment, why string) error {
	refused, err := a.shipmentMoves(ctx, payment.ShipRefused, was)
	if err != nil || !refused {
		return err
	}
	if err := a.step(ctx, "ship", "refused"); err != nil {
		return err
	}
	if a.stage == payment.Paid || (a.stage == payment.Holding && a.hold.Reason == payment.CaseShipUnknown) {
		return a.undo(ctx, shopRefused, payment.GoodsStop, why)
	}
	return a.note(ctx, why)
}
