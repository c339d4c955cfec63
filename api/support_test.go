package api_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/paysaga/paysaga/internal/payment"
)

const because = `"the customer asked for it"`

func reason(more string) string { return `{"reason":` + because + more + `}` }

var stages = slices.Collect(maps.Keys(way))

// What a person may ask for depends on how far the payment has come, and nothing
// that came too late leaves a request behind.
func TestWhoComesInTimeIsHeard(t *testing.T) {
	acts := map[string]struct {
		body string
		may  []payment.Stage
	}{
		"compensate": {reason(""), []payment.Stage{payment.Received, payment.Paid, payment.Shipped, payment.Completed, payment.Holding, payment.Quarantined}},
		"retry":      {reason(""), []payment.Stage{payment.Received, payment.Paid, payment.Shipped, payment.Holding, payment.Compensating}},
		"resolve":    {reason(`,"outcome":"shipped","evidence":["SHP-1"]`), []payment.Stage{payment.Holding, payment.Quarantined}},
	}
	d := newDesk(t)
	for act, row := range acts {
		for _, stage := range stages {
			t.Run(act+" while "+string(stage), func(t *testing.T) {
				id := strings.ToUpper(act[:3]) + string(stage)
				d.paid(t, id, 12850, stage, payment.CaseShipUnknown)
				got := d.call(t, "ann", "POST", "/v1/payments/"+id+"/"+act, row.body)
				if !slices.Contains(row.may, stage) {
					got.wants(t, 409, "wrong_stage")
					if n := d.Int(t, `select count(*) from requests where transaction_id = $1`, id); n != 0 {
						t.Errorf("%d requests were left", n)
					}
					return
				}
				got.wants(t, 202, "")
				request := d.Text(t, `select concat_ws(' ', id, kind, state, actor, reason) from requests where transaction_id = $1`, id)
				if want := got.text("request_id") + " " + act + " queued ann the customer asked for it"; request != want || got.text("state") != "queued" {
					t.Errorf("the books say %q, want %q; answered %s", request, want, got.raw)
				}
				last := d.sagas.heard()[len(d.sagas.heard())-1]
				if last.Signal != act || last.RequestID != got.text("request_id") || last.Payment.TransactionID != id || last.Payment.AmountFen != 12850 {
					t.Errorf("the saga was told %+v", last)
				}
				if now := d.Text(t, `select stage from payments where transaction_id = $1`, id); now != string(stage) {
					t.Errorf("the desk moved the payment to %s", now)
				}
				status := d.call(t, "otto", "GET", got.text("status_url"), "").wants(t, 200, "")
				if status.text("state") != "queued" || status.text("id") != got.text("request_id") {
					t.Errorf("the status is %s", status.raw)
				}
			})
		}
	}
}

func TestAPaymentOnlyTheInboxKnowsCanBeStoppedToo(t *testing.T) {
	d := newDesk(t)
	d.called(t, "4200001", "accepted")
	got := d.asked(t, "4200001", reason(""))

	want := []told{{
		Payment: payment.Payment{
			TransactionID: "4200001", OutTradeNo: "ORDER-4200001", AppID: "wxapp", MchID: "1900000001",
			AmountFen: 12850, Currency: "CNY", TradeState: "SUCCESS", Via: payment.ViaCallback,
		},
		Signal: "compensate", RequestID: got.text("request_id"),
	}}
	heard := d.sagas.heard()
	if len(heard) == 1 && heard[0].Payment.PaidAt.IsZero() {
		t.Error("the saga was not told when it was paid")
	}
	for i := range heard {
		heard[i].Payment.PaidAt = time.Time{}
	}
	if diff := cmp.Diff(want, heard); diff != "" {
		t.Error(diff)
	}
	d.called(t, "4200002", "case")
	d.call(t, "ann", "POST", "/v1/payments/4200002/compensate", reason("")).wants(t, 404, "no_such_payment")
}

