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

// crowd is n pending orders, and of payments and news a tenth as many, of other
// orders. The first due of them are due now, the others in one to two hours.
func crowd(w *world, n, due int) {
	w.Helper()
	conn, err := w.db.Pool.Acquire(w.Context())
	w.ok(err)
	defer conn.Release()
	for _, sql := range []string{
		`set session_replication_role = replica`, // no triggers: a million of them take a minute
		`insert into orders (out_trade_no, appid, description, amount_fen, trade_type, late_payment, expires_at, created_by, created_at)
			select 'ORDER-' || n, 'wx1', 'tea', 12850, 'native', 'refund', now() + interval '2 h', 'shop', now() - interval '1 min'
			  from generate_series(1, $1::int) n`,
		`insert into due_orders (out_trade_no, next_at)
			select 'ORDER-' || n, case when n <= $2 then now() - interval '1 s' * random() else now() + interval '1 h' * (1 + random()) end
			  from generate_series(1, $1::int) n order by random()`,
		`insert into payments (transaction_id, out_trade_no, appid, mchid, amount_fen, currency, trade_state, paid_at, via, sweep_at)
			select 'T' || n, 'SOLD-' || n, 'wx1', '1', 1, 'CNY', 'SUCCESS', now(), 'callback', now() from generate_series(1, $1::int / 10) n`,
		`insert into inbox (key, kind, verdict, via, transaction_id, out_trade_no, done)
			select 'K' || n, 'payment', 'accepted', 'callback', 'N' || n, 'NEWS-' || n, n % 2 = 0 from generate_series(1, $1::int / 10) n`,
		`reset session_replication_role`,
		`vacuum analyze orders`, `vacuum analyze due_orders`, `vacuum analyze payments`, `vacuum analyze inbox`,
	} {
		args := []any{n, due}[:strings.Count(sql, "$1")+strings.Count(sql, "$2")]
		_, err := conn.Exec(w.Context(), sql, args...)
		w.ok(err)
	}
}

// node is a step of a query's plan, as explain tells it.
type node struct {
	Type  string `json:"Node Type"`
	Table string `json:"Relation Name"`
	Index string `json:"Index Name"`
	Plans []node
}

func (n node) all(yield func(node) bool) bool {
	if !yield(n) {
		return false
	}
	return !slices.ContainsFunc(n.Plans, func(below node) bool { return !below.all(yield) })
}

// A lease reads what is due, by the index, and of everything else only the rows
// that belong to it. Nothing is read from one end to the other.
func TestALeaseReadsOnlyWhatIsDue(t *testing.T) {
	w := open(t)
	crowd(w, 50_000, 500)
	var text []byte
	w.ok(w.db.Pool.QueryRow(t.Context(), `explain (format json) `+postgres.LeaseDueSQL, pgx.NamedArgs{
		"at_most": 50, "query_at": []time.Duration{time.Minute}, "first": time.Minute,
		"closed_again": time.Minute, "daily": 24 * time.Hour,
	}).Scan(&text))
	var plans []struct{ Plan node }
	w.ok(json.Unmarshal(text, &plans))
	used := map[string]bool{}
	plans[0].Plan.all(func(n node) bool {
		used[n.Index] = true
		if n.Table != "" && !strings.HasPrefix(n.Type, "Index") && !strings.HasPrefix(n.Type, "Bitmap") && n.Type != "ModifyTable" {
			t.Errorf("%s on %s", n.Type, n.Table)
		}
		return true
	})
	for _, index := range []string{"due_orders_next", "orders_pkey", "payments_by_order", "inbox_to_judge"} {
		if !used[index] {
			t.Errorf("%s is not used", index)
		}
	}
	if t.Failed() {
		t.Logf("%s", text)
	}
}

// BenchmarkDueOrders drains 1,000 due of 1,000,000 pending orders, in batches as
// the workers do, without WeChat: its answers take longer, and are paced.
func BenchmarkDueOrders(b *testing.B) {
	const pending, due, batch = 1_000_000, 1_000, 50
	w := open(b)
	crowd(w, pending, due)
	for b.Loop() {
		b.StopTimer()
		w.db.Exec(b, `update due_orders set next_at = now() where out_trade_no in (select 'ORDER-' || n from generate_series(1, $1::int) n)`, due)
		b.StartTimer()
		leased := 0
		for more := true; more; {
			var orders []payment.DueOrder
			var err error
			orders, more, err = w.LeaseDue(b.Context(), batch, 0)
			w.ok(err)
			leased += len(orders)
		}
		if leased != due {
			b.Fatalf("%d were leased", leased)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/drain")
	b.ReportMetric(due*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
