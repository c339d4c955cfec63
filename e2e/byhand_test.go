package e2e

import (
	"slices"
	"sync"
	"testing"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/paysaga/paysaga/internal/simulator"
)

// What people undo, in whatever state its saga is: under way, ended, or forgotten by
// Temporal, which keeps a closed run for so many days and no longer.
func TestUndoneByHand(t *testing.T) {
	w := newWorld(t, nil, "SHIP_GIVE_UP_AFTER=2s")

	w.play("many at once, by two agents in the same moment", func(w *world) {
		asked, asking := w.order(tea), w.order(tea)
		w.plan(asked, simulator.Plan{Shop: "accept"}) // and dispatches later
		w.plan(asking, simulator.Plan{Shop: "fail"})
		numbers, ids := []string{asked, asking}, []string{}
		for _, number := range numbers {
			ids = append(ids, w.pay(number, simulator.PayRequest{}))
		}
		w.await("the shop accepts", func() bool { return len(w.truth(asked).Shipments) == 1 })
		w.reaches(ids[1], "paid")

		body := map[string]any{"transaction_ids": append(ids, "4200000000000000NOBODY"), "reason": "the batch was recalled", "preview": true}
		look := w.bulk(w.fleet.Tokens.Support, body)
		if look.Taken != 2 || look.Refused != 1 || look.AmountFen != 2*tea || len(w.payment(ids[0]).Requests) != 0 {
			w.Errorf("the preview says %+v", look)
		}
		body["preview"] = false
		var agents sync.WaitGroup
		answers := make([]bulk, 2)
		for i, token := range []string{w.fleet.Tokens.Support, w.fleet.Tokens.Approver} {
			agents.Go(func() { answers[i] = w.bulk(token, body) })
		}
		agents.Wait()
		for _, id := range ids {
			takes := 0
			for _, item := range slices.Concat(answers[0].Items, answers[1].Items) {
				switch {
				case item.TransactionID != id:
				case item.Code == "":
					takes++
				case item.Code != "one_open_request" && item.Code != "wrong_stage":
					w.Errorf("the slower agent is told %s", item.Code)
				}
			}
			if takes != 1 {
				w.Errorf("%s was taken %d times: %+v", id, takes, answers)
			}
		}
		for i, id := range ids {
			w.endsRefunded(id, numbers[i])
			if n := len(w.truth(numbers[i]).Refunds); n != 1 {
				w.Errorf("WeChat has %d refunds of %s", n, id)
			}
		}
	})

	w.play("many whose runs have ended, and one that Temporal has forgotten", func(w *world) {
		var numbers, ids []string
		for range 2 {
			number := w.order(tea)
			id := w.pay(number, simulator.PayRequest{})
			w.endsShipped(id, number)
			numbers, ids = append(numbers, number), append(ids, id)
		}
		w.forget(ids[1])
		answer := w.bulk(w.fleet.Tokens.Support, map[string]any{"transaction_ids": ids, "reason": "both came back unopened", "goods": "returned"})
		if answer.Taken != 2 {
			w.Fatalf("taken: %+v", answer)
		}
		for _, item := range answer.Items {
			if item.State != "pending_approval" {
				w.Errorf("a refund after dispatch is %s and wants four eyes", item.State)
			}
			w.approve(item.RequestID)
		}
		for i, id := range ids {
			w.reaches(id, "refunded")
			w.runCloses(id)
			if _, backFen := w.whatHappened(id, numbers[i]); backFen != tea || len(w.truth(numbers[i]).Refunds) != 1 {
				w.Errorf("%d fen went back: %+v", backFen, w.truth(numbers[i]).Refunds)
			}
		}
	})

	w.play("one that Temporal has forgotten, part of it", func(w *world) {
		number := w.order(tea)
		id := w.pay(number, simulator.PayRequest{})
		w.endsShipped(id, number)
		w.forget(id)
		w.ends(w.ask(id, "refunds", w.fleet.Tokens.Support, map[string]any{"amount_fen": 100, "reason": "one cup came broken"}), "done")
		w.backFen(id, number, 100)
	})

	w.play("hands in the Temporal UI try again and close with evidence: an approver must confirm", func(w *world) {
		number := w.order(tea)
		w.plan(number, simulator.Plan{Shop: "execute_then_fail"})
		id := w.pay(number, simulator.PayRequest{})
		w.held(id, "holding", "ship_unknown")
		shipment := w.truth(number).Shipments[0].ShipmentID
		for i, signal := range []struct {
			name string
			word map[string]any
		}{
			{"retry", map[string]any{"actor": "olu", "reason": "the shop is back since noon"}},
			{"resolve", map[string]any{"actor": "olu", "reason": "the shop shows it as dispatched", "outcome": "shipped", "evidence": []string{shipment}}},
		} {
			if err := w.temporal.SignalWorkflow(w.Context(), id, "", signal.name, signal.word); err != nil {
				w.Fatal(err)
			}
			var asked request
			w.await("the signal becomes a pending request", func() bool {
				requests := w.payment(id).Requests
				if len(requests) == i+1 {
					asked = requests[i]
				}
				return asked.State == "pending_approval"
			})
			if asked.Actor != "unverified:olu" || asked.Kind != signal.name || w.payment(id).Stage != "holding" {
				w.Errorf("it is %+v of a payment that is %s", asked, w.payment(id).Stage)
			}
			w.approve(asked.ID)
			w.ends(asked.ID, "done")
			if signal.name == "retry" {
				w.held(id, "holding", "ship_unknown")
			}
		}
		w.reaches(id, "resolved")
		w.runCloses(id)
	})
}

type bulk struct {
	Taken     int   `json:"taken"`
	Refused   int   `json:"refused"`
	AmountFen int64 `json:"amount_fen"`
	Items     []struct {
		TransactionID string `json:"transaction_id"`
		RequestID     string `json:"request_id"`
		State, Code   string
	}
}

func (w *world) bulk(token string, body map[string]any) (answer bulk) {
	w.Helper()
	w.must("POST", w.fleet.APIs[0].URL+"/v1/compensations", token, body, &answer)
	return answer
}

// forget takes a closed run out of Temporal, as the end of its retention does.
func (w *world) forget(id string) {
	w.Helper()
	_, err := w.temporal.WorkflowService().DeleteWorkflowExecution(w.Context(), &workflowservice.DeleteWorkflowExecutionRequest{
		Namespace: w.namespace, WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: id},
	})
	if err != nil {
		w.Fatal(err)
	}
	w.await("Temporal has forgotten "+id, func() bool {
		_, err := w.temporal.DescribeWorkflowExecution(w.Context(), id, "")
		return err != nil && w.runs(id) == 0
	})
}
