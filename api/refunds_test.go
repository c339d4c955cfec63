package api_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/paysaga/paysaga/internal/payment"
)

func partOf(amount string) string {
	return `{"amount_fen":` + amount + `,"reason":"one cup was broken"}`
}

func TestPartOfAPaymentIsAskedFor(t *testing.T) {
	d := newDesk(t)
	d.paid(t, "4200001", 12850, payment.Completed, "")
	got := d.call(t, "ann", "POST", "/v1/payments/4200001/refunds", partOf("850")).wants(t, 202, "")
	if got.text("out_refund_no") != "R4200001" || got.text("state") != "queued" || got.text("status_url") != "/v1/requests/"+got.text("request_id") {
		t.Errorf("answered %s", got.raw)
	}
	if heard := d.sagas.heard(); len(heard) != 1 || heard[0].Signal != "refund" || heard[0].RequestID != got.text("request_id") {
		t.Errorf("the saga heard %+v", heard)
	}
	status := d.call(t, "otto", "GET", got.text("status_url"), "").wants(t, 200, "")
	if status.text("out_refund_no") != "R4200001" || status.body["amount_fen"] != 850.0 {
		t.Errorf("the status is %s", status.raw)
	}
	if view := d.call(t, "ann", "GET", "/v1/payments/4200001", ""); !strings.Contains(view.raw, `"out_refund_no":"R4200001"`) {
		t.Errorf("the payment shows %s", view.raw)
	}
}

func TestWhoMayGivePartOfItBack(t *testing.T) {
	d := newDesk(t)
	for i, row := range []struct {
		who    string
		status int
		code   string
	}{
		{"ann", 202, ""}, {"dora", 202, ""}, {"otto", 403, "wrong_role"}, {"shop", 403, "wrong_role"},
		{"", 401, "unauthorized"}, {"stranger", 401, "unauthorized"},
	} {
		id := fmt.Sprintf("42000%02d", i)
		d.paid(t, id, 12850, payment.Paid, "")
		d.call(t, row.who, "POST", "/v1/payments/"+id+"/refunds", partOf("850")).wants(t, row.status, row.code)
		if n := d.Int(t, `select count(*) from requests where transaction_id = $1`, id); (n == 1) != (row.status == 202) {
			t.Errorf("%s left %d requests", row.who, n)
		}
	}
}

func TestAPartThatCannotGoBackIsRefused(t *testing.T) {
	for name, row := range map[string]struct {
		stage  payment.Stage
		before string // SQL
		body   string
		status int
		code   string
		says   string
	}{
		"nothing":               {payment.Paid, "", partOf("0"), 422, "invalid_amount_fen", "at least 1 fen"},
		"less than nothing":     {payment.Paid, "", partOf("-1"), 422, "invalid_amount_fen", ""},
		"half a fen":            {payment.Paid, "", partOf("0.5"), 422, "invalid_body", ""},
		"an amount in words":    {payment.Paid, "", partOf(`"850"`), 422, "invalid_body", ""},
		"more than an int64":    {payment.Paid, "", partOf("9223372036854775808"), 422, "invalid_body", ""},
		"no amount":             {payment.Paid, "", `{"reason":"one cup was broken"}`, 422, "invalid_amount_fen", ""},
		"no reason":             {payment.Paid, "", `{"amount_fen":850}`, 422, "invalid_reason", ""},
		"a number of their own": {payment.Paid, "", `{"amount_fen":850,"reason":"one cup was broken","out_refund_no":"R1"}`, 422, "invalid_body", ""},
		"more than was paid":    {payment.Paid, "", partOf("12851"), 422, "more_than_left", "12850 fen are left"},
		"more than is left": {payment.Completed,
			`insert into refunds (out_refund_no, transaction_id, amount_fen, total_fen, ready_at, state, is_foreign)
			 values ('CONSOLE1', '4200001', 850, 12850, now(), 'processing', true)`, partOf("12001"), 422, "more_than_left", "12000 fen are left"},
		"after a year": {payment.Completed, `update payments set paid_at = now() - interval '366 days'`, partOf("1"), 422, payment.CodeTooOld, "365 days"},
		"the 51st": {payment.Completed,
			`insert into refunds (out_refund_no, transaction_id, amount_fen, total_fen, ready_at, state, finished_at)
			 select 'R4200001-' || n, '4200001', 1, 12850, now(), 'success', now() from generate_series(1, 50) n`, partOf("1"), 422, payment.CodeTooMany, "50 refunds"},
		"while it is going back": {payment.Compensating, "", partOf("1"), 409, "wrong_stage", "going back already"},
		"after it went back":     {payment.Refunded, "", partOf("1"), 409, "wrong_stage", "all of it went back"},
		"while it is held":       {payment.Holding, "", partOf("1"), 409, "wrong_stage", "retry, resolve or compensate"},
		"in quarantine":          {payment.Quarantined, "", partOf("1"), 409, "wrong_stage", "never accepted"},
		"before it was judged":   {payment.Received, "", partOf("1"), 409, "wrong_stage", "nothing was accepted yet"},
		"after a person's word":  {payment.Resolved, "", partOf("1"), 409, "wrong_stage", "a person closed it"},
		"while another is asked for": {payment.Paid,
			`insert into requests (id, transaction_id, kind, state, actor, reason, amount_fen) values ('old', '4200001', 'compensate', 'queued', 'ben', '0123456789', 12850)`,
			partOf("1"), 409, "one_open_request", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			d.paid(t, "4200001", 12850, row.stage, payment.CaseShipUnknown)
			if row.before != "" {
				d.Exec(t, row.before)
			}
			got := d.call(t, "ann", "POST", "/v1/payments/4200001/refunds", row.body).wants(t, row.status, row.code)
			if !strings.Contains(got.text("detail"), row.says) {
				t.Errorf("says %q, want %q", got.text("detail"), row.says)
			}
			if n := d.Int(t, `select count(*) from requests where id <> 'old'`); n != 0 || len(d.sagas.heard()) != 0 {
				t.Errorf("left %d requests, told %v", n, d.sagas.heard())
			}
		})
	}
	t.Run("of a payment nobody knows", func(t *testing.T) {
		d := newDesk(t)
		d.call(t, "ann", "POST", "/v1/payments/4200009/refunds", partOf("1")).wants(t, 404, "no_such_payment")
		d.called(t, "4200001", "accepted")
		d.call(t, "ann", "POST", "/v1/payments/4200001/refunds", partOf("1")).wants(t, 409, "wrong_stage")
	})
}

