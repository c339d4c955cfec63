package e2e

import (
	"crypto/rand"
	"net/http"
	"testing"
	"time"

	"github.com/paysaga/paysaga/internal/simulator"
	"github.com/paysaga/paysaga/workflows"
)

// What becomes of orders whose callback does not come, comes late, or never
// could: each is asked about two seconds after it was made, and as it expires.
func TestOrdersThatNobodyTellsUsOf(t *testing.T) {
	w := newWorld(t, nil, "ORDER_QUERY_AT=2s,10m")

	w.play("the callback is lost: a query finds the payment, and it ships once", func(w *world) {
		number := w.order(tea)
		id := w.pay(number, simulator.PayRequest{Lose: true})
		w.endsShipped(id, number)
		w.foundByQuery(id)
		w.forgotten(number)
	})

	w.play("the callback is late, and a query is first: one saga, and it ships once", func(w *world) {
		number := w.order(tea)
		id := w.pay(number, simulator.PayRequest{Delay: "8s", Copies: 2})
		w.endsShipped(id, number)
		w.foundByQuery(id)
		w.await("the late callbacks", func() bool { return len(w.truth(number).Deliveries) == 2 })
		w.endsShipped(id, number)
		var seen int
		w.sql(&seen, "select seen from inbox where transaction_id = $1", id)
		if runs := w.runs(id); seen != 3 || runs != 1 {
			w.Errorf("told %d times, and %d sagas were started", seen, runs)
		}
	})

	w.play("the callback is in time: nobody asks", func(w *world) {
		number := w.order(tea)
		w.endsShipped(w.pay(number, simulator.PayRequest{}), number)
		w.forgotten(number)
		if asked := w.truth(number).Calls["query"]; asked != 0 {
			w.Errorf("asked %d times", asked)
		}
	})

	w.play("callbacks of many orders are lost, repeated, false at first, and come in another order", func(w *world) {
		ways := []simulator.PayRequest{{Lose: true}, {Copies: 5}, {Delay: "4s", Copies: 3}, {SignTest: true}, {Delay: "1s"}}
		paid := map[string]string{}
		for i := range 15 {
			number := w.order(tea)
			paid[number] = w.pay(number, ways[i%len(ways)])
		}
		for number, id := range paid {
			w.endsShipped(id, number)
			w.control("POST", "/transactions/"+id+"/notify", simulator.NotifyRequest{Copies: 2}, nil)
		}
		for number, id := range paid { // nothing came of the repeats
			w.endsShipped(id, number)
			if runs := w.runs(id); runs != 1 {
				w.Errorf("%d sagas of %s were started", runs, id)
			}
		}
	})

	w.play("WeChat does not answer for a while: it is asked again, and soon", func(w *world) {
		number := w.order(tea)
		w.plan(number, simulator.Plan{Query: "fail", QueryTimes: 3})
		id := w.pay(number, simulator.PayRequest{Lose: true})
		w.endsShipped(id, number)
		w.foundByQuery(id)
		if asked := w.truth(number).Calls["query"]; asked < 4 {
			w.Errorf("asked %d times", asked)
		}
	})

	w.play("nobody pays until it expires: closed at WeChat and here", func(w *world) {
		number := w.order(tea)
		w.expire(number)
		w.closes(number)
		w.forgotten(number)
		var by string
		w.sql(&by, "select closed_by from orders where out_trade_no = $1", number)
		if by != "paysaga" {
			w.Errorf("closed by %q", by)
		}
	})

	w.play("it was never offered, and expires: closed here", func(w *world) {
		number := "E" + rand.Text()[:20]
		w.plan(number, simulator.Plan{Prepay: "fail"})
		if status, _ := w.sell(number, nil); status != http.StatusServiceUnavailable {
			w.Errorf("answered %d", status)
		}
		w.expire(number)
		w.await("order "+number+" closed", func() bool { return w.orderState(number) == "closed" })
		w.runCloses(workflows.ClosingID(number))
		w.forgotten(number)
	})

	w.play("paid in the last moment, its callback is lost: it ships", func(w *world) {
		number := w.order(tea)
		id := w.pay(number, simulator.PayRequest{Lose: true})
		w.expire(number)
		w.endsShipped(id, number)
		w.foundByQuery(id)
	})

	w.play("paid as we close it, too late: all goes back, and it is closed", func(w *world) {
		number := w.order(tea)
		caught := w.hold("close", number, "before")
		w.expire(number)
		caught()
		id := w.pay(number, simulator.PayRequest{Lose: true, Again: true, SuccessTime: new(time.Now().Add(time.Minute))})
		w.release(number)
		w.endsRefunded(id, number)
		w.foundByQuery(id)
		w.dueNow(number) // else five minutes later
		w.await("order "+number+" closed", func() bool { return w.orderState(number) == "closed" })
		w.forgotten(number)
	})

	w.play("its payment is held as it expires: it is not closed over and over", func(w *world) {
		number := w.order(tea)
		id := w.pay(number, simulator.PayRequest{TradeState: "NOTPAY"})
		w.held(id, "holding", "not_paid")
		w.expire(number)
		w.await("it is put off", func() bool { return w.dueIn(number) > time.Minute })
		if state := w.orderState(number); state != "pending" {
			w.Errorf("it is %s", state)
		}
		if runs := w.runs(workflows.ClosingID(number)); runs != 0 {
			w.Errorf("%d closings were begun", runs)
		}
	})
}

// expire makes the order one that could be paid until now.
func (w *world) expire(number string) {
	w.Helper()
	var done bool
	w.sql(&done, "update orders set expires_at = now() where out_trade_no = $1 returning true", number)
	w.dueNow(number)
}

func (w *world) dueNow(number string) {
	w.Helper()
	var moved int // none, if nobody would look at it any more
	w.sql(&moved, "with moved as (update due_orders set next_at = now() where out_trade_no = $1 returning 1) select count(*) from moved", number)
}

// dueIn is when the order is looked at next.
func (w *world) dueIn(number string) (in time.Duration) {
	w.Helper()
	w.sql(&in, "select next_at - now() from due_orders where out_trade_no = $1", number)
	return in
}

// forgotten demands that nobody will look at the order any more.
func (w *world) forgotten(number string) {
	w.Helper()
	w.dueNow(number) // it is struck off when it is looked at next
	w.await("order "+number+" struck off", func() bool {
		var due int
		w.sql(&due, "select count(*) from due_orders where out_trade_no = $1", number)
		return due == 0
	})
}
