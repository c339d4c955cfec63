package postgres_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/paysaga/paysaga/internal/payment"
)

// unlocked is how somebody who owns the server gets at the log.
const unlocked = `alter table audit_log disable trigger user; alter table audit_log drop constraint hash_seals_the_doc;
	alter table audit_log drop constraint doc_names_its_seq; `

func record(w *world, n int) payment.AuditHead {
	w.Helper()
	for i := range n {
		w.ok(w.Record(w.Context(), payment.Act{Action: "order.close", Object: fmt.Sprintf("ORDER-%d", i), By: "shop", Reason: "told <so> & 茶"}))
	}
	head, err := w.AuditHead(w.Context())
	w.ok(err)
	return head
}

func TestATamperedAuditLogIsFound(t *testing.T) {
	for name, row := range map[string]struct{ sql, says string }{
		"nobody touched it": {`select 1`, ""},
		"a row was edited":  {`update audit_log set doc = replace(doc, 'shop', 'dora') where seq = 3`, "row 3 was edited"},
		"a row was edited and resealed": {`update audit_log set doc = replace(doc, 'shop', 'dora'),
			hash = sha256(prev_hash || convert_to(replace(doc, 'shop', 'dora'), 'UTF8')) where seq = 3`, "row 4 does not follow"},
		"a row's time was edited": {`update audit_log set at = at - interval '1 day' where seq = 3`, "row 3 was edited"},
		"a row is listed as another's": {`alter table audit_log alter actor drop expression;
			update audit_log set actor = 'dora' where seq = 2`, "row 2 was edited"},
		"a row's hash was edited":   {`update audit_log set hash = sha256('x') where seq = 5`, "row 5 was edited"},
		"a row is gone":             {`delete from audit_log where seq = 3`, "row 2 is followed by row 4"},
		"a row is gone, renumbered": {`delete from audit_log where seq = 3; update audit_log set seq = seq - 1 where seq > 3`, "row 3 does not follow"},
		"the first row is gone":     {`delete from audit_log where seq = 1`, "row 0 is followed by row 2"},
		"two rows changed places":   {`update audit_log set seq = 9 where seq = 3; update audit_log set seq = 3 where seq = 4; update audit_log set seq = 4 where seq = 9`, "row 3 does not follow"},
		"the tail is cut off":       {`delete from audit_log where seq > 3`, "ends at row 3 and had 5"},
		"everything is gone":        {`truncate audit_log`, "ends at row 0 and had 5"},
		"the last row was edited and resealed": {`update audit_log set doc = replace(doc, 'shop', 'dora'),
			hash = sha256(prev_hash || convert_to(replace(doc, 'shop', 'dora'), 'UTF8')) where seq = 5`, "row 5 is not the one"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			anchor := record(w, 5)
			w.db.Exec(t, unlocked+row.sql)
			head, err := w.VerifyAudit(t.Context(), anchor)
			if row.says == "" {
				w.ok(err)
				if head != anchor || head.Seq != 5 {
					t.Errorf("the head is %+v, want %+v", head, anchor)
				}
				return
			}
			if payment.CodeOf(err) != "audit_broken" || !strings.Contains(err.Error(), row.says) {
				t.Errorf("says %v, want %q", err, row.says)
			}
		})
	}
}

// The owner of the tables, who migrates, and the role that the product needs.
func TestNobodyChangesTheAuditLog(t *testing.T) {
	w := open(t)
	record(w, 2)
	for role, why := range map[string]string{"": "append-only", "set local role paysaga_app; ": "permission denied"} {
		for _, sql := range []string{
			`update audit_log set doc = replace(doc, 'shop', 'dora')`,
			`delete from audit_log where seq = 2`,
			`truncate audit_log`,
		} {
			t.Run(role+sql, func(t *testing.T) {
				_, err := w.db.Pool.Exec(t.Context(), role+sql)
				if err == nil || !strings.Contains(err.Error(), "42501") || !strings.Contains(err.Error(), why) {
					t.Errorf("answered %v", err)
				}
			})
		}
	}
}

func TestTheHeadOfAnEmptyLogIsAnAnchorToo(t *testing.T) {
	w := open(t)
	anchor := record(w, 0)
	if _, err := w.VerifyAudit(t.Context(), anchor); err != nil || len(anchor.Hash) != 64 {
		t.Errorf("%+v: %v", anchor, err)
	}
	record(w, 1)
	if _, err := w.VerifyAudit(t.Context(), anchor); err != nil {
		t.Error(err)
	}
}

func TestAuditNumbersHaveNoGaps(t *testing.T) {
	w := open(t)
	w.db.Order(t, orderNo, fen)
	w.must(w.Claim(t.Context(), news(txn)))
	race(times(12, func(i int) {
		if i%3 == 0 { // at most one of these is let in, and the others leave no row
			_, _ = w.Ask(t.Context(), payment.Request{
				ID: fmt.Sprint("req_", i), TransactionID: txn, Kind: payment.Compensate, Actor: "ann", Reason: "the customer asked",
			}, 1_000_000)
			return
		}
		w.ok(w.Record(t.Context(), payment.Act{Action: "order.close", Object: fmt.Sprint(i), By: "shop"}))
	})...)
	head, err := w.VerifyAudit(t.Context(), payment.AuditHead{})
	w.ok(err)
	if head.Seq != 9 {
		t.Errorf("%d rows, want 8 and the one request", head.Seq)
	}
}

func TestNoAuditNoAction(t *testing.T) {
	w := open(t)
	w.db.Order(t, orderNo, fen)
	w.must(w.Claim(t.Context(), news(txn)))
	w.db.Exec(t, `alter table audit_log rename to elsewhere`)
	_, err := w.Ask(t.Context(), payment.Request{
		ID: "req_1", TransactionID: txn, Kind: payment.Compensate, Actor: "ann", Reason: "the customer asked",
	}, 1_000_000)
	if err == nil || w.db.Int(t, `select count(*) from requests`) != 0 {
		t.Errorf("a request without its audit row: %v", err)
	}
}

func TestOneCallIsWrittenDownOnce(t *testing.T) {
	w := open(t)
	ctx := payment.WithActor(t.Context(), payment.Actor{
		Name: "ann", Role: "support", Peer: "203.0.113.9", Session: "0123456789abcdef", Call: "C1", KeyHash: "ab12",
	})
	act := payment.Act{Action: "case.close", Object: "case_1", Reason: "the shop agreed", By: "nobody"}
	denied := act
	denied.Decision, denied.Code = payment.Deny, "wrong_stage"
	w.ok(w.Record(ctx, denied))
	w.ok(w.Record(ctx, act))
	w.ok(w.Record(ctx, act))
	act.Object = "case_2"
	w.ok(w.Record(ctx, act))
	got := w.db.Text(t, `select string_agg((doc::jsonb - 'at')::text, E'\n' order by seq) from audit_log`)
	for _, want := range []string{`"decision": "DENY"`, `"object": "case_2"`, `"key_sha256": "ab12"`, `"session": "0123456789abcdef"`, `"actor": "ann"`, `"call": "C1", "peer": "203.0.113.9", "role": "support"`} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
	if n := strings.Count(got, "\n") + 1; n != 3 || strings.Contains(got, "nobody") {
		t.Errorf("%d rows, want 3:\n%s", n, got)
	}
}
