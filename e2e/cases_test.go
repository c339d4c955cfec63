package e2e

import (
	"maps"
	"net/http"
	"slices"
	"testing"

	"github.com/paysaga/paysaga/internal/simulator"
)

type caseLine struct {
	ID, Kind, Owner, State string
	TransactionID          string `json:"transaction_id"`
	TimesOpened            int    `json:"times_opened"`
}

// cases are those of the work list that the query asks for.
func (w *world) cases(query string) []caseLine {
	w.Helper()
	var page struct{ Items []caseLine }
	w.must("GET", w.fleet.APIs[0].URL+"/v1/cases?"+query, w.fleet.Tokens.Support, nil, &page)
	return page.Items
}

// act does something to a case and returns the status.
func (w *world) act(id, act string, body map[string]any) int {
	w.Helper()
	return w.call("POST", w.fleet.APIs[0].URL+"/v1/cases/"+id+"/"+act, w.fleet.Tokens.Support, body, nil)
}

// tookEvent is how often the shop took events of a type about an order, by webhook-id.
func (w *world) tookEvent(number, event string) map[string]int {
	w.Helper()
	taken := map[string]int{}
	for _, hook := range w.truth(number).Webhooks {
		if hook.Type == event && hook.Taken > 0 {
			taken[hook.ID] = hook.Taken
		}
	}
	return taken
}

// resend has a message sent again by hand, once it has ended.
func (w *world) resend(id string) {
	w.Helper()
	w.await(id+" may be sent again", func() bool {
		return w.call("POST", w.fleet.APIs[0].URL+"/v1/webhooks/"+id+"/resend", w.fleet.Tokens.Operator,
			map[string]any{"reason": "the shop lost it, it says"}, nil) == http.StatusAccepted
	})
}

// only tells whether one message was taken so many times, and no other.
func only(taken map[string]int, times int) bool {
	return slices.Equal(slices.Collect(maps.Values(taken)), []int{times})
}

func TestCases(t *testing.T) {
	w := newWorld(t, nil, "SHIP_GIVE_UP_AFTER=2s", "CASE_DUE_AFTER=4s", "NOTIFY_GIVE_UP_AFTER=3s", "CASE_OWNERS=ship_unknown=warehouse")

	w.play("the shop hears once of a case, and once that it is overdue", func(w *world) {
		number := w.order(tea)
		w.plan(number, simulator.Plan{Shop: "fail"})
		id := w.pay(number, simulator.PayRequest{})
		w.held(id, "holding", "ship_unknown")
		w.await("the shop hears of it", func() bool { return only(w.tookEvent(number, "case.opened"), 1) })
		w.await("the shop hears that it is overdue", func() bool { return only(w.tookEvent(number, "case.overdue"), 1) })

		late := w.cases("overdue=true&kind=ship_unknown&q=" + id)
		if len(late) != 1 || late[0].Owner != "warehouse" || late[0].TransactionID != id {
			w.Fatalf("the work list shows %+v", late)
		}
		if status := w.act(late[0].ID, "assign", map[string]any{"owner": "mei", "reason": "she called the warehouse"}); status != http.StatusOK {
			w.Errorf("assigning was answered %d", status)
		}
		closing := map[string]any{"resolution": "it is fine", "reason": "it will be fine, I hope"}
		if status := w.act(late[0].ID, "close", closing); status != http.StatusConflict {
			w.Errorf("the case of a held payment was closed: %d", status)
		}
		w.plan(number, simulator.Plan{Shop: "normal"})
		w.ask(id, "retry", w.fleet.Tokens.Support, map[string]any{"reason": "the shop is back again"})
		w.endsShipped(id, number)
		if closed := w.cases("state=closed&q=" + id); len(closed) != 1 || closed[0].Owner != "mei" {
			w.Errorf("the work list shows %+v", closed)
		}
		if !only(w.tookEvent(number, "case.opened"), 1) || !only(w.tookEvent(number, "case.overdue"), 1) {
			w.Errorf("the shop took %+v", w.truth(number).Webhooks)
		}
	})

	w.play("what the shop would not take is sent again by hand", func(w *world) {
		number := w.order(tea)
		w.plan(number, simulator.Plan{Webhook: "fail"})
		id := w.pay(number, simulator.PayRequest{})
		w.reaches(id, "completed")
		w.runCloses(id)
		untold := w.cases("kind=notify_failed&q=" + id)
		if len(untold) != 1 {
			w.Fatalf("the work list shows %+v", untold)
		}
		about := "case.opened-" + untold[0].ID + "-1"
		w.await("telling of the case is given up", func() bool {
			var page struct{ Items []struct{ ID, State string } }
			w.must("GET", w.fleet.APIs[0].URL+"/v1/webhooks?state=gave_up&q="+about, w.fleet.Tokens.Operator, nil, &page)
			return len(page.Items) == 1
		})
		if all := w.cases("q=" + id); len(all) != 1 {
			w.Errorf("telling of a case opened one: %+v", all)
		}

		w.plan(number, simulator.Plan{Webhook: "normal"})
		w.resend("order.shipped-" + id)
		w.resend(about)
		w.await("the shop takes both", func() bool {
			return only(w.tookEvent(number, "order.shipped"), 1) && only(w.tookEvent(number, "case.opened"), 1)
		})
		w.runCloses(id)
		w.await("the case closes by itself", func() bool { return len(w.cases("state=closed&q="+id)) == 1 })
	})

	w.play("what the shop took is sent again under its id, and the run ends", func(w *world) {
		number := w.order(tea)
		id := w.pay(number, simulator.PayRequest{})
		w.endsShipped(id, number)
		w.resend("order.shipped-" + id)
		w.await("the shop takes it once more", func() bool { return only(w.tookEvent(number, "order.shipped"), 2) })
		w.endsShipped(id, number)
		var open int
		w.sql(&open, "select count(*) from unfinished where transaction_id = $1", id)
		if open != 0 {
			w.Error("the payment still wants a run")
		}
	})

	w.play("the case of a dead card closes on WeChat's word alone", func(w *world) {
		number := w.order(tea)
		w.plan(number, simulator.Plan{Shop: "refuse", Refund: "abnormal"})
		id := w.pay(number, simulator.PayRequest{})
		w.held(id, "compensating", "refund_abnormal")
		found := w.cases("kind=refund_abnormal&q=" + id)
		if len(found) != 1 {
			w.Fatalf("the work list shows %+v", found)
		}
		closing := map[string]any{"resolution": "paid back in cash", "reason": "the customer came to the shop"}
		if status := w.act(found[0].ID, "close", closing); status != http.StatusConflict {
			w.Errorf("closing it was answered %d", status)
		}
		w.control("POST", "/refunds/R"+id+"/succeed", nil, nil)
		w.endsRefunded(id, number)
		if closed := w.cases("state=closed&q=" + id); len(closed) != 1 {
			w.Errorf("the work list shows %+v", closed)
		}
	})
}
