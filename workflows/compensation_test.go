package workflows

import (
	"testing"
	"time"

	"github.com/paysaga/paysaga/internal/payment"
)

var (
	stopGoods = payment.Request{Kind: payment.Compensate, Goods: payment.GoodsStop}
	returned  = payment.Request{Kind: payment.Compensate, Goods: payment.GoodsReturned}
	again     = payment.Request{Kind: payment.Retry}
)

func refusedByShop(w *world) { w.shop.refuses = true }

func TestRefund(t *testing.T) {
	tell(t, map[string]story{
		"WeChat takes two hours, and our asking finds it done": {
			world: func(w *world) { refusedByShop(w); w.wechat.takes = 2 * time.Hour },
			want:  refunded,
		},
		"WeChat calls back before we ask": {
			world: func(w *world) { refusedByShop(w); w.wechat.takes = days(30) },
			during: func(r *sagaRun) {
				r.after(2*time.Minute, func() {
					r.w.hurryRefunds()
					r.SignalWorkflow(SignalRefundResult, RefundResult{OutRefundNo: payment.RefundNumber(txID, 1)})
				})
				// Half an hour is the longest time between two questions of our own.
				r.after(2*time.Minute+time.Second, func() { r.w.wants(payment.Refunded) })
			},
			want: refunded,
		},
		"WeChat calls back while we still wait for its first answer": {
			world: func(w *world) { refusedByShop(w); w.wechat.emptyUntil = 12 * time.Hour },
			during: func(r *sagaRun) {
				r.after(5*time.Hour, func() {
					r.w.refundOf(r.w.books.Refund) // it had taken the refund after all
					r.SignalWorkflow(SignalRefundResult, RefundResult{OutRefundNo: payment.RefundNumber(txID, 1)})
				})
				r.after(5*time.Hour+time.Second, func() { r.w.wants(payment.Refunded) })
			},
			want: refunded,
		},
		"WeChat calls back before its first answer, and is not done yet": {
			world: func(w *world) { refusedByShop(w); w.wechat.emptyUntil, w.wechat.takes = 12*time.Hour, 2*time.Hour },
			during: func(r *sagaRun) {
				r.after(5*time.Hour, func() {
					r.w.refundOf(r.w.books.Refund)
					r.SignalWorkflow(SignalRefundResult, RefundResult{OutRefundNo: payment.RefundNumber(txID, 1)})
				})
				r.after(8*time.Hour, func() { r.w.wants(payment.Refunded) })
			},
			want: refunded,
		},
		"somebody else's refund is in the way for three days": {
			world: func(w *world) { refusedByShop(w); w.wechat.blockedUntil = days(3) },
			during: func(r *sagaRun) {
				r.after(days(3)-time.Hour, func() {
					if r.w.questions > 100 {
						r.w.t.Errorf("WeChat was asked %d times for nothing", r.w.questions)
					}
				})
			},
			want: refunded.with(payment.CaseRefundStuck),
		},
		"WeChat calls back three times in one moment: it is asked once, and once for all that came meanwhile": {
			world: func(w *world) { refusedByShop(w); w.wechat.takes = days(30) },
			during: func(r *sagaRun) {
				r.after(90*time.Second, func() {
					before := r.w.questions
					for range 3 {
						r.SignalWorkflow(SignalRefundResult, RefundResult{OutRefundNo: payment.RefundNumber(txID, 1)})
					}
					r.after(time.Second, func() {
						if asked := r.w.questions - before; asked != 2 {
							r.w.t.Errorf("WeChat was asked %d times", asked)
						}
						r.w.hurryRefunds()
					})
				})
			},
			want: refunded,
		},
		"a callback about another refund wakes nobody": {
			world: func(w *world) { refusedByShop(w); w.wechat.takes = days(3) },
			during: func(r *sagaRun) {
				r.after(time.Hour, func() { r.SignalWorkflow(SignalRefundResult, RefundResult{OutRefundNo: "R0"}) })
			},
			want: refunded,
		},
		"its answer is lost, and the refund is not made twice": {
			world: func(w *world) { refusedByShop(w); w.wechat.silentUntil = time.Hour },
			want:  refunded,
		},
		"the merchant's account is empty for two days": {
			world: func(w *world) { refusedByShop(w); w.wechat.emptyUntil = days(2) },
			want:  refunded.with(payment.CaseRefundStuck),
		},
		"the payer's card is dead, and a person mends it at WeChat": {
			world: func(w *world) {
				refusedByShop(w)
				w.wechat.takes, w.wechat.abnormalUntil = time.Hour, days(3)
			},
			during: func(r *sagaRun) {
				r.after(30*time.Minute, func() { r.alarmed(false) })
				r.after(days(1), func() { r.alarmed(true) })
			},
			want: refunded.with(payment.CaseRefundAbnormal),
		},
		"a person closed the payment while WeChat may have it: it is followed, and not sent": {
			world: func(w *world) {
				w.paidBefore(payment.Resolved)
				w.wechat.takes = days(2)
				w.books.Refund = &payment.Refund{
					OutRefundNo: payment.RefundNumber(txID, 1), AmountFen: paidFen, State: payment.RefundRequested, AskedAt: w.begun,
				}
				w.refunds[payment.RefundNumber(txID, 1)] = &refundAtWeChat{amountFen: paidFen}
			},
			during: func(r *sagaRun) { r.w.refunds[payment.RefundNumber(txID, 1)].at = r.Now() },
			want:   ending{Stage: payment.Resolved, RefundedFen: paidFen},
		},
		"WeChat has not finished after a week": {
			world: func(w *world) { refusedByShop(w); w.wechat.takes = days(9) },
			want:  refunded.with(payment.CaseRefundStuck),
		},
		"WeChat closes the refund: no new one without a person": {
			world: func(w *world) { refusedByShop(w); w.wechat.closes = true },
			want:  ending{Stage: payment.Holding, Cases: []payment.CaseKind{payment.CaseRefundClosed}, Open: true},
		},
		"WeChat closed the refund, and a person has it tried again": {
			world: func(w *world) { refusedByShop(w); w.wechat.closes = true },
			during: func(r *sagaRun) {
				r.after(time.Hour, func() { delete(r.w.refunds, payment.RefundNumber(txID, 1)); r.w.wechat.closes = false })
				r.asks(2*time.Hour, again)
			},
			want: refunded.with(payment.CaseRefundClosed),
		},
		"the shop cannot be told of the refund": {
			world: func(w *world) { refusedByShop(w); w.shop.deafToUntil = days(1) },
			want:  ending{Stage: payment.Refunded, RefundedFen: paidFen, Cases: []payment.CaseKind{payment.CaseNotifyFailed}},
		},
	})
}

