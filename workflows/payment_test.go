package workflows

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/paysaga/paysaga/internal/payment"
)

// ending is what a support agent sees afterwards.
type ending struct {
	Stage       payment.Stage
	Parcels     int // that the shop sent
	RefundedFen int64
	Cases       []payment.CaseKind
	Told        []string // what the shop took note of
	Open        bool     // the run waits for somebody
}

func (w *world) ending(open bool) ending {
	var told []string
	for _, id := range w.told {
		told = append(told, id[:len(id)-len("-"+txID)])
	}
	return ending{
		Stage: w.books.Stage, Parcels: w.parcels(), RefundedFen: w.refundedFen(),
		Cases: w.opened(), Told: told, Open: open,
	}
}

var (
	sold     = ending{Stage: payment.Completed, Parcels: 1, Told: []string{"order.shipped"}}
	refunded = ending{Stage: payment.Refunded, RefundedFen: paidFen, Told: []string{"payment.refunded"}}
)

func (e ending) with(kinds ...payment.CaseKind) ending {
	e.Cases = kinds
	return e
}

// story is one table row: a world, what happens in it, and how it ends.
type story struct {
	world  func(w *world)
	during func(r *sagaRun)
	want   ending
}

func tell(t *testing.T, stories map[string]story) {
	for name, told := range stories {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if told.world != nil {
				told.world(w)
			}
			r := newRun(t, w)
			if told.during != nil {
				told.during(r)
			}
			_, open := r.play(t)
			if diff := cmp.Diff(told.want, w.ending(open)); diff != "" {
				t.Errorf("it did not end like that (-want +got):\n%s", diff)
			}
			if needs, _ := r.attributes.GetBool(NeedsAttention); needs != open {
				t.Errorf("NeedsAttention is %t while the saga waits for somebody: %t", needs, open)
			}
			failed := ""
			if w.cases[payment.CaseNotifyFailed] > 0 {
				failed = "notify"
			}
			if got, _ := r.attributes.GetKeyword(FailedStep); got != failed && !open {
				t.Errorf("FailedStep is %q in the end, want %q", got, failed)
			}
			if stage, _ := r.attributes.GetKeyword(SagaStage); stage != string(w.books.Stage) && !open {
				t.Errorf("SagaStage is %q", stage)
			}
		})
	}
}

