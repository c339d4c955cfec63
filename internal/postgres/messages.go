package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

// The events a shop is told.
const (
	orderShipped    = "order.shipped"    // after the pivot
	orderRefunded   = "order.refunded"   // by the payment that had paid the order
	paymentRefunded = "payment.refunded" // by any other payment, with a reason
)

// message is a webhook's body (design section 7).
type message struct {
	Type      string      `json:"type"`
	Timestamp time.Time   `json:"timestamp"`
	Data      messageData `json:"data"`
}

type messageData struct {
	OutTradeNo    string `json:"out_trade_no"`
	TransactionID string `json:"transaction_id"`
	AmountFen     int64  `json:"amount_fen"` // what was paid; a full refund gives back the same
	ShipmentID    string `json:"shipment_id,omitempty"`
	Carrier       string `json:"carrier,omitempty"`
	TrackingNo    string `json:"tracking_no,omitempty"`
	Reason        string `json:"reason,omitempty"`
}

const factsSQL = `
select shipment_id, carrier, tracking_no from shipments where transaction_id = @transaction_id`

// The id says event and payment, so that an event is told once however often
// its cause is written.
const tellSQL = `
insert into webhooks (id, transaction_id, event, payload)
values (@event::text || '-' || @transaction_id::text, @transaction_id, @event, @payload)
on conflict (id) do nothing`

// tell notes an event that the shop is to be told, in the transaction of its cause.
func (a *account) tell(ctx context.Context, event string) error {
	data := messageData{OutTradeNo: a.paid.OutTradeNo, TransactionID: a.id(), AmountFen: a.paid.AmountFen}
	switch event {
	case orderShipped:
		err := a.tx.QueryRow(ctx, factsSQL, pgx.NamedArgs{"transaction_id": a.id()}).
			Scan(&data.ShipmentID, &data.Carrier, &data.TrackingNo)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) { // shipped by hand, a person says
			return err
		}
	case paymentRefunded:
		data.Reason = a.refundedBecause()
	}
	payload, err := json.Marshal(message{Type: event, Timestamp: time.Now().UTC(), Data: data})
	if err != nil {
		return err
	}
	_, err = a.tx.Exec(ctx, tellSQL, pgx.NamedArgs{"event": event, "transaction_id": a.id(), "payload": payload})
	return err
}

// refundedBecause is the undo cause in words for the shop, to whom the id of a
// person's request says nothing.
func (a *account) refundedBecause() string {
	switch a.undoCause {
	case secondPayment, latePayment, shopRefused, string(payment.CaseShipUnknown):
		return a.undoCause
	}
	return "requested"
}

const nextMessageSQL = `
select id, payload from webhooks where transaction_id = @transaction_id and state = 'pending'
 order by created_at, id limit 1`

// NextMessage is the oldest event the shop has not been told; false if none.
func (s *Store) NextMessage(ctx context.Context, transactionID string) (activities.Message, bool, error) {
	var next activities.Message
	err := s.pool.QueryRow(ctx, nextMessageSQL, pgx.NamedArgs{"transaction_id": transactionID}).Scan(&next.ID, &next.Payload)
	if errors.Is(err, pgx.ErrNoRows) {
		return activities.Message{}, false, nil
	}
	return next, err == nil, fault(err)
}

const messageOfSQL = `select transaction_id from webhooks where id = @id`

const toldSQL = `
update webhooks
   set state = @how, attempts = attempts + @attempts,
       delivered_at = case when @how = 'delivered' then now() end,
       last_error = case when @how = 'delivered' then '' else last_error end
 where id = @id and state = 'pending'`

// Told ends a message, and with the last one a shipped payment's saga. Giving up
// opens a case; taken later after all, the message closes it.
func (s *Store) Told(ctx context.Context, messageID string, how activities.Telling) (payment.Books, error) {
	var transactionID string
	err := s.pool.QueryRow(ctx, messageOfSQL, pgx.NamedArgs{"id": messageID}).Scan(&transactionID)
	if err != nil {
		return payment.Books{}, fault(err)
	}
	return s.change(ctx, transactionID, func(a *account) error {
		tried := 1
		if how == activities.GaveUp {
			tried = 0
		}
		tag, err := a.tx.Exec(ctx, toldSQL, pgx.NamedArgs{"id": messageID, "how": how, "attempts": tried})
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 1 {
			if err := a.heard(ctx, messageID, how); err != nil {
				return err
			}
		}
		return a.complete(ctx)
	})
}

func (a *account) heard(ctx context.Context, messageID string, how activities.Telling) error {
	var err error
	switch how {
	case activities.Taken:
		err = errors.Join(a.step(ctx, "notify", "done"),
			closeCase(ctx, a.tx, messageID, "the shop took it", payment.CaseNotifyFailed))
	case activities.Stopped:
		err = a.step(ctx, "notify", "refused")
	case activities.GaveUp:
		err = errors.Join(a.stepBecame(ctx, "notify", "gave_up"),
			a.openCase(ctx, payment.CaseNotifyFailed, messageID, "the shop did not take "+messageID))
	}
	if err != nil {
		return err
	}
	return a.note(ctx, "told the shop "+messageID+": "+string(how))
}

// Complete moves a shipped payment with nobody left to tell to completed.
func (s *Store) Complete(ctx context.Context, transactionID string) (payment.Books, error) {
	return s.change(ctx, transactionID, func(a *account) error { return a.complete(ctx) })
}

const pendingSQL = `
select exists (select from webhooks where transaction_id = @transaction_id and state = 'pending')`

func (a *account) complete(ctx context.Context) error {
	if a.stage != payment.Shipped {
		return nil
	}
	var pending bool
	err := a.tx.QueryRow(ctx, pendingSQL, pgx.NamedArgs{"transaction_id": a.id()}).Scan(&pending)
	if err != nil || pending {
		return err
	}
	return a.move(ctx, payment.Completed, "nobody is left to tell")
}
