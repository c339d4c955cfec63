package workflows

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/paysaga/paysaga/internal/payment"
)

func TestPeople(t *testing.T) {
	tell(t, map[string]story{
		"stopped before it shipped": {
			// The api's SignalWithStart: the request is there before the run.
			world: func(w *world) { w.orderKnownAt = 10 * time.Second },
			during: func(r *sagaRun) {
				r.asks(5*time.Second, stopGoods)
			},
			want: refunded,
		},
		"stopped in the same breath as it was paid": {
			during: func(r *sagaRun) { r.asks(0, stopGoods) },
			want:   refunded,
		},
		"stopped while our own books refuse everything": {
			world:  func(w *world) { w.booksBroken = time.Hour },
			during: func(r *sagaRun) { r.asks(time.Minute, stopGoods) },
			want:   refunded,
		},
		"a request is in the books, and its signal was lost": {
			world: func(w *world) {
				w.needs = func(b payment.Books) {
					if b.Stage == payment.Paid && len(w.requests) == 0 {
						w.requests["lost"] = &payment.Request{ID: "lost", Kind: payment.Compensate, Goods: payment.GoodsStop, State: payment.Queued}
						w.books.Request = &payment.OpenRequest{ID: "lost", Kind: payment.Compensate, State: payment.Queued}
					}
				}
			},
			want: refunded,
		},
		"a request that nobody wrote does nothing": {
			world: func(w *world) { w.shop.silentUntil = time.Hour },
			during: func(r *sagaRun) {
				r.after(time.Minute, func() { r.SignalWorkflow(SignalCompensate, Word{RequestID: "invented"}) })
			},
			want: sold,
		},
		"a request of another payment, which a hand put into the signal, changes nothing here": {
			world: func(w *world) {
				w.shop.silentUntil = time.Hour
				w.requests["another"] = &payment.Request{ID: "another", TransactionID: anotherID, State: payment.RequestDone}
			},
			during: func(r *sagaRun) {
				r.after(time.Minute, func() { r.SignalWorkflow(SignalCompensate, Word{RequestID: "another"}) })
			},
			want: sold,
		},
		"a request that is not approved yet does nothing, and counts once it is": {
			world: func(w *world) { w.shop.silentUntil = time.Hour },
			during: func(r *sagaRun) {
				r.after(time.Minute, func() {
					id := r.w.ask(stopGoods)
					r.w.requests[id].State = payment.PendingApproval
					r.SignalWorkflow(SignalCompensate, Word{RequestID: id})
				})
				r.after(10*time.Minute, func() { r.w.wants(payment.Paid) })
				r.after(20*time.Minute, func() {
					r.w.requests["compensate-request"].State = payment.Queued
					r.SignalWorkflow(SignalCompensate, Word{RequestID: "compensate-request"})
				})
			},
			want: refunded,
		},
		"a request that comes too late is refused, and the shipping goes on": {
			world:  func(w *world) { w.shop.silentUntil = time.Hour },
			during: func(r *sagaRun) { r.asks(time.Minute, again) },
			want:   sold,
		},
		"the sweep repeats a request that runs already": {
			world: func(w *world) { w.shop.silentUntil, w.wechat.takes = time.Hour, time.Hour },
			during: func(r *sagaRun) {
				r.asks(time.Minute, stopGoods)
				for n := range 10 {
					r.after(time.Duration(2+n)*time.Minute, func() {
						r.SignalWorkflow(SignalCompensate, Word{RequestID: "compensate-request"})
					})
				}
				r.after(59*time.Minute, func() {
					if r.w.begins != 1 {
						r.w.t.Errorf("it was begun %d times", r.w.begins)
					}
				})
			},
			want: refunded,
		},
		"two signals of one request in one breath": {
			world: func(w *world) { w.wechat.takes = time.Hour },
			during: func(r *sagaRun) {
				r.after(0, func() {
					id := r.w.ask(stopGoods)
					r.SignalWorkflow(SignalCompensate, Word{RequestID: id})
					r.SignalWorkflow(SignalCompensate, Word{RequestID: id})
				})
				r.after(time.Second, func() {
					if r.w.begins != 1 {
						r.w.t.Errorf("it was begun %d times", r.w.begins)
					}
				})
			},
			want: refunded,
		},
		"asked by hand in the Temporal UI: nothing happens until somebody approves": {
			world: func(w *world) { w.shop.silentUntil = time.Hour },
			during: func(r *sagaRun) {
				r.after(time.Minute, func() {
					r.SignalWorkflow(SignalCompensate, Word{Actor: "li.lei", Reason: "the payer rang up"})
				})
			},
			want: sold,
		},
		"asked by hand while the shop is silent: its two hours are not made longer": {
			world: func(w *world) { w.shop.silentUntil = 150 * time.Minute },
			during: func(r *sagaRun) {
				r.after(100*time.Minute, func() { r.SignalWorkflow(SignalCompensate, Word{Actor: "li.lei"}) })
				r.after(117*time.Minute, func() { r.w.has(0, payment.CaseShipUnknown) })
				r.after(121*time.Minute, func() { r.w.has(1, payment.CaseShipUnknown) })
			},
			want: refunded.with(payment.CaseShipUnknown),
		},
	})
}

