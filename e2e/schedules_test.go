package e2e

import (
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/paysaga/paysaga/internal/fleet"
	"github.com/paysaga/paysaga/internal/payment"
	"github.com/paysaga/paysaga/internal/simulator"
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

// Nobody reconciled for two mornings. The next one's run does their days as well.
func TestMorningsThatWereMissedAreMadeUpFor(t *testing.T) {
	w := newWorld(t, nil, "ORDER_QUERY_AT=1h")
	now := time.Now()
	day := func(ago int) string { return payment.BillDay(now.AddDate(0, 0, -ago)) }
	var moved string
	w.sql(&moved, "update schedule_runs set expected_since = $1 where name = 'reconciliation' returning name", day(3)+" 12:00:00+08")
	for ago := 1; ago <= 3; ago++ {
		w.control("POST", "/bills/"+day(ago)+"/plan", simulator.BillPlan{State: "none"}, nil)
	}
	if err := w.temporal.ScheduleClient().GetHandle(t.Context(), "reconciliation").Trigger(t.Context(), client.ScheduleTriggerOptions{}); err != nil {
		t.Fatal(err)
	}
	w.await("the morning's run has succeeded", func() bool {
		var done bool
		w.sql(&done, "select last_success_at is not null from schedule_runs where name = 'reconciliation'")
		return done
	})
	var days string
	w.sql(&days, "select string_agg(to_char(day, 'YYYY-MM-DD'), ' ' order by day) from bill_reports where settled_at is not null")
	if want := day(3) + " " + day(2) + " " + day(1); days != want {
		t.Errorf("reconciled %s, want %s", days, want)
	}
}
