package worker

import (
	"crypto/rand"
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/client"
	"golang.org/x/sync/errgroup"
)

// newNamespace is a prepared namespace of the test's own, on the real server.
func newNamespace(t *testing.T) client.Client {
	t.Helper()
	address := os.Getenv("TEMPORAL_ADDRESS")
	if address == "" {
		t.Fatal("TEMPORAL_ADDRESS is not set: run this as `go run ./dev test`")
	}
	namespace := "worker-" + rand.Text()[:12]
	c, err := client.Dial(client.Options{HostPort: address, Namespace: namespace})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	var both errgroup.Group // two deployments at once
	for range 2 {
		both.Go(func() error { return Prepare(t.Context(), c, namespace) })
	}
	if err := both.Wait(); err != nil {
		t.Fatal(err)
	}
	return c
}

// onSchedule is what Temporal will do, as it says itself.
type onSchedule struct {
	Workflow, Queue, TimeZone string
	Hour, Minute              int
	Times                     int // a calendar entry or an interval
	Every, Timeout, CatchUp   time.Duration
	Skips, Paused             bool
}

func described(t *testing.T, c client.Client, id string) onSchedule {
	t.Helper()
	d, err := c.ScheduleClient().GetHandle(t.Context(), id).Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	act := d.Schedule.Action.(*client.ScheduleWorkflowAction)
	spec := d.Schedule.Spec
	got := onSchedule{
		Workflow: act.Workflow.(string), Queue: act.TaskQueue, TimeZone: spec.TimeZoneName,
		Times: len(spec.Calendars) + len(spec.Intervals), Timeout: act.WorkflowExecutionTimeout,
		CatchUp: d.Schedule.Policy.CatchupWindow, Skips: d.Schedule.Policy.Overlap == overlap, Paused: d.Schedule.State.Paused,
	}
	for _, at := range spec.Calendars {
		got.Hour, got.Minute = at.Hour[0].Start, at.Minute[0].Start
	}
	for _, at := range spec.Intervals {
		got.Every = at.Every
	}
	return got
}

// soon polls, because the server takes an update in its own time.
func soon(t *testing.T, c client.Client, id string, want onSchedule) {
	t.Helper()
	var diff string
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if diff = cmp.Diff(want, described(t, c, id)); diff == "" {
			return
		}
	}
	t.Fatalf("%s (-want +got):\n%s", id, diff)
}

func listed(t *testing.T, c client.Client) (ids []string) {
	t.Helper()
	all, err := c.ScheduleClient().List(t.Context(), client.ScheduleListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for all.HasNext() {
		s, err := all.Next()
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, s.ID)
	}
	slices.Sort(ids)
	return ids
}

func TestSchedulesAreWhatTheTableSays(t *testing.T) {
	t.Parallel()
	c := newNamespace(t) // by two migrates at once
	housekeeping := onSchedule{
		Workflow: "Housekeeping", Queue: "payments", TimeZone: "Asia/Shanghai", Hour: 3, Minute: 15, Times: 1,
		Timeout: 19*time.Hour + 12*time.Minute, CatchUp: 24 * time.Hour, Skips: true,
	}
	soon(t, c, "housekeeping", housekeeping)

	soon(t, c, "reconciliation", onSchedule{
		Workflow: "Reconcile", Queue: "payments", TimeZone: "Asia/Shanghai", Hour: 10, Minute: 30, Times: 1,
		Timeout: 19*time.Hour + 12*time.Minute, CatchUp: 24 * time.Hour, Skips: true,
	})

	// An operator stops it for a while. Meanwhile the table is changed, twice.
	if err := c.ScheduleClient().GetHandle(t.Context(), "housekeeping").Pause(t.Context(), client.SchedulePauseOptions{Note: "by olu"}); err != nil {
		t.Fatal(err)
	}
	housekeeping.Paused = true
	soon(t, c, "housekeeping", housekeeping)
	changed := Schedules()
	for i := range changed {
		if changed[i].ID == "housekeeping" {
			changed[i].At = client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: 10 * time.Minute}}}
			changed[i].Every, changed[i].CatchUp = 10*time.Minute, time.Hour
		}
	}
	for range 2 {
		if err := makeSchedules(t.Context(), c, changed); err != nil {
			t.Fatal(err)
		}
	}
	soon(t, c, "housekeeping", onSchedule{
		Workflow: "Housekeeping", Queue: "payments", TimeZone: "", Times: 1, Every: 10 * time.Minute,
		Timeout: 8 * time.Minute, CatchUp: time.Hour, Skips: true, Paused: true,
	})

	var want []string
	for _, s := range Schedules() {
		want = append(want, s.ID)
	}
	slices.Sort(want)
	for deadline := time.Now().Add(20 * time.Second); !slices.Equal(listed(t, c), want); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("on schedules: %v, want %v", listed(t, c), want)
		}
	}
}

// Whatever is on a schedule must leave a trace in the books, and never stand in
// its own way.
func TestEveryScheduleIsSound(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range Schedules() {
		problem := errors.Join(
			is(s.ID != "" && !seen[s.ID], "an id of its own"),
			is(s.Summary != "", "a summary"),
			is(len(s.At.Calendars)+len(s.At.Intervals) == 1, "one time or interval"),
			is(s.Every >= time.Minute && s.CatchUp >= time.Minute && s.CatchUp <= s.Every, "sensible times"),
		)
		if problem != nil {
			t.Errorf("%s has not: %v", s.ID, problem)
		}
		for _, at := range s.At.Intervals {
			if at.Every != s.Every {
				t.Errorf("%s says %s and comes every %s", s.ID, s.Every, at.Every)
			}
		}
		if Intervals()[s.ID] != s.Every {
			t.Errorf("nobody would miss %s", s.ID)
		}
		seen[s.ID] = true
	}
}

func is(so bool, what string) error {
	if so {
		return nil
	}
	return errors.New(what)
}
