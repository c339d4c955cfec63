package e2e

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/paysaga/paysaga/internal/payment"
	"github.com/paysaga/paysaga/internal/simulator"
	"github.com/paysaga/paysaga/workflows"
)

// bill steers the day's bill, which WeChat would make the morning after.
func (w *world) bill(day string, plan simulator.BillPlan) {
	w.Helper()
	plan.Early = true
	w.control("POST", "/bills/"+day+"/plan", plan, nil)
}

// reconcile runs the command as an operator does, who types answer.
func (w *world) reconcile(answer string, args ...string) string {
	w.Helper()
	out, err := w.fleet.Answer(w.Context(), answer, append([]string{"reconcile"}, args...)...)
	if err != nil {
		w.Fatalf("reconcile %v: %v\n%s", args, err, out)
	}
	return out
}

func (w *world) says(out string, all ...string) {
	w.Helper()
	for _, text := range all {
		if !strings.Contains(out, text) {
			w.Errorf("%q is not in\n%s", text, out)
		}
	}
}

// trace is all that a reconciliation may leave in the books.
func (w *world) trace() (rows string) {
	w.Helper()
	w.sql(&rows, `select concat_ws(E'\n',
		(select string_agg(concat_ws(' ', kind, subject, state, times_opened), ', ' order by kind, subject) from cases),
		(select string_agg(concat_ws(' ', via, kind, transaction_id, out_refund_no, seen), ', ' order by id) from inbox),
		(select string_agg(concat_ws(' ', transaction_id, stage, refunded_fen), ', ' order by transaction_id) from payments),
		(select string_agg(concat_ws(' ', out_refund_no, state), ', ' order by out_refund_no) from refunds))`)
	return rows
}

// A day of four payments: one as it should be, one whose callback was lost, one
// that the bill lacks, and one that somebody gave back in WeChat's console.
func TestADayIsReconciled(t *testing.T) {
	w := newWorld(t, nil, "ORDER_QUERY_AT=1h", "FUND_FLOW_BILL=on")
	day := payment.BillDay(time.Now())
	noon := day + " 12:00:00+08"
	paid := func(how simulator.PayRequest) (number, id string) {
		number = w.order(tea)
		return number, w.pay(number, how)
	}
	right, rightID := paid(simulator.PayRequest{})
	w.endsShipped(rightID, right)
	lacking, lackingID := paid(simulator.PayRequest{})
	w.endsShipped(lackingID, lacking)
	var moved string // what is paid near midnight may be in the next day's bill
	w.sql(&moved, `update payments set paid_at = $2 where transaction_id = $1 returning transaction_id`, lackingID, noon)
	back, backID := paid(simulator.PayRequest{})
	w.endsShipped(backID, back)
	w.control("POST", "/orders/"+back+"/refund", simulator.ConsoleRefund{
		OutRefundNo: "CONSOLE-1", AmountFen: 100, NotifyURL: "http://127.0.0.1:1/nobody",
	}, nil)
	lost, lostID := paid(simulator.PayRequest{Lose: true})
	w.bill(day, simulator.BillPlan{DropTransactions: []string{lackingID}})
	before := w.trace()

	// Somebody looks, and does not want it.
	preview := w.reconcile("n\n", "--date", day)
	w.says(preview, "bill of "+day+": 4 lines, 2 of them equal",
		"bill_unknown_payment "+lostID+" (order "+lost+")", "its saga would be started",
		"bill_missing_payment "+lackingID, "a case would be opened",
		"bill_unknown_refund CONSOLE-1", "WeChat would be asked what it is", "nothing was done")
	if now := w.trace(); now != before {
		w.Errorf("a look changed\n%s\nto\n%s", before, now)
	}

	// Somebody else does.
	w.says(w.reconcile("y\n", "--date", day), "its saga was started", "WeChat is being asked what it is", "it has a case")
	w.endsShipped(lostID, lost)
	var via string
	w.sql(&via, `select via from payments where transaction_id = $1`, lostID)
	if via != "bill" {
		w.Errorf("the lost payment was found by %q", via)
	}
	w.held(backID, "completed", "foreign_refund")
	w.backFen(backID, back, 100)
	w.held(lackingID, "completed", "bill_missing_payment")
	w.recorded(workflows.ReconcilingID(day), "reconciled")

	// The day comes again, and again.
	var again struct {
		Report      payment.Report       `json:"report"`
		Differences []payment.Difference `json:"differences"`
	}
	w.await("nothing is under way", func() bool {
		var busy int
		w.sql(&busy, `select count(*) from inbox where not done`)
		return busy == 0
	})
	settled := w.trace()
	for range 2 {
		out := w.reconcile("", "--date", day, "--yes", "--json")
		if err := json.Unmarshal([]byte(out[strings.Index(out, "{"):]), &again); err != nil {
			t.Fatalf("%v in %s", err, out)
		}
		if now := w.trace(); now != settled {
			w.Errorf("the second time changed\n%s\nto\n%s", settled, now)
		}
	}
	if r := again.Report; r.State != payment.ReportSettled || r.Lines != 4 || r.Equal != 4 || r.Differences != 1 || r.Recorded != 3 ||
		r.Payments != (payment.Sides{Ours: 4, OursFen: 4 * tea, Theirs: 3, TheirsFen: 3 * tea}) ||
		r.Refunds != (payment.Sides{Ours: 1, OursFen: 100, Theirs: 1, TheirsFen: 100}) || r.FundFlow == nil {
		w.Errorf("the report: %+v", r)
	}

	// And the desk shows it.
	var report struct {
		Report payment.Report       `json:"report"`
		Items  []payment.Difference `json:"items"`
	}
	url := w.fleet.APIs[0].URL + "/v1/reports"
	w.must("GET", url+"/"+day, w.fleet.Tokens.Support, nil, &report)
	became := map[payment.DifferenceKind]payment.Became{}
	for _, d := range report.Items {
		became[d.Kind] = d.Became
	}
	if report.Report.State != payment.ReportSettled || len(became) != 3 || became["bill_missing_payment"] != payment.BecameCase ||
		became[payment.UnknownPayment] != payment.BecameSettled || became[payment.UnknownRefund] != payment.BecameSettled {
		w.Errorf("the desk shows %+v, %v", report.Report, became)
	}
	status, text, err := send(t.Context(), "GET", url+"/"+day+"?format=csv", w.fleet.Tokens.Operator, nil)
	if err != nil || status != http.StatusOK || strings.Count(string(text), "\n") != 6 || !strings.Contains(string(text), lackingID) {
		w.Errorf("%d, %v: %s", status, err, text)
	}
}