func TestEmptyAccount(t *testing.T) {
	w := newWorld(t)
	refusedByShop(w)
	w.wechat.emptyUntil = days(5)
	newRun(t, w).play(t)
	if _, ok := w.refunds[payment.RefundNumber(txID, 1)]; !ok || len(w.refunds) != 1 {
		t.Errorf("WeChat was asked under other numbers: %v", w.refunds)
	}
	w.has(1, payment.CaseRefundStuck) // one case, however many days it takes
}

func TestSlowRefundIsAskedAboutOnceADayAfterAWeek(t *testing.T) {
	w := newWorld(t)
	refusedByShop(w)
	w.wechat.takes = days(12)
	r := newRun(t, w)
	afterAWeek := 0
	r.after(days(8), func() { afterAWeek = w.questions })
	r.play(t)
	if asked := w.questions - afterAWeek; asked < 4 || asked > 6 {
		t.Errorf("WeChat was asked %d times in the days from 8 to 12", asked)
	}
}

func TestCancelShipment(t *testing.T) {
	tell(t, map[string]story{
		"a person stops it while the shop is silent": {
			world:  func(w *world) { w.shop.silentUntil = time.Hour },
			during: func(r *sagaRun) { r.asks(30*time.Minute, stopGoods) },
			want:   refunded,
		},
		"a person stops it, and the shop had shipped in silence: no refund": {
			world:  func(w *world) { w.shop.silentUntil, w.shop.shipsAnyway = time.Hour, true },
			during: func(r *sagaRun) { r.asks(30*time.Minute, stopGoods) },
			want:   ending{Stage: payment.Holding, Parcels: 1, Cases: []payment.CaseKind{payment.CaseCancelRefused}, Open: true},
		},
		"a person stops it after dispatch: no refund, a case": {
			world:  func(w *world) { w.shop.deafToUntil = time.Hour },
			during: func(r *sagaRun) { r.asks(30*time.Minute, stopGoods) },
			want:   ending{Stage: payment.Holding, Parcels: 1, Cases: []payment.CaseKind{payment.CaseCancelRefused}, Open: true},
		},
		"the goods came back": {
			world:  func(w *world) { w.shop.deafToUntil = time.Hour },
			during: func(r *sagaRun) { r.asks(30*time.Minute, returned) },
			want:   ending{Stage: payment.Refunded, Parcels: 1, RefundedFen: paidFen, Told: []string{"payment.refunded"}},
		},
		"no answer to cancel is no leave to refund": {
			world: func(w *world) { w.shop.silentUntil, w.shop.deafToCancel = time.Hour, true },
			during: func(r *sagaRun) {
				r.asks(30*time.Minute, stopGoods)
				r.after(days(1), func() { r.w.wants(payment.Compensating) })
			},
			want: ending{Stage: payment.Holding, Cases: []payment.CaseKind{payment.CaseCancelUnknown}, Open: true},
		},
		"no answer to cancel, and then a person has it tried again": {
			world: func(w *world) { w.shop.silentUntil, w.shop.deafToCancel = time.Hour, true },
			during: func(r *sagaRun) {
				r.asks(30*time.Minute, stopGoods)
				r.after(days(4), func() { r.w.shop.deafToCancel = false })
				r.asks(days(5), again)
			},
			want: refunded.with(payment.CaseCancelUnknown),
		},
	})
}
