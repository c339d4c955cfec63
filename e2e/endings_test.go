package e2e

import (
	"net/http"
	"slices"
	"testing"

	"go.temporal.io/api/workflowservice/v1"

	"github.com/paysaga/paysaga/internal/fleet"
	"github.com/paysaga/paysaga/internal/simulator"
)

const tea = 1280 // fen

// One fleet plays all the endings, side by side as in life.
func TestEndings(t *testing.T) {
	w := newWorld(t, nil, "SHIP_GIVE_UP_AFTER=4s", "DISPATCH_OVERDUE_AFTER=2s")
	w.play("paid and shipped", func(w *world) {
		number := w.order(tea)
		id := w.pay(number, simulator.PayRequest{})
		w.endsShipped(id, number)
		if events := len(w.history(id).Events); events > 24 {
			w.Errorf("the happy path took %d history events, and 24 are enough", events)
		}
		w.recorded(id, "shipped")
	})

	w.play("paid with a coupon and shipped", func(w *world) {
		number := w.order(tea)
		id := w.pay(number, simulator.PayRequest{PayerFen: tea - 300})
		w.endsShipped(id, number)
	})

	w.play("a SIGNTEST probe comes first, and the payment is shipped", func(w *world) {
		number := w.order(tea)
		id := w.pay(number, simulator.PayRequest{SignTest: true})
		w.endsShipped(id, number)
		for _, d := range w.truth(number).Deliveries {
			if d.False && d.Status != http.StatusUnauthorized {
				w.Errorf("a probe was answered %d", d.Status)
			}
		}
	})

	w.play("signed with a platform certificate and shipped", func(w *world) {
		number := w.order(tea)
		w.endsShipped(w.pay(number, simulator.PayRequest{Key: "certificate"}), number)
	})

	w.play("the shop answers once it has recovered, and ships once", func(w *world) {
		number := w.order(tea)
		w.plan(number, simulator.Plan{Shop: "execute_then_fail", ShopTimes: 1})
		w.endsShipped(w.pay(number, simulator.PayRequest{}), number)
	})

	w.play("the shop refuses: refunded, and the refund callback closes it", func(w *world) {
		number := w.order(tea)
		w.plan(number, simulator.Plan{Shop: "refuse"})
		id := w.pay(number, simulator.PayRequest{})
		w.endsRefunded(id, number)
		if state := w.orderState(number); state != "refunded" {
			w.Errorf("order %s is %s", number, state)
		}
		if !slices.ContainsFunc(w.truth(number).Deliveries, func(d simulator.Delivery) bool {
			return d.EventType == "REFUND.SUCCESS" && d.Status == http.StatusOK
		}) {
			w.Error("no refund callback was taken")
		}
		w.recorded(id, "refused-refunded")
	})

	w.play("the refund callback is lost: polling finds the refund", func(w *world) {
		number := w.order(tea)
		w.plan(number, simulator.Plan{Shop: "refuse", RefundNotify: "lose"})
		id := w.pay(number, simulator.PayRequest{})
		w.endsRefunded(id, number)
		w.recorded(id, "refund-polled")
	})

	w.play("the merchant's balance is too low for a while: same number, refunded once", func(w *world) {
		number := w.order(tea)
		w.plan(number, simulator.Plan{Shop: "refuse", Refund: "not_enough", RefundTimes: 2})
		id := w.pay(number, simulator.PayRequest{})
		w.endsRefunded(id, number)
		if refunds := w.truth(number).Refunds; len(refunds) != 1 {
			w.Errorf("WeChat has %d refunds: %+v", len(refunds), refunds)
		}
	})

	w.play("the refund was taken and its answer had a bad signature: refunded once", func(w *world) {
		number := w.order(tea)
		w.plan(number, simulator.Plan{Shop: "refuse", Refund: "bad_signature", RefundTimes: 1})
		id := w.pay(number, simulator.PayRequest{})
		w.endsRefunded(id, number)
		if refunds := w.truth(number).Refunds; len(refunds) != 1 {
			w.Errorf("WeChat has %d refunds: %+v", len(refunds), refunds)
		}
	})

	w.play("the refund closes: held, and a new number only after a person", func(w *world) {
		number := w.order(tea)
		w.plan(number, simulator.Plan{Shop: "refuse", Refund: "closed", RefundTimes: 1})
		id := w.pay(number, simulator.PayRequest{})
		w.held(id, "holding", "refund_closed")
		w.plan(number, simulator.Plan{Refund: "normal"})
		asked := w.ask(id, "retry", w.fleet.Tokens.Support, map[string]any{"reason": "WeChat says the account is fine again"})
		w.approve(asked)
		w.endsRefunded(id, number)
		w.recorded(id, "refund-closed-retried")
	})

	w.play("second payment of a paid order: that payment goes back, the first stays", func(w *world) {
		number := w.order(tea)
		first := w.pay(number, simulator.PayRequest{})
		w.endsShipped(first, number)
		second := w.pay(number, simulator.PayRequest{Again: true})
		w.reaches(second, "refunded")
		w.runCloses(second)
		shipped, backFen := w.whatHappened(second, number)
		if _, firstBackFen := w.whatHappened(first, number); shipped != 1 || backFen != tea || firstBackFen != 0 {
			w.Errorf("shipped %d, second back %d, first back %d fen", shipped, backFen, firstBackFen)
		}
		if state := w.orderState(number); state != "shipped" {
			w.Errorf("order %s is %s", number, state)
		}
		w.recorded(second, "second-payment-refunded")
	})

	w.play("another amount: quarantined, then a person gives it back", func(w *world) {
		number := w.order(tea)
		id := w.pay(number, simulator.PayRequest{AmountFen: tea - 1})
		w.held(id, "quarantined", "amount_mismatch")
		w.ask(id, "compensate", w.fleet.Tokens.Support, map[string]any{"reason": "the payer wants another try"})
		w.endsRefunded(id, number)
		if state := w.orderState(number); state != "pending" {
			w.Errorf("order %s is %s", number, state)
		}
		w.recorded(id, "quarantined-refunded")
	})

	w.play("an order nobody knows: held", func(w *world) {
		number := "UNKNOWN" + w.order(tea)[:12]
		id := w.pay(number, simulator.PayRequest{AmountFen: tea, NotifyURL: w.fleet.PublicURL() + "/callbacks/wechatpay"})
		w.held(id, "holding", "unknown_order")
	})

	w.play("the shop is silent: held, a person retries, shipped", func(w *world) {
		number := w.order(tea)
		w.plan(number, simulator.Plan{Shop: "fail"})
		id := w.pay(number, simulator.PayRequest{})
		w.held(id, "holding", "ship_unknown")
		w.plan(number, simulator.Plan{Shop: "normal"})
		w.ask(id, "retry", w.fleet.Tokens.Support, map[string]any{"reason": "the shop is back since noon"})
		w.endsShipped(id, number)
		w.recorded(id, "held-retried-shipped")
	})

	w.play("support undoes a payment while the shop is silent", func(w *world) {
		number := w.order(tea)
		w.plan(number, simulator.Plan{Shop: "fail"})
		id := w.pay(number, simulator.PayRequest{})
		w.reaches(id, "paid")
		w.ask(id, "compensate", w.fleet.Tokens.Support, map[string]any{"reason": "customer cancelled by phone"})
		w.endsRefunded(id, number)
		w.recorded(id, "compensated-while-shipping")
	})

	w.play("support undoes a shipped payment: held; the goods come back: refunded after four eyes", func(w *world) {
		number := w.order(tea)
		id := w.pay(number, simulator.PayRequest{})
		w.endsShipped(id, number)
		w.ask(id, "compensate", w.fleet.Tokens.Support, map[string]any{"reason": "customer changed her mind"})
		w.held(id, "holding", "cancel_refused")
		asked := w.ask(id, "compensate", w.fleet.Tokens.Support, map[string]any{"reason": "the parcel is back at counter 3", "goods": "returned"})
		if state := w.request(asked).State; state != "pending_approval" {
			w.Errorf("a refund after dispatch is %s and wants four eyes", state)
		}
		w.approve(asked)
		w.reaches(id, "refunded")
		w.runCloses(id)
		if _, backFen := w.whatHappened(id, number); backFen != tea {
			w.Errorf("%d fen went back", backFen)
		}
		w.recorded(id, "returned-refunded")
	})

	w.play("a hand in the Temporal UI signals compensate: an approver must confirm", func(w *world) {
		number := w.order(tea)
		w.plan(number, simulator.Plan{Shop: "fail"})
		id := w.pay(number, simulator.PayRequest{})
		w.held(id, "holding", "ship_unknown")
		err := w.temporal.SignalWorkflow(w.Context(), id, "", "compensate",
			map[string]string{"actor": "olu", "reason": "customer cancelled by phone"})
		if err != nil {
			w.Fatal(err)
		}
		var asked request
		w.await("the signal becomes a pending request", func() bool {
			for _, r := range w.payment(id).Requests {
				asked = r
			}
			return asked.State == "pending_approval"
		})
		if asked.Actor != "unverified:olu" {
			w.Errorf("the request is by %q", asked.Actor)
		}
		if stage := w.payment(id).Stage; stage != "holding" {
			w.Errorf("an unconfirmed signal moved the payment to %s", stage)
		}
		w.approve(asked.ID)
		w.endsRefunded(id, number)
		w.recorded(id, "hand-signalled-refunded")
	})

	w.play("support resolves a held payment that the shop did ship", func(w *world) {
		number := w.order(tea)
		w.plan(number, simulator.Plan{Shop: "execute_then_fail"})
		id := w.pay(number, simulator.PayRequest{})
		w.held(id, "holding", "ship_unknown")
		w.ask(id, "resolve", w.fleet.Tokens.Support, map[string]any{
			"reason": "the shop shows it as dispatched", "outcome": "shipped",
			"evidence": []string{w.truth(number).Shipments[0].ShipmentID},
		})
		w.reaches(id, "resolved")
		w.runCloses(id)
		if shipped, backFen := w.whatHappened(id, number); shipped != 1 || backFen != 0 {
			w.Errorf("shipped %d, %d fen back", shipped, backFen)
		}
		w.recorded(id, "resolved")
	})

	w.play("support says refunded and WeChat says no: not resolved", func(w *world) {
		number := w.order(tea)
		w.plan(number, simulator.Plan{Shop: "fail"})
		id := w.pay(number, simulator.PayRequest{})
		w.held(id, "holding", "ship_unknown")
		asked := w.ask(id, "resolve", w.fleet.Tokens.Support, map[string]any{
			"reason": "somebody said it went back", "outcome": "refunded", "evidence": []string{"R" + id},
		})
		w.await("the request is refused", func() bool { return w.request(asked).State == "refused" })
		w.held(id, "holding", "ship_unknown")
	})

	w.play("the shop accepts and dispatches later: shipped", func(w *world) {
		number := w.order(tea)
		w.plan(number, simulator.Plan{Shop: "accept"})
		id := w.pay(number, simulator.PayRequest{})
		w.await("the shop accepts", func() bool { return len(w.truth(number).Shipments) == 1 })
		w.control("POST", "/orders/"+number+"/dispatch", nil, nil)
		w.endsShipped(id, number)
		w.recorded(id, "accepted-dispatched")
	})

	for how, plan := range map[string]simulator.Plan{
		"WeChat says too often, and has taken it":     {Refund: "execute_then_frequency_limited", RefundTimes: 1},
		"WeChat says too often, and has not taken it": {Refund: "frequency_limited", RefundTimes: 1},
		"WeChat breaks down, and has taken it":        {Refund: "execute_then_fail", RefundTimes: 1},
		"WeChat breaks down, and has not taken it":    {Refund: "system_error", RefundTimes: 1},
	} {
		w.play("a refund is asked for and "+how+": refunded once", func(w *world) {
			number := w.order(tea)
			plan.Shop = "refuse"
			w.plan(number, plan)
			id := w.pay(number, simulator.PayRequest{})
			w.endsRefunded(id, number)
			if refunds := w.truth(number).Refunds; len(refunds) != 1 {
				w.Errorf("WeChat has %d refunds: %+v", len(refunds), refunds)
			}
		})
	}

	w.play("the payer's card is dead: a case, and later refunded under the same number", func(w *world) {
		number := w.order(tea)
		w.plan(number, simulator.Plan{Shop: "refuse", Refund: "abnormal"})
		id := w.pay(number, simulator.PayRequest{})
		w.held(id, "compensating", "refund_abnormal")
		w.control("POST", "/refunds/R"+id+"/succeed", nil, nil)
		w.endsRefunded(id, number)
		w.recorded(id, "refund-abnormal-then-success")
	})

	w.play("the shop accepts and never dispatches: a case, and shipped when it does", func(w *world) {
		number := w.order(tea)
		w.plan(number, simulator.Plan{Shop: "accept"})
		id := w.pay(number, simulator.PayRequest{})
		w.held(id, "paid", "dispatch_overdue")
		w.control("POST", "/orders/"+number+"/dispatch", nil, nil)
		w.endsShipped(id, number)
		w.recorded(id, "dispatch-overdue-shipped")
	})

	w.play("support undoes what the shop accepted and has not dispatched", func(w *world) {
		number := w.order(tea)
		w.plan(number, simulator.Plan{Shop: "accept"})
		id := w.pay(number, simulator.PayRequest{})
		w.await("the shop accepts", func() bool { return len(w.truth(number).Shipments) == 1 })
		w.ask(id, "compensate", w.fleet.Tokens.Support, map[string]any{"reason": "customer cancelled by phone"})
		w.endsRefunded(id, number)
		w.recorded(id, "accepted-compensated")
	})

	w.play("paid again while the first payment waits for its dispatch: the second goes back", func(w *world) {
		number := w.order(tea)
		w.plan(number, simulator.Plan{Shop: "accept"})
		first := w.pay(number, simulator.PayRequest{})
		w.await("the shop accepts", func() bool { return len(w.truth(number).Shipments) == 1 })
		second := w.pay(number, simulator.PayRequest{Again: true})
		w.reaches(second, "refunded")
		w.control("POST", "/orders/"+number+"/dispatch", nil, nil)
		w.endsShipped(first, number)
	})

	w.play("a duplicate long after the end does nothing", func(w *world) {
		number := w.order(tea)
		id := w.pay(number, simulator.PayRequest{})
		w.endsShipped(id, number)
		var answer simulator.NotifyAnswer
		w.control("POST", "/transactions/"+id+"/notify", simulator.NotifyRequest{Copies: 3}, &answer)
		for _, status := range answer.Statuses {
			if status != http.StatusOK {
				w.Errorf("a late duplicate was answered %d", status)
			}
		}
		w.endsShipped(id, number)
	})
}