// Compensating a payment that WeChat refunds no more is refused as clearly.
func TestAYearLaterNothingGoesBack(t *testing.T) {
	d := newDesk(t)
	d.paid(t, "4200001", 12850, payment.Completed, "")
	d.Exec(t, `update payments set paid_at = now() - interval '366 days'`)
	d.call(t, "ann", "POST", "/v1/payments/4200001/compensate", reason(`,"goods":"kept"`)).wants(t, 422, payment.CodeTooOld)
}

// Slices are one refund to the limit, and each waits under its own number.
func TestSlicesOfARefundWantASecondPersonTogether(t *testing.T) {
	d := newDesk(t)
	d.paid(t, "4200001", 300_000, payment.Completed, "")
	first := d.call(t, "ann", "POST", "/v1/payments/4200001/refunds", partOf("60000")).wants(t, 202, "")
	d.Exec(t, `update requests set state = 'done'`)
	second := d.call(t, "ben", "POST", "/v1/payments/4200001/refunds", partOf("60000")).wants(t, 202, "")
	if first.text("state") != "queued" || second.text("state") != "pending_approval" {
		t.Errorf("%s, then %s", first.raw, second.raw)
	}
	if second.text("out_refund_no") != "R4200001-2" || len(d.sagas.heard()) != 1 {
		t.Errorf("%s; the saga heard %v", second.raw, d.sagas.heard())
	}
	approved := d.call(t, "dora", "POST", second.text("status_url")+"/approve", reason("")).wants(t, 202, "")
	if approved.text("out_refund_no") != "R4200001-2" {
		t.Errorf("approved %s", approved.raw)
	}
	if heard := d.sagas.heard(); len(heard) != 2 || heard[1].Signal != "refund" {
		t.Errorf("the saga heard %v", heard)
	}
}

// Eight agents in one moment: one is heard, and the others are told why not.
func TestEightAgentsNeverPromiseMoreThanIsLeft(t *testing.T) {
	d := newDesk(t)
	for i := range 10 {
		id := fmt.Sprintf("42000%02d", i)
		d.paid(t, id, 12850, payment.Completed, "")
		calls := make([]func() int, 8)
		for n := range calls {
			calls[n] = func() int {
				return d.call(t, "ann", "POST", "/v1/payments/"+id+"/refunds", partOf("7000")).status
			}
		}
		race(t, map[int]int{202: 1, 422: 7}, calls...)
		if sum := d.Int(t, `select sum(amount_fen) from requests where transaction_id = $1`, id); sum != 7000 {
			t.Errorf("%d fen are promised of 12850", sum)
		}
	}
}
