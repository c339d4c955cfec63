package e2e

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	commandpb "go.temporal.io/api/command/v1"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/paysaga/paysaga/internal/fleet"
	"github.com/paysaga/paysaga/internal/simulator"
)

// Who is gone, what holds all the same, and where it is shown:
//
//	Temporal's process         callbacks are answered 200, every saga ends within 30 s of its return  TestTemporalIsGone
//	Postgres, for the api      Temporal keeps the payment, its saga writes the row                    TestPostgresIsOutOfReach… (kills)
//	both, for the api          503 and nothing promised; WeChat's repeats bring it back               TestBothAreGone
//	the answer to a commit     read again on a new connection                                         TestAnAnswerPromises… (api)
//	one run, terminated        another one carries on                                                 TestATerminatedSaga… (kills)
//	one run, failed            likewise                                                               TestAFailedRun…
//	everything in Temporal     what is not done starts anew, what is done stays done                  TestTemporalIsEmptied
//	Temporal's last day        runs of an older state find the books ahead of them                    TestTemporalIsRestored…
//	our books' last day        runs find the books behind them; lost payments are found at WeChat     TestOurBooksAreRestored…
//
// In each of them one order is shipped once, at most, by the shop's own count.

// delivered tells how the callbacks of an order's payment were answered, in turn.
func (w *world) delivered(number string) (statuses []int) {
	w.Helper()
	for _, d := range w.truth(number).Deliveries {
		statuses = append(statuses, d.Status)
	}
	return statuses
}

// The pauses between sweeps are the default's here, because the thirty seconds are.
func TestTemporalIsGone(t *testing.T) {
	temporal := newTemporald(t)
	w := newWorld(t, temporal.serves, "SWEEP_EVERY=5s")
	underWay := w.order(tea)
	caught := w.hold("ship", underWay, "after")
	paid := map[string]string{w.pay(underWay, simulator.PayRequest{}): underWay}
	caught()
	temporal.kill()
	w.release(underWay)
	for range 8 {
		number := w.order(tea)
		paid[w.pay(number, simulator.PayRequest{})] = number
	}
	for id, number := range paid {
		w.await("the callback of "+id+" is answered", func() bool { return len(w.delivered(number)) > 0 })
		if got := w.delivered(number); !slices.Equal(got, []int{http.StatusOK}) {
			t.Errorf("Temporal was away, and WeChat was answered %v", got)
		}
	}
	w.await("its starts were tried in vain", func() bool {
		var waiting int
		w.sql(&waiting, "select count(*) from inbox where tries >= 2 and last_error like 'temporal_silent%'")
		return waiting == 8
	})
	temporal.start()
	back := time.Now()
	for id, number := range paid {
		w.endsShipped(id, number)
	}
	if took := time.Since(back); took > 30*time.Second {
		t.Errorf("they ended %s after Temporal's return", took)
	}
	for id := range paid {
		w.inboxLeadsTo(id, "completed")
	}
}

// inboxLeadsTo follows a payment from its callback to its run, as an operator does.
func (w *world) inboxLeadsTo(id, status string) {
	w.Helper()
	var page struct{ Items []struct{ ID string } }
	w.must("GET", w.fleet.APIs[0].URL+"/v1/inbox?kind=payment&q="+id, w.fleet.Tokens.Operator, nil, &page)
	if len(page.Items) != 1 {
		w.Fatalf("the inbox has %s %d times", id, len(page.Items))
	}
	var news struct {
		Deliveries []struct {
			Verdict string
			Body    []byte
		}
		Run struct{ Status string }
	}
	w.must("GET", w.fleet.APIs[0].URL+"/v1/inbox/"+page.Items[0].ID, w.fleet.Tokens.Operator, nil, &news)
	if news.Run.Status != status || len(news.Deliveries) == 0 || len(news.Deliveries[0].Body) == 0 {
		w.Errorf("the news of %s leads to %+v", id, news)
	}
}

func TestBothAreGone(t *testing.T) {
	database, _ := url.Parse(os.Getenv("DATABASE_URL"))
	toPostgres, toTemporal := newProxy(t, database.Host), newProxy(t, os.Getenv("TEMPORAL_ADDRESS"))
	w := newWorld(t, func(o *fleet.Options) {
		u, _ := url.Parse(o.DatabaseURL)
		u.Host = toPostgres.addr()
		o.APIEnv = []string{"DATABASE_URL=" + u.String(), "TEMPORAL_ADDRESS=" + toTemporal.addr()}
	})
	number := w.order(tea)
	toPostgres.cut()
	toTemporal.cut()
	id := w.pay(number, simulator.PayRequest{})
	w.await("it was told three times in vain", func() bool { return len(w.delivered(number)) >= 3 })
	for _, status := range w.delivered(number) {
		if status != http.StatusServiceUnavailable {
			t.Errorf("nobody could keep it, and WeChat was answered %d", status)
		}
	}
	var rows int
	if w.sql(&rows, "select count(*) from inbox"); rows != 0 || w.runs(id) != 0 {
		t.Errorf("%d rows and %d runs of what was answered 503", rows, w.runs(id))
	}
	toPostgres.heal()
	toTemporal.heal()
	w.endsShipped(id, number)
}

