package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/paysaga/paysaga/internal/payment"
)

// How long a leased row is hidden. The first lease outlasts one call to
// Temporal; the longest lets everything start within half a minute of Temporal's
// return. Where a run was open, it is looked at again less and less often.
const (
	firstLease   = 5 * time.Second
	longestLease = 20 * time.Second
	longestPeace = 5 * time.Minute
)

func (s *Store) peace() time.Duration { return sweepPeace * s.settings.SweepEvery }

// A refund's payment comes from the books, whoever made the refund, or from the
// inbox where its saga has not begun. A refund that somebody else made was taken
// up by a case. One of ours that was given up is asked about by nobody but for such
// news, so it is nobody's yet: the news stays until the books have what it is.
const leaseNewsSQL = `
with due as (
  select i.id,
         i.kind = 'payment' and exists (select from payments p where p.transaction_id = i.transaction_id)
      or i.kind = 'refund' and exists (select from refunds r where r.out_refund_no = i.out_refund_no
                                          and (r.is_foreign or r.state in ('success', 'closed'))) as taken_up,
         i.kind = 'refund' and exists (select from refunds r where r.out_refund_no = i.out_refund_no and r.is_foreign) as foreign_made
    from inbox i
   where not i.done and i.next_try_at <= now()
   order by i.next_try_at
   limit @at_most
     for update of i skip locked
), leased as (
  update inbox i
     set done = due.taken_up,
         verdict = case when due.foreign_made then 'case' else i.verdict end,
         tries = i.tries + 1,
         next_try_at = now() + least(@first_lease::interval * 2 ^ least(i.tries, 9), @longest_lease::interval)
    from due
   where i.id = due.id
  returning i.*
)
select l.id, l.kind, l.tries - 1, l.received_at, l.out_refund_no, l.done, r.out_refund_no is not null,
       p.transaction_id is not null or i.transaction_id is not null,
       coalesce(p.transaction_id, l.transaction_id), coalesce(p.out_trade_no, i.out_trade_no, l.out_trade_no),
       coalesce(p.appid, i.appid, l.appid), coalesce(p.mchid, i.mchid, l.mchid), coalesce(p.amount_fen, i.amount_fen, l.amount_fen),
       coalesce(p.currency, i.currency, l.currency), coalesce(p.trade_state, i.trade_state, l.trade_state),
       coalesce(p.paid_at, i.paid_at, i.received_at, l.paid_at, l.received_at), coalesce(p.via, i.via, l.via)
  from leased l
  left join refunds r  on l.kind = 'refund' and r.out_refund_no = l.out_refund_no and not r.is_foreign and r.state <> 'withdrawn'
  left join payments p on l.kind = 'refund' and p.transaction_id = coalesce(r.transaction_id, l.transaction_id)
  left join inbox i    on l.kind = 'refund' and i.transaction_id = l.transaction_id
                      and i.kind = 'payment' and i.verdict = 'accepted'
 order by l.id`

// LeaseNews hands out news that is due, and ends what the books have taken up:
// a payment they know is theirs to sweep from then on, and of a refund they need
// nothing more once it is final, or known to be somebody else's.
func (s *Store) LeaseNews(ctx context.Context, atMost int) ([]payment.Errand, error) {
	return lease(ctx, s, leaseNewsSQL, pgx.NamedArgs{
		"at_most": atMost, "first_lease": firstLease, "longest_lease": longestLease,
	}, func(row pgx.CollectableRow) (e payment.Errand, err error) {
		return e, row.Scan(append([]any{&e.InboxID, &e.Kind, &e.Tries, &e.KeptAt, &e.OutRefundNo, &e.Over, &e.Ours, &e.Known}, input(&e.Payment)...)...)
	})
}

const startedSQL = `
update inbox set next_try_at = now() + least(@peace::interval * 2 ^ least(tries, 9), @longest_peace::interval), last_error = ''
 where id = @id`

// Started puts news off until the books should have taken it up.
func (s *Store) Started(ctx context.Context, inboxID int64) error {
	_, err := s.pool.Exec(ctx, startedSQL, pgx.NamedArgs{"id": inboxID, "peace": s.peace(), "longest_peace": longestPeace})
	return fault(err)
}

const inboxDoneSQL = `update inbox set done = true, verdict = @verdict, last_error = '' where id = @id`

// Done ends news that needs nothing more, with the verdict that now stands.
func (s *Store) Done(ctx context.Context, inboxID int64, verdict payment.Verdict) error {
	_, err := s.pool.Exec(ctx, inboxDoneSQL, pgx.NamedArgs{"id": inboxID, "verdict": verdict})
	return fault(err)
}