func TestPaid(t *testing.T) {
	tell(t, map[string]story{
		"paid and shipped": {want: sold},
		"the shop is silent for an hour, then ships": {
			world: func(w *world) { w.shop.silentUntil = time.Hour },
			want:  sold,
		},
		"the shop refuses, and the payer gets the money back": {
			world: func(w *world) { w.shop.refuses = true },
			want:  refunded,
		},
		"a second payment of a paid order, or a late one, goes back and nothing ships": {
			world: func(w *world) { w.verdict = payment.Compensating },
			want:  refunded,
		},
		"the order turns up within the minute": {
			world: func(w *world) { w.orderKnownAt = 40 * time.Second },
			during: func(r *sagaRun) {
				r.after(44*time.Second, func() { r.w.wants(payment.Completed) })
			},
			want: sold,
		},
		"the order turns up while WeChat is asked": {
			world: func(w *world) { w.orderKnownAt, w.wechat.silentUntil = 65*time.Second, 70*time.Second },
			want:  sold,
		},
		"nobody knows the order": {
			world: func(w *world) { w.orderKnownAt = -1 },
			want:  ending{Stage: payment.Holding, Cases: []payment.CaseKind{payment.CaseUnknownOrder}, Open: true},
		},
		"nobody knows the order, and WeChat does not call it paid": {
			world: func(w *world) { w.orderKnownAt, w.tradeState = -1, "REFUND" },
			want:  ending{Stage: payment.Holding, Cases: []payment.CaseKind{payment.CaseNotPaid}, Open: true},
		},
		"nobody knows the order, and WeChat does not answer": {
			world: func(w *world) { w.orderKnownAt, w.wechat.silentUntil = -1, days(3) },
			want:  ending{Stage: payment.Holding, Cases: []payment.CaseKind{payment.CaseUnknownOrder}, Open: true},
		},
		"the order turns up when a person looks again": {
			world:  func(w *world) { w.orderKnownAt = 5 * time.Hour },
			during: func(r *sagaRun) { r.asks(6*time.Hour, payment.Request{Kind: payment.Retry}) },
			want:   sold.with(payment.CaseUnknownOrder),
		},
		"found on the bill, and WeChat confirms it before it ships": {
			world: func(w *world) { w.askFirst = true },
			want:  sold,
		},
		"found on the bill, and WeChat says it was refunded": {
			world: func(w *world) { w.askFirst, w.tradeState = true, "REFUND" },
			want:  ending{Stage: payment.Holding, Cases: []payment.CaseKind{payment.CaseNotPaid}, Open: true},
		},
		"found on the bill, and WeChat answers after two days": {
			world: func(w *world) { w.askFirst, w.wechat.silentUntil = true, days(2) },
			want:  sold.with(payment.CaseNotPaid),
		},
		"a wrong amount waits in quarantine": {
			world: func(w *world) { w.verdict = payment.Quarantined },
			want:  ending{Stage: payment.Quarantined, Cases: []payment.CaseKind{payment.CaseAmountMismatch}, Open: true},
		},
		"a wrong amount is refunded by a person": {
			world: func(w *world) { w.verdict = payment.Quarantined },
			during: func(r *sagaRun) {
				r.asks(time.Hour, payment.Request{Kind: payment.Compensate, Goods: payment.GoodsStop})
			},
			want: refunded.with(payment.CaseAmountMismatch),
		},
		"the shop cannot be told for six hours": {
			world: func(w *world) { w.shop.deafToUntil = days(1) },
			want:  ending{Stage: payment.Completed, Parcels: 1, Cases: []payment.CaseKind{payment.CaseNotifyFailed}},
		},
		"our own books refuse for a while: an alarm until they are back, and it goes on": {
			world: func(w *world) { w.booksBroken, w.shop.silentUntil = time.Hour, 3*time.Hour },
			during: func(r *sagaRun) {
				r.after(30*time.Minute, func() { r.alarmed(true) })
				r.after(2*time.Hour, func() { r.alarmed(false) })
			},
			want: sold,
		},
	})
}

func TestADispatchThatTheBooksKnowIsNotAskedAbout(t *testing.T) {
	w := newWorld(t)
	w.paidBefore(payment.Completed)
	w.shipped["ship-"+txID], w.books.Shipment = 1, payment.ShipDispatched
	r := newRun(t, w)
	r.after(10*time.Second, func() { r.SignalWorkflow(SignalDispatched, DispatchReport{ShipmentID: "S1"}) })
	if _, open := r.play(t); open || w.finds > 0 {
		t.Errorf("open %t, and the shop was asked %d times what the books know", open, w.finds)
	}
}

