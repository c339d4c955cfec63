package workflows

import (
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"

	"github.com/paysaga/paysaga/internal/payment"
)

// part is support's wish that some of the money goes back, as the desk wrote it.
func part(n int, amountFen int64) payment.Request {
	number := payment.RefundNumber(txID, n)
	return payment.Request{ID: number, Kind: payment.PartialRefund, AmountFen: amountFen, OutRefundNo: number}
}

// elsewhere is somebody giving money back in WeChat's console, and WeChat saying so.
func (r *sagaRun) elsewhere(at time.Duration, amountFen int64) {
	r.after(at, func() {
		r.w.refundOf(&payment.Refund{OutRefundNo: "CONSOLE1", AmountFen: amountFen})
		r.SignalWorkflow(SignalRefundResult, RefundResult{OutRefundNo: "CONSOLE1"})
	})
}

func (r *sagaRun) ended(t *testing.T, id string, want payment.RequestState) {
	t.Helper()
	if got := r.w.requests[id].State; got != want {
		t.Errorf("request %s is %s, want %s", id, got, want)
	}
}

func TestPartOfItGoesBack(t *testing.T) {
	completed := func(w *world) {
		w.paidBefore(payment.Completed)
		w.shipped["ship-"+txID], w.books.Shipment = 1, payment.ShipDispatched
	}
	soldAnd := func(fen int64, kinds ...payment.CaseKind) ending {
		end := sold
		end.RefundedFen, end.Cases = fen, kinds
		return end
	}
	after := func(fen int64, kinds ...payment.CaseKind) ending {
		return ending{Stage: payment.Completed, Parcels: 1, RefundedFen: fen, Cases: kinds}
	}
	tell(t, map[string]story{
		"while the shop is silent, and it ships all the same": {
			world: func(w *world) { w.shop.silentUntil = time.Hour },
			during: func(r *sagaRun) {
				r.asks(10*time.Minute, part(1, 850))
				r.after(11*time.Minute, func() {
					if r.w.refundedFen() != 850 {
						r.w.t.Error("the money waits for the goods")
					}
				})
			},
			want: soldAnd(850),
		},
		"while the shop is silent, and its two hours are not made longer": {
			world: func(w *world) { w.shop.silentUntil, w.wechat.takes = 150*time.Minute, 3*time.Hour },
			during: func(r *sagaRun) {
				r.asks(100*time.Minute, part(1, 850))
				r.after(110*time.Minute, func() {
					r.w.hurryRefunds()
					r.SignalWorkflow(SignalRefundResult, RefundResult{OutRefundNo: payment.RefundNumber(txID, 1)})
				})
				r.after(117*time.Minute, func() { r.w.has(0, payment.CaseShipUnknown) })
				r.after(121*time.Minute, func() { r.w.has(1, payment.CaseShipUnknown) })
			},
			want: ending{Stage: payment.Refunded, RefundedFen: paidFen, Told: refunded.Told,
				Cases: []payment.CaseKind{payment.CaseShipUnknown}}, // nobody came
		},
		"after the goods": {
			world:  completed,
			during: func(r *sagaRun) { r.asks(0, part(1, 850)) },
			want:   after(850),
		},
		"after the goods, and WeChat takes two days": {
			world: func(w *world) { completed(w); w.wechat.takes = days(2) },
			during: func(r *sagaRun) {
				r.asks(0, part(1, 850))
				r.after(days(1), func() { r.w.wants(payment.Completed) })
			},
			want: after(850),
		},
		"while the shop takes its time, and WeChat takes more": {
			world: func(w *world) { w.shop.acceptsLater, w.wechat.takes = 24*time.Hour, days(3) },
			during: func(r *sagaRun) {
				r.asks(time.Hour, part(1, 850))
				r.after(26*time.Hour, func() { r.w.wants(payment.Completed) })
			},
			want: soldAnd(850),
		},
		"while the shop takes its time, and WeChat calls back": {
			world: func(w *world) { w.shop.acceptsLater, w.wechat.takes = days(2), days(3) },
			during: func(r *sagaRun) {
				r.asks(time.Hour, part(1, 850))
				r.after(8*time.Hour+time.Minute, func() {
					r.w.hurryRefunds()
					r.SignalWorkflow(SignalRefundResult, RefundResult{OutRefundNo: payment.RefundNumber(txID, 1)})
				})
				r.after(8*time.Hour+time.Minute+time.Second, func() {
					if r.w.books.RefundedFen != 850 {
						r.w.t.Error("the callback was not heard")
					}
				})
			},
			want: soldAnd(850),
		},
		"and the merchant's account is empty for two days: the goods leave meanwhile": {
			world: func(w *world) { w.shop.acceptsLater, w.wechat.emptyUntil = 12*time.Hour, days(2) },
			during: func(r *sagaRun) {
				r.asks(time.Hour, part(1, 850))
				r.after(14*time.Hour, func() { r.w.wants(payment.Completed) })
			},
			want: soldAnd(850, payment.CaseRefundStuck),
		},
		"and the account is empty while the shop takes its time: somebody is told, and it goes back in the end": {
			world:  func(w *world) { w.shop.acceptsLater, w.wechat.emptyUntil = days(3)-time.Hour, days(2) },
			during: func(r *sagaRun) { r.asks(time.Hour, part(1, 850)) },
			want:   soldAnd(850, payment.CaseRefundStuck),
		},
		"and WeChat closes it: the payment stands as it stood": {
			world: func(w *world) { completed(w); w.wechat.closes = true },
			during: func(r *sagaRun) {
				r.asks(0, part(1, 850))
				r.after(time.Minute, func() { r.ended(r.w.t, payment.RefundNumber(txID, 1), payment.RequestRefused) })
			},
			want: after(0, payment.CaseRefundClosed),
		},
		"twice, and then it is all of it": {
			world: func(w *world) {
				completed(w)
				w.books.RefundedFen, w.refunds[payment.RefundNumber(txID, 1)] = 850, &refundAtWeChat{amountFen: 850}
			},
			during: func(r *sagaRun) { r.asks(0, part(2, paidFen-850)) },
			want:   ending{Stage: payment.Refunded, Parcels: 1, RefundedFen: paidFen, Told: []string{"payment.refunded"}},
		},
		"all of it in one, before the shop shipped: nothing ships": {
			world: func(w *world) { w.shop.silentUntil = time.Hour },
			during: func(r *sagaRun) {
				r.asks(10*time.Minute, part(1, paidFen))
				r.after(10*time.Minute+time.Second, func() {
					if r.w.books.Shipment != payment.ShipCancelling {
						r.w.t.Error("the shop is still asked to ship")
					}
				})
			},
			want: refunded,
		},
		"and then the shop refuses: the rest goes back after it": {
			world: func(w *world) { w.shop.silentUntil, w.shop.refuses, w.wechat.takes = time.Hour, true, 5*time.Hour },
			during: func(r *sagaRun) {
				r.asks(10*time.Minute, part(1, 850))
				r.after(4*time.Hour, func() {
					if len(r.w.refunds) != 1 {
						r.w.t.Error("the rest did not wait for the part")
					}
				})
			},
			want: refunded,
		},
		"and then the shop refuses, and does not answer to cancel: the part is followed": {
			world: func(w *world) {
				w.shop.silentUntil, w.shop.refuses, w.shop.deafToCancel, w.wechat.takes = time.Hour, true, true, 2*time.Hour
			},
			during: func(r *sagaRun) {
				r.asks(10*time.Minute, part(1, 850))
				r.after(4*time.Hour, func() {
					if r.w.books.RefundedFen != 850 {
						r.w.t.Error("nobody asked what became of the part")
					}
				})
			},
			want: ending{Stage: payment.Holding, RefundedFen: 850, Cases: []payment.CaseKind{payment.CaseCancelUnknown}, Open: true},
		},
		"and WeChat takes it without a word, and the payment is held: it is asked about": {
			world: func(w *world) { w.shop.silentUntil, w.wechat.silentUntil = 10*time.Hour, 125*time.Minute },
			during: func(r *sagaRun) {
				r.asks(110*time.Minute, part(1, 850))
				r.after(122*time.Minute, func() { r.w.wants(payment.Holding) })
				r.after(3*time.Hour, func() { r.ended(r.w.t, payment.RefundNumber(txID, 1), payment.RequestDone) })
			},
			want: refunded.with(payment.CaseShipUnknown), // nobody came
		},
		"and WeChat takes it without a word, and the shop does not answer to cancel: it is asked about": {
			world: func(w *world) {
				w.shop.silentUntil, w.shop.refuses, w.shop.deafToCancel, w.wechat.silentUntil = time.Hour, true, true, 2*time.Hour
			},
			during: func(r *sagaRun) {
				r.asks(59*time.Minute, part(1, 850))
				r.after(3*time.Hour, func() { r.ended(r.w.t, payment.RefundNumber(txID, 1), payment.RequestDone) })
			},
			want: ending{Stage: payment.Holding, RefundedFen: 850, Cases: []payment.CaseKind{payment.CaseCancelUnknown}, Open: true},
		},
		"and then nobody comes to a held payment: its deadline stands": {
			world: func(w *world) { w.shop.silentUntil, w.wechat.takes = 10*time.Hour, days(5) },
			during: func(r *sagaRun) {
				r.asks(time.Hour, part(1, 850))
				r.after(73*time.Hour, func() { r.w.wants(payment.Holding) })
				r.after(75*time.Hour, func() { r.w.wants(payment.Compensating) })
			},
			want: refunded.with(payment.CaseShipUnknown),
		},
		"and the run is cut while WeChat has it": {
			world: func(w *world) {
				completed(w)
				w.wechat.takes = time.Hour
				w.requests["R"] = &payment.Request{ID: "R", Kind: payment.PartialRefund, State: payment.Running}
				w.books.Request = &payment.OpenRequest{ID: "R", Kind: payment.PartialRefund, State: payment.Running}
				w.books.Refund = &payment.Refund{OutRefundNo: payment.RefundNumber(txID, 1), AmountFen: 850, State: payment.RefundRequested, Part: true}
			},
			want: after(850),
		},
	})
}