const missedSQL = `update inbox set last_error = @why where id = @id`

// Missed notes why news could not be passed on. It comes back when its lease ends.
func (s *Store) Missed(ctx context.Context, inboxID int64, why string) error {
	_, err := s.pool.Exec(ctx, missedSQL, pgx.NamedArgs{"id": inboxID, "why": why})
	return fault(err)
}

// A payment that has stood still for long is looked at less often, and never
// less than every five minutes: its run may be gone all the same.
const leasePaymentsSQL = `
with due as (
  select p.transaction_id
    from payments p
   where p.sweep_at <= now() and p.transaction_id in (select transaction_id from unfinished)
   order by p.sweep_at
   limit @at_most
     for update of p skip locked
)
update payments p
   set sweep_at = now() + least(greatest(@peace::interval, (now() - p.updated_at) / 10), @longest_peace::interval)
  from due
 where p.transaction_id = due.transaction_id
returning p.transaction_id, p.out_trade_no, p.appid, p.mchid, p.amount_fen, p.currency, p.trade_state, p.paid_at, p.via`

// LeasePayments hands out payments that are not done, for their runs to be
// started again if they are gone.
func (s *Store) LeasePayments(ctx context.Context, atMost int) ([]payment.Payment, error) {
	return lease(ctx, s, leasePaymentsSQL, pgx.NamedArgs{
		"at_most": atMost, "peace": s.peace(), "longest_peace": longestPeace,
	}, func(row pgx.CollectableRow) (paid payment.Payment, err error) {
		return paid, row.Scan(input(&paid)...)
	})
}

const leaseRequestsSQL = `
with due as (
  select id from requests
   where state = 'queued' and sweep_at <= now()
   order by sweep_at
   limit @at_most
     for update skip locked
), leased as (
  update requests q set sweep_at = now() + @longest_lease::interval
    from due where q.id = due.id
  returning q.id, q.kind, q.transaction_id
)
select l.id, l.kind,
       l.transaction_id, coalesce(p.out_trade_no, i.out_trade_no),
       coalesce(p.appid, i.appid), coalesce(p.mchid, i.mchid), coalesce(p.amount_fen, i.amount_fen),
       coalesce(p.currency, i.currency), coalesce(p.trade_state, i.trade_state),
       coalesce(p.paid_at, i.paid_at, i.received_at), coalesce(p.via, i.via)
  from leased l
  left join payments p on p.transaction_id = l.transaction_id
  left join inbox i    on i.transaction_id = l.transaction_id and i.kind = 'payment' and i.verdict = 'accepted'
 where p.transaction_id is not null or i.transaction_id is not null`

// LeaseRequests hands out queued requests that no saga has begun. Their lease is
// short, for Temporal may be back soon; Summoned puts them off for longer.
func (s *Store) LeaseRequests(ctx context.Context, atMost int) ([]payment.Summons, error) {
	return lease(ctx, s, leaseRequestsSQL, pgx.NamedArgs{
		"at_most": atMost, "longest_lease": longestLease,
	}, func(row pgx.CollectableRow) (q payment.Summons, err error) {
		return q, row.Scan(append([]any{&q.RequestID, &q.Kind}, input(&q.Payment)...)...)
	})
}

const summonedSQL = `
update requests set sweep_at = now() + least(greatest(@peace::interval, (now() - updated_at) / 4), @longest_peace::interval)
 where id = @id and state = 'queued'`

// Summoned puts a request off whose saga was told of it, the longer the longer it
// has waited: each time adds to the run's history.
func (s *Store) Summoned(ctx context.Context, requestID string) error {
	_, err := s.pool.Exec(ctx, summonedSQL, pgx.NamedArgs{"id": requestID, "peace": s.peace(), "longest_peace": longestPeace})
	return fault(err)
}

// lease runs one statement that hides what it returns, and commits it before
// anybody acts on it.
func lease[T any](ctx context.Context, s *Store, sql string, args pgx.NamedArgs, read pgx.RowToFunc[T]) ([]T, error) {
	rows, _ := s.pool.Query(ctx, sql, args) // its error comes back below
	leased, err := pgx.CollectRows(rows, read)
	return leased, fault(err)
}

// input is where the columns of a saga's input go, in the order all leases select them.
func input(p *payment.Payment) []any {
	return []any{&p.TransactionID, &p.OutTradeNo, &p.AppID, &p.MchID, &p.AmountFen, &p.Currency, &p.TradeState, &p.PaidAt, &p.Via}
}
