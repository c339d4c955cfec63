package postgres_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/paysaga/paysaga/internal/payment"
	"github.com/paysaga/paysaga/internal/postgres"
)

// years is what has gathered after years: n payments, shipments, refunds, requests
// and messages, nearly all of them done with, and a case for every tenth.
func years(w *world, n int) {
	w.Helper()
	conn, err := w.db.Pool.Acquire(w.Context())
	w.ok(err)
	defer conn.Release()
	for _, sql := range []string{
		`set session_replication_role = replica`,
		`insert into payments (transaction_id, out_trade_no, appid, mchid, amount_fen, currency, trade_state, paid_at, via, sweep_at, stage, hold_reason, hold_direction)
			select '42000' || n, 'ORDER-' || n, 'wx1', '1', 100, 'CNY', 'SUCCESS', now() - interval '1 min' * n, 'callback', now(),
			       case when n % 5000 = 0 then 'holding' else 'completed' end, case when n % 5000 = 0 then 'ship_unknown' else '' end,
			       case when n % 5000 = 0 then 'forward' else '' end from generate_series(1, $1::int) n`,
		`insert into inbox (key, kind, verdict, via, transaction_id, out_trade_no, notification_id, received_at, done)
			select 'K' || n, 'payment', case when n % 5000 = 0 then 'case' else 'accepted' end, 'callback', '42000' || n, 'ORDER-' || n, 'EV-' || n,
			       now() - interval '1 min' * n, n % 5000 <> 1 from generate_series(1, $1::int) n`,
		`insert into shipments (transaction_id, out_trade_no, ship_key, state, shipment_id, tracking_no)
			select '42000' || n, 'ORDER-' || n, 'K' || n, 'dispatched', 'SHP' || n, 'SF' || n from generate_series(1, $1::int) n`,
		`insert into refunds (out_refund_no, transaction_id, amount_fen, total_fen, state, refund_id, ready_at, finished_at)
			select 'R42000' || n, '42000' || n, 1, 100, 'success', '503' || n, now(), now() from generate_series(1, $1::int) n`,
		`insert into requests (id, transaction_id, kind, state, actor, reason, amount_fen)
			select 'req_' || n, '42000' || n, 'retry', 'done', 'ann', 'the shop is back', 0 from generate_series(1, $1::int) n`,
		`insert into webhooks (id, transaction_id, event, payload, state, created_at)
			select 'order.shipped-42000' || n, '42000' || n, 'order.shipped', '{}', 'delivered', now() - interval '1 min' * n from generate_series(1, $1::int) n`,
		`insert into cases (id, kind, subject, transaction_id, out_trade_no, owner, due_at, state, resolution, closed_at)
			select 'case' || n, 'notify_failed', 'S' || n, '42000' || n, 'ORDER-' || n, 'support', now() + interval '1 h' - interval '1 min' * n,
			       case when n % 500 = 0 then 'open' else 'closed' end, 'told', now() from generate_series(1, $1::int / 10) n`,
		`insert into outbox (id, case_id, event, payload, state, created_at)
			select 'case.opened-case' || n || '-1', 'case' || n, 'case.opened', '{"data": {"transaction_id": ""}}', 'delivered', now() - interval '1 min' * n
			  from generate_series(1, $1::int / 10) n`,
		`reset session_replication_role`, `analyze`,
	} {
		_, err := conn.Exec(w.Context(), sql, []any{n}[:min(1, strings.Count(sql, "$1"))]...)
		w.ok(err)
	}
}

