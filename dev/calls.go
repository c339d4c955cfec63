package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// order is what the api says of an order.
type order struct {
	OutTradeNo string `json:"out_trade_no"`
	State      string `json:"state"`
	AmountFen  int64  `json:"amount_fen"`
}

// payment is what the api says of a payment.
type payment struct {
	TransactionID string `json:"transaction_id"`
	Stage         string `json:"stage"`
	RefundedFen   int64  `json:"refunded_fen"`
}

// truth is what really happened, at the simulator.
type truth struct {
	Payments []struct {
		TransactionID string `json:"transaction_id"`
		AmountFen     int64  `json:"amount_fen"`
	} `json:"payments"`
	Refunds []struct {
		AmountFen int64  `json:"amount_fen"`
		State     string `json:"state"`
	} `json:"refunds"`
	Shipments []struct {
		Effects int `json:"effects"`
	} `json:"shipments"`
	Deliveries []struct {
		EventType string `json:"event_type"`
		Status    int    `json:"status"`
	} `json:"deliveries"`
}

// effects is how often goods were set in motion.
func (t truth) effects() int {
	n := 0
	for _, shipment := range t.Shipments {
		n += shipment.Effects
	}
	return n
}

// paidFen and refundedFen are sums at WeChat.
func (t truth) paidFen() int64 {
	var sum int64
	for _, payment := range t.Payments {
		sum += payment.AmountFen
	}
	return sum
}

func (t truth) refundedFen() int64 {
	var sum int64
	for _, refund := range t.Refunds {
		if refund.State == "SUCCESS" {
			sum += refund.AmountFen
		}
	}
	return sum
}

// took says whether a callback of that type was answered with 200.
func (t truth) took(event string) bool {
	for _, delivery := range t.Deliveries {
		if delivery.EventType == event && delivery.Status == http.StatusOK {
			return true
		}
	}
	return false
}

// call does one JSON call and reads the answer into out, if that is not nil. Any status but 2xx is an error with the body.
func call(ctx context.Context, token, method, url string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
		request.Header.Set("Idempotency-Key", rand.Text())
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return err
	}
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %s: %s", method, url, response.Status, bytes.TrimSpace(text))
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(text, out)
}

// merchant calls the api as the shop does, steer calls the simulator's control port.
func (w *world) merchant(ctx context.Context, method, path string, in, out any) error {
	return call(ctx, w.fleet.Tokens.Merchant, method, w.fleet.APIs[0].URL+path, in, out)
}

func (w *world) steer(ctx context.Context, method, path string, in, out any) error {
	return call(ctx, "", method, w.fleet.Simulator.AdminURL+path, in, out)
}

// payment asks the api as support does.
func (w *world) payment(ctx context.Context, id string) (payment, error) {
	var p payment
	return p, call(ctx, w.fleet.Tokens.Support, http.MethodGet, w.fleet.APIs[0].URL+"/v1/payments/"+id, nil, &p)
}

func (w *world) order(ctx context.Context, number string) (order, error) {
	var o order
	return o, w.merchant(ctx, http.MethodGet, "/v1/orders/"+number, nil, &o)
}

func (w *world) truth(ctx context.Context, number string) (truth, error) {
	var t truth
	return t, w.steer(ctx, http.MethodGet, "/truth/"+number, nil, &t)
}

// eventually asks every 100 ms until the answer is yes; after 90 s it gives up and says what it waited for.
func eventually(ctx context.Context, what string, yes func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, 90*time.Second)
	defer cancel()
	for {
		ok, err := yes(ctx)
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			if err == nil {
				err = ctx.Err()
			}
			return fmt.Errorf("waited in vain for %s: %w", what, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}
