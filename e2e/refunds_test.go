package e2e

import (
	"net/http"
	"slices"
	"testing"

	"github.com/paysaga/paysaga/internal/simulator"
)

// refundPart has support give part of a payment back, and returns the request and
// the refund's number.
func (w *world) refundPart(id string, amountFen int64) (requestID, outRefundNo string) {
	w.Helper()
	var asked struct {
		RequestID   string `json:"request_id"`
		OutRefundNo string `json:"out_refund_no"`
	}
	w.must("POST", w.fleet.APIs[0].URL+"/v1/payments/"+id+"/refunds", w.fleet.Tokens.Support,
		map[string]any{"amount_fen": amountFen, "reason": "one cup was broken"}, &asked)
	return asked.RequestID, asked.OutRefundNo
}

func (w *world) ends(requestID, state string) {
	w.Helper()
	w.await("request "+requestID+" "+state, func() bool { return w.request(requestID).State == state })
}

// backFen demands that WeChat and the books agree on what went back.
func (w *world) backFen(id, number string, want int64) {
	w.Helper()
	_, refundedFen := w.whatHappened(id, number)
	if books := w.payment(id).RefundedFen; refundedFen != want || books != want {
		w.Errorf("%s: %d fen went back at WeChat, %d in the books, want %d", id, refundedFen, books, want)
	}
}

// console has somebody give money back in WeChat's own console.
func (w *world) console(number, outRefundNo string, amountFen int64) {
	w.Helper()
	w.control("POST", "/orders/"+number+"/refund", simulator.ConsoleRefund{OutRefundNo: outRefundNo, AmountFen: amountFen}, nil)
}

