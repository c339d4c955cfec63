package e2e

import (
	"strings"
	"testing"

	"go.temporal.io/sdk/client"

	"github.com/paysaga/paysaga/internal/fleet"
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
	const interval = `paysaga_schedule_interval_seconds{schedule="housekeeping"} 86400`
	for _, m := range []*fleet.Member{w.fleet.APIs[0], w.fleet.Workers[0]} {
		status, figures, err := send(t.Context(), "GET", m.AdminURL+"/metrics", "", nil)
		if err != nil || status != 200 || !strings.Contains(string(figures), interval) {
			t.Errorf("%s does not tell how it goes: %d %v", m.AdminURL, status, err)
		}
	}
	if out, err := w.fleet.Run(t.Context(), "migrate"); err != nil {
		t.Fatalf("migrate again: %v\n%s", err, out)
	}
	var kept bool
	w.sql(&kept, "select last_success_at is not null from schedule_runs where name = 'housekeeping'")
	if !kept {
		t.Error("a second migrate forgot what was done")
	}
}