func TestSilentShop(t *testing.T) {
	held := ending{Stage: payment.Holding, Cases: []payment.CaseKind{payment.CaseShipUnknown}, Open: true}
	tell(t, map[string]story{
		"silent for two hours, and a person has it tried again": {
			world:  func(w *world) { w.shop.silentUntil = 5 * time.Hour },
			during: func(r *sagaRun) { r.asks(6*time.Hour, payment.Request{Kind: payment.Retry}) },
			want:   sold.with(payment.CaseShipUnknown),
		},
		"silent, it had shipped all along, and trying again ships nothing twice": {
			world:  func(w *world) { w.shop.silentUntil, w.shop.shipsAnyway = 5*time.Hour, true },
			during: func(r *sagaRun) { r.asks(6*time.Hour, payment.Request{Kind: payment.Retry}) },
			want:   sold.with(payment.CaseShipUnknown),
		},
		"silent, and nobody comes for three days": {
			world: func(w *world) { w.shop.silentUntil = 10 * time.Hour },
			want:  refunded.with(payment.CaseShipUnknown),
		},
		"silent, nobody comes, and it had shipped: no refund": {
			world: func(w *world) { w.shop.silentUntil, w.shop.shipsAnyway = 10*time.Hour, true },
			want: ending{Stage: payment.Holding, Parcels: 1, Open: true,
				Cases: []payment.CaseKind{payment.CaseCancelRefused, payment.CaseShipUnknown}},
		},
		"silent, and the shop reports the dispatch by itself": {
			world: func(w *world) { w.shop.silentUntil, w.shop.shipsAnyway = 50*time.Hour, true },
			during: func(r *sagaRun) {
				r.after(20*time.Hour, func() { r.SignalWorkflow(SignalDispatched, DispatchReport{ShipmentID: "S1"}) })
			},
			want: sold.with(payment.CaseShipUnknown),
		},
		"silent, and the shop reports the dispatch while it is still asked": {
			world: func(w *world) { w.shop.silentUntil, w.shop.shipsAnyway = 50*time.Hour, true },
			during: func(r *sagaRun) {
				r.after(time.Hour, func() { r.SignalWorkflow(SignalDispatched, DispatchReport{ShipmentID: "S1"}) })
				r.after(time.Hour+time.Second, func() { r.w.wants(payment.Completed) })
			},
			want: sold,
		},
		"silent for good: no answer to ship, none to cancel, and no refund": {
			world: func(w *world) { w.shop.silentUntil = watched },
			want: ending{Stage: payment.Holding, Open: true,
				Cases: []payment.CaseKind{payment.CaseCancelUnknown, payment.CaseShipUnknown}},
		},
		"a day after the silence began it is still a person's": {
			world: func(w *world) { w.shop.silentUntil = watched },
			during: func(r *sagaRun) {
				r.after(days(1), func() {
					if diff := cmp.Diff(held, r.w.ending(true)); diff != "" {
						r.w.t.Errorf("-want +got:\n%s", diff)
					}
				})
			},
			want: ending{Stage: payment.Holding, Open: true,
				Cases: []payment.CaseKind{payment.CaseCancelUnknown, payment.CaseShipUnknown}},
		},
	})
}

func TestAcceptedToShipLater(t *testing.T) {
	tell(t, map[string]story{
		"dispatched two days later": {
			world: func(w *world) { w.shop.acceptsLater = 48 * time.Hour },
			during: func(r *sagaRun) { // the shop is asked at least once an hour
				r.after(49*time.Hour+time.Minute, func() { r.w.wants(payment.Completed) })
			},
			want: sold,
		},
		"dispatched, and the shop says so": {
			world: func(w *world) { w.shop.acceptsLater = -1 },
			during: func(r *sagaRun) {
				r.after(30*time.Minute, func() {
					r.w.shop.dispatchedNow = true
					r.SignalWorkflow(SignalDispatched, DispatchReport{ShipmentID: "S1"})
				})
				// Within a second of the report, and long before the next question.
				r.after(30*time.Minute+time.Second, func() {
					if r.w.parcels() != 1 {
						r.w.t.Error("the report was not heard at once")
					}
				})
			},
			want: sold,
		},
		"overdue after three days, and dispatched on the fifth": {
			world: func(w *world) { w.shop.acceptsLater = days(5) },
			want:  sold.with(payment.CaseDispatchOverdue),
		},
		"overdue, and the shop does not even answer": {
			world: func(w *world) { w.shop.acceptsLater = -1 },
			during: func(r *sagaRun) {
				r.after(time.Hour, func() { r.w.shop.silentUntil = watched })
			},
			want: ending{Stage: payment.Paid, Cases: []payment.CaseKind{payment.CaseDispatchOverdue}, Open: true},
		},
		"never dispatched, and only a person turns it round": {
			world: func(w *world) { w.shop.acceptsLater = -1 },
			during: func(r *sagaRun) {
				r.after(72*time.Hour-time.Minute, func() { r.w.has(0, payment.CaseDispatchOverdue) })
				r.after(72*time.Hour+time.Minute, func() { r.w.has(1, payment.CaseDispatchOverdue) })
			},
			want: ending{Stage: payment.Paid, Cases: []payment.CaseKind{payment.CaseDispatchOverdue}, Open: true},
		},
		"never dispatched, and a person turns it round": {
			world: func(w *world) { w.shop.acceptsLater = -1 },
			during: func(r *sagaRun) {
				r.asks(days(10), payment.Request{Kind: payment.Compensate, Goods: payment.GoodsStop})
			},
			want: refunded.with(payment.CaseDispatchOverdue),
		},
	})
}