// One fleet plays all of them, side by side as in life.
func TestRefunds(t *testing.T) {
	w := newWorld(t, nil, "SHIP_GIVE_UP_AFTER=4s", "QUERY_BEFORE_SHIP_ABOVE_FEN=50000")
	w.play("part of a shipped order goes back: the payment stays completed", func(w *world) {
		number := w.order(tea)
		id := w.pay(number, simulator.PayRequest{})
		w.endsShipped(id, number)
		asked, outRefundNo := w.refundPart(id, 300)
		w.ends(asked, "done")
		w.runCloses(id)
		w.backFen(id, number, 300)
		if v := w.payment(id); v.Stage != "completed" || v.NeedsAttention || v.Refunds[0].OutRefundNo != outRefundNo {
			w.Errorf("the payment is %+v", v)
		}
		w.recorded(id, "part-refunded")
	})

	w.play("two parts add up to all of it: refunded, and the shop is told", func(w *world) {
		number := w.order(tea)
		id := w.pay(number, simulator.PayRequest{})
		w.endsShipped(id, number)
		first, _ := w.refundPart(id, 300)
		w.ends(first, "done")
		second, _ := w.refundPart(id, tea-300)
		w.ends(second, "done")
		w.reaches(id, "refunded")
		w.runCloses(id)
		w.backFen(id, number, tea)
		if state := w.orderState(number); state != "refunded" {
			w.Errorf("order %s is %s", number, state)
		}
		w.await("the shop is told", func() bool {
			return slices.ContainsFunc(w.truth(number).Webhooks, func(h simulator.WebhookTruth) bool { return h.Type == "order.refunded" && h.Taken == 1 })
		})
		w.recorded(id, "parts-add-up")
	})

	w.play("part goes back while the shop is silent, and it ships all the same", func(w *world) {
		number := w.order(tea)
		w.plan(number, simulator.Plan{Shop: "fail"})
		id := w.pay(number, simulator.PayRequest{})
		w.reaches(id, "paid")
		asked, _ := w.refundPart(id, 300)
		w.ends(asked, "done")
		w.plan(number, simulator.Plan{Shop: "normal"})
		w.reaches(id, "completed")
		w.runCloses(id)
		w.backFen(id, number, 300)
		w.recorded(id, "part-refunded-while-shipping")
	})

	w.play("part goes back, and then the shop refuses: the rest follows, once", func(w *world) {
		number := w.order(tea)
		w.plan(number, simulator.Plan{Shop: "fail"})
		id := w.pay(number, simulator.PayRequest{})
		w.reaches(id, "paid")
		asked, _ := w.refundPart(id, 300)
		w.ends(asked, "done")
		w.plan(number, simulator.Plan{Shop: "refuse"})
		w.endsRefunded(id, number)
		if refunds := w.truth(number).Refunds; len(refunds) != 2 {
			w.Errorf("WeChat has %+v", refunds)
		}
		w.recorded(id, "rest-refunded")
	})

	w.play("WeChat calls back before it has answered the refund call: refunded once", func(w *world) {
		number := w.order(tea)
		w.plan(number, simulator.Plan{RefundNotify: "reorder"})
		id := w.pay(number, simulator.PayRequest{})
		w.endsShipped(id, number)
		asked, _ := w.refundPart(id, 300)
		w.ends(asked, "done")
		w.runCloses(id)
		w.backFen(id, number, 300)
		if refunds := w.truth(number).Refunds; len(refunds) != 1 {
			w.Errorf("WeChat has %+v", refunds)
		}
	})

	w.play("WeChat has called back that it closed a part, and its answer is still on its way: refused with a case", func(w *world) {
		number := w.order(tea)
		w.plan(number, simulator.Plan{Refund: "closed"})
		id := w.pay(number, simulator.PayRequest{})
		w.endsShipped(id, number)
		caught := w.hold("refund", number, "after")
		asked, _ := w.refundPart(id, 300)
		caught()
		w.ends(asked, "refused")
		w.release(number)
		w.held(id, "completed", "refund_closed")
		w.runCloses(id)
		w.backFen(id, number, 0)
		w.recorded(id, "part-closed-before-its-answer")
	})

	w.play("WeChat closes a part: refused with a case, and the next one wants a second person", func(w *world) {
		number := w.order(tea)
		w.plan(number, simulator.Plan{Refund: "closed", RefundTimes: 1})
		id := w.pay(number, simulator.PayRequest{})
		w.endsShipped(id, number)
		asked, _ := w.refundPart(id, 300)
		w.ends(asked, "refused")
		w.held(id, "completed", "refund_closed")
		again, outRefundNo := w.refundPart(id, 300)
		if state := w.request(again).State; state != "pending_approval" || outRefundNo != "R"+id+"-2" {
			w.Errorf("the next one is %s, %s", outRefundNo, state)
		}
		w.approve(again)
		w.ends(again, "done")
		w.backFen(id, number, 300)
	})

	w.play("the payer's account is closed: refused with a case, and nothing is left open", func(w *world) {
		number := w.order(tea)
		w.plan(number, simulator.Plan{Refund: "user_account_abnormal"})
		id := w.pay(number, simulator.PayRequest{})
		w.endsShipped(id, number)
		asked, _ := w.refundPart(id, 300)
		w.ends(asked, "refused")
		w.held(id, "completed", "refund_refused")
		w.runCloses(id)
		w.backFen(id, number, 0)
	})

	w.play("the balance is too low for a part, the goods leave meanwhile: same number, once", func(w *world) {
		number := w.order(tea)
		w.plan(number, simulator.Plan{Shop: "accept", Refund: "not_enough", RefundTimes: 2})
		id := w.pay(number, simulator.PayRequest{})
		w.await("the shop accepts", func() bool { return len(w.truth(number).Shipments) == 1 })
		asked, _ := w.refundPart(id, 300)
		w.control("POST", "/orders/"+number+"/dispatch", nil, nil)
		w.reaches(id, "completed")
		w.ends(asked, "done")
		w.runCloses(id)
		w.backFen(id, number, 300)
		if refunds := w.truth(number).Refunds; len(refunds) != 1 {
			w.Errorf("WeChat has %+v", refunds)
		}
	})

	w.play("eight agents at once give back no more than was paid", func(w *world) {
		number := w.order(tea)
		id := w.pay(number, simulator.PayRequest{})
		w.endsShipped(id, number)
		for range 8 { // six of them can be right
			statuses := make(chan int, 8)
			for range cap(statuses) {
				go func() {
					status, _, err := send(w.Context(), "POST", w.fleet.APIs[0].URL+"/v1/payments/"+id+"/refunds", w.fleet.Tokens.Support,
						map[string]any{"amount_fen": 200, "reason": "one cup was broken"})
					if err != nil {
						status = 0
					}
					statuses <- status
				}()
			}
			for range cap(statuses) {
				if status := <-statuses; status != http.StatusAccepted && status != http.StatusConflict && status != http.StatusUnprocessableEntity {
					w.Errorf("an agent was answered %d", status)
				}
			}
			w.await("what was asked for has ended", func() bool {
				return !slices.ContainsFunc(w.payment(id).Requests, func(r request) bool { return r.State == "queued" || r.State == "running" })
			})
		}
		w.runCloses(id)
		w.backFen(id, number, 1200)
	})

	w.play("somebody refunds a shipped order in the console: a case, and less is left", func(w *world) {
		number := w.order(tea)
		id := w.pay(number, simulator.PayRequest{})
		w.endsShipped(id, number)
		w.console(number, "CONSOLE"+number, 200)
		w.await("the books know of it", func() bool { return w.payment(id).RefundedFen == 200 })
		w.held(id, "completed", "foreign_refund")
		w.backFen(id, number, 200)
		w.await("the news is done", func() bool {
			var done int
			w.sql(&done, "select count(*) from inbox where kind = 'refund' and done and verdict = 'case' and transaction_id = $1", id)
			return done == 1
		})
		if status := w.call("POST", w.fleet.APIs[0].URL+"/v1/payments/"+id+"/refunds", w.fleet.Tokens.Support,
			map[string]any{"amount_fen": tea - 199, "reason": "more than is left of it"}, nil); status != http.StatusUnprocessableEntity {
			w.Errorf("more than is left was answered %d", status)
		}
		w.recorded(id, "foreign-refund")
	})

	w.play("somebody refunds in the console before we hear of the payment: held", func(w *world) {
		number := w.order(tea)
		id := w.pay(number, simulator.PayRequest{Lose: true})
		w.console(number, "CONSOLE"+number, 200)
		w.await("the refund's news was looked at", func() bool {
			var looked int
			w.sql(&looked, "select count(*) from inbox where kind = 'refund' and done and transaction_id = $1", id)
			return looked == 1
		})
		w.control("POST", "/transactions/"+id+"/notify", simulator.NotifyRequest{}, nil)
		w.held(id, "holding", "foreign_refund")
		if shipments := w.truth(number).Shipments; len(shipments) != 0 {
			w.Errorf("it ships all the same: %+v", shipments)
		}
	})

	w.play("somebody refunds a held payment in the console: what is left goes back by us", func(w *world) {
		number := w.order(tea)
		w.plan(number, simulator.Plan{Shop: "fail"})
		id := w.pay(number, simulator.PayRequest{})
		w.held(id, "holding", "ship_unknown")
		w.console(number, "CONSOLE"+number, 200)
		w.await("the books know of it", func() bool { return w.payment(id).RefundedFen == 200 })
		w.ask(id, "compensate", w.fleet.Tokens.Support, map[string]any{"reason": "the rest goes back as well"})
		w.endsRefunded(id, number)
	})

	w.play("somebody refunds in the console and no callback comes: support names the number, and the rest goes back", func(w *world) {
		number := w.order(tea)
		w.plan(number, simulator.Plan{RefundNotify: "lose"})
		id := w.pay(number, simulator.PayRequest{Lose: true})
		w.console(number, "CONSOLE"+number, 200)
		w.closeOrder(number) // asks WeChat, and so finds both
		w.held(id, "holding", "foreign_refund")
		w.ask(id, "compensate", w.fleet.Tokens.Support, map[string]any{"reason": "nobody knows what went back"})
		w.held(id, "holding", "refund_refused") // for WeChat will not give back more than is left
		named := w.ask(id, "resolve", w.fleet.Tokens.Support, map[string]any{
			"reason": "finance gave back some of it", "outcome": "refunded", "evidence": []string{"CONSOLE" + number},
		})
		w.ends(named, "refused") // it is not all of it, and known from now on
		if v := w.payment(id); v.RefundedFen != 200 || v.Stage != "holding" {
			w.Errorf("the books know of %d fen, and the payment is %s", v.RefundedFen, v.Stage)
		}
		w.approve(w.ask(id, "retry", w.fleet.Tokens.Support, map[string]any{"reason": "the rest goes back as well"}))
		w.endsRefunded(id, number)
		w.recorded(id, "console-refund-named")
	})

	w.play("WeChat takes a part without a word, and the payment is held: it is asked about all the same", func(w *world) {
		number := w.order(tea)
		w.plan(number, simulator.Plan{Shop: "fail", Refund: "execute_then_fail", RefundQuery: "fail", RefundNotify: "lose"})
		id := w.pay(number, simulator.PayRequest{})
		w.reaches(id, "paid")
		asked, _ := w.refundPart(id, 300)
		w.held(id, "holding", "ship_unknown")
		w.plan(number, simulator.Plan{Refund: "normal", RefundQuery: "normal"})
		w.ends(asked, "done")
		if v := w.payment(id); v.RefundedFen != 300 || v.Stage != "holding" {
			w.Errorf("the books know of %d fen, and the payment is %s", v.RefundedFen, v.Stage)
		}
		w.ask(id, "compensate", w.fleet.Tokens.Support, map[string]any{"reason": "customer cancelled by phone"})
		w.endsRefunded(id, number)
		w.recorded(id, "part-unanswered-while-held")
	})

	w.play("all of it went back in the console: support resolves with its number, and the sums agree", func(w *world) {
		number := w.order(tea)
		w.plan(number, simulator.Plan{Shop: "fail", Cancel: "refuse", RefundNotify: "lose"})
		id := w.pay(number, simulator.PayRequest{})
		w.await("the shop was asked to ship", func() bool { return w.truth(number).Calls["ship"] > 0 })
		w.ask(id, "compensate", w.fleet.Tokens.Support, map[string]any{"reason": "customer cancelled by phone"})
		w.held(id, "holding", "cancel_refused")
		w.console(number, "CONSOLE"+number, tea)
		w.await("WeChat has refunded", func() bool { return w.truth(number).Refunds[0].State == "SUCCESS" })
		asked := w.ask(id, "resolve", w.fleet.Tokens.Support, map[string]any{
			"reason": "finance gave it back by hand", "outcome": "refunded", "evidence": []string{"CONSOLE" + number},
		})
		w.ends(asked, "done")
		w.reaches(id, "resolved")
		w.runCloses(id)
		w.backFen(id, number, tea)
		w.recorded(id, "resolved-refunded")
	})

	w.play("much money: WeChat is asked before it ships", func(w *world) {
		number := w.order(50001)
		id := w.pay(number, simulator.PayRequest{})
		w.endsShipped(id, number)
		if asked := w.truth(number).Calls["query"]; asked == 0 {
			w.Error("WeChat was not asked")
		}
		w.recorded(id, "asked-and-shipped")
	})

	w.play("much money, and part of it went back without a word to us: held", func(w *world) {
		number := w.order(50001)
		w.plan(number, simulator.Plan{RefundNotify: "lose"})
		id := w.pay(number, simulator.PayRequest{Lose: true})
		w.console(number, "CONSOLE"+number, 200)
		w.control("POST", "/transactions/"+id+"/notify", simulator.NotifyRequest{}, nil)
		w.held(id, "holding", "foreign_refund")
		if shipments := w.truth(number).Shipments; len(shipments) != 0 {
			w.Errorf("it ships all the same: %+v", shipments)
		}
	})

	w.play("the shop reports its dispatch: shipped with its number", func(w *world) {
		number := w.order(tea)
		w.plan(number, simulator.Plan{Shop: "accept"})
		id := w.pay(number, simulator.PayRequest{})
		w.await("the shop accepts", func() bool {
			s := w.truth(number).Shipments
			var known int
			w.sql(&known, "select count(*) from shipments where transaction_id = $1 and state = 'accepted'", id)
			return len(s) == 1 && known == 1
		})
		shipment := w.truth(number).Shipments[0].ShipmentID
		for range 2 {
			w.must("POST", w.fleet.APIs[0].URL+"/v1/shipments/"+shipment+"/dispatched", w.fleet.Tokens.Merchant,
				map[string]string{"carrier": "SF", "tracking_no": "SF" + number}, nil)
		}
		w.reaches(id, "completed")
		var tracking string
		w.sql(&tracking, "select tracking_no from shipments where transaction_id = $1", id)
		if tracking != "SF"+number {
			w.Errorf("shipped under %q", tracking)
		}
	})

	w.play("the shop cancels and its parcel leaves all the same: refunded, and a person's", func(w *world) {
		number := w.order(tea)
		w.plan(number, simulator.Plan{Shop: "accept"})
		id := w.pay(number, simulator.PayRequest{})
		w.await("the shop accepts", func() bool { return len(w.truth(number).Shipments) == 1 })
		w.ask(id, "compensate", w.fleet.Tokens.Support, map[string]any{"reason": "customer cancelled by phone"})
		w.endsRefunded(id, number)
		var left simulator.ShipmentTruth
		w.control("POST", "/orders/"+number+"/dispatch", simulator.Leaving{Anyway: true}, &left)
		status := w.call("POST", w.fleet.APIs[0].URL+"/v1/shipments/"+left.ShipmentID+"/dispatched", w.fleet.Tokens.Merchant,
			map[string]string{"carrier": "SF", "tracking_no": "SF" + number}, nil)
		if status != http.StatusConflict {
			w.Errorf("the report was answered %d", status)
		}
		w.held(id, "refunded", "dispatched_anyway")
	})

	w.play("a shop that forgets, a parcel that comes late: not refunded as well", func(w *world) {
		number := w.order(tea)
		w.plan(number, simulator.Plan{Cancel: "forget"})
		caught := w.hold("ship", number, "before")
		id := w.pay(number, simulator.PayRequest{})
		caught()
		w.ask(id, "compensate", w.fleet.Tokens.Support, map[string]any{"reason": "customer cancelled by phone"})
		w.await("the shop has forgotten once", func() bool { return w.truth(number).Calls["cancel"] >= 1 })
		w.release(number) // the late parcel leaves now
		w.await("a person is asked, or the second 404 was not believed", func() bool {
			return w.payment(id).Stage == "holding" || w.truth(number).Calls["cancel"] >= 3
		})
		if shipped, refundedFen := w.whatHappened(id, number); shipped != 1 || refundedFen != 0 {
			w.Errorf("shipped %d times, and %d fen back", shipped, refundedFen)
		}
		if refunds := w.truth(number).Refunds; len(refunds) != 0 {
			w.Errorf("WeChat was asked for %+v", refunds)
		}
	})
}

// Part of a shipped order goes back, and the worker dies with the call on its way.
func TestAWorkerKilledOverAPartRefundsItOnce(t *testing.T) {
	w := newWorld(t, nil)
	for _, when := range []string{"before", "after"} {
		w.playAlone("killed "+when+" WeChat takes it", func(w *world) {
			number := w.order(tea)
			id := w.pay(number, simulator.PayRequest{})
			w.endsShipped(id, number)
			caught := w.hold("refund", number, when)
			asked, outRefundNo := w.refundPart(id, 300)
			caught()
			w.fleet.Workers[0].Kill()
			w.release(number)
			w.revive(w.fleet.Workers[0])
			w.ends(asked, "done")
			w.runCloses(id)
			w.backFen(id, number, 300)
			if refunds := w.truth(number).Refunds; len(refunds) != 1 || refunds[0].OutRefundNo != outRefundNo {
				w.Errorf("WeChat has %+v", refunds)
			}
		})
	}
}
