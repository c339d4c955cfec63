package api_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/paysaga/paysaga/internal/payment"
)

// waits writes a request down that waits, as Ask would have.
func (d *desk) waits(t *testing.T, id, state, ago, left string) {
	t.Helper()
	d.Exec(t, `insert into requests (id, transaction_id, kind, state, actor, reason, amount_fen, created_at, expires_at, approver)
		values ($1, 'T' || $1, 'compensate', $2, 'ben', '0123456789', 150000, now() - $3::interval, now() + $4::interval,
		        case $2 when 'pending_approval' then '' else 'emil' end)`, id, state, ago, left)
}

func TestApprovalsShowWhatASecondPersonCanStillDecideTheOldestFirst(t *testing.T) {
	d := newDesk(t)
	d.waits(t, "young", "pending_approval", "1 min", "23 h")
	d.waits(t, "old", "pending_approval", "3 h", "21 h")
	d.waits(t, "older", "pending_approval", "5 h", "19 h")
	d.waits(t, "too-late", "pending_approval", "25 h", "-1 h")
	d.waits(t, "decided", "queued", "2 h", "22 h")
	for _, limit := range []int{1, 2, 100} {
		if diff := cmp.Diff([]string{"older", "old", "young"}, d.ids(t, "dora", "/v1/approvals", "id", limit)); diff != "" {
			t.Errorf("by %d: %s", limit, diff)
		}
	}
	d.call(t, "dora", "POST", "/v1/requests/old/reject", reason("")).wants(t, 202, "")
	if diff := cmp.Diff([]string{"older", "young"}, d.ids(t, "ann", "/v1/approvals", "id", 10)); diff != "" {
		t.Error(diff)
	}
	d.call(t, "ann", "GET", "/v1/approvals?state=queued", "").wants(t, 422, "unknown_parameter")
}

// verdictsOf is what a bulk answer says of each payment: the request's state, or
// why there is none.
func verdictsOf(got answer) map[string]string {
	all := map[string]string{}
	for _, item := range got.body["items"].([]any) {
		i := item.(map[string]any)
		said, _ := i["state"].(string)
		if code, ok := i["code"].(string); ok {
			said = code
		}
		all[i["transaction_id"].(string)] = said
	}
	return all
}

func TestManyAreUndoneForOneReasonAfterALook(t *testing.T) {
	d := newDesk(t)
	d.paid(t, "SMALL", 100, payment.Paid, "")
	d.paid(t, "LARGE", 100_001, payment.Completed, "")
	d.paid(t, "GONE", 100, payment.Refunded, "")
	d.paid(t, "BUSY", 100, payment.Paid, "")
	d.asked(t, "BUSY", reason(""))
	d.called(t, "NEWS", "accepted")
	body := func(preview bool) string {
		return reason(fmt.Sprintf(`,"preview":%v,"transaction_ids":["SMALL","LARGE","GONE","BUSY","NEWS","NONE","no number","SMALL"]`, preview))
	}
	want := map[string]string{
		"SMALL": "queued", "LARGE": "pending_approval", "GONE": "wrong_stage", "BUSY": "one_open_request",
		"NEWS": "queued", "NONE": "no_such_payment", "no number": "no_such_payment",
	}
	requests := func() int64 { return d.Int(t, `select count(*) from requests`) }
	was := requests()
	look := d.call(t, "ann", "POST", "/v1/compensations", body(true)).wants(t, 200, "")
	if diff := cmp.Diff(want, verdictsOf(look)); diff != "" {
		t.Errorf("the preview: %s", diff)
	}
	if now := requests(); now != was || look.body["taken"] != 3.0 || look.body["refused"] != 4.0 || look.body["amount_fen"] != 112951.0 {
		t.Errorf("%d requests after a look, and %s", now-was, look.raw)
	}
	act := d.call(t, "ann", "POST", "/v1/compensations", body(false)).wants(t, 200, "")
	if diff := cmp.Diff(want, verdictsOf(act)); diff != "" {
		t.Errorf("the act: %s", diff)
	}
	if now := requests(); now != was+3 || act.body["taken"] != 3.0 {
		t.Errorf("%d requests, and %s", now-was, act.raw)
	}
	if stages := d.Text(t, `select string_agg(stage, ' ' order by transaction_id) from payments`); stages != "paid refunded completed paid" {
		t.Errorf("the desk moved a payment: %s", stages)
	}
}

