package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

var bills *activities.Bills // names the acts, and stays nil

// ReconcileInput is which day's bill, and whether a person looks before anything
// is done.
type ReconcileInput struct {
	Day     string `json:"day,omitempty"` // YYYY-MM-DD in Beijing; empty for the day before the start
	Preview bool   `json:"preview,omitempty"`
}

// Reconciling is what the query `progress` answers.
type Reconciling struct {
	Day   string `json:"day"`
	Doing Doing  `json:"doing"`
	// Comparison is there once the bill was held against the books.
	Comparison *payment.Comparison `json:"comparison,omitempty"`
}

// Doing is what a reconciliation is at.
type Doing string

// The steps of a reconciliation. Dropped is the end of one that a person looked at
// and did not want, or did not answer for an hour.
const (
	Fetching  Doing = "fetching"
	Comparing Doing = "comparing"
	Asking    Doing = "asking"
	Settling  Doing = "settling"
	Settled   Doing = "settled"
	Dropped   Doing = "dropped"
)

// scheduledFor is when a schedule meant this run to start, however late it did.
var scheduledFor = temporal.NewSearchAttributeKeyTime("TemporalScheduledStartTime")

// Reconcile holds one day's bill against the books, both ways. What only WeChat
// knows starts the payment's saga like any callback would, and every other
// difference is a person's. Nothing is marked paid here.
//
// The bill is fetched as long as it takes: in the morning it is still being made.
// A day that was reconciled before is only looked at again. On the schedule, days
// that were missed are made up for.
func Reconcile(ctx workflow.Context, in ReconcileInput) (payment.Report, error) {
	at := Reconciling{Day: in.day(ctx), Doing: Fetching}
	err := workflow.SetQueryHandler(ctx, QueryProgress, func() (Reconciling, error) { return at, nil })
	if err != nil {
		return payment.Report{}, err
	}
	report, err := at.reconcile(ctx, in.Preview)
	if err != nil || in.Day != "" { // a person's choice, and no success of the schedule's
		return report, err
	}
	if report, err = at.makeUp(ctx, report); err != nil {
		return report, err
	}
	return report, noteSuccess(ctx, ScheduleReconciliation)
}

// reconcile does one day.
func (at *Reconciling) reconcile(ctx workflow.Context, preview bool) (payment.Report, error) {
	if err := fetchBill(ctx, at.Day); err != nil {
		return payment.Report{}, err
	}
	at.Doing = Comparing
	var found payment.Comparison
	if err := workflow.ExecuteActivity(inTheBill(ctx, "hold it against the books"), bills.CompareBill, at.Day).Get(ctx, &found); err != nil {
		return payment.Report{}, err
	}
	at.Comparison = &found
	if preview {
		at.Doing = Asking
		if !wanted(ctx) {
			at.Doing = Dropped
			return found.Report, ctx.Err()
		}
	}

	at.Doing = Settling
	var left payment.Comparison
	if err := workflow.ExecuteActivity(inTheBill(ctx, "act on what differs"), bills.SettleBill, at.Day).Get(ctx, &left); err != nil {
		return payment.Report{}, err
	}
	at.Comparison, at.Doing = &left, Settled
	return left.Report, nil
}

// makeUp does the days before this one that no run settled: Temporal was away for
// longer than it makes up for, or a bill was not to be had all day. None keeps the
// next from being tried, but all must be done before the schedule has succeeded.
// This day comes once more at the end, because what was paid around midnight is
// judged with the bill of the day before at hand.
func (at *Reconciling) makeUp(ctx workflow.Context, report payment.Report) (payment.Report, error) {
	var missed []string
	err := inTheBooks(ctx, "which days were missed", bills.MissedDays, activities.Missed{Schedule: ScheduleReconciliation, Before: at.Day}).Get(ctx, &missed)
	if err != nil || len(missed) == 0 {
		return report, err
	}
	var failed error
	for _, day := range append(missed, at.Day) {
		*at = Reconciling{Day: day, Doing: Fetching}
		if report, err = at.reconcile(ctx, false); err != nil {
			failed = err
		}
	}
	return report, failed
}

// day is the day whose bill is the newest that WeChat has, unless one is named.
func (in ReconcileInput) day(ctx workflow.Context) string {
	if in.Day != "" {
		return in.Day
	}
	at, scheduled := workflow.GetTypedSearchAttributes(ctx).GetTime(scheduledFor)
	if !scheduled {
		at = workflow.GetInfo(ctx).WorkflowStartTime
	}
	return payment.BillDay(at.Add(-aDay))
}

// fetchBill has the day's bills read into the books.
func fetchBill(ctx workflow.Context, day string) error {
	var fetched activities.Fetched
	err := workflow.ExecuteActivity(fromWeChat(ctx, "fetch the trade bill"), bills.FetchBill, day).Get(ctx, &fetched)
	if err != nil || !fetched.FundFlow {
		return err
	}
	return workflow.ExecuteActivity(fromWeChat(ctx, "fetch the fund-flow bill"), bills.FetchFundFlow, day).Get(ctx, nil)
}

// wanted waits for a person who has seen what would be done.
func wanted(ctx workflow.Context) (settle bool) {
	timeout, stop := workflow.WithCancel(ctx)
	defer stop()
	choice := workflow.NewSelector(ctx)
	choice.AddReceive(workflow.GetSignalChannel(ctx, SignalSettle), func(c workflow.ReceiveChannel, _ bool) {
		settle = c.ReceiveAsync(nil)
	})
	choice.AddReceive(workflow.GetSignalChannel(ctx, SignalDrop), func(c workflow.ReceiveChannel, _ bool) { c.ReceiveAsync(nil) })
	choice.AddFuture(workflow.NewTimer(timeout, anHour), func(workflow.Future) {})
	choice.Select(ctx)
	return settle
}

// fromWeChat reads a bill, however large and however often: nobody but a person, or
// the schedule's own time, ends the asking. A reader that is silent has died.
func fromWeChat(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:           QueueWeChat,
		StartToCloseTimeout: anHour,
		HeartbeatTimeout:    billSilence,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 4, MaximumInterval: billRest},
		Summary:             summary,
	})
}

// inTheBill is for our own books, a hundred thousand lines at a time.
func inTheBill(ctx workflow.Context, summary string) workflow.Context {
	how := quick(payment.Terms{}, summary)
	how.StartToCloseTimeout = anHour
	how.HeartbeatTimeout = aWhile
	return workflow.WithActivityOptions(ctx, how)
}
