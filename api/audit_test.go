package api_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/paysaga/paysaga/internal/payment"
)

// audited is the audit log as an auditor would tell it.
func (d *desk) audited(t *testing.T) []string {
	t.Helper()
	return strings.Split(d.Text(t, `select coalesce(string_agg(concat_ws(' ', decision, actor, doc::jsonb->>'role', action,
		coalesce(nullif(transaction_id, ''), doc::jsonb->>'out_trade_no'), doc::jsonb->>'was', doc::jsonb->>'became',
		doc::jsonb->>'amount_fen', doc::jsonb->>'code', doc::jsonb->>'asked_by'), E'\n' order by seq), '') from audit_log`), "\n")
}

// Whatever a person or a merchant's system does, or is not allowed to do, is in the log.
func TestEveryActIsInTheAuditLog(t *testing.T) {
	d := newDesk(t)
	d.paid(t, "4200001", 200_000, payment.Shipped, "")
	d.paid(t, "4200002", 500, payment.Paid, "")
	post := func(who, path, body string) answer { return d.call(t, who, "POST", path, body) }

	post("", "/v1/orders", tea)
	post("ann", "/v1/orders", tea)
	post("shop", "/v1/orders", strings.Replace(tea, "12850", "0", 1))
	post("shop", "/v1/orders", tea)
	post("stall", "/v1/orders", tea)
	post("shop", "/v1/orders/TEA-0001/close", "")
	post("stall", "/v1/orders/TEA-0001/close", "")
	id := post("ann", "/v1/payments/4200001/compensate", reason("")).text("request_id")
	post("ann", "/v1/payments/4200001/refunds", reason(`,"amount_fen":1`))
	post("otto", "/v1/requests/"+id+"/approve", reason(""))
	post("dora", "/v1/requests/"+id+"/reject", reason(""))
	post("emil", "/v1/requests/"+id+"/approve", reason(""))
	own := post("dora", "/v1/payments/4200001/compensate", reason("")).text("request_id")
	post("dora", "/v1/requests/"+own+"/approve", reason(""))
	post("emil", "/v1/requests/"+own+"/approve", reason(""))
	post("ann", "/v1/payments/4200002/refunds", reason(`,"amount_fen":501`))
	post("ann", "/v1/payments/4200002/refunds", reason(`,"amount_fen":100`))
	post("ann", "/v1/payments/4200002/resolve", reason(`,"outcome":"shipped","evidence":["S1"]`))
	post("otto", "/v1/payments/4200009/retry", reason(""))
	post("shop", "/v1/shipments/S1/dispatched", `{"carrier":"SF","tracking_no":"1"}`)
	d.call(t, "shop", "GET", "/v1/requests/"+id, "")
	d.call(t, "stall", "GET", "/v1/orders/TEA-0001", "")

	want := []string{
		"DENY ann support order.create wrong_role",
		"DENY shop merchant order.create invalid_amount_fen",
		"ALLOW shop merchant order.create TEA-0001 pending 12850",
		"DENY stall merchant order.create order_exists",
		"ALLOW shop merchant order.close TEA-0001 pending",
		"DENY stall merchant order.close TEA-0001 no_such_order",
		"ALLOW ann support payment.compensate 4200001 shipped pending_approval 200000",
		"DENY ann support payment.refund 4200001 one_open_request",
		"DENY otto operator request.approve wrong_role",
		"ALLOW dora approver request.reject 4200001 pending_approval refused 200000 ann",
		"DENY emil approver request.approve decided",
		"ALLOW dora approver payment.compensate 4200001 shipped pending_approval 200000",
		"DENY dora approver request.approve own_request",
		"ALLOW emil approver request.approve 4200001 pending_approval queued 200000 dora",
		"DENY ann support payment.refund 4200002 more_than_left",
		"ALLOW ann support payment.refund 4200002 paid queued 100",
		"DENY ann support payment.resolve 4200002 wrong_stage",
		"DENY otto operator payment.retry 4200009 no_such_payment",
		"DENY shop merchant shipment.dispatched no_such_shipment",
		"DENY shop merchant request.read wrong_role",
	}
	if diff := cmp.Diff(want, d.audited(t)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	doc := d.Text(t, `select string_agg(doc, E'\n') from audit_log`)
	for _, missing := range []string{`"reason":"the customer asked for it"`, `"peer":"127.0.0.1"`, `"object":"` + id + `"`, `"object":"S1"`} {
		if !strings.Contains(doc, missing) {
			t.Errorf("no %s in the log", missing)
		}
	}
	for _, leak := range []string{secretOf("ann"), "West Lake", "two boxes"} {
		if strings.Contains(doc, leak) {
			t.Errorf("the log holds %q", leak)
		}
	}
	if n := d.Int(t, `select count(distinct doc::jsonb->>'session') from audit_log where actor in ('ann', 'dora')`); n != 2 {
		t.Errorf("%d tokens stand behind two people's acts", n)
	}
}

// Nothing is closed at WeChat that the log would not know of.
func TestNoOrderIsClosedWithoutAnAuditRow(t *testing.T) {
	d := newDesk(t)
	d.call(t, "shop", "POST", "/v1/orders", tea).wants(t, 201, "")
	d.Exec(t, `alter table audit_log rename to elsewhere`)
	if got := d.call(t, "shop", "POST", "/v1/orders/TEA-0001/close", ""); got.status < 500 || len(d.sagas.shut) > 0 {
		t.Errorf("answered %d and closed %v", got.status, fmt.Sprint(d.sagas.shut))
	}
}

// Operators read the log, and can follow its chain by what they are shown alone.
func TestTheAuditLogIsReadByOperators(t *testing.T) {
	d := newDesk(t)
	for i, stage := range []payment.Stage{payment.Paid, payment.Paid, payment.Refunded} {
		d.paid(t, fmt.Sprint("420000", i), 500, stage, "")
		d.call(t, "ann", "POST", fmt.Sprintf("/v1/payments/420000%d/compensate", i), `{"reason":"<b>茶 & more</b>"}`)
	}
	d.call(t, "shop", "GET", "/v1/audit", "").wants(t, 403, "wrong_role")

	for _, limit := range []int{1, 3, 100} {
		if diff := cmp.Diff([]string{"4", "3", "2", "1"}, d.ids(t, "otto", "/v1/audit", "seq", limit)); diff != "" {
			t.Errorf("by %d: %s", limit, diff)
		}
	}
	for query, want := range map[string][]string{
		"?actor=ann":                 {"3", "2", "1"},
		"?decision=DENY":             {"4", "3"},
		"?action=payment.compensate": {"3", "2", "1"},
		"?q=4200001":                 {"2"},
		"?q=42000":                   {"3", "2", "1"},
		"?q=req_&decision=ALLOW":     {"2", "1"},
		"?actor=dora":                {},
	} {
		if diff := cmp.Diff(want, d.ids(t, "otto", "/v1/audit"+query, "seq", 2)); diff != "" {
			t.Errorf("%s: %s", query, diff)
		}
	}
	for query, code := range map[string]string{
		"?decision=MAYBE": "invalid_decision", "?who=ann": "unknown_parameter", "?limit=0": "invalid_limit", "?cursor=eyJzZXEiOiJ4In0": "invalid_cursor",
	} {
		d.call(t, "otto", "GET", "/v1/audit"+query, "").wants(t, 422, code)
	}

	var page struct{ Items []payment.Audited }
	if err := json.Unmarshal([]byte(d.call(t, "otto", "GET", "/v1/audit", "").raw), &page); err != nil {
		t.Fatal(err)
	}
	for i, row := range page.Items {
		prev, _ := hex.DecodeString(row.PrevHash)
		if sum := sha256.Sum256(append(prev, row.Doc...)); hex.EncodeToString(sum[:]) != row.Hash {
			t.Errorf("row %d does not add up: %s", row.Seq, row.Doc)
		}
		if i > 0 && page.Items[i-1].PrevHash != row.Hash {
			t.Errorf("row %d does not follow from row %d", page.Items[i-1].Seq, row.Seq)
		}
	}
}