// The books give no answer in the middle. Nobody is told that a payment was refused
// then, and the same call made again asks for the rest, and for nothing twice.
func TestABulkWithoutAnAnswerIsNoRefusal(t *testing.T) {
	d := newDesk(t)
	for _, id := range []string{"A1", "A2", "A3"} {
		d.paid(t, id, 100, payment.Paid, "")
	}
	d.Exec(t, `create function away() returns trigger language plpgsql as
		$$ begin raise exception 'not now' using errcode = 'lock_not_available'; end $$`)
	d.Exec(t, `create trigger away before insert on requests for each row when (new.transaction_id = 'A2') execute function away()`)
	body := reason(`,"transaction_ids":["A1","A2","A3"]`)
	d.again(t, "K1", "ann", "POST", "/v1/compensations", body).wants(t, 503, "database_busy")
	d.Exec(t, `drop trigger away on requests`)
	act := d.again(t, "K1", "ann", "POST", "/v1/compensations", body).wants(t, 200, "")
	want := map[string]string{"A1": "queued", "A2": "queued", "A3": "queued"}
	if diff := cmp.Diff(want, verdictsOf(act)); diff != "" || act.body["taken"] != 3.0 {
		t.Errorf("the second time: %s", act.raw)
	}
	if n := d.Int(t, `select count(*) from requests`); n != 3 {
		t.Errorf("%d requests for three payments", n)
	}
}

func TestWhatIsNoBulk(t *testing.T) {
	d := newDesk(t)
	many := func(n int) string {
		text := ""
		for i := range n {
			text += fmt.Sprintf(`,"B%d"`, i)
		}
		return `[` + text[1:] + `]`
	}
	for name, row := range map[string]struct{ body, code string }{
		"none":            {reason(`,"transaction_ids":[]`), "invalid_transaction_ids"},
		"one too many":    {reason(`,"transaction_ids":` + many(101)), "too_many"},
		"no reason":       {`{"reason":"why","transaction_ids":["A"]}`, "invalid_reason"},
		"other goods":     {reason(`,"goods":"eaten","transaction_ids":["A"]`), "invalid_goods"},
		"a misspelt look": {reason(`,"preveiw":true,"transaction_ids":["A"]`), "invalid_body"},
	} {
		t.Run(name, func(t *testing.T) { d.call(t, "ann", "POST", "/v1/compensations", row.body).wants(t, 422, row.code) })
	}
	d.call(t, "ann", "POST", "/v1/compensations", reason(`,"transaction_ids":`+many(100))).wants(t, 200, "")
	got := d.call(t, "ann", "POST", "/v1/compensations", reason(`,"transaction_ids":`+many(60)))
	got.wants(t, 429, "too_fast")
	if got.header.Get("Retry-After") == "" {
		t.Error("a 429 that does not say when")
	}
	d.call(t, "ann", "POST", "/v1/compensations", reason(`,"preview":true,"transaction_ids":`+many(60))).wants(t, 200, "")
}

func TestTodayCountsTheBeijingDay(t *testing.T) {
	d := newDesk(t)
	for i, paid := range []string{"now()", "now() - interval '25 h'"} { // the second one was yesterday, wherever
		id := fmt.Sprintf("D%d", i)
		d.paid(t, id, 500, payment.Completed, "")
		d.Exec(t, `update payments set paid_at = `+paid+` where transaction_id = $1`, id)
		d.Exec(t, `insert into inbox (key, kind, verdict, via, transaction_id, received_at) select $1, 'payment', 'accepted', 'callback', $1, at - interval '90 s'
			from payment_events where transaction_id = $1 and became = 'shipped'`, id)
	}
	d.paid(t, "HELD", 7, payment.Holding, payment.CaseShipUnknown)
	d.Exec(t, `insert into refunds (out_refund_no, transaction_id, amount_fen, total_fen, state, ready_at, finished_at)
		values ('RD0', 'D0', 120, 500, 'success', now(), now()), ('RD1', 'D1', 500, 500, 'success', now(), now() - interval '25 h')`)
	got := d.call(t, "otto", "GET", "/v1/today", "").wants(t, 200, "")
	if got.body["payments"] != 1.0 || got.body["paid_fen"] != 500.0 || got.body["refunded_fen"] != 120.0 {
		t.Errorf("today: %s", got.raw)
	}
	sum := func(name string) (n float64) {
		hours := got.body["hours"].([]any)
		if len(hours) != 24 {
			t.Errorf("%d hours", len(hours))
		}
		for _, hour := range hours {
			n += hour.(map[string]any)[name].(float64)
		}
		return n
	}
	if sum("payments") != 1 || sum("refunds") != 1 {
		t.Errorf("by the hour: %s", got.raw)
	}
	shipped := got.body["shipped"].(map[string]any)
	if p50 := shipped["p50_s"].(float64); shipped["count"] != 2.0 || p50 < 89 || p50 > 91 {
		t.Errorf("shipped: %v", shipped)
	}
	within := slices.ContainsFunc(shipped["within"].([]any), func(b any) bool {
		return b.(map[string]any)["at_most_s"] == 600.0 && b.(map[string]any)["count"] == 2.0
	})
	held := got.body["holding"].([]any)
	if !within || len(held) != 1 || held[0].(map[string]any)["reason"] != "ship_unknown" {
		t.Errorf("today: %s", got.raw)
	}
}
