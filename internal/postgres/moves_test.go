package postgres_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/paysaga/paysaga/internal/payment"
)

// pairs flattens a table of moves into "was became" lines.
func pairs[S ~string](moves map[S][]S) map[string]bool {
	all := map[string]bool{}
	for was, froms := range moves {
		for _, became := range froms {
			all[string(was)+" "+string(became)] = true
		}
	}
	return all
}

func (w *world) pairs(sql string) map[string]bool {
	w.Helper()
	rows, err := w.db.Pool.Query(w.Context(), sql)
	w.ok(err)
	defer rows.Close()
	all := map[string]bool{}
	for rows.Next() {
		var was, became string
		w.ok(rows.Scan(&was, &became))
		all[was+" "+became] = true
	}
	w.ok(rows.Err())
	return all
}

func TestTheSchemaKnowsTheSameMovesAsTheDomain(t *testing.T) {
	w := open(t)
	got := w.pairs(`select was, became from lawful_moves where (was, became) <> ('', '')`) // '' to '' is a note
	if diff := cmp.Diff(pairs(payment.Moves), got); diff != "" {
		t.Errorf("moves of a payment (-domain +schema):\n%s", diff)
	}
	got = w.pairs(`select was, became from lawful_order_moves union select '', 'pending'`) // an insert is no move there
	if diff := cmp.Diff(pairs(payment.OrderMoves), got); diff != "" {
		t.Errorf("moves of an order (-domain +schema):\n%s", diff)
	}
}

// Whoever writes past the code meets the same rules.
func TestTheSchemaRefusesWhatIsNotLawful(t *testing.T) {
	const refund = `insert into refunds (out_refund_no, transaction_id, amount_fen, total_fen, ready_at, asked_at, state, finished_at) values `
	w := open(t)
	w.paid()
	const success = `('R1', '4200000001', 12850, 12850, now(), now(), 'success', now())`
	for name, row := range map[string]struct{ before, sql, rule string }{
		"a paid payment does not go back to received": {
			sql: `update payments set stage = 'received'`, rule: "moves_are_lawful",
		},
		"a paid payment is not completed without shipping": {
			sql: `update payments set stage = 'completed'`, rule: "moves_are_lawful",
		},
		"a payment is not refunded before its money went back": {
			before: `update payments set stage = 'compensating'`,
			sql:    `update payments set stage = 'refunded'`, rule: "refunded_in_full",
		},
		"a hold has a reason": {
			sql: `update payments set stage = 'holding'`, rule: "hold_has_reason",
		},
		"a hold's reason ends with it": {
			sql: `update payments set hold_reason = 'ship_unknown', hold_direction = 'forward'`, rule: "hold_has_reason",
		},
		"a paid order does not become pending": {
			sql: `update orders set state = 'pending', paid_by = null`, rule: "order_moves_lawfully",
		},
		"a paid order names its payment": {
			sql: `update orders set paid_by = null`, rule: "paid_has_payment",
		},
		"more is not refunded than was paid": {
			sql: refund + `('R1', '4200000001', 12851, 12850, now(), now(), 'success', now())`, rule: "refund_within_total",
		},
		"two refunds together are not more than was paid": {
			before: refund + success,
			sql:    refund + `('R2', '4200000001', 1, 12850, now(), now(), 'success', now())`, rule: "refunds_within_payment",
		},
		"two refunds are not open at once": {
			before: refund + `('R1', '4200000001', 1, 12850, now(), null, 'requested', null)`,
			sql:    refund + `('R2', '4200000001', 1, 12850, now(), null, 'requested', null)`, rule: "one_open_refund",
		},
		"a final refund stays final": {
			before: refund + success,
			sql:    `update refunds set state = 'closed'`, rule: "refund_stays_final",
		},
		"a refund's amount is frozen": {
			before: refund + `('R1', '4200000001', 1, 12850, now(), null, 'requested', null)`,
			sql:    `update refunds set amount_fen = 2`, rule: "refund_is_frozen",
		},
		"an order is not shipped twice": {
			before: `insert into shipments (transaction_id, out_trade_no, ship_key, state) values ('4200000001', 'ORDER-1', 'ship-4200000001', 'requested');
			         insert into payments (transaction_id, out_trade_no, appid, mchid, amount_fen, currency, trade_state, paid_at, via, sweep_at)
			         values ('4200000002', 'ORDER-1', 'wx1', '1', 1, 'CNY', 'SUCCESS', now(), 'callback', now())`,
			sql:  `insert into shipments (transaction_id, out_trade_no, ship_key, state) values ('4200000002', 'ORDER-1', 'ship-4200000002', 'requested')`,
			rule: "one_shipment_per_order",
		},
		"nobody approves what they asked for": {
			sql:  `insert into requests (id, transaction_id, kind, state, actor, reason, amount_fen, approver) values ('q1', '4200000001', 'retry', 'queued', 'ann', 'because I say so', 0, 'ann')`,
			rule: "never_ones_own",
		},
		"a case has an owner": {
			sql: `insert into cases (id, kind, subject, owner, due_at) values ('c1', 'not_paid', 'x', '', now())`, rule: "cases_owner_check",
		},
	} {
		t.Run(name, func(t *testing.T) {
			tx, err := w.db.Pool.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer tx.Rollback(context.WithoutCancel(t.Context()))
			if _, err := tx.Exec(t.Context(), row.before); err != nil {
				t.Fatal(err)
			}
			_, err = tx.Exec(t.Context(), row.sql)
			refusal, ok := errors.AsType[*pgconn.PgError](err)
			if !ok {
				t.Fatalf("not refused: %v", err)
			}
			if refusal.ConstraintName != row.rule {
				t.Errorf("refused by %s, want %s", refusal.ConstraintName, row.rule)
			}
		})
	}
}

func TestEveryMoveIsInTheTimeline(t *testing.T) {
	w := open(t)
	w.paid()
	got := w.db.Text(t, `select string_agg(was || '>' || became || ' by ' || actor, ', ' order by id) from payment_events where was || became <> ''`)
	if want := ">received by paysaga, received>paid by paysaga"; got != want {
		t.Errorf("timeline %q, want %q", got, want)
	}
}