// A page costs a page, however much has gathered: nothing large is read from one
// end to the other, nor sorted.
func TestAPageOfAListReadsNoMoreThanItShows(t *testing.T) {
	t.Parallel()
	w := open(t)
	years(w, 50_000)
	halfWay := payment.PaymentPlace{PaidAt: time.Now().Add(-25_000 * time.Minute), TransactionID: "4200025000"}
	later := payment.WebhookPlace{CreatedAt: halfWay.PaidAt, ID: "order.shipped-4200025000"}
	due := payment.CasePlace{DueAt: time.Now().Add(-50 * time.Hour), Closed: true, ID: "case3000"}
	yes := true
	type query struct {
		sql  string
		args pgx.NamedArgs
	}
	payments := func(wanted payment.PaymentFilter, after *payment.PaymentPlace) query {
		sql, args := postgres.PaymentsQuery(wanted, page(after))
		return query{sql, args}
	}
	messages := func(wanted payment.WebhookFilter, after *payment.WebhookPlace) query {
		sql, args := postgres.MessagesQuery(wanted, page(after))
		return query{sql, args}
	}
	cases := func(wanted payment.CaseFilter, after *payment.CasePlace) query {
		sql, args := postgres.CasesQuery(wanted, page(after))
		return query{sql, args}
	}
	news := func(wanted payment.KeptFilter, after *payment.KeptPlace) query {
		sql, args := postgres.KeptQuery(wanted, page(after))
		return query{sql, args}
	}
	for name, list := range map[string]query{
		"news":                      news(payment.KeptFilter{}, nil),
		"news, half way":            news(payment.KeptFilter{}, &payment.KeptPlace{ReceivedAt: halfWay.PaidAt, ID: "25000"}),
		"news for a person":         news(payment.KeptFilter{Verdict: payment.ForAPerson}, nil),
		"news that waits":           news(payment.KeptFilter{Done: new(false)}, nil),
		"news by its payment":       news(payment.KeptFilter{Number: "420004711"}, nil),
		"news by WeChat's id":       news(payment.KeptFilter{Number: "EV-4711"}, nil),
		"payments":                  payments(payment.PaymentFilter{}, nil),
		"payments, half way":        payments(payment.PaymentFilter{}, &halfWay),
		"payments held":             payments(payment.PaymentFilter{Stage: payment.Holding}, &halfWay),
		"payments refunded":         payments(payment.PaymentFilter{Stage: payment.Refunded}, nil),
		"payments that need us":     payments(payment.PaymentFilter{NeedsAttention: &yes}, nil),
		"payments by a number":      payments(payment.PaymentFilter{Number: "SF4711"}, nil),
		"messages":                  messages(payment.WebhookFilter{}, nil),
		"messages, half way":        messages(payment.WebhookFilter{}, &later),
		"messages by their payment": messages(payment.WebhookFilter{Number: "420004711"}, nil),
		"cases":                     cases(payment.CaseFilter{}, nil),
		"cases, half way":           cases(payment.CaseFilter{}, &due),
		"cases that are open":       cases(payment.CaseFilter{State: "open"}, nil),
		"cases that are closed":     cases(payment.CaseFilter{State: "closed"}, nil),
		"cases that are overdue":    cases(payment.CaseFilter{Overdue: &yes}, nil),
	} {
		t.Run(name, func(t *testing.T) {
			var text []byte
			w.ok(w.db.Pool.QueryRow(t.Context(), `explain (analyze, format json) `+list.sql, pgx.QueryExecModeCacheDescribe, list.args).Scan(&text))
			var plans []struct{ Plan counted }
			w.ok(json.Unmarshal(text, &plans))
			read := 0.0
			plans[0].Plan.all(func(n counted) bool {
				if n.Table != "" {
					read += (n.Rows + n.Removed) * n.Loops
				}
				return true
			})
			if read > 2000 {
				t.Errorf("%.0f rows were read for a page of 21:\n%s", read, text)
			}
		})
	}
}

func page[K any](after *K) payment.Page[K] { return payment.Page[K]{After: after, Limit: 21} }

// counted is a step of a query that was run, with the rows that came and went.
type counted struct {
	Table   string  `json:"Relation Name"`
	Rows    float64 `json:"Actual Rows"`
	Removed float64 `json:"Rows Removed by Filter"`
	Loops   float64 `json:"Actual Loops"`
	Plans   []counted
}

func (n counted) all(yield func(counted) bool) bool {
	if !yield(n) {
		return false
	}
	return !slices.ContainsFunc(n.Plans, func(below counted) bool { return !below.all(yield) })
}
