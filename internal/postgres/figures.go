package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/paysaga/paysaga/internal/payment"
)

// figure is a figure and the question that the books answer: rows of label values,
// in one array, and a value. Each reads a small partial index, never a table that
// grows with the years.
type figure struct {
	payment.Figure
	sql string
}

const (
	// A payment's news is looked at again, and done, some time after its saga began.
	notTakenUp = `not done and not (kind = 'payment'
		and exists (select from payments p where p.transaction_id = inbox.transaction_id))`

	untold = `(select whom, created_at from webhooks where state = 'pending'
		union all select 'shop', created_at from outbox where state = 'pending') untold`
)

var figures = []figure{
	{payment.Figure{Name: "paysaga_cases_open", Help: "Open cases, by kind and owner.", Labels: []string{"kind", "owner"}}, `
		select array[kind, owner], count(*)::float8 from cases where state = 'open' group by kind, owner`},
	{payment.Figure{Name: "paysaga_cases_overdue", Help: "Open cases whose owner's time is over, by kind and owner.", Labels: []string{"kind", "owner"}}, `
		select array[kind, owner], count(*)::float8 from cases where state = 'open' and due_at <= now() group by kind, owner`},
	{payment.Figure{Name: "paysaga_payments_waiting", Help: "Payments that wait for a person, by stage.", Labels: []string{"stage"}}, `
		select array[stage], count(*)::float8 from payments
		 where stage in ('holding', 'quarantined') group by stage`},
	{payment.Figure{Name: "paysaga_payments_waiting_oldest_seconds", Help: "How long the one that waits longest has waited for a person, by stage.", Labels: []string{"stage"}}, `
		select array[stage], max(extract(epoch from now() - updated_at))::float8 from payments
		 where stage in ('holding', 'quarantined') group by stage`},
	{payment.Figure{Name: "paysaga_payments_under_way", Help: "Payments that are neither done nor wait for a person, by stage.", Labels: []string{"stage"}}, `
		select array[stage], count(*)::float8 from payments
		 where stage in ('received', 'paid', 'shipped', 'compensating') group by stage`},
	{payment.Figure{Name: "paysaga_inbox_pending", Help: "News kept and not yet taken up by the books."}, `
		select array[]::text[], count(*)::float8 from inbox where ` + notTakenUp},
	{payment.Figure{Name: "paysaga_inbox_oldest_seconds", Help: "Age of the oldest news not yet taken up by the books; 0 if there is none."}, `
		select array[]::text[], coalesce(max(extract(epoch from now() - received_at)), 0)::float8 from inbox where ` + notTakenUp},
	{payment.Figure{Name: "paysaga_orders_due", Help: "Orders that should have been looked at by now and were not."}, `
		select array[]::text[], count(*)::float8 from due_orders where next_at <= now()`},
	{payment.Figure{Name: "paysaga_orders_due_oldest_seconds", Help: "How late the look at an order is, at most; 0 if none is due."}, `
		select array[]::text[], coalesce(extract(epoch from now() - min(next_at)), 0)::float8 from due_orders where next_at <= now()`},
	{payment.Figure{Name: "paysaga_refunds_open", Help: "Refunds of ours that have no final state, by state.", Labels: []string{"state"}}, `
		select array[state], count(*)::float8 from refunds
		 where not is_foreign and state in ('requested', 'processing', 'abnormal') group by state`},
	{payment.Figure{Name: "paysaga_refunds_oldest_seconds", Help: "Age of the oldest refund of ours without a final state, by state.", Labels: []string{"state"}}, `
		select array[state], max(extract(epoch from now() - created_at))::float8 from refunds
		 where not is_foreign and state in ('requested', 'processing', 'abnormal') group by state`},
	{payment.Figure{Name: "paysaga_requests_open", Help: "People's requests that are not done, by state.", Labels: []string{"state"}}, `
		select array[state], count(*)::float8 from requests
		 where state in ('pending_approval', 'queued', 'running') group by state`},
	{payment.Figure{Name: "paysaga_webhooks_pending", Help: "Messages not yet taken, by whom they are for.", Labels: []string{"whom"}}, `
		select array[whom], count(*)::float8 from ` + untold + ` group by whom`},
	{payment.Figure{Name: "paysaga_webhooks_oldest_seconds", Help: "Age of the oldest message not yet taken, by whom it is for.", Labels: []string{"whom"}}, `
		select array[whom], max(extract(epoch from now() - created_at))::float8 from ` + untold + ` group by whom`},
	{payment.Figure{Name: "paysaga_schedule_last_success_seconds", Help: "How long ago a schedule's run last reached its end, or the schedule began if none did.", Labels: []string{"schedule"}}, `
		select array[name], extract(epoch from now() - coalesce(last_success_at, expected_since))::float8 from schedule_runs`},
	{payment.Figure{Name: "paysaga_schedule_interval_seconds", Help: "How often a schedule comes round.", Labels: []string{"schedule"}}, `
		select array[name], extract(epoch from every)::float8 from schedule_runs`},
	{payment.Figure{Name: "paysaga_callbacks_last_seconds", Help: "How long ago WeChat last sent what was kept; absent before the first."}, `
		select array[]::text[], extract(epoch from now() - received_at)::float8 from inbox order by id desc limit 1`},
}

// Watched is what Figures tells, without samples.
func Watched() (all []payment.Figure) {
	for _, f := range figures {
		all = append(all, f.Figure)
	}
	return all
}

// Figures is what operators' machines watch, as of one moment.
func (s *Store) Figures(ctx context.Context) ([]payment.Figure, error) {
	all := make([]payment.Figure, 0, len(figures))
	ask := &pgx.Batch{}
	for _, f := range figures {
		told := f.Figure
		ask.Queue(f.sql).Query(func(rows pgx.Rows) (err error) {
			told.Samples, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (s payment.Sample, err error) {
				return s, row.Scan(&s.Labels, &s.Value)
			})
			all = append(all, told)
			return err
		})
	}
	err := s.pool.SendBatch(ctx, ask).Close()
	return all, fault(err)
}
