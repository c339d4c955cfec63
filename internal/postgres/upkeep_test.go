package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/paysaga/paysaga/internal/payment"
)

// months is how many callbacks each partition holds, the default one last.
func (w *world) months() string {
	w.Helper()
	return w.db.Text(w, `
		select coalesce(string_agg(part || ' ' || n, ', ' order by part), '')
		  from (select substr(tableoid::regclass::text, 11) as part, count(*) as n from callbacks group by 1) held`)
}

func (w *world) partitions(like string) int64 {
	w.Helper()
	return w.db.Int(w, `select count(*) from pg_inherits where inhparent = 'callbacks'::regclass and inhrelid::regclass::text like $1`, like)
}

// came puts callbacks of those days into the books.
func (w *world) came(days ...string) {
	w.Helper()
	for _, day := range days {
		w.db.Exec(w, `insert into callbacks (verdict, body, received_at) values ('malformed', 'x', $1::timestamptz)`, day)
	}
}

func TestCallbacksAreKeptByMonth(t *testing.T) {
	now := time.Date(2031, 3, 20, 12, 0, 0, 0, time.UTC)
	for name, row := range map[string]struct {
		came       []string
		want       string
		partitions int64 // of the thirties
	}{
		"the months to come have room": {want: "", partitions: 4},
		"what came before its month was there moves to it": {
			came: []string{"2031-03-01 00:00+00", "2031-03-19 23:59+00", "2031-04-01 00:00+00"},
			want: "2031_03 2, 2031_04 1", partitions: 4,
		},
		"a month ends by UTC": {
			came: []string{"2031-03-31 23:59:59.999+00", "2031-04-01 07:59+08", "2031-04-01 08:00+08"},
			want: "2031_03 2, 2031_04 1", partitions: 4,
		},
		"an older month that was in none gets one": {
			came: []string{"2030-11-05 00:00+00", "2031-03-05 00:00+00"}, want: "2030_11 1, 2031_03 1", partitions: 5,
		},
		"after 400 days a whole month goes": { // 2030-02-13 is 400 days before
			came: []string{"2030-02-13 13:00+00", "2030-01-31 23:59+00", "2030-02-13 11:00+00"}, want: "2030_02 1", partitions: 5,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			w.came(row.came...)
			w.ok(w.TidyCallbacks(t.Context(), now))
			w.ok(w.TidyCallbacks(t.Context(), now)) // and again, which changes nothing
			if got := w.months(); got != row.want {
				t.Errorf("kept: %q, want %q", got, row.want)
			}
			if got := w.partitions("callbacks_203%"); got != row.partitions {
				t.Errorf("%d partitions were made, want %d", got, row.partitions)
			}
		})
	}
}

func TestAMonthGoesWhenItsLastCallbackIsOldEnough(t *testing.T) {
	w := open(t)
	w.ok(w.TidyCallbacks(t.Context(), time.Date(2031, 3, 20, 12, 0, 0, 0, time.UTC)))
	w.came("2031-03-31 23:59+00", "2031-04-01 00:00+00")
	last := time.Date(2031, 4, 1, 0, 0, 0, 0, time.UTC)
	for _, step := range []struct {
		now  time.Time
		want string
	}{
		{last.AddDate(0, 0, 400).Add(-time.Second), "2031_03 1, 2031_04 1"},
		{last.AddDate(0, 0, 400), "2031_04 1"},
		{last.AddDate(0, 0, 431), ""},
	} {
		w.ok(w.TidyCallbacks(t.Context(), step.now))
		if got := w.months(); got != step.want {
			t.Errorf("at %s: %q, want %q", step.now, got, step.want)
		}
	}
}

// A fresh schema has room for now; whatever is kept goes there, not to the default.
func TestTodaysCallbacksHaveAMonth(t *testing.T) {
	w := open(t)
	w.ok(w.KeepRaw(t.Context(), payment.Malformed, payment.Delivery{Body: []byte("x")}))
	if got, want := w.months(), time.Now().UTC().Format("2006_01")+" 1"; got != want {
		t.Errorf("kept: %s, want %s", got, want)
	}
	if got := w.partitions("%"); got != 5 {
		t.Errorf("%d partitions, want this month's, three to come, and the default", got)
	}
}

// Tidying gives way: a callback waits for it half a second, and never the other
// way round for longer.
func TestTidyingGivesWayToCallbacks(t *testing.T) {
	w := open(t)
	busy, err := pgx.Connect(t.Context(), w.db.URL)
	w.ok(err)
	defer busy.Close(context.WithoutCancel(t.Context()))
	_, err = busy.Exec(t.Context(), "begin; insert into callbacks (verdict, body, received_at) values ('malformed', 'x', '2031-03-05')")
	w.ok(err)
	now := time.Date(2031, 3, 20, 12, 0, 0, 0, time.UTC)
	began := time.Now()
	w.wantKind(w.TidyCallbacks(t.Context(), now), payment.Busy)
	if waited := time.Since(began); waited > 2*time.Second {
		t.Errorf("it queued for %s, and callbacks behind it", waited)
	}
	_, err = busy.Exec(t.Context(), "commit")
	w.ok(err)
	w.ok(w.TidyCallbacks(t.Context(), now))
	if got := w.months(); got != "2031_03 1" {
		t.Errorf("kept: %s", got)
	}
}

func TestTwoMayTidyAtOnce(t *testing.T) {
	w := open(t)
	w.came("2031-03-05")
	race(times(4, func(int) {
		err := w.TidyCallbacks(t.Context(), time.Date(2031, 3, 20, 12, 0, 0, 0, time.UTC))
		if err != nil && payment.KindOf(err) != payment.Busy {
			t.Error(err)
		}
	})...)
	if got := w.months(); got != "2031_03 1" {
		t.Errorf("kept: %s", got)
	}
}

func TestTheBooksKnowWhatIsOnASchedule(t *testing.T) {
	w := open(t)
	runs := func() string {
		return w.db.Text(t, `select coalesce(string_agg(concat_ws(' ', name, every, case when last_success_at is not null then 'done' end), ', ' order by name), '') from schedule_runs`)
	}
	step := func(want string, act func() error) {
		t.Helper()
		w.ok(act())
		if got := runs(); got != want {
			t.Errorf("on a schedule: %s, want %s", got, want)
		}
	}
	expect := func(every map[string]time.Duration) func() error {
		return func() error { return w.ExpectRuns(t.Context(), every) }
	}
	done := func(name string) func() error {
		return func() error { return w.NoteSuccess(t.Context(), name) }
	}
	step("bill 24:00:00, tidy 01:00:00", expect(map[string]time.Duration{"bill": 24 * time.Hour, "tidy": time.Hour}))
	step("bill 24:00:00, tidy 01:00:00 done", done("tidy"))
	step("bill 24:00:00, tidy 02:00:00 done", expect(map[string]time.Duration{"bill": 24 * time.Hour, "tidy": 2 * time.Hour}))
	step("tidy 02:00:00 done", expect(map[string]time.Duration{"tidy": 2 * time.Hour}))
	step("tidy 02:00:00 done", done("bill")) // by a worker that is not stopped yet
	step("", expect(nil))
}
