package workflows

import (
	"testing"
	"time"

	"github.com/paysaga/paysaga/internal/payment"
)

// A person says how it ended.
func TestResolve(t *testing.T) {
	tell(t, map[string]story{
		"closed as shipped by a person, and nobody who knows answers: the request ends, and the deadline comes": {
			world: func(w *world) { w.shop.silentUntil, w.noWitnessUntil = 10*time.Hour, watched },
			during: func(r *sagaRun) {
				r.asks(5*time.Hour, payment.Request{Kind: payment.Resolve, Outcome: payment.Shipped})
				r.after(5*time.Hour+55*time.Minute, func() { r.ended(r.w.t, "resolve-request", payment.Running) })
				r.after(6*time.Hour+time.Minute, func() { r.ended(r.w.t, "resolve-request", payment.RequestRefused) })
				r.after(73*time.Hour, func() { r.w.wants(payment.Holding) })
				r.after(75*time.Hour, func() { r.w.wants(payment.Refunded) })
			},
			want: refunded.with(payment.CaseShipUnknown),
		},
		"closed as shipped by a person in the last minutes of a hold, and nobody answers: the deadline comes": {
			world: func(w *world) { w.shop.silentUntil, w.noWitnessUntil = 10*time.Hour, watched },
			during: func(r *sagaRun) {
				r.asks(73*time.Hour+55*time.Minute, payment.Request{Kind: payment.Resolve, Outcome: payment.Shipped})
				r.after(74*time.Hour+5*time.Minute, func() { r.w.wants(payment.Refunded) })
			},
			want: refunded.with(payment.CaseShipUnknown),
		},
		"closed as shipped by a person, nobody answers, and then a person has it refunded": {
			world: func(w *world) { w.shop.silentUntil, w.noWitnessUntil = 4*time.Hour, watched },
			during: func(r *sagaRun) {
				r.asks(5*time.Hour, payment.Request{Kind: payment.Resolve, Outcome: payment.Shipped})
				r.asks(7*time.Hour, stopGoods)
			},
			want: refunded.with(payment.CaseShipUnknown),
		},
		"closed as shipped by a person, and the shop confirms it": {
			world: func(w *world) { w.shop.silentUntil, w.shop.shipsAnyway = watched, true },
			during: func(r *sagaRun) {
				r.asks(5*time.Hour, payment.Request{Kind: payment.Resolve, Outcome: payment.Shipped})
			},
			want: ending{Stage: payment.Resolved, Parcels: 1, Cases: []payment.CaseKind{payment.CaseShipUnknown}},
		},
		"closed as shipped by a person, and the shop knows nothing of it": {
			world: func(w *world) { w.shop.silentUntil = 10 * time.Hour },
			during: func(r *sagaRun) {
				r.asks(5*time.Hour, payment.Request{Kind: payment.Resolve, Outcome: payment.Shipped})
			},
			want: refunded.with(payment.CaseShipUnknown), // as if nobody had come
		},
		"closed as refunded by a person, who did it at WeChat": {
			world: func(w *world) { w.verdict = payment.Quarantined },
			during: func(r *sagaRun) {
				r.after(time.Hour, func() { r.w.refundOf(&payment.Refund{OutRefundNo: "BY-HAND", AmountFen: paidFen}) })
				r.asks(2*time.Hour, payment.Request{Kind: payment.Resolve, Outcome: payment.Refunded, Evidence: []string{"BY-HAND"}})
			},
			want: ending{Stage: payment.Resolved, RefundedFen: paidFen, Cases: []payment.CaseKind{payment.CaseAmountMismatch}},
		},
	})
}
