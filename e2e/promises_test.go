package e2e

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/temporalproto"
)

// The three parties' words on one payment, compared. Each way to end has its own
// demands, and in all of them no more goes back than was paid, goods leave at
// most once, and no callback that was answered 2xx is lost.

// endsShipped waits for the end and demands that the goods left once, that no
// money went back, and that all parties say so.
func (w *world) endsShipped(id, number string) view {
	w.Helper()
	v := w.reaches(id, "completed")
	w.runCloses(id)
	shipped, refundedFen := w.whatHappened(id, number)
	if shipped != 1 || refundedFen != 0 {
		w.Errorf("%s ended shipped, and the world saw %d shipments and %d fen refunded", id, shipped, refundedFen)
	}
	if state := w.orderState(number); state != "shipped" {
		w.Errorf("order %s is %s", number, state)
	}
	// A worker killed while it told the shop tells it again, under the same id.
	told := 0
	for _, hook := range w.truth(number).Webhooks {
		if hook.Type == "order.shipped" && hook.Taken > 0 {
			told++
		}
	}
	if told != 1 {
		w.Errorf("the shop took order.shipped under %d ids: %+v", told, w.truth(number).Webhooks)
	}
	return v
}

// endsRefunded waits for the end and demands that all money went back, once,
// and that nothing is on its way to the payer.
func (w *world) endsRefunded(id, number string) view {
	w.Helper()
	v := w.reaches(id, "refunded")
	w.runCloses(id)
	shipped, refundedFen := w.whatHappened(id, number)
	if shipped != 0 || refundedFen != v.AmountFen || v.RefundedFen != v.AmountFen {
		w.Errorf("%s ended refunded, and the world saw %d live shipments and %d of %d fen refunded (books: %d)",
			id, shipped, refundedFen, v.AmountFen, v.RefundedFen)
	}
	return v
}

// held waits until the payment needs a person, in that stage and with an open case
// of that kind, and demands that somebody is named.
func (w *world) held(id, stage, kind string) view {
	w.Helper()
	var v view
	w.await(fmt.Sprintf("payment %s %s with a case %s", id, stage, kind), func() bool {
		v = w.payment(id)
		for _, c := range v.Cases {
			if c.Kind == kind && c.State == "open" && v.Stage == stage {
				if c.Owner == "" || !v.NeedsAttention {
					w.Errorf("the case is owned by %q, and needs_attention is %t", c.Owner, v.NeedsAttention)
				}
				return true
			}
		}
		return false
	})
	return v
}

// whatHappened counts live shipments of the order and fen refunded of the payment.
func (w *world) whatHappened(id, number string) (shipped int, refundedFen int64) {
	w.Helper()
	truth := w.truth(number)
	for _, s := range truth.Shipments {
		if s.State != "cancelled" {
			shipped += s.Effects
		}
	}
	askedFen, paidFen := int64(0), int64(0)
	for _, r := range truth.Refunds {
		if r.TransactionID != id {
			continue
		}
		if r.State == "SUCCESS" {
			refundedFen += r.AmountFen
		}
		if r.State != "CLOSED" {
			askedFen += r.AmountFen
		}
	}
	for _, p := range truth.Payments {
		if p.TransactionID == id {
			paidFen = p.AmountFen
		}
	}
	if askedFen > paidFen {
		w.Errorf("%d fen refunded of %d paid", askedFen, paidFen)
	}
	if shipped > 1 {
		w.Errorf("order %s was shipped %d times", number, shipped)
	}
	for _, d := range truth.Deliveries {
		if d.Status/100 == 2 && d.TransactionID == id {
			var rows int
			w.sql(&rows, "select count(*) from inbox where transaction_id = $1", id)
			if rows == 0 {
				w.Errorf("a callback of %s was answered %d and is not in the inbox", id, d.Status)
			}
			break
		}
	}
	return shipped, refundedFen
}

func (w *world) orderState(number string) string {
	w.Helper()
	var order struct{ State string }
	w.must("GET", w.fleet.APIs[0].URL+"/v1/orders/"+number, w.fleet.Tokens.Merchant, nil, &order)
	return order.State
}

// runCloses demands that the payment's last run ends, completed. A run that was
// cut may be the last one, if the act it had in flight finished the payment.
func (w *world) runCloses(id string) {
	w.Helper()
	var status enumspb.WorkflowExecutionStatus
	w.await("the run of "+id+" closes", func() bool {
		run, err := w.temporal.DescribeWorkflowExecution(w.Context(), id, "")
		if err != nil {
			return false
		}
		status = run.WorkflowExecutionInfo.Status
		return status != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
	})
	cut := w.cut && status == enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED
	if status != enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED && !cut {
		w.Errorf("the run of %s ended %s", id, status)
	}
}

// history is the payment's last run, event by event.
func (w *world) history(id string) *historypb.History {
	w.Helper()
	events := w.temporal.GetWorkflowHistory(w.Context(), id, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	history := &historypb.History{}
	for events.HasNext() {
		event, err := events.Next()
		if err != nil {
			w.Fatal(err)
		}
		history.Events = append(history.Events, event)
	}
	return history
}

var record = flag.String("record", "", "write the histories of all endings into this `folder`, for the replay test")

// recorded keeps the last run of a payment as the history of an ending.
func (w *world) recorded(id, ending string) {
	w.Helper()
	if *record == "" {
		return
	}
	text, err := temporalproto.CustomJSONMarshalOptions{Indent: " "}.Marshal(w.history(id))
	if err != nil {
		w.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(*record, ending+".json"), append(text, '\n'), 0o644); err != nil {
		w.Fatal(err)
	}
}

// terminate ends the payment's run without any compensation, as a hand in the
// Temporal UI can.
func (w *world) terminate(id string) {
	w.Helper()
	w.cut = true
	if err := w.temporal.TerminateWorkflow(context.WithoutCancel(w.Context()), id, "", "a test pulls the plug"); err != nil {
		w.Fatal(err)
	}
}
