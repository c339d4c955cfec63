package simulator

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var shipBody = map[string]any{"out_trade_no": "order-1", "transaction_id": "T1", "amount_fen": 100, "currency": "CNY"}

func (w *world) ships(key string) (int, map[string]string) {
	w.t.Helper()
	return w.shop(http.MethodPost, "/shipments", key, shipBody)
}

func (w *world) cancels(key string) int {
	w.t.Helper()
	status, _ := w.shop(http.MethodPost, "/shipments/order-1/cancel", "c", map[string]any{"transaction_id": "T1", "ship_key": key})
	return status
}

func (w *world) effects() int {
	w.t.Helper()
	sum := 0
	for _, sh := range w.known("order-1").Shipments {
		sum += sh.Effects
	}
	return sum
}

func TestShippingTwiceShipsOnce(t *testing.T) {
	w := start(t)
	status, first := w.ships("ship-T1")
	if status != http.StatusCreated || first["shipment_id"] == "" || first["tracking_no"] == "" || first["carrier"] == "" {
		t.Fatalf("shipped: %d %v", status, first)
	}
	status, again := w.ships("ship-T1")
	if diff := cmp.Diff(first, again); status != http.StatusCreated || diff != "" {
		t.Errorf("the same key again: %d (-want +got):\n%s", status, diff)
	}
	want := []ShipmentTruth{{Key: "ship-T1", TransactionID: "T1", ShipmentID: first["shipment_id"], AmountFen: 100, Effects: 1, State: "dispatched", Requests: 2}}
	if diff := cmp.Diff(want, w.known("order-1").Shipments); diff != "" {
		t.Errorf("shipments (-want +got):\n%s", diff)
	}
	other := map[string]any{"out_trade_no": "order-1", "transaction_id": "T1", "amount_fen": 101}
	if status, _ := w.shop(http.MethodPost, "/shipments", "ship-T1", other); status != http.StatusUnprocessableEntity {
		t.Errorf("the same key with another body: %d", status)
	}
	if w.ships("ship-T2"); w.effects() != 2 {
		t.Errorf("another key made %d effects, want the simulator to count 2", w.effects())
	}
}

func TestShopMisbehavesAsPlanned(t *testing.T) {
	for name, tc := range map[string]struct {
		plan    Plan
		calls   []int // statuses of ship calls in turn; 0 is no answer
		status  string
		cancel  int
		effects int
	}{
		"ships":                            {Plan{}, []int{201, 201}, "dispatched", 409, 1},
		"refuses for good":                 {Plan{Shop: "refuse", ShopTimes: 1}, []int{409, 409}, "", 200, 0},
		"finds the request invalid":        {Plan{Shop: "invalid"}, []int{422, 422}, "", 200, 0},
		"takes it and dispatches later":    {Plan{Shop: "accept", ShopTimes: 1}, []int{202, 202}, "accepted", 200, 1},
		"dispatches but can still stop it": {Plan{Shop: "undispatched", ShopTimes: 1}, []int{201, 201}, "dispatched", 200, 1},
		"fails twice, then ships":          {Plan{Shop: "fail", ShopTimes: 2}, []int{500, 500, 201}, "dispatched", 409, 1},
		"ships and says it failed":         {Plan{Shop: "execute_then_fail", ShopTimes: 1}, []int{500, 201}, "dispatched", 409, 1},
		"cancels nothing, by plan":         {Plan{Shop: "accept", Cancel: "refuse"}, []int{202}, "accepted", 409, 1},
		"has no memory of cancels":         {Plan{Cancel: "forget"}, nil, "", 404, 0},
		"fails to cancel":                  {Plan{Cancel: "fail"}, nil, "", 500, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := start(t)
			w.steer("/orders/order-1/plan", tc.plan, nil)
			for i, want := range tc.calls {
				if got, _ := w.ships("ship-T1"); got != want {
					t.Errorf("ship call %d: %d, want %d", i+1, got, want)
				}
			}
			_, found := w.shop(http.MethodGet, "/shipments/order-1", "q", nil)
			if found["status"] != tc.status {
				t.Errorf("the shop says %v, want status %q", found, tc.status)
			}
			if got := w.cancels("ship-T1"); got != tc.cancel {
				t.Errorf("cancel: %d, want %d", got, tc.cancel)
			}
			if got := w.effects(); got != tc.effects {
				t.Errorf("%d effects, want %d", got, tc.effects)
			}
		})
	}
}

