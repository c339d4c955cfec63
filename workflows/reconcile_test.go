package workflows

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

// clerk is WeChat's desk for bills, and our books of them.
type clerk struct {
	at    func() time.Time
	begun time.Time

	madeAfter time.Duration // before that the bill is being made
	fundFlow  bool          // the fund-flow bill is wanted
	badDay    bool          // WeChat calls the day wrong
	booksAway time.Duration

	missed []string // days that no run settled
	odd    string   // a day whose bill WeChat will not give

	noted    []string // successes of schedules
	days     []string // in the order in which their bills were asked for
	day      string
	asked    int // for the trade bill
	flows    int
	compared int
	settled  int
}

func (c *clerk) FetchBill(_ context.Context, day string) (activities.Fetched, error) {
	c.day = day
	c.days = append(c.days, day)
	c.asked++
	switch {
	case c.badDay || c.odd == day:
		return activities.Fetched{}, temporal.NewNonRetryableApplicationError("no such day", string(payment.Invalid), nil)
	case c.at().Sub(c.begun) < c.madeAfter:
		return activities.Fetched{}, temporal.NewApplicationErrorWithOptions("creating", string(payment.Busy),
			temporal.ApplicationErrorOptions{NextRetryDelay: 30 * time.Minute})
	}
	return activities.Fetched{Lines: 1, FundFlow: c.fundFlow}, nil
}

func (c *clerk) FetchFundFlow(_ context.Context, day string) (payment.FundFlow, error) {
	c.flows++
	return payment.FundFlow{}, nil
}

func (c *clerk) CompareBill(_ context.Context, day string) (payment.Comparison, error) {
	if c.at().Sub(c.begun) < c.booksAway {
		return payment.Comparison{}, errNoAnswer
	}
	c.compared++
	return payment.Comparison{Report: payment.Report{Day: day, State: payment.ReportCompared, Differences: 1}}, nil
}

func (c *clerk) SettleBill(_ context.Context, day string) (payment.Comparison, error) {
	c.settled++
	return payment.Comparison{Report: payment.Report{Day: day, State: payment.ReportSettled, Differences: 1}}, nil
}

func (c *clerk) MissedDays(context.Context, activities.Missed) ([]string, error) {
	return c.missed, nil
}

func (c *clerk) NoteSuccess(_ context.Context, schedule string) error {
	c.noted = append(c.noted, schedule)
	return nil
}

