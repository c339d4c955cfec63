package postgres

import (
	"context"

	"github.com/paysaga/paysaga/internal/payment"
)

// One statement sees one moment. A day begins at midnight in Beijing, by whose
// clock WeChat's bills and the merchant's people live.
const todaySQL = `
with day as (
  select d as begins, d + interval '1 day' as ends
    from (select date_trunc('day', now() at time zone 'Asia/Shanghai') at time zone 'Asia/Shanghai' as d) b
), paid as (
  select p.amount_fen, extract(hour from p.paid_at at time zone 'Asia/Shanghai')::int as hour
    from payments p, day where p.paid_at >= begins and p.paid_at < ends
), back as (
  select r.amount_fen, extract(hour from r.finished_at at time zone 'Asia/Shanghai')::int as hour
    from refunds r, day where r.state = 'success' and r.finished_at >= begins and r.finished_at < ends
), took as (
  select extract(epoch from e.at - coalesce(
           (select min(i.received_at) from inbox i where i.transaction_id = e.transaction_id and i.transaction_id <> '' and i.kind = 'payment'),
           p.created_at))::float8 as s
    from payment_events e join payments p using (transaction_id), day
   where e.became = 'shipped' and e.at >= begins and e.at < ends
), bounds (above, at_most) as (
  values (-1e9::float8, 0.5::float8), (0.5, 1), (1, 2), (2, 5), (5, 15), (15, 60), (60, 600), (600, 3600), (3600, 86400), (86400, 1e9)
)
select json_build_object(
  'day', (select to_char(begins at time zone 'Asia/Shanghai', 'YYYY-MM-DD') from day),
  'payments', (select count(*) from paid),
  'paid_fen', (select coalesce(sum(amount_fen), 0) from paid),
  'refunded_fen', (select coalesce(sum(amount_fen), 0) from back),
  'hours', (select json_agg(json_build_object(
              'payments', (select count(*) from paid where hour = h),
              'refunds', (select count(*) from back where hour = h)) order by h) from generate_series(0, 23) h),
  'shipped', json_build_object(
    'count', (select count(*) from took),
    'p50_s', (select coalesce(percentile_cont(0.5) within group (order by s), 0) from took),
    'p95_s', (select coalesce(percentile_cont(0.95) within group (order by s), 0) from took),
    'within', (select json_agg(json_build_object('at_most_s', at_most,
                 'count', (select count(*) from took where s > above and s <= at_most)) order by at_most) from bounds)),
  'holding', (select coalesce(json_agg(json_build_object('reason', reason, 'count', n, 'since', since) order by n desc, reason), '[]')
                from (select case stage when 'holding' then hold_reason else stage end as reason,
                             count(*) as n, min(updated_at) as since
                        from payments where stage in ('holding', 'quarantined') group by 1) h))`

// Today is how the day in Beijing goes so far.
func (s *Store) Today(ctx context.Context) (payment.Today, error) {
	var day payment.Today
	err := s.pool.QueryRow(ctx, todaySQL).Scan(&day)
	return day, fault(err)
}
