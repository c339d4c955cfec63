package postgres_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/paysaga/paysaga/internal/payment"
	"github.com/paysaga/paysaga/internal/postgres"
)

// told is a figure's samples, rounded to whole numbers.
func (w *world) told(name string) string {
	w.Helper()
	figures, err := w.Figures(w.Context())
	w.ok(err)
	if len(figures) != len(postgres.Watched()) {
		w.Errorf("%d figures are told of %d", len(figures), len(postgres.Watched()))
	}
	var samples []string
	for _, f := range figures {
		for _, s := range f.Samples {
			if len(s.Labels) != len(f.Labels) {
				w.Errorf("%s has labels %v, and values %v", f.Name, f.Labels, s.Labels)
			}
			if f.Name == name {
				samples = append(samples, strings.TrimSpace(strings.Join(s.Labels, " ")+fmt.Sprintf(" %.0f", s.Value)))
			}
		}
	}
	return strings.Join(samples, ", ")
}

func TestWhatTheBooksTell(t *testing.T) {
	t.Parallel()
	opened := func(kind payment.CaseKind, subject string) func(w *world) {
		return func(w *world) {
			w.ok(w.OpenCase(w.Context(), payment.Case{Kind: kind, TransactionID: subject}))
		}
	}
	held := func(w *world) {
		w.db.Order(w, orderNo, fen)
		told := news(txn)
		told.AmountFen = fen + 1
		w.must(w.Claim(w.Context(), told))
		w.db.Exec(w, `alter table payments disable trigger user`)
		w.db.Exec(w, `update payments set updated_at = now() - interval '2 h'`)
	}
	paid := func(w *world) {
		w.db.Order(w, orderNo, fen)
		w.must(w.Claim(w.Context(), news(txn)))
	}
	row := func(sql string) func(w *world) { return func(w *world) { w.db.Exec(w, sql) } }
	kept := row(`insert into inbox (key, kind, verdict, via, transaction_id, done, received_at) values
		('a', 'payment', 'accepted', 'callback', 'A', false, now() - interval '90 s'), ('b', 'payment', 'accepted', 'callback', 'B', true, now() - interval '30 s')`)
	for name, step := range map[string]struct {
		before []func(w *world)
		figure string
		want   string
	}{
		"cases are counted by kind and owner": {
			[]func(w *world){opened(payment.CaseAmountMismatch, "1"), opened(payment.CaseAmountMismatch, "2"), row(`update cases set state = 'closed', resolution = 'x', closed_at = now() where subject = '2'`)},
			"paysaga_cases_open", "amount_mismatch finance 1"},
		"a case in time is not overdue": {[]func(w *world){opened(payment.CaseNotPaid, "1")}, "paysaga_cases_overdue", ""},
		"a case is overdue": {
			[]func(w *world){opened(payment.CaseNotPaid, "1"), row(`update cases set due_at = now() - interval '1 s'`)}, "paysaga_cases_overdue", "not_paid support 1"},
		"a payment waits for a person":       {[]func(w *world){held}, "paysaga_payments_waiting", "quarantined 1"},
		"and for how long":                   {[]func(w *world){held}, "paysaga_payments_waiting_oldest_seconds", "quarantined 7200"},
		"a payment under way waits for none": {[]func(w *world){paid}, "paysaga_payments_waiting", ""},
		"a payment is under way":             {[]func(w *world){paid}, "paysaga_payments_under_way", "paid 1"},
		"the inbox is empty":                 {nil, "paysaga_inbox_oldest_seconds", "0"},
		"news waits for its saga":            {[]func(w *world){kept}, "paysaga_inbox_pending", "1"},
		"news whose saga has begun does not wait": {[]func(w *world){paid, row(`insert into inbox (key, kind, verdict, via, transaction_id)
			select 'a', 'payment', 'accepted', 'callback', transaction_id from payments`)}, "paysaga_inbox_pending", "0"},
		"a message about a case waits": {[]func(w *world){opened(payment.CaseNotPaid, "1"), row(`insert into outbox (id, case_id, event, payload, created_at)
			select 'o', id, 'case.overdue', '{}', now() - interval '5 min' from cases`)}, "paysaga_webhooks_oldest_seconds", "shop 300"},
		"and for how long news waits": {[]func(w *world){kept}, "paysaga_inbox_oldest_seconds", "90"},
		"WeChat was heard of last":    {[]func(w *world){kept}, "paysaga_callbacks_last_seconds", "30"},
		"orders are due": {
			[]func(w *world){func(w *world) { w.db.Order(w, orderNo, fen) }, row(`update due_orders set next_at = now() - interval '1 min'`)}, "paysaga_orders_due_oldest_seconds", "60"},
		"an order that is due later is not": {
			[]func(w *world){func(w *world) { w.db.Order(w, orderNo, fen) }, row(`update due_orders set next_at = now() + interval '1 min'`)}, "paysaga_orders_due", "0"},
		"a refund of ours is open": {
			[]func(w *world){paid, row(`insert into refunds (out_refund_no, transaction_id, amount_fen, total_fen, state, ready_at, created_at)
				select 'R1', transaction_id, 1, amount_fen, 'processing', now(), now() - interval '1 h' from payments`)}, "paysaga_refunds_oldest_seconds", "processing 3600"},
		"somebody else's refund is not ours": {
			[]func(w *world){paid, row(`insert into refunds (out_refund_no, transaction_id, amount_fen, total_fen, state, is_foreign, ready_at)
				select 'X1', transaction_id, 1, amount_fen, 'processing', true, now() from payments`)}, "paysaga_refunds_open", ""},
		"a request waits": {
			[]func(w *world){row(`insert into requests (id, transaction_id, kind, state, actor, reason, amount_fen) values ('r', 'A', 'retry', 'queued', 'ann', 'because of the test', 1)`)}, "paysaga_requests_open", "queued 1"},
		"a message waits": {
			[]func(w *world){paid, row(`insert into webhooks (id, transaction_id, event, payload, created_at) select 'w', transaction_id, 'order.shipped', '{}', now() - interval '5 min' from payments`)}, "paysaga_webhooks_oldest_seconds", "shop 300"},
		"a schedule never succeeded":  {[]func(w *world){row(`insert into schedule_runs (name, every, expected_since) values ('tidy', '1 h', now() - interval '2 h')`)}, "paysaga_schedule_last_success_seconds", "tidy 7200"},
		"a schedule succeeded":        {[]func(w *world){row(`insert into schedule_runs values ('tidy', '1 h', now() - interval '2 h', now() - interval '1 min')`)}, "paysaga_schedule_last_success_seconds", "tidy 60"},
		"how often a schedule should": {[]func(w *world){row(`insert into schedule_runs (name, every) values ('tidy', '1 day')`)}, "paysaga_schedule_interval_seconds", "tidy 86400"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			for _, before := range step.before {
				before(w)
			}
			if got := w.told(step.figure); got != step.want {
				t.Errorf("%s is %q, want %q", step.figure, got, step.want)
			}
		})
	}
}

// A scrape comes every few seconds for years: no question may read a table whole
// that grows with them.
func TestFiguresReadNoWholeTable(t *testing.T) {
	t.Parallel()
	w := open(t)
	years(w, 20_000)
	for name, question := range postgres.FigureQuestions() {
		var text []byte
		w.ok(w.db.Pool.QueryRow(t.Context(), "explain (analyze, format json) "+question).Scan(&text))
		var plans []struct{ Plan counted }
		w.ok(json.Unmarshal(text, &plans))
		read := 0.0
		plans[0].Plan.all(func(n counted) bool {
			if n.Table != "" {
				read += (n.Rows + n.Removed) * n.Loops
			}
			return true
		})
		if read > 200 {
			t.Errorf("%s reads %.0f rows:\n%s", name, read, text)
		}
	}
}