// approve confirms a request as another person.
func (w *world) approve(id string) {
	w.Helper()
	w.must("POST", w.fleet.APIs[0].URL+"/v1/requests/"+id+"/approve", w.fleet.Tokens.Approver,
		map[string]any{"reason": "checked with the customer"}, nil)
}

func TestFiftyDuplicatesOverTwoAPIsAreOneRunAndOneShipment(t *testing.T) {
	w := newWorld(t, func(o *fleet.Options) { o.APIs = 2 })
	number := w.order(tea)
	id := w.pay(number, simulator.PayRequest{Lose: true})
	var answer simulator.NotifyAnswer
	w.control("POST", "/transactions/"+id+"/notify", simulator.NotifyRequest{
		Copies: 50, URLs: []string{w.fleet.APIs[0].URL + "/callbacks/wechatpay", w.fleet.APIs[1].URL + "/callbacks/wechatpay"},
	}, &answer)
	if len(answer.Statuses) != 50 {
		t.Fatalf("%d of 50 were sent", len(answer.Statuses))
	}
	for _, status := range answer.Statuses {
		if status != http.StatusOK {
			t.Errorf("a duplicate was answered %d", status)
		}
	}
	w.endsShipped(id, number)
	var rows, seen int
	w.sql(&rows, "select count(*) from inbox where transaction_id = $1", id)
	w.sql(&seen, "select sum(seen) from inbox where transaction_id = $1", id)
	if rows != 1 || seen != 50 {
		t.Errorf("%d inbox rows, seen %d times", rows, seen)
	}
	if runs := w.runs(id); runs != 1 {
		t.Errorf("%d runs were started", runs)
	}
}

// runs counts the runs a payment ever had.
func (w *world) runs(id string) int {
	w.Helper()
	answer, err := w.temporal.CountWorkflow(w.Context(), &workflowservice.CountWorkflowExecutionsRequest{
		Namespace: w.namespace, Query: "WorkflowId = '" + id + "'",
	})
	if err != nil {
		w.Fatal(err)
	}
	return int(answer.Count)
}
