package workflows

import (
	"fmt"
	"testing"
	"time"

	"github.com/paysaga/paysaga/internal/payment"
)

// A person wants what is being tried tried now.
func TestRetry(t *testing.T) {
	tell(t, map[string]story{
		"a retry while the shop is silent is no empty word: it is asked at once": {
			world: func(w *world) { w.shop.silentUntil = 3010 * time.Second }, // asked 3 s before that, and 117 s after
			during: func(r *sagaRun) {
				r.after(3015*time.Second, func() { r.w.wants(payment.Paid) })
				r.asks(3015*time.Second, again)
				r.after(3016*time.Second, func() { r.w.wants(payment.Completed) })
			},
			want: sold,
		},
		"a retry by hand while the shop is silent: nobody has approved it": {
			world: func(w *world) { w.shop.silentUntil, w.shop.deafToUntil = 3010*time.Second, 2*time.Hour },
			during: func(r *sagaRun) {
				r.after(3015*time.Second, func() { r.SignalWorkflow(SignalRetry, Word{Actor: "li.lei"}) })
				r.after(3016*time.Second, func() { r.w.wants(payment.Paid) })
			},
			want: sold,
		},
		"retries while the shop is silent: its two hours are not made longer": {
			world: func(w *world) { w.shop.silentUntil = 150 * time.Minute },
			during: func(r *sagaRun) {
				for n := range 10 {
					retry := again
					retry.ID = fmt.Sprint("retry-", n)
					r.asks(time.Duration(20+10*n)*time.Minute, retry)
				}
				r.after(117*time.Minute, func() { r.w.has(0, payment.CaseShipUnknown) })
				r.after(121*time.Minute, func() { r.w.has(1, payment.CaseShipUnknown) })
			},
			want: refunded.with(payment.CaseShipUnknown),
		},
		"a retry while the shop takes its time: it is asked at once whether it dispatched": {
			world: func(w *world) { w.shop.acceptsLater = 10 * time.Hour }, // asked two minutes after that
			during: func(r *sagaRun) {
				r.after(10*time.Hour+time.Minute, func() { r.w.wants(payment.Paid) })
				r.asks(10*time.Hour+time.Minute, again)
				r.after(10*time.Hour+61*time.Second, func() { r.w.wants(payment.Completed) })
			},
			want: sold,
		},
	})
}
