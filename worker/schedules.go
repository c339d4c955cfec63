package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/paysaga/paysaga/workflows"
)

// Schedule is work that comes round by itself.
type Schedule struct {
	ID       string              // its runs' ids begin with it, and the books note its successes under it
	Summary  string              // one line for the Temporal UI
	At       client.ScheduleSpec // when it starts
	Every    time.Duration       // from one start to the next
	CatchUp  time.Duration       // how late a start is made up for that Temporal's absence prevented
	Workflow string
	Args     []any
}

// beijing is the merchant's and WeChat's day; China has one time zone and no summer time.
const beijing = "Asia/Shanghai"

const day = 24 * time.Hour

// Schedules is all that comes round by itself. A change here becomes true with
// the next migrate.
func Schedules() []Schedule {
	return []Schedule{
		{
			ID: workflows.ScheduleHousekeeping, Summary: "make room for callbacks, and drop what is too old",
			At: daily(3, 15), Every: day, CatchUp: day, Workflow: workflows.TypeHousekeeping,
		},
		{ // WeChat makes yesterday's bill from nine, and asks that nobody comes before ten
			ID: workflows.ScheduleReconciliation, Summary: "hold WeChat's bill of the day before against the books",
			At: daily(10, 30), Every: day, CatchUp: day, Workflow: workflows.TypeReconcile,
			Args: []any{workflows.ReconcileInput{}},
		},
	}
}

// Intervals is how often what is on a schedule comes round, by its id.
func Intervals() map[string]time.Duration {
	every := map[string]time.Duration{}
	for _, s := range Schedules() {
		every[s.ID] = s.Every
	}
	return every
}

// daily is once a day, by Beijing's clock.
func daily(hour, minute int) client.ScheduleSpec {
	return client.ScheduleSpec{
		Calendars:    []client.ScheduleCalendarSpec{{Hour: only(hour), Minute: only(minute)}},
		TimeZoneName: beijing,
	}
}

func only(n int) []client.ScheduleRange { return []client.ScheduleRange{{Start: n}} }

// action is one run. It never overlaps the next: whatever hangs is ended while a
// fifth of the interval is left, because behind a run that never ends Temporal
// would skip every later one without a word.
func (s Schedule) action() *client.ScheduleWorkflowAction {
	return &client.ScheduleWorkflowAction{
		ID: s.ID, Workflow: s.Workflow, Args: s.Args, TaskQueue: workflows.QueuePayments,
		WorkflowExecutionTimeout: s.Every * 8 / 10,
		StaticSummary:            s.Summary,
	}
}

const overlap = enumspb.SCHEDULE_OVERLAP_POLICY_SKIP

// makeSchedules makes each schedule, or makes it what the table says today. A
// schedule that an operator paused stays paused.
func makeSchedules(ctx context.Context, c client.Client, all []Schedule) error {
	for _, s := range all {
		if err := s.make(ctx, c.ScheduleClient()); err != nil {
			return fmt.Errorf("%s: %w", s.ID, err)
		}
	}
	return nil
}

func (s Schedule) make(ctx context.Context, schedules client.ScheduleClient) error {
	_, err := schedules.Create(ctx, client.ScheduleOptions{
		ID: s.ID, Spec: s.At, Action: s.action(), Overlap: overlap, CatchupWindow: s.CatchUp,
	})
	if !errors.Is(err, temporal.ErrScheduleAlreadyRunning) {
		return err
	}
	return schedules.GetHandle(ctx, s.ID).Update(ctx, client.ScheduleUpdateOptions{
		DoUpdate: func(was client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
			return &client.ScheduleUpdate{Schedule: &client.Schedule{
				Spec: &s.At, Action: s.action(), State: was.Description.Schedule.State,
				Policy: &client.SchedulePolicies{Overlap: overlap, CatchupWindow: s.CatchUp},
			}}, nil
		},
	})
}
