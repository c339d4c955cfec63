package api_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/paysaga/paysaga/internal/payment"
)

func TestAPaymentIsShownWhole(t *testing.T) {
	d := newDesk(t)
	d.paid(t, "4200001", 200_000, payment.Holding, payment.CaseShipUnknown)
	d.Exec(t, `insert into steps (transaction_id, step, state, attempts, last_error) values
		('4200001', 'ship', 'gave_up', 7, 'shop_silent: no answer'), ('4200001', 'mark_paid', 'done', 1, '')`)
	d.Exec(t, `insert into refunds (out_refund_no, transaction_id, amount_fen, total_fen, ready_at) values ('R4200001', '4200001', 1, 200000, now())`)
	d.Exec(t, `insert into cases (id, kind, subject, transaction_id, owner, due_at) values ('c1', 'ship_unknown', '4200001', '4200001', 'warehouse', now())`)
	asked := d.asked(t, "4200001", reason(""))
	d.call(t, "dora", "POST", asked.text("status_url")+"/reject", reason("")).wants(t, 202, "")

	got := d.call(t, "otto", "GET", "/v1/payments/4200001", "").wants(t, 200, "")

	keys := slices.Sorted(maps.Keys(got.body))
	if diff := cmp.Diff([]string{"amount_fen", "cases", "needs_attention", "out_trade_no", "refunded_fen", "refunds",
		"requests", "stage", "steps", "timeline", "transaction_id"}, keys); diff != "" {
		t.Error(diff)
	}
	for key, want := range map[string]any{
		"transaction_id": "4200001", "out_trade_no": "4200001-order", "amount_fen": 200000.0, "refunded_fen": 0.0,
		"stage": "holding", "needs_attention": true,
		"steps": []any{
			map[string]any{"name": "mark_paid", "state": "done", "attempts": 1.0, "last_error": ""},
			map[string]any{"name": "ship", "state": "gave_up", "attempts": 7.0, "last_error": "shop_silent: no answer"},
		},
		"refunds": []any{map[string]any{"out_refund_no": "R4200001", "amount_fen": 1.0, "state": "requested"}},
	} {
		if diff := cmp.Diff(want, got.body[key]); diff != "" {
			t.Errorf("%s: %s", key, diff)
		}
	}
	first := func(key string) map[string]any { return got.body[key].([]any)[0].(map[string]any) }
	if c := first("cases"); c["owner"] != "warehouse" || c["kind"] != "ship_unknown" || c["state"] != "open" {
		t.Errorf("the case is %v", c)
	}
	if q := first("requests"); q["state"] != "refused" || q["actor"] != "ann" || q["approver"] != "dora" || q["amount_fen"] != 200000.0 {
		t.Errorf("the request is %v", q)
	}
	var story []string
	for _, line := range got.body["timeline"].([]any) {
		line := line.(map[string]any)
		story = append(story, line["what"].(string)+" by "+line["actor"].(string))
	}
	want := []string{"moved by paysaga", "moved by paysaga", "asked: compensate, pending_approval by ann", "rejected: compensate by dora"}
	if diff := cmp.Diff(want, story); diff != "" {
		t.Error(diff)
	}
}

func TestAPaymentWhoseSagaHasNotBegunIsReceived(t *testing.T) {
	d := newDesk(t)
	d.called(t, "4200001", "accepted")
	d.call(t, "shop", "POST", "/v1/orders", strings.Replace(tea, "TEA-0001", "ORDER-4200001", 1)).wants(t, 201, "")
	for _, who := range []string{"ann", "shop"} {
		got := d.call(t, who, "GET", "/v1/payments/4200001", "").wants(t, 200, "")
		want := map[string]any{
			"transaction_id": "4200001", "out_trade_no": "ORDER-4200001", "amount_fen": 12850.0, "refunded_fen": 0.0,
			"stage": "received", "needs_attention": false,
			"steps": []any{}, "refunds": []any{}, "cases": []any{}, "requests": []any{}, "timeline": []any{},
		}
		if diff := cmp.Diff(want, got.body); diff != "" {
			t.Errorf("%s sees: %s", who, diff)
		}
	}
	d.call(t, "stall", "GET", "/v1/payments/4200001", "").wants(t, 404, "no_such_payment")

	d.called(t, "4200002", "case")
	d.call(t, "ann", "GET", "/v1/payments/4200002", "").wants(t, 404, "no_such_payment")
}

func TestWhatNeedsAttention(t *testing.T) {
	d := newDesk(t)
	for _, stage := range stages {
		d.paid(t, string(stage), 12850, stage, payment.CaseShipUnknown)
		got := d.call(t, "ann", "GET", "/v1/payments/"+string(stage), "").wants(t, 200, "")
		if got.body["needs_attention"] != stage.Waiting() {
			t.Errorf("%s: %v", stage, got.body["needs_attention"])
		}
	}
	d.Exec(t, `insert into cases (id, kind, subject, transaction_id, owner, due_at) values ('c1', 'notify_failed', 'completed', 'completed', 'support', now())`)
	if got := d.call(t, "ann", "GET", "/v1/payments/completed", ""); got.body["needs_attention"] != true {
		t.Error("an open case needs nobody")
	}
	d.Exec(t, `update cases set state = 'closed', resolution = 'told by phone', closed_at = now()`)
	if got := d.call(t, "ann", "GET", "/v1/payments/completed", ""); got.body["needs_attention"] != false {
		t.Error("a closed case needs somebody")
	}
}

func TestAnExpiredApprovalIsShownAsExpired(t *testing.T) {
	d := newDesk(t)
	d.paid(t, "4200001", 200_000, payment.Paid, "")
	d.asked(t, "4200001", reason(""))
	d.Exec(t, `update requests set expires_at = now()`)
	got := d.call(t, "ann", "GET", "/v1/payments/4200001", "")
	if state := got.body["requests"].([]any)[0].(map[string]any)["state"]; state != "expired" {
		t.Errorf("the request is %v", state)
	}
}