// Nothing is left in Temporal: no run, no namespace, no schedule. Migrate makes
// the place, and the sweep fills it from the books.
func TestTemporalIsEmptied(t *testing.T) {
	temporal := newTemporald(t)
	w := newWorld(t, temporal.serves)
	shipped, shipping, refunding, odd, news := w.order(tea), w.order(tea), w.order(tea), w.order(tea), w.order(tea)

	shippedID := w.pay(shipped, simulator.PayRequest{})
	w.endsShipped(shippedID, shipped)
	caught := w.hold("ship", shipping, "after")
	shippingID := w.pay(shipping, simulator.PayRequest{})
	caught()
	w.plan(refunding, simulator.Plan{Shop: "refuse"})
	caught = w.hold("refund", refunding, "after")
	refundingID := w.pay(refunding, simulator.PayRequest{})
	caught()
	oddID := w.pay(odd, simulator.PayRequest{AmountFen: tea - 1})
	w.held(oddID, "quarantined", "amount_mismatch")

	temporal.kill()
	newsID := w.pay(news, simulator.PayRequest{})
	w.await("the news is kept", func() bool { return slices.Equal(w.delivered(news), []int{http.StatusOK}) })
	temporal.empty()
	w.release(shipping)
	w.release(refunding)
	w.migrateAgain()

	w.endsShipped(shippingID, shipping)
	w.endsRefunded(refundingID, refunding)
	w.endsShipped(newsID, news)
	w.await("the quarantined one has a run again", func() bool { return w.runs(oddID) == 1 })
	w.ask(oddID, "compensate", w.fleet.Tokens.Support, map[string]any{"reason": "the amount was never right"})
	w.endsRefunded(oddID, odd)

	w.control("POST", "/transactions/"+shippedID+"/notify", simulator.NotifyRequest{}, nil)
	number := w.order(tea) // whatever the repeat begins has begun before this one ends
	w.endsShipped(w.pay(number, simulator.PayRequest{}), number)
	if runs := w.runs(shippedID); runs != 0 {
		t.Errorf("a payment that was done has %d runs anew", runs)
	}
	if effects, _ := w.whatHappened(shippedID, shipped); effects != 1 {
		t.Errorf("it was shipped %d times", effects)
	}
}

// migrateAgain makes namespace and schedules, as after every restore.
func (w *world) migrateAgain() {
	w.Helper()
	if out, err := w.fleet.Run(w.Context(), "migrate"); err != nil {
		w.Fatalf("migrate: %v\n%s", err, out)
	}
	for _, m := range append(w.fleet.Workers, w.fleet.APIs...) {
		if !m.Running() {
			w.revive(m)
		}
	}
}

// Temporal knows of runs in a state that the books have left, and nothing of what
// was paid since.
func TestTemporalIsRestoredFromYesterday(t *testing.T) {
	temporal := newTemporald(t)
	w := newWorld(t, temporal.serves)
	shipping, refunding, later, odd := w.order(tea), w.order(tea), w.order(tea), w.order(tea)
	caught := w.hold("ship", shipping, "after")
	shippingID := w.pay(shipping, simulator.PayRequest{})
	caught()
	w.plan(refunding, simulator.Plan{Shop: "refuse"})
	caught = w.hold("refund", refunding, "after")
	refundingID := w.pay(refunding, simulator.PayRequest{})
	caught()
	temporal.backUp()

	w.release(shipping)
	w.release(refunding)
	w.endsShipped(shippingID, shipping)
	w.endsRefunded(refundingID, refunding)
	laterID := w.pay(later, simulator.PayRequest{})
	w.endsShipped(laterID, later)
	oddID := w.pay(odd, simulator.PayRequest{AmountFen: tea + 1})
	w.held(oddID, "quarantined", "amount_mismatch")

	temporal.restore()
	for _, id := range []string{shippingID, refundingID} {
		if runs := w.runs(id); runs != 1 {
			t.Errorf("%d runs of %s were restored", runs, id)
		}
	}
	w.migrateAgain()
	w.endsShipped(shippingID, shipping)
	w.endsRefunded(refundingID, refunding)
	w.await("what is not done has a run again", func() bool { return w.runs(oddID) == 1 })
	w.ask(oddID, "compensate", w.fleet.Tokens.Support, map[string]any{"reason": "the amount was never right"})
	w.endsRefunded(oddID, odd)
	if effects, _ := w.whatHappened(laterID, later); effects != 1 || w.runs(laterID) != 0 {
		t.Errorf("a payment that was done has %d runs anew, and %d shipments", w.runs(laterID), effects)
	}
}