func TestAskedByHand(t *testing.T) {
	w := newWorld(t)
	w.verdict = payment.Quarantined
	r := newRun(t, w)
	byHand := Word{Actor: "li.lei", Reason: "the payer rang up", Goods: payment.GoodsKept}
	r.after(time.Hour, func() { r.SignalWorkflow(SignalCompensate, byHand) })
	r.after(2*time.Hour, func() { r.SignalWorkflow(SignalRetry, byHand) })
	r.play(t)
	var got []payment.Request
	for _, id := range []string{"-1", "-2"} { // the test environment has no run id
		if request := w.requests[id]; request != nil {
			got = append(got, *request)
		}
	}
	want := []payment.Request{
		{ID: "-1", TransactionID: txID, Kind: payment.Compensate, State: payment.PendingApproval,
			Actor: "unverified:li.lei", Reason: "the payer rang up", Goods: payment.GoodsKept},
		{ID: "-2", TransactionID: txID, Kind: payment.Retry, State: payment.PendingApproval,
			Actor: "unverified:li.lei", Reason: "the payer rang up", Goods: payment.GoodsKept},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what was asked for by hand (-want +got):\n%s", diff)
	}
}

func TestCancelledRun(t *testing.T) {
	cancelled := func(kinds ...payment.CaseKind) ending {
		return ending{Stage: payment.Holding, Cases: append(kinds, payment.CaseCancelledWorkflow), Open: true}
	}
	tell(t, map[string]story{
		"cancelled before the books were read": {
			world:  func(w *world) { w.booksBroken = time.Minute },
			during: func(r *sagaRun) { r.after(5*time.Second, r.CancelWorkflow) },
			want:   cancelled(),
		},
		"cancelled while it ships": {
			world:  func(w *world) { w.shop.silentUntil = time.Hour },
			during: func(r *sagaRun) { r.after(30*time.Minute, r.CancelWorkflow) },
			want:   cancelled(),
		},
		"cancelled while it ships, and a person lets it go on": {
			world: func(w *world) { w.shop.silentUntil = time.Hour },
			during: func(r *sagaRun) {
				r.after(30*time.Minute, r.CancelWorkflow)
				r.asks(3*time.Hour, again)
			},
			want: sold.with(payment.CaseCancelledWorkflow),
		},
		"cancelled while it ships, and a person has it refunded": {
			world: func(w *world) { w.shop.silentUntil = time.Hour },
			during: func(r *sagaRun) {
				r.after(30*time.Minute, r.CancelWorkflow)
				r.asks(3*time.Hour, stopGoods)
			},
			want: refunded.with(payment.CaseCancelledWorkflow),
		},
		"cancelled while the order is looked for": {
			world:  func(w *world) { w.orderKnownAt = -1 },
			during: func(r *sagaRun) { r.after(10*time.Second, r.CancelWorkflow) },
			want:   cancelled(),
		},
		"cancelled while the refund is under way: it is followed, and a person ends it": {
			world: func(w *world) { refusedByShop(w); w.wechat.takes = days(2) },
			during: func(r *sagaRun) {
				r.after(days(1), r.CancelWorkflow)
				r.after(days(2)+12*time.Hour, func() {
					if r.w.books.Stage != payment.Holding || !r.w.books.RefundedInFull() {
						r.w.t.Errorf("a held refund was not followed: %+v", r.w.books)
					}
				})
				r.asks(days(3), again)
			},
			want: refunded.with(payment.CaseCancelledWorkflow),
		},
		"cancelled while it waits for a person already": {
			world: func(w *world) { w.verdict = payment.Quarantined },
			during: func(r *sagaRun) {
				r.after(time.Hour, r.CancelWorkflow)
				r.asks(2*time.Hour, stopGoods)
			},
			want: refunded.with(payment.CaseAmountMismatch),
		},
		"cancelled after the end, while a part is on its way back: nothing is held for it": {
			world: func(w *world) {
				w.paidBefore(payment.Completed)
				w.shipped["ship-"+txID], w.books.Shipment = 1, payment.ShipDispatched
				w.wechat.takes = days(2)
			},
			during: func(r *sagaRun) {
				r.asks(0, part(1, 850))
				r.after(days(1), r.CancelWorkflow)
			},
			want: ending{Stage: payment.Completed, Parcels: 1, RefundedFen: 850},
		},
		"cancelled in the moment in which a hand's signal is written down: it is written down": {
			world: func(w *world) { w.shop.silentUntil = time.Hour },
			during: func(r *sagaRun) {
				r.after(30*time.Minute, func() {
					r.SignalWorkflow(SignalCompensate, Word{Actor: "li.lei", Reason: "the payer rang up"})
					r.CancelWorkflow()
				})
				r.after(31*time.Minute, func() {
					if len(r.w.requests) != 1 {
						r.w.t.Errorf("requests %v", r.w.requests)
					}
				})
			},
			want: cancelled(),
		},
		"cancelled, and a person asks for the money in the same breath": {
			world: func(w *world) { w.shop.silentUntil = time.Hour },
			during: func(r *sagaRun) {
				r.after(30*time.Minute, r.CancelWorkflow)
				r.asks(30*time.Minute, stopGoods)
			},
			want: refunded.with(payment.CaseCancelledWorkflow),
		},
	})
}

