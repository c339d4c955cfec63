package postgres_test

import (
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/paysaga/paysaga/internal/postgres"
)

// released is the schema of the release before this one.
const released = 4

// Books of the earlier release come up to today's schema with all that is in them,
// go back, and come up again.
func TestTheBooksOfTheEarlierReleaseMoveBothWays(t *testing.T) {
	w := open(t)
	files, err := fs.Sub(postgres.Migrations, "migrations")
	w.ok(err)
	provider, err := goose.NewProvider(goose.DialectPostgres, stdlib.OpenDBFromPool(w.db.Pool), files)
	w.ok(err)
	down := func() {
		t.Helper()
		_, err := provider.DownTo(t.Context(), released)
		w.ok(err)
	}
	down()

	asked := time.Now().Add(-72 * time.Hour).UTC().Format(time.DateTime)
	for _, sql := range []string{
		`insert into orders (out_trade_no, appid, description, amount_fen, trade_type, late_payment, expires_at, created_by)
			values ('ORDER-1', 'wx1', 'tea', 100, 'native', 'refund', now() + interval '1 h', 'shop'), ('ORDER-2', 'wx1', 'tea', 100, 'native', 'refund', now() + interval '1 h', 'shop')`,
		`insert into payments (transaction_id, out_trade_no, appid, mchid, amount_fen, currency, trade_state, paid_at, via, sweep_at)
			values ('42', 'ORDER-1', 'wx1', '1', 100, 'CNY', 'SUCCESS', now(), 'callback', now())`,
		`update orders set state = 'paid', paid_by = '42' where out_trade_no = 'ORDER-1'`,
		`update payments set stage = 'compensating'`,
		`insert into refunds (out_refund_no, transaction_id, amount_fen, total_fen, state, ready_at, asked_at, finished_at)
			values ('R42', '42', 40, 100, 'success', now(), '` + asked + `Z', now()), ('R42-1', '42', 60, 100, 'processing', now(), '` + asked + `Z', null)`,
		`insert into cases (id, kind, subject, owner, due_at, state, resolution, closed_at, detail)
			values ('c1', 'ship_unknown', '42', 'support', now(), 'open', '', null, 'no answer'), ('c2', 'notify_failed', '42', 'support', now(), 'closed', 'phoned', now(), 'a no')`,
		`insert into inbox (key, kind, verdict, via, transaction_id, out_trade_no) values ('k', 'payment', 'accepted', 'callback', '43', 'ORDER-2')`,
		`insert into callbacks (inbox_id, verdict, body) select 1, 'accepted', 'x' from generate_series(1, 3)`,
		`insert into callbacks (inbox_id, verdict, body, received_at) values (1, 'accepted', 'x', now() - interval '200 days')`,
		`insert into webhooks (id, transaction_id, event, payload) values ('w', '42', 'order.shipped', '{}')`,
	} {
		w.db.Exec(t, sql)
	}
	held := func() string {
		return w.db.Text(t, `select concat_ws(' ', (select count(*) from orders), (select count(*) from payments), (select count(*) from refunds),
			(select count(*) from cases), (select count(*) from inbox), (select string_agg(id::text, ',' order by id) from callbacks), (select count(*) from webhooks))`)
	}
	before := held()
	for range 2 {
		w.ok(postgres.Migrate(t.Context(), w.db.URL))
		got := w.db.Text(t, `select concat_ws('; ',
			(select string_agg(out_trade_no, ' ') from due_orders),
			(select string_agg(to_char(taken_at at time zone 'utc', 'YYYY-MM-DD HH24:MI:SS'), ', ') from refunds),
			(select string_agg(case_id || ' ' || what, ', ' order by id) from case_events),
			(select count(*) from callbacks where tableoid = 'callbacks_default'::regclass))`)
		// A refund belongs to the bill of the day on which WeChat was asked, whenever it ended.
		if want := "ORDER-2; " + asked + ", " + asked + "; c1 opened, c2 opened, c2 closed; 1"; got != want {
			t.Errorf("moved to %q, want %q", got, want)
		}
		if now := held(); now != before {
			t.Errorf("up, the books hold %s, and held %s", now, before)
		}
		down()
		if now := held(); now != before {
			t.Errorf("down, the books hold %s, and held %s", now, before)
		}
	}
	if n := w.db.Int(t, `select count(*) from pg_tables where schemaname = current_schema() and tablename ~ '^(callbacks_\d|bill_|audit_|sessions|due_)'`); n != 0 || strings.Count(before, ",") != 3 {
		t.Errorf("%d tables are left of what went", n)
	}
}