// The books have forgotten their last day: payments, and how far others had come.
// Temporal has not, nor have the shop and WeChat.
func TestOurBooksAreRestoredFromYesterday(t *testing.T) {
	w := newWorld(t, nil, "SHIP_GIVE_UP_AFTER=12s", "ORDER_QUERY_AT=10s,20s,30s,40s,50s,60s,70s,80s,90s")
	shipping, holding, forgotten := w.order(tea), w.order(tea), w.order(tea)
	pay := func(number string) string {
		caught := w.hold("ship", number, "before")
		id := w.pay(number, simulator.PayRequest{})
		caught()
		return id
	}
	shippingID, holdingID := pay(shipping), pay(holding)
	books := strings.TrimPrefix(databasePath(t, w.databaseURL), "/")
	w.offline(func() { onServer(t, evict(books), "create database "+books+"_yesterday template "+books) })
	t.Cleanup(func() { onServer(t, "drop database if exists "+books+"_yesterday") })

	w.plan(holding, simulator.Plan{Shop: "fail"})
	w.release(shipping)
	w.release(holding)
	w.endsShipped(shippingID, shipping)
	w.held(holdingID, "holding", "ship_unknown")
	forgottenID := w.pay(forgotten, simulator.PayRequest{})
	w.endsShipped(forgottenID, forgotten)
	w.plan(holding, simulator.Plan{Shop: "normal"})

	w.offline(func() {
		onServer(t, "drop database "+books+" with (force)", "create database "+books+" template "+books+"_yesterday")
	})
	v := w.endsShipped(forgottenID, forgotten) // WeChat is asked what became of its order
	var via string
	if w.sql(&via, "select via from payments where transaction_id = $1", v.TransactionID); via != "query" {
		t.Errorf("the forgotten payment came back by %s", via)
	}
	w.endsShipped(shippingID, shipping)
	w.endsShipped(holdingID, holding)
}

// offline stops whoever uses the books, and starts them again.
func (w *world) offline(do func()) {
	w.Helper()
	members := append(w.fleet.Workers[:1:1], w.fleet.APIs...)
	for _, m := range members {
		m.Kill()
	}
	do()
	for _, m := range members {
		w.revive(m)
	}
}

func databasePath(t *testing.T, databaseURL string) string {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	return u.Path
}

// A run can fail where nothing of ours fails it: here somebody answers Temporal in
// the worker's place. The books are not done, so another run carries on.
func TestAFailedRunIsFinishedByTheSweep(t *testing.T) {
	w := newWorld(t, nil)
	w.playAlone("before it did anything", func(w *world) {
		number := w.order(tea)
		w.fleet.Workers[0].Kill()
		id := w.pay(number, simulator.PayRequest{})
		w.failRun(id)
		w.revive(w.fleet.Workers[0])
		w.endsShipped(id, number)
	})
	w.playAlone("while the shop ships", func(w *world) {
		number := w.order(tea)
		caught := w.hold("ship", number, "after")
		id := w.pay(number, simulator.PayRequest{})
		caught()
		w.fleet.Workers[0].Kill()
		if err := w.temporal.SignalWorkflow(w.Context(), id, "", "refund_result", map[string]string{"out_refund_no": "NONE"}); err != nil {
			w.Fatal(err) // it gives the run something to decide
		}
		w.failRun(id)
		w.release(number)
		w.revive(w.fleet.Workers[0])
		w.endsShipped(id, number)
	})
}

// failRun takes the payment's next decision for it: to fail.
func (w *world) failRun(id string) {
	w.Helper()
	w.await("the run of "+id+" fails", func() bool {
		ctx, cancel := context.WithTimeout(w.Context(), 10*time.Second)
		defer cancel()
		task, err := w.temporal.WorkflowService().PollWorkflowTaskQueue(ctx, &workflowservice.PollWorkflowTaskQueueRequest{
			Namespace: w.namespace, TaskQueue: &taskqueuepb.TaskQueue{Name: "payments"}, Identity: "a rogue",
		})
		if err != nil || task.GetWorkflowExecution().GetWorkflowId() != id {
			return false
		}
		_, err = w.temporal.WorkflowService().RespondWorkflowTaskCompleted(ctx, &workflowservice.RespondWorkflowTaskCompletedRequest{
			Namespace: w.namespace, TaskToken: task.TaskToken,
			Commands: []*commandpb.Command{{
				CommandType: enumspb.COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION,
				Attributes: &commandpb.Command_FailWorkflowExecutionCommandAttributes{
					FailWorkflowExecutionCommandAttributes: &commandpb.FailWorkflowExecutionCommandAttributes{
						Failure: &failurepb.Failure{Message: "a test fails the run"},
					},
				},
			}},
		})
		if err != nil {
			w.Fatal(err)
		}
		return true
	})
	run, err := w.temporal.DescribeWorkflowExecution(w.Context(), id, "")
	if err != nil || run.WorkflowExecutionInfo.Status != enumspb.WORKFLOW_EXECUTION_STATUS_FAILED {
		w.Fatalf("the run has not failed: %v %v", run, err)
	}
}
