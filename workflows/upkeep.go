package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

var upkeep *activities.Upkeep // names the acts, and stays nil

// upkeepTimeout is long, because whole months may have to move.
const upkeepTimeout = 10 * time.Minute

// Housekeeping keeps the books in order: room for the callbacks of the months to
// come, and none for those that nobody needs any more.
func Housekeeping(ctx workflow.Context) error {
	how := quick(payment.Terms{}, "make room for callbacks, and drop what is too old")
	how.StartToCloseTimeout = upkeepTimeout
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, how), upkeep.TidyCallbacks, workflow.Now(ctx)).Get(ctx, nil)
	if err != nil {
		return err
	}
	return noteSuccess(ctx, ScheduleHousekeeping)
}

// noteSuccess is the last act of everything on a schedule: what was not noted for
// two intervals alarms an operator.
func noteSuccess(ctx workflow.Context, schedule string) error {
	return inTheBooks(ctx, "note that it is done", upkeep.NoteSuccess, schedule).Get(ctx, nil)
}
