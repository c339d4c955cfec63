package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

const expectRunsSQL = `
with expected as (
  select unnest(@names::text[]) as name, unnest(@every::interval[]) as every
), forgotten as (
  delete from schedule_runs where name not in (select name from expected)
)
insert into schedule_runs (name, every)
select name, every from expected
on conflict (name) do update set every = excluded.every`

// ExpectRuns says what is on a schedule, and how often: exactly that, from now on.
// What never succeeded is late from here, and is missed like what once did.
func (s *Store) ExpectRuns(ctx context.Context, every map[string]time.Duration) error {
	var names []string
	var intervals []time.Duration
	for name, interval := range every {
		names, intervals = append(names, name), append(intervals, interval)
	}
	_, err := s.pool.Exec(ctx, expectRunsSQL, pgx.NamedArgs{"names": names, "every": intervals})
	return fault(err)
}

// A worker may be older than the migration that dropped its schedule.
const noteSuccessSQL = `update schedule_runs set last_success_at = now() where name = @name`

// NoteSuccess writes down that what is on this schedule succeeded now.
func (s *Store) NoteSuccess(ctx context.Context, schedule string) error {
	_, err := s.pool.Exec(ctx, noteSuccessSQL, pgx.NamedArgs{"name": schedule})
	return fault(err)
}