// Above the limit, and wherever the goods are not stopped first or WeChat closed
// a refund, a second person decides; nothing is told before.
func TestWhoMustWaitForASecondPerson(t *testing.T) {
	const closed = `insert into refunds (out_refund_no, transaction_id, amount_fen, total_fen, state, ready_at, finished_at)
		values ('R4200001', '4200001', 1, 1, 'closed', now(), now())`
	for name, row := range map[string]struct {
		act, body string
		amountFen int64
		before    string // SQL
		state     string
		frozenFen int64
	}{
		"a refund of just the limit":                    {act: "compensate", amountFen: 100_000, state: "queued", frozenFen: 100_000},
		"a refund of one fen more":                      {act: "compensate", amountFen: 100_001, state: "pending_approval", frozenFen: 100_001},
		"a large one, most of which went back":          {act: "compensate", amountFen: 100_001, before: `update payments set refunded_fen = 1`, state: "queued", frozenFen: 100_000},
		"goods that came back":                          {act: "compensate", body: `,"goods":"returned"`, amountFen: 1, state: "pending_approval", frozenFen: 1},
		"goods that the customer keeps":                 {act: "compensate", body: `,"goods":"kept"`, amountFen: 1, state: "pending_approval", frozenFen: 1},
		"goods to be stopped":                           {act: "compensate", body: `,"goods":"stop"`, amountFen: 1, state: "queued", frozenFen: 1},
		"a retry of a large one":                        {act: "retry", amountFen: 100_001, state: "queued"},
		"a retry after WeChat closed the refund":        {act: "retry", amountFen: 1, before: closed, state: "pending_approval", frozenFen: 1},
		"a compensation after WeChat closed the refund": {act: "compensate", amountFen: 1, before: closed, state: "pending_approval", frozenFen: 1},
		"closing a large one with evidence":             {act: "resolve", body: `,"outcome":"refunded","evidence":["R4200001"]`, amountFen: 100_001, state: "queued"},
		"closing what was never paid, without evidence": {act: "resolve", body: `,"outcome":"refunded"`, amountFen: 1, state: "queued"},
		"a slice that brings the day over the limit": {act: "compensate", amountFen: 30_000, state: "pending_approval", frozenFen: 30_000,
			before: `insert into requests (id, transaction_id, kind, state, actor, reason, amount_fen, out_refund_no) values ('old', '4200001', 'refund', 'done', 'ben', '0123456789', 70001, 'R1')`},
		"a slice after yesterday's": {act: "compensate", amountFen: 30_000, state: "queued", frozenFen: 30_000,
			before: `insert into requests (id, transaction_id, kind, state, actor, reason, amount_fen, out_refund_no, created_at) values ('old', '4200001', 'refund', 'done', 'ben', '0123456789', 70001, 'R1', now() - interval '25 h')`},
		"a slice after one that was refused": {act: "compensate", amountFen: 30_000, state: "queued", frozenFen: 30_000,
			before: `insert into requests (id, transaction_id, kind, state, actor, reason, amount_fen) values ('old', '4200001', 'refund', 'refused', 'ben', '0123456789', 70001)`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			d.paid(t, "4200001", row.amountFen, payment.Holding, payment.CaseCancelRefused)
			if row.before != "" {
				d.Exec(t, row.before)
			}
			got := d.call(t, "ann", "POST", "/v1/payments/4200001/"+row.act, reason(row.body)).wants(t, 202, "")
			if got.text("state") != row.state {
				t.Errorf("answered %s, want %s", got.raw, row.state)
			}
			frozen := d.Int(t, `select amount_fen from requests where id = $1`, got.text("request_id"))
			if frozen != row.frozenFen {
				t.Errorf("%d fen are frozen, want %d", frozen, row.frozenFen)
			}
			if told := len(d.sagas.heard()) == 1; told != (row.state == "queued") {
				t.Errorf("the saga heard %v", d.sagas.heard())
			}
		})
	}
}

