package workflows

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"github.com/paysaga/paysaga/internal/payment"
)

// TestAnotherRun starts a saga where an earlier one was terminated or lost.
func TestAnotherRun(t *testing.T) {
	at := func(stage payment.Stage, more func(w *world)) func(w *world) {
		return func(w *world) {
			w.paidBefore(stage)
			if more != nil {
				more(w)
			}
		}
	}
	tell(t, map[string]story{
		"after it was received": {world: at(payment.Received, nil), want: sold},
		"after it was accepted": {world: at(payment.Paid, nil), want: sold},
		"after the shop accepted the shipment": {
			world: at(payment.Paid, func(w *world) {
				w.books.Shipment, w.shop.acceptsLater = payment.ShipAccepted, time.Hour
				w.shop.dispatchedNow = true
			}),
			want: sold,
		},
		"after it was dispatched": {
			world: at(payment.Shipped, func(w *world) {
				w.books.Shipment, w.books.Webhook = payment.ShipDispatched, "order.shipped-"+txID
				w.shipped["ship-"+txID] = 1
			}),
			want: sold,
		},
		"after it was shipped and told, and not marked": {
			world: at(payment.Shipped, func(w *world) { w.shipped["ship-"+txID] = 1 }),
			want:  ending{Stage: payment.Completed, Parcels: 1},
		},
		"after it was shipped and told, and nothing answers for a day": {
			world: at(payment.Shipped, func(w *world) { w.shipped["ship-"+txID], w.shop.deafToUntil = 1, aDay }),
			want:  ending{Stage: payment.Completed, Parcels: 1},
		},
		"after it was held, and the deadline has come": {
			world: at(payment.Holding, func(w *world) {
				w.books.Hold = &payment.Hold{Reason: payment.CaseShipUnknown, Direction: payment.Forward, Until: time.Now().Add(-aDay)}
				w.books.Shipment = payment.ShipRequested
			}),
			want: refunded,
		},
		"after it was held, and it waits on": {
			world: at(payment.Holding, func(w *world) {
				w.books.Hold = &payment.Hold{Reason: payment.CaseCancelRefused, Direction: payment.Backward}
			}),
			want: ending{Stage: payment.Holding, Open: true},
		},
		"while it is held, because the books were restored from before that": {
			world: at(payment.Holding, func(w *world) {
				w.books.Hold = &payment.Hold{Reason: payment.CaseCancelledWorkflow, Direction: payment.Forward}
			}),
			during: func(r *sagaRun) { r.after(3*aDay, func() { r.w.paidBefore(payment.Paid) }) },
			want:   sold,
		},
		"while it is held, because the books were restored from before they knew it, and the money went back": {
			world: at(payment.Holding, func(w *world) {
				w.books.Hold = &payment.Hold{Reason: payment.CaseForeignRefund, Direction: payment.Forward}
				w.tradeState = "REFUND"
			}),
			during: func(r *sagaRun) { r.after(3*aDay, func() { r.w.books, r.w.accepted = payment.Books{}, false }) },
			want:   ending{Stage: payment.Holding, Cases: []payment.CaseKind{payment.CaseNotPaid}, Open: true},
		},
		"after it was quarantined":  {world: at(payment.Quarantined, nil), want: ending{Stage: payment.Quarantined, Open: true}},
		"after it was turned round": {world: at(payment.Compensating, nil), want: refunded},
		"after the refund was sent": {
			world: at(payment.Compensating, func(w *world) {
				w.wechat.takes = time.Hour
				w.books.Refund = &payment.Refund{OutRefundNo: payment.RefundNumber(txID, 1), AmountFen: paidFen, State: payment.RefundProcessing}
				w.refunds[payment.RefundNumber(txID, 1)] = &refundAtWeChat{amountFen: paidFen, at: time.Now()}
			}),
			want: refunded,
		},
		"after the money went back": {
			world: at(payment.Compensating, func(w *world) {
				w.books.RefundedFen = paidFen
				w.refunds["R"] = &refundAtWeChat{amountFen: paidFen}
			}),
			want: refunded,
		},
		"after it was marked refunded, and the shop not told": {
			world: at(payment.Refunded, func(w *world) { w.books.Webhook = "payment.refunded-" + txID }),
			want:  ending{Stage: payment.Refunded, Told: []string{"payment.refunded"}},
		},
		"after it was closed, with a refund of ours still at WeChat": {
			world: at(payment.Resolved, func(w *world) {
				w.wechat.takes = time.Hour
				w.books.Refund = &payment.Refund{OutRefundNo: "R1", AmountFen: paidFen, State: payment.RefundProcessing}
				w.refunds["R1"] = &refundAtWeChat{amountFen: paidFen, at: time.Now()}
			}),
			want: ending{Stage: payment.Resolved, RefundedFen: paidFen},
		},
		"after the end, because a person wants the goods' money back": {
			world: at(payment.Completed, func(w *world) {
				w.shipped["ship-"+txID], w.books.Shipment = 1, payment.ShipDispatched
			}),
			during: func(r *sagaRun) { r.asks(0, returned) },
			want:   ending{Stage: payment.Refunded, Parcels: 1, RefundedFen: paidFen, Told: []string{"payment.refunded"}},
		},
	})
}