func TestCancelledKeyNeverShips(t *testing.T) {
	w := start(t)
	for range 2 {
		if got := w.cancels("ship-T1"); got != http.StatusOK {
			t.Fatalf("cancel of a key never seen: %d", got)
		}
	}
	if got, _ := w.ships("ship-T1"); got != http.StatusConflict {
		t.Errorf("the late ship call: %d", got)
	}
	if got := w.effects(); got != 0 {
		t.Errorf("%d effects", got)
	}
}

func TestAcceptedShipmentLeaves(t *testing.T) {
	w := start(t)
	w.steer("/orders/order-1/plan", Plan{Shop: "accept"}, nil)
	w.ships("ship-T1")
	w.steer("/orders/order-1/dispatch", nil, nil)
	_, found := w.shop(http.MethodGet, "/shipments/order-1", "q", nil)
	if found["status"] != "dispatched" || found["tracking_no"] == "" {
		t.Errorf("the shop says %v", found)
	}
	if got := w.cancels("ship-T1"); got != http.StatusConflict {
		t.Errorf("cancel after it left: %d", got)
	}
	if status, _ := w.try(http.MethodPost, "/orders/order-1/dispatch", nil); status != http.StatusConflict {
		t.Errorf("leaving twice: %d", status)
	}
}

func TestShopDoesNotServeStrangers(t *testing.T) {
	w := start(t)
	for name, spoil := range map[string]func(*http.Request){
		"no signature":           func(r *http.Request) { r.Header.Del("webhook-signature") },
		"another message's":      func(r *http.Request) { r.Header.Set("webhook-id", "msg-other") },
		"another time":           func(r *http.Request) { r.Header.Set("webhook-timestamp", "1614265330") },
		"another version's only": func(r *http.Request) { r.Header.Set("webhook-signature", "v2"+r.Header.Get("webhook-signature")[2:]) },
	} {
		r := w.shopRequest(http.MethodPost, "/shipments", "ship-T1", shipBody)
		spoil(r)
		if status, _ := do(t, r); status != http.StatusUnauthorized {
			t.Errorf("%s: %d", name, status)
		}
	}
	if status, _ := w.try(http.MethodGet, "/truth/order-1", nil); status != http.StatusNotFound {
		t.Errorf("strangers left a trace: %d", status)
	}
}

func TestWebhooksAreCounted(t *testing.T) {
	w := start(t)
	event := map[string]any{"type": "order.shipped", "data": map[string]any{"out_trade_no": "order-1"}}
	w.steer("/orders/order-1/plan", Plan{Webhook: "fail", WebhookTimes: 1}, nil)
	for i, want := range []int{500, 204, 204} {
		if got, _ := w.shop(http.MethodPost, "/webhooks", "E1", event); got != want {
			t.Errorf("delivery %d: %d, want %d", i+1, got, want)
		}
	}
	w.steer("/orders/order-1/plan", Plan{Webhook: "gone"}, nil)
	if got, _ := w.shop(http.MethodPost, "/webhooks", "E2", event); got != http.StatusGone {
		t.Errorf("the shop wants no more: %d", got)
	}
	want := []WebhookTruth{
		{ID: "msg-E1", Type: "order.shipped", Deliveries: 3, Taken: 2},
		{ID: "msg-E2", Type: "order.shipped", Deliveries: 1},
	}
	if diff := cmp.Diff(want, w.known("order-1").Webhooks); diff != "" {
		t.Errorf("webhooks (-want +got):\n%s", diff)
	}
}