func TestASecondPersonDecides(t *testing.T) {
	const pending = `,"goods":"kept"`
	for name, row := range map[string]struct {
		asks, decides, verdict string
		before                 string // SQL
		status                 int
		code                   string
		state                  string
		told                   int
	}{
		"another approves":       {asks: "ann", decides: "dora", verdict: "approve", status: 202, state: "queued", told: 1},
		"another rejects":        {asks: "ann", decides: "dora", verdict: "reject", status: 202, state: "refused"},
		"one approves one's own": {asks: "dora", decides: "dora", verdict: "approve", status: 403, code: "own_request", state: "pending_approval"},
		"one rejects one's own":  {asks: "dora", decides: "dora", verdict: "reject", status: 403, code: "own_request", state: "pending_approval"},
		"one approves one's own, with another token": {asks: "carla", decides: "carla/approver", verdict: "approve",
			status: 403, code: "own_request", state: "pending_approval"},
		"one approves what one sent by hand": {asks: "ann", decides: "dora", verdict: "approve", before: `alter table requests disable trigger user; update requests set actor = 'unverified:Dora'`,
			status: 403, code: "own_request", state: "pending_approval"},
		"another approves what was sent by hand": {asks: "ann", decides: "emil", verdict: "approve", before: `alter table requests disable trigger user; update requests set actor = 'unverified:dora'`,
			status: 202, state: "queued", told: 1},
		"after a day":             {asks: "ann", decides: "dora", verdict: "approve", before: `update requests set expires_at = now()`, status: 410, code: "request_expired", state: "expired"},
		"no, after a day":         {asks: "ann", decides: "dora", verdict: "reject", before: `update requests set expires_at = now()`, status: 410, code: "request_expired", state: "expired"},
		"a second before the day": {asks: "ann", decides: "dora", verdict: "approve", before: `update requests set expires_at = now() + interval '10 s'`, status: 202, state: "queued", told: 1},
		"somebody else was first": {asks: "ann", decides: "dora", verdict: "approve", before: `update requests set state = 'queued', approver = 'emil'`, status: 409, code: "decided", state: "queued"},
		"it was rejected before":  {asks: "ann", decides: "dora", verdict: "approve", before: `update requests set state = 'refused', approver = 'emil'`, status: 409, code: "decided", state: "refused"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			d.paid(t, "4200001", 12850, payment.Shipped, "")
			asked := d.call(t, row.asks, "POST", "/v1/payments/4200001/compensate", reason(pending)).wants(t, 202, "")
			if expires := at(t, d.call(t, "ann", "GET", asked.text("status_url"), "").text("expires_at")); time.Until(expires).Round(time.Minute) != 24*time.Hour {
				t.Errorf("expires at %s", expires)
			}
			if row.before != "" {
				d.Exec(t, row.before)
			}
			d.call(t, row.decides, "POST", asked.text("status_url")+"/"+row.verdict, `{"reason":"I looked at the photos"}`).wants(t, row.status, row.code)

			status := d.call(t, "ann", "GET", asked.text("status_url"), "").wants(t, 200, "")
			if status.text("state") != row.state {
				t.Errorf("the request is %s, want %s", status.text("state"), row.state)
			}
			if heard := d.sagas.heard(); len(heard) != row.told {
				t.Errorf("the saga heard %v", heard)
			}
			if row.status == 202 {
				by := d.Text(t, `select approver || ': ' || decision from requests`)
				if by != row.decides+": I looked at the photos" {
					t.Errorf("decided by %q", by)
				}
			}
		})
	}
}