func TestReconcile(t *testing.T) {
	type end struct {
		Day     string
		Left    payment.ReportState // of the day, by the run's own word
		Doing   Doing
		Asked   int
		Flows   int
		Settled int
		Failed  bool
	}
	const day = "2026-11-20"
	settled := end{Day: day, Left: payment.ReportSettled, Doing: Settled, Asked: 1, Settled: 1}
	dropped := end{Day: day, Left: payment.ReportCompared, Doing: Dropped, Asked: 1}
	signal := func(name string, after time.Duration) func(*sagaRun) {
		return func(r *sagaRun) { r.after(after, func() { r.SignalWorkflow(name, nil) }) }
	}
	for name, row := range map[string]struct {
		clerk  clerk
		in     ReconcileInput
		during func(*sagaRun)
		want   end
		took   time.Duration // at least
	}{
		"a day is settled": {in: ReconcileInput{Day: day}, want: settled},
		"the bill is being made until noon": {
			clerk: clerk{madeAfter: 90 * time.Minute}, in: ReconcileInput{Day: day},
			want: end{Day: day, Left: payment.ReportSettled, Doing: Settled, Asked: 4, Settled: 1}, took: 90 * time.Minute,
		},
		"the balance is looked at, too": {
			clerk: clerk{fundFlow: true}, in: ReconcileInput{Day: day},
			want: end{Day: day, Left: payment.ReportSettled, Doing: Settled, Asked: 1, Flows: 1, Settled: 1},
		},
		"our books are away for an hour": {clerk: clerk{booksAway: time.Hour}, in: ReconcileInput{Day: day}, want: settled, took: time.Hour},
		"WeChat has no such day": {
			clerk: clerk{badDay: true}, in: ReconcileInput{Day: "2020-01-01"},
			want: end{Day: "2020-01-01", Doing: Fetching, Asked: 1, Failed: true},
		},
		"a person looks, and wants it": {
			in: ReconcileInput{Day: day, Preview: true}, during: signal(SignalSettle, time.Minute), want: settled, took: time.Minute,
		},
		"a person looks, and does not want it": {
			in: ReconcileInput{Day: day, Preview: true}, during: signal(SignalDrop, time.Minute), want: dropped, took: time.Minute,
		},
		"a person looks, and says nothing for an hour": {in: ReconcileInput{Day: day, Preview: true}, want: dropped, took: time.Hour},
		"a person looks, and cancels the run": {
			in: ReconcileInput{Day: day, Preview: true}, during: func(r *sagaRun) { r.after(time.Minute, r.CancelWorkflow) },
			want: end{Day: day, Doing: Dropped, Asked: 1, Failed: true},
		},
		"a schedule that comes late means its own day": {
			during: func(r *sagaRun) {
				ten30 := time.Date(2026, 11, 21, 10, 30, 0, 0, payment.Beijing)
				_ = r.SetTypedSearchAttributesOnStart(temporal.NewSearchAttributes(scheduledFor.ValueSet(ten30)))
			},
			want: settled,
		},
		"an early morning's start means yesterday in Beijing": {
			during: func(r *sagaRun) { r.SetStartTime(time.Date(2026, 11, 20, 16, 30, 0, 0, time.UTC)) }, // 00:30 there
			want:   settled,
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := row.clerk
			r := newRun(t, newWorld(t))
			r.RegisterActivity(&c)
			r.RegisterWorkflowWithOptions(Reconcile, workflow.RegisterOptions{Name: TypeReconcile})
			if row.during != nil {
				row.during(r)
			}
			c.at, c.begun = r.Now, r.Now()
			r.ExecuteWorkflow(TypeReconcile, row.in)

			var report payment.Report
			_ = r.GetWorkflowResult(&report) // a run that failed has none
			var at Reconciling
			answer, err := r.QueryWorkflow(QueryProgress)
			if err == nil {
				err = answer.Get(&at)
			}
			if err != nil {
				t.Fatal(err)
			}
			got := end{at.Day, report.State, at.Doing, c.asked, c.flows, c.settled, r.GetWorkflowError() != nil}
			if diff := cmp.Diff(row.want, got); diff != "" {
				t.Errorf("how it ended (-want +got):\n%s", diff)
			}
			if c.day != at.Day || (at.Comparison != nil) != (c.compared > 0) {
				t.Errorf("asked for %s while %+v", c.day, at)
			}
			if scheduled := row.in.Day == ""; scheduled != slices.Equal(c.noted, []string{ScheduleReconciliation}) {
				t.Errorf("noted as done: %v", c.noted)
			}
			if took := r.Now().Sub(c.begun); took < row.took {
				t.Errorf("it took %s, want %s", took, row.took)
			}
		})
	}
}

// What a morning's run could not do is the next one's, and the schedule has not
// succeeded before.
func TestMissedDaysAreMadeUpFor(t *testing.T) {
	for name, row := range map[string]struct {
		clerk clerk
		days  []string
		fails bool
	}{
		"none was missed": {days: []string{"2026-11-20"}},
		"two were, and this day is looked at again": {
			clerk: clerk{missed: []string{"2026-11-18", "2026-11-19"}},
			days:  []string{"2026-11-20", "2026-11-18", "2026-11-19", "2026-11-20"},
		},
		"of two one cannot be had, and keeps nobody waiting": {
			clerk: clerk{missed: []string{"2026-11-18", "2026-11-19"}, odd: "2026-11-18"},
			days:  []string{"2026-11-20", "2026-11-18", "2026-11-19", "2026-11-20"}, fails: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := row.clerk
			r := newRun(t, newWorld(t))
			r.RegisterActivity(&c)
			r.RegisterWorkflowWithOptions(Reconcile, workflow.RegisterOptions{Name: TypeReconcile})
			r.SetStartTime(time.Date(2026, 11, 21, 10, 30, 0, 0, payment.Beijing))
			c.at, c.begun = r.Now, r.Now()
			r.ExecuteWorkflow(TypeReconcile, ReconcileInput{})
			if !slices.Equal(c.days, row.days) {
				t.Errorf("reconciled %v, want %v", c.days, row.days)
			}
			if failed := r.GetWorkflowError() != nil; failed != row.fails || failed != (len(c.noted) == 0) {
				t.Errorf("failed: %t, and noted as done: %v", failed, c.noted)
			}
			if row.fails {
				return
			}
			var report payment.Report
			if err := r.GetWorkflowResult(&report); err != nil || report.Day != "2026-11-20" || c.settled != len(row.days) {
				t.Errorf("%v, %+v, %d settled", err, report, c.settled)
			}
		})
	}
}
