package e2e

import (
	"crypto/rand"
	"net/http"
	"testing"

	"github.com/paysaga/paysaga/internal/simulator"
)

// Money that comes too late, from elsewhere, or that WeChat does not call paid.
func TestLateAndWrong(t *testing.T) {
	w := newWorld(t, nil)
	w.play("paid after the order was closed: refunded at once, and the order stays closed", func(w *world) {
		number := w.closed("refund")
		id := w.pay(number, simulator.PayRequest{Again: true})
		w.endsRefunded(id, number)
		if state := w.orderState(number); state != "closed" {
			w.Errorf("order %s is %s", number, state)
		}
		if shipments := w.truth(number).Shipments; len(shipments) != 0 {
			w.Errorf("the shop was asked to ship: %+v", shipments)
		}
		w.recorded(id, "late-refunded")
	})

	w.play("paid after the order was closed, and late payments reopen it: shipped", func(w *world) {
		number := w.closed("reopen")
		id := w.pay(number, simulator.PayRequest{Again: true})
		w.endsShipped(id, number)
		w.recorded(id, "late-reopened")
	})

	w.play("paid to another merchant: quarantined", func(w *world) {
		number := w.order(tea)
		id := w.pay(number, simulator.PayRequest{MchID: "1900000109"})
		w.held(id, "quarantined", "foreign_merchant")
		w.staysUnpaid(number)
	})

	w.play("paid in another currency: quarantined", func(w *world) {
		number := w.order(tea)
		id := w.pay(number, simulator.PayRequest{Currency: "HKD"})
		w.held(id, "quarantined", "amount_mismatch")
		w.staysUnpaid(number)
	})

	w.play("a success that WeChat, when asked, calls unpaid: held", func(w *world) {
		number := w.order(tea)
		id := w.pay(number, simulator.PayRequest{TradeState: "NOTPAY"})
		w.held(id, "holding", "not_paid")
		w.staysUnpaid(number)
	})
}

// closed is an order that was closed before anybody paid.
func (w *world) closed(latePayment string) string {
	w.Helper()
	number := "E" + rand.Text()[:20]
	status, _ := w.sell(number, map[string]any{"trade_type": "native", "late_payment": latePayment})
	if status != http.StatusCreated {
		w.Fatalf("order %s was answered %d", number, status)
	}
	w.must("POST", w.fleet.APIs[0].URL+"/v1/orders/"+number+"/close", w.fleet.Tokens.Merchant, nil, nil)
	w.await("order "+number+" is closed", func() bool { return w.orderState(number) == "closed" })
	return number
}

// staysUnpaid demands that a payment which is not the order's has left it alone.
func (w *world) staysUnpaid(number string) {
	w.Helper()
	if state := w.orderState(number); state != "pending" {
		w.Errorf("order %s is %s", number, state)
	}
	if shipments := w.truth(number).Shipments; len(shipments) != 0 {
		w.Errorf("the shop was asked to ship: %+v", shipments)
	}
}
