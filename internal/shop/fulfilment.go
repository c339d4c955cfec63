package shop

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

type shipBody struct {
	OutTradeNo    string          `json:"out_trade_no"`
	TransactionID string          `json:"transaction_id"`
	AmountFen     int64           `json:"amount_fen"`
	Currency      string          `json:"currency"`
	Shipping      json.RawMessage `json:"shipping,omitempty"`
}

// Ship asks the shop to ship. Idempotent by p.Key: the shop answers a key it has
// seen as it did the first time.
//
// Kinds: Refused for 409 and 422, with the shop's own words: it will never ship
// this. Unknown for everything else, a success that names no shipment included.
func (c *Client) Ship(ctx context.Context, p activities.Parcel) (activities.Dispatch, error) {
	body, err := json.Marshal(shipBody{p.OutTradeNo, p.TransactionID, p.AmountFen, p.Currency, p.Shipping})
	if err != nil {
		return activities.Dispatch{}, payment.Fail(payment.Internal, "shipping_unreadable", "the order's shipping is not JSON", nil)
	}
	a, err := c.fulfilment.send(ctx, call{
		what: "ship", method: http.MethodPost, path: "/shipments", id: p.Key, key: p.Key, body: body,
	})
	if err != nil {
		return activities.Dispatch{}, err
	}
	switch a.status {
	case http.StatusOK, http.StatusCreated:
		return a.dispatch(payment.ShipDispatched)
	case http.StatusAccepted:
		return a.dispatch(payment.ShipAccepted)
	case http.StatusConflict, http.StatusUnprocessableEntity:
		return activities.Dispatch{}, a.refusal()
	}
	return activities.Dispatch{}, a.unclear()
}

// Find asks what became of an order's shipment. NotFound for 404, Unknown for
// everything but a state of the contract.
func (c *Client) Find(ctx context.Context, outTradeNo string) (activities.Dispatch, error) {
	a, err := c.fulfilment.send(ctx, call{
		what: "find", method: http.MethodGet, path: "/shipments/" + url.PathEscape(outTradeNo), id: "find-" + rand.Text(),
	})
	if err != nil {
		return activities.Dispatch{}, err
	}
	switch a.status {
	case http.StatusOK:
		return a.dispatch("")
	case http.StatusNotFound:
		return activities.Dispatch{}, a.notFound()
	}
	return activities.Dispatch{}, a.unclear()
}

// Cancel asks the shop never to ship p.Key, whether it has seen that key or not.
// Idempotent by key.
//
// Kinds: Refused for 409, already dispatched; NotFound for 404, from a shop that
// keeps no memory of keys; Unknown for everything else, a 202 included: "will be
// cancelled" is not cancelled.
func (c *Client) Cancel(ctx context.Context, p activities.Parcel) error {
	body, _ := json.Marshal(map[string]string{"transaction_id": p.TransactionID, "ship_key": p.Key}) // two strings cannot fail
	a, err := c.fulfilment.send(ctx, call{
		what: "cancel", method: http.MethodPost, path: "/shipments/" + url.PathEscape(p.OutTradeNo) + "/cancel",
		id: "cancel-" + p.TransactionID, body: body,
	})
	if err != nil {
		return err
	}
	switch a.status {
	case http.StatusOK, http.StatusNoContent:
		return nil
	case http.StatusConflict:
		return a.refusal()
	case http.StatusNotFound:
		return a.notFound()
	}
	return a.unclear()
}

// Tell posts one event. Idempotent by m.ID, which the shop drops repeats by.
//
// Kinds: Refused for 410, or where no webhook is configured: nobody wants to know,
// ever. Unknown for everything but a 2xx.
func (c *Client) Tell(ctx context.Context, m activities.Message) error {
	if c.webhook == nil {
		return payment.Failf(payment.Refused, "no_webhook", "no webhook is configured")
	}
	a, err := c.webhook.send(ctx, call{what: "webhook", method: http.MethodPost, id: m.ID, body: m.Payload})
	switch {
	case err != nil:
		return err
	case a.status >= 200 && a.status < 300:
		return nil
	case a.status == http.StatusGone:
		return payment.Failf(payment.Refused, "webhook_gone", "the shop answered 410: it wants no more of this")
	}
	return a.unclear()
}
