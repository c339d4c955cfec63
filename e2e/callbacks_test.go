package e2e

import (
	"crypto/rand"
	"net/http"
	"testing"
	"time"

	"github.com/paysaga/paysaga/internal/simulator"
)

// taken demands that a callback of that kind was sent for the order and taken.
func (w *world) taken(number, eventType string) {
	w.Helper()
	for _, d := range w.truth(number).Deliveries {
		if d.EventType == eventType && d.Status == http.StatusOK {
			return
		}
	}
	w.Errorf("no %s was taken: %+v", eventType, w.truth(number).Deliveries)
}

// Nobody asks for ten minutes: whatever is known of a refund, its callback told.
func TestRefundCallbacksAreTheFirstWord(t *testing.T) {
	w := newWorld(t, nil, "REFUND_POLL=10m")
	for _, notify := range []string{"normal", "reorder"} {
		before := map[string]string{"normal": "", "reorder": ", and before the refund call has returned"}[notify]
		w.play("WeChat calls back that it closed the refund"+before+": held for a person and an approver", func(w *world) {
			number := w.order(tea)
			w.plan(number, simulator.Plan{Shop: "refuse", Refund: "closed", RefundTimes: 1, RefundNotify: notify})
			id := w.pay(number, simulator.PayRequest{})
			w.held(id, "holding", "refund_closed")
			w.taken(number, "REFUND.CLOSED")
			asked := w.ask(id, "retry", w.fleet.Tokens.Support, map[string]any{"reason": "WeChat says the account is fine again"})
			w.approve(asked)
			w.endsRefunded(id, number)
		})

		w.play("WeChat calls back that the payer's card is dead"+before+": a case, and refunded by the next callback", func(w *world) {
			number := w.order(tea)
			w.plan(number, simulator.Plan{Shop: "refuse", Refund: "abnormal", RefundNotify: notify})
			id := w.pay(number, simulator.PayRequest{})
			w.held(id, "compensating", "refund_abnormal")
			w.taken(number, "REFUND.ABNORMAL")
			w.control("POST", "/refunds/R"+id+"/succeed", nil, nil)
			w.endsRefunded(id, number)
			w.taken(number, "REFUND.SUCCESS")
		})

		w.play("WeChat calls back that it closed a part"+before+": whoever asked learns it", func(w *world) {
			number := w.order(tea)
			w.plan(number, simulator.Plan{Refund: "closed", RefundNotify: notify})
			id := w.pay(number, simulator.PayRequest{})
			w.endsShipped(id, number)
			asked, _ := w.refundPart(id, 300)
			w.ends(asked, "refused")
			w.held(id, "completed", "refund_closed")
			w.runCloses(id)
			w.taken(number, "REFUND.CLOSED")
			w.backFen(id, number, 0)
		})
	}
}

// WeChat's own schedule, in its own time: nobody answers for seven hours.
func TestACallbackLostForHoursIsRepeatedAndShippedOnce(t *testing.T) {
	w := newWorld(t, nil, "SIM_CLOCK=stopped", "ORDER_QUERY_AT=24h",
		"SIM_RETRY=15s,15s,30s,3m,10m,20m,30m,30m,30m,60m,3h,3h,3h,6h,6h")
	number := w.order(tea)
	api := w.fleet.APIs[0]
	api.Kill()
	id := w.pay(number, simulator.PayRequest{})
	attempts := func() int { return len(w.truth(number).Deliveries) }
	w.await("the first attempt", func() bool { return attempts() == 1 })
	for _, gap := range []struct {
		by  string
		all int
	}{{"15s", 2}, {"15s", 3}, {"30s", 4}, {"3m", 5}, {"3h0m1s", 11}} {
		w.control("POST", "/clock/advance", simulator.ClockAdvance{By: gap.by}, nil)
		w.await("another attempt", func() bool { return attempts() >= gap.all })
	}
	if n := attempts(); n != 11 {
		t.Errorf("WeChat called %d times in three hours, and 11 are due", n)
	}
	w.revive(api)
	if got := w.payment(id); got.Stage != "" {
		t.Fatalf("nobody told us, and the payment is %s", got.Stage)
	}
	w.control("POST", "/clock/advance", simulator.ClockAdvance{By: "3h"}, nil)
	w.endsShipped(id, number)
	w.taken(number, "TRANSACTION.SUCCESS")
	w.control("POST", "/clock/advance", simulator.ClockAdvance{By: "24h"}, nil)
	if n := attempts(); n != 12 {
		t.Errorf("WeChat called %d times; it had its answer at the twelfth", n)
	}
	w.endsShipped(id, number)
}

// Money that comes after the order expired, whose callback is as fresh as any.
func TestPaidAfterExpiry(t *testing.T) {
	w := newWorld(t, nil)
	expired := func(w *world, latePayment string) (id, number string) {
		number = "E" + rand.Text()[:20]
		status, _ := w.sell(number, map[string]any{"expires_in_s": 60, "late_payment": latePayment})
		if status != http.StatusCreated {
			w.Fatalf("order %s was answered %d", number, status)
		}
		late := time.Now().Add(2 * time.Minute)
		return w.pay(number, simulator.PayRequest{SuccessTime: &late}), number
	}
	w.play("refunded at once, and the order is nobody's", func(w *world) {
		id, number := expired(w, "refund")
		w.endsRefunded(id, number)
		w.staysUnpaid(number)
	})
	w.play("and late payments reopen it: shipped", func(w *world) {
		w.endsShipped(expired(w, "reopen"))
	})
}

// WeChat takes a report of the goods only once it knows the payment there.
func TestTheReportWaitsUntilWeChatKnowsThePayment(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, "NOTIFY_GIVE_UP_AFTER=10m")
	number, _ := w.mini()
	w.plan(number, simulator.Plan{ShippingInfo: "too_early", ShippingInfoTimes: 1})
	id := w.pay(number, simulator.PayRequest{})
	w.await("the shop and the payer are told", func() bool {
		read, _, events := w.told(number)
		return read == 1 && len(events) == 1
	})
	if stage := w.payment(id).Stage; stage != "shipped" {
		t.Errorf("the payment is %s while WeChat was not told", stage)
	}
	w.awaitFor(2*time.Minute, "WeChat is asked again, a minute later", func() bool {
		return w.payment(id).Stage == "completed"
	})
	w.runCloses(id)
	if read, uploads, _ := w.told(number); read != 1 || uploads != 1 || w.truth(number).Calls["shipping_info"] != 2 {
		t.Errorf("the payer read %d, WeChat has %d reports by %d calls", read, uploads, w.truth(number).Calls["shipping_info"])
	}
	if cases := w.payment(id).Cases; len(cases) != 0 {
		t.Errorf("cases %+v", cases)
	}
}
