package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

// RefuseRequest ends a request that its evidence did not bear out. The refunds that
// were named and that WeChat has are written down all the same: that is how the
// books hear of one that somebody made in its console.
func (s *Store) RefuseRequest(ctx context.Context, requestID, detail string, named ...activities.RefundWord) (payment.Books, error) {
	return s.changeRequest(ctx, requestID, func(a *account, request payment.Request) error {
		if err := a.endRequest(ctx, request.ID, payment.RequestRefused, oneLine(detail, 300)); err != nil {
			return err
		}
		for _, word := range named {
			if clear(word) != nil {
				continue
			}
			if err := a.hear(ctx, word); err != nil {
				return err
			}
		}
		return nil
	})
}

// Resolved closes a payment that waits for a person, by that person's word: what
// WeChat said of its refunds is written down, the order goes the way the word
// says, the shop is told, and the request is done. A payment that has moved on
// meanwhile, and one whose money the word does not fit, is left alone, and the
// request refused.
func (s *Store) Resolved(ctx context.Context, requestID string, proof activities.Proof) (payment.Books, error) {
	return s.changeRequest(ctx, requestID, func(a *account, request payment.Request) error {
		if request.Kind != payment.Resolve || !a.stage.Waiting() {
			return a.endRequest(ctx, request.ID, payment.RequestRefused, "the payment is "+string(a.stage)+" now")
		}
		if err := a.settle(ctx, proof); err != nil {
			return err
		}
		doubt, err := a.doubtful(ctx, request.Outcome, proof)
		if err != nil {
			return err
		}
		if doubt != "" {
			return a.endRequest(ctx, request.ID, payment.RequestRefused, doubt)
		}
		if err := a.move(ctx, payment.Resolved, "resolved as "+proof.Detail+": "+request.Reason); err != nil {
			return err
		}
		if err := a.resolvedAs(ctx, request.Outcome, proof); err != nil {
			return err
		}
		return a.endRequest(ctx, request.ID, payment.RequestDone, proof.Detail)
	})
}

// stillOnItsWay is how long after we asked for a refund WeChat's "no such refund"
// proves nothing: the call itself may not have arrived.
const stillOnItsWay = time.Minute

// settle writes down what WeChat said of the payment's refunds, and gives up one
// of ours that WeChat does not have.
func (a *account) settle(ctx context.Context, proof activities.Proof) error {
	for _, word := range proof.Refunds {
		if err := a.settleOne(ctx, word); err != nil {
			return err
		}
	}
	open, err := a.openRefund(ctx)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil
	case err == nil && (open.AskedAt.IsZero() || open.OutRefundNo == proof.NoSuchRefund && time.Since(open.AskedAt) > stillOnItsWay):
		return a.withdraw(ctx, open, "a person closes the payment")
	}
	return err
}

// settleOne writes one refund down without asking for anything: the request under
// way says what becomes of the payment.
func (a *account) settleOne(ctx context.Context, word activities.RefundWord) error {
	refund, err := a.told(ctx, word.OutRefundNo)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return a.writeForeign(ctx, word)
	case err != nil || later[word.State] <= later[refund.was] || word.AmountFen != refund.frozenFen:
		return err
	}
	if err := a.record(ctx, word); err != nil || !word.State.Final() {
		return err
	}
	state := payment.RequestRefused
	if word.State == payment.RefundSuccess {
		state = payment.RequestDone
	}
	return a.endPart(ctx, word.OutRefundNo, state, "WeChat says "+string(word.State))
}

// doubtful says what in the books does not fit the outcome; empty if all of it
// does.
func (a *account) doubtful(ctx context.Context, outcome payment.Stage, proof activities.Proof) (string, error) {
	open, err := a.openRefund(ctx)
	switch {
	case err == nil:
		return "WeChat may still make refund " + open.OutRefundNo, nil
	case !errors.Is(err, pgx.ErrNoRows):
		return "", err
	case outcome == payment.Shipped:
		return a.notShipped(ctx, proof.Shipment)
	case proof.NeverPaid && a.hold.Reason == payment.CaseNotPaid:
		return "", nil
	case a.refundedFen != a.paid.AmountFen:
		return "the refunds do not add up to what was paid", nil
	}
	shipment, err := a.shipment(ctx)
	if err == nil && a.mayStillShip(shipment) {
		return "stop the shipment first", nil
	}
	return "", err
}

const shippingSQL = `
select coalesce(max(shipment_id) filter (where transaction_id = @transaction_id), ''),
       count(*) filter (where transaction_id <> @transaction_id and state in ('requested', 'accepted', 'dispatched', 'cancelling')) > 0
  from shipments where out_trade_no = @out_trade_no`

// notShipped says why what the shop shows for the order was not shipped for this
// payment; empty if it may have been. The order's row is locked, so that nobody
// pays it meanwhile.
func (a *account) notShipped(ctx context.Context, shown activities.Dispatch) (string, error) {
	order, known, err := a.lockOrder(ctx)
	if err != nil {
		return "", err
	}
	var own string
	var others bool
	err = a.tx.QueryRow(ctx, shippingSQL, pgx.NamedArgs{"transaction_id": a.id(), "out_trade_no": a.paid.OutTradeNo}).Scan(&own, &others)
	switch {
	case err != nil:
		return "", err
	case a.refundedFen == a.paid.AmountFen:
		return "all of the money went back", nil
	case others, known && order.paidBy != "" && order.paidBy != a.id():
		return "another payment paid the order, and what ships is that one's", nil
	case own != "" && own != shown.ShipmentID:
		return "this payment's shipment is another", nil
	}
	return "", nil
}

func (a *account) resolvedAs(ctx context.Context, outcome payment.Stage, proof activities.Proof) error {
	switch {
	case outcome == payment.Shipped:
		return a.shippedByHand(ctx, proof.Shipment)
	case proof.NeverPaid:
		return nil // there was no money, and there is nothing to tell
	}
	return a.orderRefunded(ctx)
}

const shippedByHandSQL = `
insert into shipments (transaction_id, out_trade_no, ship_key, state, shipment_id, carrier, tracking_no)
select transaction_id, out_trade_no, 'ship-' || transaction_id, 'dispatched', @shipment_id, @carrier, @tracking_no
  from payments where transaction_id = @transaction_id
on conflict (transaction_id) do update
   set state = excluded.state, shipment_id = excluded.shipment_id,
       carrier = excluded.carrier, tracking_no = excluded.tracking_no, updated_at = now()`

// shippedByHand has the order shipped by this payment, whatever was wrong with it
// before: the shipment bars every other one of the order, and money that comes for
// it from now on is a second payment.
func (a *account) shippedByHand(ctx context.Context, shown activities.Dispatch) error {
	args := pgx.NamedArgs{
		"transaction_id": a.id(), "out_trade_no": a.paid.OutTradeNo,
		"shipment_id": shown.ShipmentID, "carrier": shown.Carrier, "tracking_no": shown.TrackingNo,
	}
	for _, sql := range []string{shippedByHandSQL, payOrderSQL} {
		if _, err := a.tx.Exec(ctx, sql, args); err != nil {
			return err
		}
	}
	tag, err := a.tx.Exec(ctx, shipOrderSQL, args)
	if err != nil || tag.RowsAffected() == 0 {
		return err
	}
	return a.tell(ctx, orderShipped)
}
