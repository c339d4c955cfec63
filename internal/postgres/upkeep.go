package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// callbacksKept is how long raw callbacks are evidence: WeChat refunds for 365
	// days after the payment, and a month more is left to argue about it.
	callbacksKept = 400 * 24 * time.Hour
	// monthsAhead is how many months have room besides this one, so that months may
	// pass in which nobody tidies.
	monthsAhead = 3
	// lockWithin is how long tidying waits for the table. Callbacks queue behind it
	// meanwhile, and must be durable within three seconds.
	lockWithin = `set local lock_timeout = '500ms'`
	// oneByOne lets one at a time change the shape of the table: where two do, Postgres
	// may find what it was about to change already changed, and calls that internal.
	oneByOne = `select pg_advisory_xact_lock('callbacks'::regclass::oid::bigint)`
)

// Besides the months to come, whatever is in no month yet gets its own.
const monthsWantedSQL = `
select month::date from (
  select date_trunc('month', @now::timestamptz at time zone 'utc') + n * interval '1 month' as month
    from generate_series(0, @ahead::int) n
  union
  select distinct date_trunc('month', received_at at time zone 'utc')
    from callbacks_default where received_at >= @before
) wanted
 where to_regclass(callbacks_month(month::date)) is null
 order by month`

const makeMonthSQL = `select make_callbacks_month(@month::date)`

const monthsGoneSQL = `
select c.relname::text
  from pg_inherits i join pg_class c on c.oid = i.inhrelid
 where i.inhparent = 'callbacks'::regclass and c.relname ~ '^callbacks_\d{4}_\d{2}$'
   and (to_date(right(c.relname, 7), 'YYYY_MM') + interval '1 month') at time zone 'utc' <= @before
 order by 1`

const dropMonthSQL = `select drop_callbacks_month(@month)`

const forgetLeftoversSQL = `delete from callbacks_default where received_at < @before`

// TidyCallbacks makes a partition for this month, the months to come, and every
// month that the default partition holds callbacks of, and moves those there. It
// drops whole months that are more than 400 days old. Each is a transaction of its
// own; Busy if somebody needs the table for longer than we may wait.
func (s *Store) TidyCallbacks(ctx context.Context, now time.Time) error {
	before := now.Add(-callbacksKept)
	args := pgx.NamedArgs{"now": now, "ahead": monthsAhead, "before": before}
	if _, err := s.pool.Exec(ctx, forgetLeftoversSQL, args); err != nil {
		return fault(err)
	}
	rows, _ := s.pool.Query(ctx, monthsWantedSQL, args) // its error comes back below
	wanted, err := pgx.CollectRows(rows, pgx.RowTo[time.Time])
	if err != nil {
		return fault(err)
	}
	for _, month := range wanted {
		if err := s.alone(ctx, makeMonthSQL, pgx.NamedArgs{"month": month}); err != nil {
			return err
		}
	}
	rows, _ = s.pool.Query(ctx, monthsGoneSQL, args)
	gone, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fault(err)
	}
	for _, month := range gone {
		if err := s.alone(ctx, dropMonthSQL, pgx.NamedArgs{"month": month}); err != nil {
			return err
		}
	}
	return nil
}

// alone changes the shape of a table that others use.
func (s *Store) alone(ctx context.Context, sql string, args pgx.NamedArgs) error {
	return s.tx(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, lockWithin); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, oneByOne); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, sql, args)
		return err
	})
}