func TestDuplicateRunDoesNothing(t *testing.T) {
	for _, stage := range []payment.Stage{payment.Completed, payment.Refunded, payment.Resolved} {
		t.Run(string(stage), func(t *testing.T) {
			w := newWorld(t)
			w.paidBefore(stage)
			r := newRun(t, w)
			begun := r.Now()
			out, open := r.play(t)
			if diff := cmp.Diff(payment.Outcome{Stage: stage, Duplicate: true}, out); diff != "" || open {
				t.Errorf("open %t, outcome (-want +got):\n%s", open, diff)
			}
			if diff := cmp.Diff(ending{Stage: stage}, w.ending(open)); diff != "" {
				t.Errorf("it was not without effect (-want +got):\n%s", diff)
			}
			if waited := r.Now().Sub(begun); waited < terms.RequestWait {
				t.Errorf("it waited %s for a request, want %s", waited, terms.RequestWait)
			}
		})
	}
	t.Run("cancelled while it waits", func(t *testing.T) {
		w := newWorld(t)
		w.paidBefore(payment.Completed)
		r := newRun(t, w)
		r.after(10*time.Second, r.CancelWorkflow)
		out, open := r.play(t)
		if !out.Duplicate || open || len(w.cases) > 0 {
			t.Errorf("open %t, %+v, cases %v", open, out, w.cases)
		}
	})
}

// TestHappyPathIsShort counts what makes up the 24 events of a payment that goes
// well: start, end, three acts of six events each but for the shared tasks, one
// change of search attributes, and no timer.
func TestHappyPathIsShort(t *testing.T) {
	w := newWorld(t)
	r := newRun(t, w)
	var acts []string
	timers := 0
	r.SetOnActivityStartedListener(func(info *activity.Info, _ context.Context, _ converter.EncodedValues) {
		acts = append(acts, info.ActivityType.Name)
	})
	r.SetOnTimerScheduledListener(func(string, time.Duration) { timers++ })
	if out, open := r.play(t); out.Stage != payment.Completed || open {
		t.Fatalf("it did not go well: %+v", out)
	}
	if diff := cmp.Diff([]string{"MarkPaid", "Ship", "Notify"}, acts); diff != "" {
		t.Errorf("acts (-want +got):\n%s", diff)
	}
	if timers != 1 || r.upserts != 1 { // the one timer is the test's own
		t.Errorf("%d timers and %d changes of search attributes, want 1 and 1", timers, r.upserts)
	}
}

func TestLongHistoryGoesOnInANewRun(t *testing.T) {
	w := newWorld(t)
	w.shop.acceptsLater = -1
	r := newRun(t, w)
	r.after(days(20), func() { r.SetContinueAsNewSuggested(true) })
	r.ExecuteWorkflow(Type, payment.Payment{TransactionID: txID, OutTradeNo: orderNo, AmountFen: paidFen})
	if err := r.GetWorkflowError(); !workflow.IsContinueAsNewError(err) {
		t.Fatalf("it ended with %v", err)
	}
	var next *workflow.ContinueAsNewError
	var told payment.Payment
	if errors.As(r.GetWorkflowError(), &next) {
		if err := converter.GetDefaultDataConverter().FromPayloads(next.Input, &told); err != nil {
			t.Fatal(err)
		}
	}
	if told.TransactionID != txID || told.Via != payment.ViaQuery {
		t.Errorf("the new run is told %+v, and would believe an old callback", told)
	}
	if w.books.Stage != payment.Paid || len(w.cases) != 1 || !strings.Contains(string(w.opened()[0]), "overdue") {
		t.Errorf("it changed something on the way: %+v %v", w.books, w.cases)
	}
}

// What came with the last event of a long history is heard before a new run begins.
func TestALongHistoryEndsWithWhatWasCalled(t *testing.T) {
	w := newWorld(t)
	w.shop.acceptsLater = -1
	r := newRun(t, w)
	r.after(days(20)+6*time.Minute, func() { r.SetContinueAsNewSuggested(true) })
	r.after(days(20)+7*time.Minute, func() {
		r.SignalWorkflow(SignalCompensate, Word{Actor: "li.lei", Reason: "the payer rang up"})
	})
	r.ExecuteWorkflow(Type, payment.Payment{TransactionID: txID, OutTradeNo: orderNo, AmountFen: paidFen})
	if err := r.GetWorkflowError(); !workflow.IsContinueAsNewError(err) || len(w.requests) != 1 {
		t.Errorf("it ended with %v, and knows of requests %v", err, w.requests)
	}
}