func TestSomebodyElseGivesItBack(t *testing.T) {
	tell(t, map[string]story{
		"before anything ships: a person looks": {
			world:  func(w *world) { w.orderKnownAt = 30 * time.Second },
			during: func(r *sagaRun) { r.elsewhere(10*time.Second, 850) },
			want: ending{Stage: payment.Holding, RefundedFen: 850, Open: true,
				Cases: []payment.CaseKind{payment.CaseForeignRefund}},
		},
		"before anything ships, under a number that nobody knows: a person looks": {
			world: func(w *world) { w.orderKnownAt = 30 * time.Second },
			during: func(r *sagaRun) {
				r.after(10*time.Second, func() { r.SignalWorkflow(SignalRefundResult, RefundResult{}) })
			},
			want: ending{Stage: payment.Holding, Open: true, Cases: []payment.CaseKind{payment.CaseForeignRefund}},
		},
		"before anything ships, and a person lets it ship": {
			world: func(w *world) { w.orderKnownAt = 30 * time.Second },
			during: func(r *sagaRun) {
				r.elsewhere(10*time.Second, 850)
				r.asks(time.Hour, again)
			},
			want: ending{Stage: payment.Completed, Parcels: 1, RefundedFen: 850, Told: sold.Told,
				Cases: []payment.CaseKind{payment.CaseForeignRefund}},
		},
		"while the shop is asked: it ships, and a person is told": {
			world:  func(w *world) { w.shop.silentUntil = time.Hour },
			during: func(r *sagaRun) { r.elsewhere(10*time.Minute, 850) },
			want: ending{Stage: payment.Completed, Parcels: 1, RefundedFen: 850, Told: sold.Told,
				Cases: []payment.CaseKind{payment.CaseForeignRefund}},
		},
		"all of it, while the shop is asked: nothing ships": {
			world:  func(w *world) { w.shop.silentUntil = time.Hour },
			during: func(r *sagaRun) { r.elsewhere(10*time.Minute, paidFen) },
			want:   refunded.with(payment.CaseForeignRefund),
		},
		"some of it, and then the shop refuses: only the rest goes back": {
			world: func(w *world) { w.shop.silentUntil, w.shop.refuses = time.Hour, true },
			during: func(r *sagaRun) {
				r.elsewhere(10*time.Minute, 850)
			},
			want: refunded.with(payment.CaseForeignRefund),
		},
		"some of it, while the shop does not answer to cancel: it is asked on, and the rest goes back": {
			world: func(w *world) { w.shop.silentUntil = 3 * time.Hour },
			during: func(r *sagaRun) {
				r.asks(time.Hour, stopGoods)
				r.elsewhere(2*time.Hour, 850)
			},
			want: refunded.with(payment.CaseForeignRefund),
		},
		"long after the end: the books learn of it": {
			world: func(w *world) {
				w.paidBefore(payment.Completed)
				w.shipped["ship-"+txID], w.books.Shipment = 1, payment.ShipDispatched
			},
			during: func(r *sagaRun) { r.elsewhere(0, 850) },
			want: ending{Stage: payment.Completed, Parcels: 1, RefundedFen: 850,
				Cases: []payment.CaseKind{payment.CaseForeignRefund}},
		},
		"three refunds at the same moment are all heard": {
			world: func(w *world) { w.shop.acceptsLater, w.wechat.takes = time.Hour, 30*time.Minute },
			during: func(r *sagaRun) {
				r.asks(time.Minute, part(1, 850))
				r.after(3*time.Minute, func() { // between two questions of our own
					r.w.hurryRefunds()
					for _, number := range []string{"CONSOLE1", "CONSOLE2"} {
						r.w.refundOf(&payment.Refund{OutRefundNo: number, AmountFen: 100})
					}
					for _, number := range []string{"CONSOLE1", payment.RefundNumber(txID, 1), "CONSOLE2"} {
						r.SignalWorkflow(SignalRefundResult, RefundResult{OutRefundNo: number})
					}
				})
				r.after(3*time.Minute+time.Second, func() {
					if r.w.books.RefundedFen != 1050 {
						r.w.t.Errorf("the books know of %d fen", r.w.books.RefundedFen)
					}
				})
			},
			want: ending{Stage: payment.Completed, Parcels: 1, RefundedFen: 1050, Told: sold.Told,
				Cases: []payment.CaseKind{payment.CaseForeignRefund}},
		},
	})
}

