package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/paysaga/paysaga/internal/payment"
)

// The events a shop is told.
const (
	orderShipped    = "order.shipped"    // after the pivot
	orderRefunded   = "order.refunded"   // by the payment that had paid the order
	paymentRefunded = "payment.refunded" // by any other payment, with a reason
)

// message is a webhook's body.
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
	if err != nil || event != orderShipped {
		return err
	}
	return a.tellPayer(ctx, payload)
}

// The payer is known, and can be told, where the order came from the mini-program.
const tellPayerSQL = `
insert into webhooks (id, transaction_id, event, whom, payload)
select @event::text || '-' || @transaction_id::text || '-' || w, @transaction_id, @event, w, @payload
  from orders, unnest(@payer_told::text[]) as w
 where out_trade_no = @out_trade_no and appid = @mini_appid and openid <> ''
on conflict (id) do nothing`

// tellPayer notes what the mini-program tells its payer, and WeChat, of a shipment.
func (a *account) tellPayer(ctx context.Context, payload []byte) error {
	mini := a.store.settings.Mini
	_, err := a.tx.Exec(ctx, tellPayerSQL, pgx.NamedArgs{
		"event": orderShipped, "transaction_id": a.id(), "out_trade_no": a.paid.OutTradeNo,
		"payload": payload, "mini_appid": mini.AppID, "payer_told": mini.Tells,
	})
	return err
}

const hushSQL = `
update webhooks set state = 'stopped', last_error = 'the payment is being undone'
 where transaction_id = @transaction_id and whom <> 'shop' and state = 'pending'`

// hush keeps a payer from being told that a parcel is on its way once the payment
// is being undone. The shop hears of both, in their order.
func (a *account) hush(ctx context.Context) error {
	_, err := a.tx.Exec(ctx, hushSQL, pgx.NamedArgs{"transaction_id": a.id()})
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
