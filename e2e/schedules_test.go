package e2e

import (
	"testing"

	"go.temporal.io/sdk/client"
)

// Migrate put it on the schedule and into the books, a worker does it, and the
// books say when.
func TestWhatIsOnAScheduleIsDoneAndNoted(t *testing.T) {
	w := newWorld(t, nil)
	var waiting int
	w.sql(&waiting, "select count(*) from schedule_runs where last_success_at is null")
	if waiting == 0 {
		t.Fatal("nothing is awaited")
	}
	handle := w.temporal.ScheduleClient().GetHandle(t.Context(), "housekeeping")
	if err := handle.Trigger(t.Context(), client.ScheduleTriggerOptions{}); err != nil {
		t.Fatal(err)
	}
	w.await("housekeeping is noted", func() bool {
		var done bool
		w.sql(&done, "select last_success_at is not null from schedule_runs where name = 'housekeeping'")
		return done
	})
	if out, err := w.fleet.Run(t.Context(), "migrate"); err != nil {
		t.Fatalf("migrate again: %v\n%s", err, out)
	}
	var kept bool
	w.sql(&kept, "select last_success_at is not null from schedule_runs where name = 'housekeeping'")
	if !kept {
		t.Error("a second migrate forgot what was done")
	}
}