// A bill that is being made is asked for again in half an hour; one that is not
// what WeChat vouched for is asked for at once, and never believed.
func TestABillThatIsNotThereYet(t *testing.T) {
	w := newWorld(t, nil, "ORDER_QUERY_AT=1h")
	day := payment.BillDay(time.Now())
	id := w.pay(w.order(tea), simulator.PayRequest{Lose: true})
	w.bill(day, simulator.BillPlan{Spoil: "hash", Times: 1})
	w.says(w.reconcile("", "--date", day, "--yes"), "not the one that WeChat Pay vouched for", "bill_unknown_payment "+id)

	yesterday := payment.BillDay(time.Now().Add(-24 * time.Hour))
	w.control("POST", "/bills/"+yesterday+"/plan", simulator.BillPlan{State: "none"}, nil)
	w.says(w.reconcile("", "--date", yesterday), "0 lines", "nothing differs")

	w.control("POST", "/bills/"+day+"/plan", simulator.BillPlan{State: "creating", Early: true}, nil)
	run, err := w.temporal.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{TaskQueue: workflows.QueuePayments},
		workflows.TypeReconcile, workflows.ReconcileInput{Day: day})
	if err != nil {
		t.Fatal(err)
	}
	var wait time.Duration
	w.await("the bill is asked for again in half an hour", func() bool {
		seen, err := w.temporal.DescribeWorkflowExecution(t.Context(), run.GetID(), run.GetRunID())
		if err != nil {
			t.Fatal(err)
		}
		for _, act := range seen.GetPendingActivities() {
			if act.GetState() == enums.PENDING_ACTIVITY_STATE_SCHEDULED && act.GetLastFailure() != nil {
				wait = time.Until(act.GetScheduledTime().AsTime())
			}
		}
		return wait > 0
	})
	if wait < 29*time.Minute || wait > 31*time.Minute {
		w.Errorf("asked again in %s", wait)
	}
	if out, err := w.fleet.Run(t.Context(), "reconcile", "--date", "2026-02-30"); err == nil || !strings.Contains(out, "YYYY-MM-DD") {
		w.Errorf("a day that is none: %v %s", err, out)
	}
	if out, err := w.fleet.Run(t.Context(), "reconcile", "--date", "2020-01-01"); err == nil || !strings.Contains(out, "three months") {
		w.Errorf("a day long gone: %v %s", err, out)
	}
	if out, err := w.fleet.Run(t.Context(), "reconcile", "--date", payment.BillDay(time.Now().Add(48*time.Hour))); err == nil || !strings.Contains(out, "no bill of such a day") {
		w.Errorf("a day to come: %v %s", err, out)
	}
}
