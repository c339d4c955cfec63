package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

// The events of a case that the shop is told.
const (
	caseOpened  = "case.opened"  // once an opening
	caseOverdue = "case.overdue" // once an opening that nobody closed in time
)

// postSQL ends a statement whose c are cases: the shop is to be told of each. The
// id says event, case and opening, so that an event is told once however often its
// cause is written.
const postSQL = `
insert into outbox (id, case_id, event, payload)
select @event::text || '-' || c.id || '-' || c.times_opened, c.id, @event,
       jsonb_build_object('type', @event::text, 'timestamp', now(), 'data', jsonb_strip_nulls(jsonb_build_object(
         'case_id', c.id, 'kind', c.kind, 'owner', c.owner, 'due_at', c.due_at, 'detail', c.detail, 'times_opened', c.times_opened,
         'out_trade_no', c.out_trade_no, 'transaction_id', c.transaction_id, 'notification_id', nullif(c.notification_id, ''),
         'amount_fen', coalesce(
           (select amount_fen from payments where transaction_id = c.transaction_id),
           (select amount_fen from inbox where transaction_id = c.transaction_id and c.transaction_id <> ''
               and kind = 'payment' and verdict = 'accepted')))))
  from c
on conflict (id) do nothing`

const overdueSQL = `
with c as (
  select * from cases late
   where state = 'open' and due_at <= now()
     and not exists (select from outbox where id = @event::text || '-' || late.id || '-' || late.times_opened)
   order by due_at
   limit @at_most
     for update skip locked
), noted as (
  insert into case_events (case_id, what) select id, 'overdue' from c
)` + postSQL

// PostOverdue has the shop told of open cases whose time is over, at most so many,
// and returns how many there were. Each opening of a case is overdue once.
func (s *Store) PostOverdue(ctx context.Context, atMost int) (int, error) {
	tag, err := s.pool.Exec(ctx, overdueSQL, pgx.NamedArgs{"event": caseOverdue, "at_most": atMost})
	return int(tag.RowsAffected()), fault(err)
}

// postLease hides a message while an attempt is under way: longer than any call to
// the shop takes.
const postLease = time.Minute

const leasePostSQL = `
with due as (
  select id from outbox
   where state = 'pending' and try_at <= now()
   order by try_at
   limit @at_most
     for update skip locked
)
update outbox o set try_at = now() + @lease::interval, tried_at = coalesce(tried_at, now())
  from due where o.id = due.id
returning o.id, o.payload`

// LeasePost hands out messages that are due; what nobody reports on comes back.
func (s *Store) LeasePost(ctx context.Context, atMost int) ([]activities.Message, error) {
	return lease(ctx, s, leasePostSQL, pgx.NamedArgs{"at_most": atMost, "lease": postLease},
		func(row pgx.CollectableRow) (m activities.Message, err error) {
			m.Whom = activities.ToShop
			return m, row.Scan(&m.ID, &m.Payload)
		})
}

// Each attempt in vain waits twice as long as the one before, and giving up is
// counted from the first. What is known to have arrived has arrived.
const postedSQL = `
update outbox
   set attempts = attempts + 1, last_error = @why,
       state = case when @how <> '' then @how when tried_at + @give_up_after::interval <= now() then 'gave_up' else 'pending' end,
       try_at = now() + least(@longest::interval, interval '1 second' * 2 ^ least(attempts, 20)),
       delivered_at = case when @how = 'delivered' then now() end
 where id = @id and (state = 'pending' or @how = 'delivered' and state <> 'delivered')
returning state`

// Posted notes what came of an attempt: taken, the shop's no for good, or nothing
// yet, which is tried again until NOTIFY_GIVE_UP_AFTER. It returns how the message
// stands. A message that ended meanwhile is NotFound.
func (s *Store) Posted(ctx context.Context, id string, failed error) (state string, err error) {
	how, why := activities.Taken, ""
	if failed != nil {
		how, why = "", oneLine(failed.Error(), 500)
	}
	if payment.KindOf(failed) == payment.Refused {
		how = activities.Stopped
	}
	err = s.pool.QueryRow(ctx, postedSQL, pgx.NamedArgs{
		"id": id, "how": how, "why": why,
		"give_up_after": s.settings.Terms.NotifyGiveUpAfter, "longest": s.settings.Terms.RetryMaxInterval,
	}).Scan(&state)
	return state, fault(err)
}