func TestWhatFreesAPayment(t *testing.T) {
	for name, row := range map[string]struct {
		free  func(t *testing.T, d *desk, url string)
		freed bool
	}{
		"nothing":           {func(*testing.T, *desk, string) {}, false},
		"an approval":       {func(t *testing.T, d *desk, url string) { d.call(t, "dora", "POST", url+"/approve", reason("")) }, false},
		"a rejection":       {func(t *testing.T, d *desk, url string) { d.call(t, "dora", "POST", url+"/reject", reason("")) }, true},
		"a day without one": {func(t *testing.T, d *desk, _ string) { d.Exec(t, `update requests set expires_at = now()`) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			d.paid(t, "4200001", 200_000, payment.Shipped, "")
			first := d.asked(t, "4200001", reason(""))
			row.free(t, d, first.text("status_url"))
			second := d.call(t, "ben", "POST", "/v1/payments/4200001/compensate", reason(""))
			if row.freed {
				second.wants(t, 202, "")
				return
			}
			second.wants(t, 409, "one_open_request")
			if n := d.Int(t, `select count(*) from requests`); n != 1 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

func TestTwoAgentsInTheSameMomentAreOneRequest(t *testing.T) {
	for _, known := range []string{"by the books", "only by the inbox"} {
		t.Run("of a payment known "+known, func(t *testing.T) {
			d := newDesk(t)
			for i := range 20 {
				id := fmt.Sprintf("42000%02d", i)
				if known == "by the books" {
					d.paid(t, id, 12850, payment.Paid, "")
				} else {
					d.called(t, id, "accepted")
				}
				race(t, map[int]int{202: 1, 409: 1},
					func() int {
						return d.call(t, "ann", "POST", "/v1/payments/"+id+"/compensate", reason("")).status
					},
					func() int {
						return d.call(t, "ben", "POST", "/v1/payments/"+id+"/compensate", reason("")).status
					})
			}
			if n := len(d.sagas.heard()); n != 20 {
				t.Errorf("the sagas heard %d requests, want 20", n)
			}
		})
	}
}

func TestTwoApproversInTheSameMomentAreOneDecision(t *testing.T) {
	d := newDesk(t)
	for i := range 40 {
		id := fmt.Sprintf("42000%02d", i)
		if i < 20 {
			d.paid(t, id, 12850, payment.Shipped, "")
		} else {
			d.called(t, id, "accepted")
		}
		url := d.asked(t, id, reason(`,"goods":"kept"`)).text("status_url")
		second := "/approve"
		if i%2 == 1 {
			second = "/reject"
		}
		race(t, map[int]int{202: 1, 409: 1},
			func() int { return d.call(t, "dora", "POST", url+"/approve", reason("")).status },
			func() int { return d.call(t, "emil", "POST", url+second, reason("")).status })
	}
	queued := d.Int(t, `select count(*) from requests where state = 'queued'`)
	if n := len(d.sagas.heard()); int64(n) != queued {
		t.Errorf("%d requests are queued, and the sagas heard %d", queued, n)
	}
}

// race runs calls at once and compares how often each status came back.
func race(t *testing.T, want map[int]int, calls ...func() int) {
	t.Helper()
	got := make([]int, len(calls))
	start := make(chan struct{})
	var runners sync.WaitGroup
	for i, call := range calls {
		runners.Go(func() { <-start; got[i] = call() })
	}
	close(start)
	runners.Wait()
	counts := map[int]int{}
	for _, status := range got {
		counts[status]++
	}
	if diff := cmp.Diff(want, counts); diff != "" {
		t.Error(diff)
	}
}

func TestASagaThatCannotBeToldNowIsToldByTheSweep(t *testing.T) {
	d := newDesk(t)
	d.sagas.away = true
	d.paid(t, "4200001", 12850, payment.Paid, "")
	d.asked(t, "4200001", reason(""))
	if n := d.Int(t, `select count(*) from requests where state = 'queued' and sweep_at <= now()`); n != 1 {
		t.Error("the sweep finds nothing to tell")
	}
	d.paid(t, "4200002", 200_000, payment.Paid, "")
	url := d.asked(t, "4200002", reason("")).text("status_url")
	d.call(t, "dora", "POST", url+"/approve", reason("")).wants(t, 202, "")
	if n := d.Int(t, `select count(*) from requests where state = 'queued' and sweep_at <= now()`); n != 2 {
		t.Error("the sweep does not find what was approved")
	}
	if !strings.Contains(d.log.String(), "the sweep will tell") || strings.Contains(d.log.String(), "customer") {
		t.Errorf("the log says %s", d.log)
	}
}

func TestAnActIsRefused(t *testing.T) {
	d := newDesk(t)
	d.paid(t, "4200001", 200_000, payment.Holding, payment.CaseShipUnknown)
	long := func(n int) string { return `{"reason":"` + strings.Repeat("茶", n) + `"}` }
	resolve := func(more string) string { return reason(`,` + more) }
	for name, row := range map[string]struct {
		act, body string
		status    int
		code      string
	}{
		"no reason":                      {"compensate", `{}`, 422, "invalid_reason"},
		"a reason of nine characters":    {"compensate", long(9), 422, "invalid_reason"},
		"nine characters and much space": {"compensate", `{"reason":"   123456789   "}`, 422, "invalid_reason"},
		"a reason of 501 characters":     {"compensate", long(501), 422, "invalid_reason"},
		"a reason with a line end":       {"compensate", `{"reason":"good reason\nrefund approved"}`, 422, "invalid_reason"},
		"a reason with half a pair":      {"compensate", `{"reason":"good reason \ud800"}`, 422, "invalid_body"},
		"a reason that is a list":        {"compensate", `{"reason":["good reason"]}`, 422, "invalid_body"},
		"an approval brought along":      {"compensate", reason(`,"approved_by":"dora"`), 422, "invalid_body"},
		"a status brought along":         {"compensate", reason(`,"status":"approved"`), 422, "invalid_body"},
		"a limit brought along":          {"compensate", reason(`,"limit_override":true`), 422, "invalid_body"},
		"a reason given twice":           {"compensate", reason(`,"reason":"another reason"`), 422, "invalid_body"},
		"goods that are none":            {"compensate", reason(`,"goods":"eaten"`), 422, "invalid_goods"},
		"a body of 1 MiB":                {"compensate", long(1 << 19), 413, "too_large"},
		"a retry with goods":             {"retry", reason(`,"goods":"stop"`), 422, "invalid_body"},
		"a retry without a reason":       {"retry", `{}`, 422, "invalid_reason"},
		"an ending that is none":         {"resolve", resolve(`"outcome":"paid","evidence":["x"]`), 422, "invalid_outcome"},
		"no ending":                      {"resolve", resolve(`"evidence":["x"]`), 422, "invalid_outcome"},
		"no evidence":                    {"resolve", resolve(`"outcome":"shipped"`), 422, "invalid_evidence"},
		"an empty list of evidence":      {"resolve", resolve(`"outcome":"shipped","evidence":[]`), 422, "invalid_evidence"},
		"evidence with a path in it":     {"resolve", resolve(`"outcome":"refunded","evidence":["../R1"]`), 422, "invalid_evidence"},
		"evidence of nothing":            {"resolve", resolve(`"outcome":"refunded","evidence":[""]`), 422, "invalid_evidence"},
		"evidence without end":           {"resolve", resolve(`"outcome":"refunded","evidence":["R"` + strings.Repeat(`,"R"`, 50) + `]`), 422, "invalid_evidence"},
		"resolved without a reason":      {"resolve", `{"outcome":"refunded","evidence":["R1"]}`, 422, "invalid_reason"},
		"no JSON":                        {"resolve", `reason=because`, 422, "invalid_body"},
	} {
		t.Run(name, func(t *testing.T) {
			d.call(t, "ann", "POST", "/v1/payments/4200001/"+row.act, row.body).wants(t, row.status, row.code)
			if n := d.Int(t, `select count(*) from requests`); n != 0 || len(d.sagas.heard()) != 0 {
				t.Errorf("left %d requests, told %v", n, d.sagas.heard())
			}
		})
	}
	t.Run("a decision without a reason", func(t *testing.T) {
		url := d.asked(t, "4200001", long(500)).text("status_url")
		for _, verdict := range []string{"/approve", "/reject"} {
			d.call(t, "dora", "POST", url+verdict, `{"reason":"ok"}`).wants(t, 422, "invalid_reason")
		}
		if state := d.Text(t, `select state from requests`); state != "pending_approval" {
			t.Errorf("the request is %s", state)
		}
	})
}

func TestWhatNobodyKnowsIsMissing(t *testing.T) {
	d := newDesk(t)
	for _, row := range []struct{ method, path, code string }{
		{"GET", "/v1/payments/4200001", "no_such_payment"},
		{"GET", "/v1/payments/..%2f..%2fadmin", "no_such_payment"},
		{"GET", "/v1/payments/1'%20OR%20'1'='1", "no_such_payment"},
		{"GET", "/v1/payments/%00", "no_such_payment"},
		{"GET", "/v1/payments/" + strings.Repeat("1", 33), "no_such_payment"},
		{"GET", "/v1/orders/TEA-0001", "no_such_order"},
		{"GET", "/v1/orders/..%2f..%2fadmin", "no_such_order"},
		{"GET", "/v1/requests/req_1", "no_such_request"},
		{"GET", "/v1/requests/%00", "no_such_request"},
		{"POST", "/v1/payments/4200001/compensate", "no_such_payment"},
		{"POST", "/v1/payments/..%2f..%2fadmin/compensate", "no_such_payment"},
		{"POST", "/v1/requests/req_1/approve", "no_such_request"},
		{"POST", "/v1/requests/1'%20OR%20'1'='1/reject", "no_such_request"},
	} {
		t.Run(row.method+" "+row.path, func(t *testing.T) {
			body := ""
			if row.method == "POST" {
				body = reason("")
			}
			d.call(t, "dora", row.method, row.path, body).wants(t, 404, row.code)
		})
	}
}