func TestState(t *testing.T) {
	w := newWorld(t)
	w.shop.silentUntil = 10 * time.Hour
	r := newRun(t, w)
	begun := r.Now()
	r.after(time.Hour, func() {
		s := r.state(t)
		if s.Stage != payment.Paid || s.Doing != "asking the shop to ship" || s.Since.Sub(begun) > time.Minute {
			t.Errorf("while the shop is silent: %+v", s)
		}
	})
	r.after(5*time.Hour, func() {
		s := r.state(t)
		if s.Stage != payment.Holding || s.Hold.Reason != payment.CaseShipUnknown || s.Doing != "waiting for a person" {
			t.Errorf("while it is held: %+v", s)
		}
		if until := s.Hold.Until.Sub(begun); until < 73*time.Hour || until > 75*time.Hour {
			t.Errorf("held for %s from the start, want 2 h and HOLD_FOR", until)
		}
	})
	r.play(t)
}

func TestDetailsTellTheStory(t *testing.T) {
	at := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	s := &saga{doing: "waiting for a person", since: at, books: payment.Books{
		OutTradeNo: orderNo, Stage: payment.Holding, AmountFen: 12850, RefundedFen: 5,
		Hold: &payment.Hold{Reason: payment.CaseShipUnknown, Direction: payment.Forward, Until: at.Add(terms.HoldFor)},
	}}
	want := "**waiting for a person** since 2026-11-22T08:00:00Z\n\n" +
		"order `" + orderNo + "`: holding, paid ¥128.50, refunded ¥0.05\n\n" +
		"held on its way forward: ship_unknown, compensated at 2026-11-25T08:00:00Z if nobody comes"
	if diff := cmp.Diff(want, s.details()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