// Refunds of one payment keep a distance, and nobody asks in vain before it is over.
func TestAPartWaitsForItsTime(t *testing.T) {
	w := newWorld(t)
	w.paidBefore(payment.Paid)
	r := newRun(t, w)
	number, ready := payment.RefundNumber(txID, 2), r.Now().Add(40*time.Second)
	w.books.Shipment, w.shop.acceptsLater, w.shop.acceptedAt = payment.ShipAccepted, time.Hour, r.Now()
	w.requests[number] = &payment.Request{ID: number, Kind: payment.PartialRefund, State: payment.Running}
	w.books.Request = &payment.OpenRequest{ID: number, Kind: payment.PartialRefund, State: payment.Running}
	w.books.Refund = &payment.Refund{OutRefundNo: number, AmountFen: 850, State: payment.RefundRequested, Part: true, ReadyAt: ready}
	r.play(t)
	if at := w.refunds[number].at; !at.Equal(ready) {
		t.Errorf("asked for %s after the earliest moment", at.Sub(ready))
	}
}

// The answer to the refund call says that WeChat works on it; by the time it
// arrives, a callback had it asked about, and WeChat had closed it.
func TestAnAnswerThatWasOvertakenIsNotTheLastWord(t *testing.T) {
	w := newWorld(t)
	w.paidBefore(payment.Completed)
	w.wechat.takes, w.wechat.closes = time.Hour, true
	r := newRun(t, w)
	arrived := make(chan struct{}, 1)
	r.SetOnActivityCompletedListener(func(act *activity.Info, _ converter.EncodedValue, _ error) {
		if act.ActivityType.Name == "QueryRefund" && len(arrived) == 0 {
			arrived <- struct{}{} // before whatever comes after it
		}
	})
	w.wechat.crossing = func() {
		w.hurryRefunds()
		r.SignalWorkflow(SignalRefundResult, RefundResult{OutRefundNo: payment.RefundNumber(txID, 1)})
		select {
		case <-arrived:
		case <-time.After(10 * time.Second):
			t.Error("the callback was not heard")
		}
	}
	begun := r.Now()
	r.asks(0, part(1, 850))
	r.play(t)
	if took := r.Now().Sub(begun); took >= terms.RefundPoll[0] {
		t.Errorf("the saga went by the older answer for %s", took)
	}
}

// WeChat has none of its number, by its own word or because nobody asked it yet.
func TestARefundThatWeChatCannotHaveIsNotAskedAbout(t *testing.T) {
	for ending, row := range map[string]struct {
		held    payment.CaseKind
		askedAt time.Time
	}{
		"it said no":         {payment.CaseRefundRefused, time.Now()},
		"it was never asked": {payment.CaseCancelledWorkflow, time.Time{}},
	} {
		t.Run(ending, func(t *testing.T) {
			w := newWorld(t)
			w.paidBefore(payment.Holding)
			w.books.Hold = &payment.Hold{Reason: row.held, Direction: payment.Backward}
			w.books.Refund = &payment.Refund{
				OutRefundNo: payment.RefundNumber(txID, 1), AmountFen: paidFen, State: payment.RefundRequested, AskedAt: row.askedAt,
			}
			if _, open := newRun(t, w).play(t); !open || w.questions > 0 {
				t.Errorf("open %t, WeChat was asked %d times", open, w.questions)
			}
		})
	}
}
