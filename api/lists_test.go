package api_test

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/paysaga/paysaga/internal/payment"
)

// ids reads a list to its end, limit items a page, and returns what each item
// calls name, in order.
func (d *desk) ids(t *testing.T, who, path, name string, limit int) []string {
	t.Helper()
	all := []string{}
	for cursor, pages := "", 0; ; pages++ {
		query := fmt.Sprintf("limit=%d&cursor=%s", limit, cursor)
		join := "?"
		if strings.Contains(path, "?") {
			join = "&"
		}
		got := d.call(t, who, "GET", path+join+query, "").wants(t, 200, "")
		items, ok := got.body["items"].([]any)
		if !ok || len(items) > limit || pages > 50 {
			t.Fatalf("page %d of %s: %s", pages, path, got.raw)
		}
		for _, item := range items {
			all = append(all, fmt.Sprint(item.(map[string]any)[name]))
		}
		if cursor = got.text("next_cursor"); cursor == "" {
			return all
		}
	}
}

func (d *desk) aCase(t *testing.T, id, due, state, transactionID string) {
	t.Helper()
	d.Exec(t, `insert into cases (id, kind, subject, transaction_id, owner, due_at, state, resolution, closed_at)
		values ($1, 'notify_failed', $1 || '-subject', $4, 'support', now() + $2::interval, $3,
		        case $3 when 'closed' then 'told by phone' else '' end, case $3 when 'closed' then now() end)`, id, due, state, transactionID)
}

func TestTheWorkListShowsWhatIsOverdueFirst(t *testing.T) {
	d := newDesk(t)
	d.aCase(t, "tomorrow", "1 day", "open", "4200001")
	d.aCase(t, "done", "-9 days", "closed", "")
	d.aCase(t, "late-a", "-1 h", "open", "")
	d.aCase(t, "later", "-2 h", "open", "")
	d.Exec(t, `insert into cases (id, kind, subject, owner, due_at, out_trade_no)
		select 'late-b', 'close_stuck', 'x', 'otto', due_at, 'TEA-0001' from cases where id = 'late-a'`)
	everything := []string{"later", "late-a", "late-b", "tomorrow", "done"}
	for query, want := range map[string][]string{
		"":                         everything,
		"?state=open":              everything[:4],
		"?state=closed":            {"done"},
		"?overdue=true":            {"later", "late-a", "late-b"},
		"?overdue=false":           {"tomorrow", "done"},
		"?kind=close_stuck":        {"late-b"},
		"?kind=no_such_kind":       {},
		"?owner=otto&overdue=true": {"late-b"},
		"?q=4200001":               {"tomorrow"},
		"?q=42":                    {"tomorrow"},
		"?q=TEA-":                  {"late-b"},
		"?q=late":                  {"later", "late-a", "late-b"},
		"?q=late-a-subject":        {"late-a"},
		"?q=l%25":                  {},
		"?q=&state=":               everything,
	} {
		for _, limit := range []int{1, 2, 100} {
			if diff := cmp.Diff(want, d.ids(t, "otto", "/v1/cases"+query, "id", limit)); diff != "" {
				t.Errorf("%s by %d: %s", query, limit, diff)
			}
		}
	}
	first := d.call(t, "ann", "GET", "/v1/cases?limit=1", "").body["items"].([]any)[0].(map[string]any)
	if first["overdue"] != true || first["owner"] != "support" || first["times_opened"] != 1.0 {
		t.Errorf("the first case is %v", first)
	}
}

func TestPaymentsAreFoundByAnyNumberNewestFirst(t *testing.T) {
	d := newDesk(t)
	d.paid(t, "4200001", 12850, payment.Completed, "")
	d.paid(t, "4200002", 12850, payment.Holding, payment.CaseShipUnknown)
	d.paid(t, "4200003", 12850, payment.Paid, "")
	d.paid(t, "4300004", 12850, payment.Completed, "")
	d.Exec(t, `update payments set paid_at = now() - right(transaction_id, 1)::int * interval '1 h'`)
	d.Exec(t, `insert into shipments (transaction_id, out_trade_no, ship_key, state, shipment_id, tracking_no)
		values ('4200001', '4200001-order', 'k', 'dispatched', 'SHP_1', '顺丰 SF1')`)
	d.Exec(t, `insert into refunds (out_refund_no, transaction_id, amount_fen, total_fen, refund_id, ready_at)
		values ('R4200002', '4200002', 1, 12850, '50300001', now())`)
	asked := d.asked(t, "4200003", reason(""))
	d.aCase(t, "c1", "1 day", "open", "4300004")
	d.called(t, "4200005", "accepted")
	d.called(t, "4200001", "accepted") // the relay has not noticed that it is in the books
	d.called(t, "4200006", "case")
	d.call(t, "shop", "POST", "/v1/orders", strings.Replace(tea, "TEA-0001", "4200001-order", 1)).wants(t, 201, "")

	for query, want := range map[string][]string{
		"":                                 {"4200005", "4200001", "4200002", "4200003", "4300004"},
		"?stage=completed":                 {"4200001", "4300004"},
		"?stage=received":                  {"4200005"},
		"?needs_attention=true":            {"4200002", "4300004"},
		"?needs_attention=false":           {"4200005", "4200001", "4200003"},
		"?needs_attention=true&q=43":       {"4300004"},
		"?q=42000":                         {"4200005", "4200001", "4200002", "4200003"},
		"?q=4200001":                       {"4200001"},
		"?q=4200001-order":                 {"4200001"},
		"?q=ORDER-4200005":                 {"4200005"},
		"?q=SHP_1":                         {"4200001"},
		"?q=SHP%25":                        {},
		"?q=" + url.QueryEscape("顺丰 SF"):   {"4200001"},
		"?q=R4200002":                      {"4200002"},
		"?q=503":                           {"4200002"},
		"?q=" + asked.text("request_id"):   {"4200003"},
		"?q=r4200002":                      {},
		"?stage=paid&q=42":                 {"4200003"},
		"?stage=paid&needs_attention=true": {},
	} {
		for _, limit := range []int{1, 3, 100} {
			if diff := cmp.Diff(want, d.ids(t, "ann", "/v1/payments"+query, "transaction_id", limit)); diff != "" {
				t.Errorf("%s by %d: %s", query, limit, diff)
			}
		}
	}
	for who, want := range map[string][]string{"shop": {"4200001"}, "stall": {}} {
		if diff := cmp.Diff(want, d.ids(t, who, "/v1/payments?q=4", "transaction_id", 1)); diff != "" {
			t.Errorf("%s sees: %s", who, diff)
		}
	}
}

func TestAPageBeginsWhereTheOneBeforeEnded(t *testing.T) {
	d := newDesk(t)
	for i := range 5 {
		d.paid(t, fmt.Sprintf("420000%d", i), 12850, payment.Paid, "")
	}
	d.Exec(t, `update payments set paid_at = '2026-08-07T10:00:00.123456Z'`) // one moment: the number decides
	first := d.call(t, "ann", "GET", "/v1/payments?limit=2", "")
	d.paid(t, "4200009", 12850, payment.Paid, "") // newer: it would push everything back
	rest := d.call(t, "ann", "GET", "/v1/payments?cursor="+first.text("next_cursor"), "")
	var got []string
	for _, item := range rest.body["items"].([]any) {
		got = append(got, item.(map[string]any)["transaction_id"].(string))
	}
	if diff := cmp.Diff([]string{"4200002", "4200001", "4200000"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestAListRefusesWhatItDoesNotKnow(t *testing.T) {
	d := newDesk(t)
	d.aCase(t, "a", "1 h", "open", "")
	d.aCase(t, "b", "1 h", "open", "")
	good := d.call(t, "ann", "GET", "/v1/cases?limit=1", "").text("next_cursor")
	made := func(json string) string { return base64.RawURLEncoding.EncodeToString([]byte(json)) }
	for query, code := range map[string]string{
		"limit=0": "invalid_limit", "limit=101": "invalid_limit", "limit=-1": "invalid_limit", "limit=x": "invalid_limit",
		"limit=1.5": "invalid_limit", "limit=%2B1": "invalid_limit", "limit=01": "invalid_limit", "limit=1&limit=2": "invalid_limit",
		"limit=99999999999999999999": "invalid_limit",
		"state=opened":               "invalid_state", "overdue=yes": "invalid_overdue", "kind=A;B": "invalid_query",
		"kind=%00": "invalid_kind", "q=%00": "invalid_q", "q=%ff": "invalid_q", "q=" + strings.Repeat("x", 65): "invalid_q", "q=+x": "invalid_q",
		"page=2": "unknown_parameter", "Limit=2": "unknown_parameter", "%zz": "invalid_query",
		"cursor=x": "invalid_cursor", "cursor=" + good + "x": "invalid_cursor", "cursor=" + good[1:]: "invalid_cursor",
		"cursor=" + good + "&cursor=" + good: "invalid_cursor", "cursor=" + good + "%3D": "invalid_cursor",
		"cursor=" + made(`{}`):   "invalid_cursor",
		"cursor=" + made(`null`): "invalid_cursor",
		"cursor=" + made(`{"closed":false,"due_at":"2026-08-07T10:00:00Z","id":"a","x":1}`):    "invalid_cursor",
		"cursor=" + made(`{"closed":false,"due_at":"2026-08-07T10:00:00Z","id":"a\u0000"}`):    "invalid_cursor",
		"cursor=" + made(`{"closed":"false","due_at":"2026-08-07T10:00:00Z","id":"a"}`):        "invalid_cursor",
		"cursor=" + made(`{"closed":false,"due_at":"infinity","id":"a"}`):                      "invalid_cursor",
		"cursor=" + made(`{"closed":false,"due_at":"99999-08-07T10:00:00Z","id":"a"}`):         "invalid_cursor",
		"cursor=" + made(`{"paid_at":"2026-08-07T10:00:00Z","transaction_id":"4200001"}`):      "invalid_cursor", // of another list
		"cursor=" + made(`{ "closed":false,"due_at":"2026-08-07T10:00:00Z","id":"a"}`):         "invalid_cursor",
		"cursor=" + made(`{"closed":false,"due_at":"2026-08-07T10:00:00Z","id":"a","id":"b"}`): "invalid_cursor",
	} {
		got := d.call(t, "ann", "GET", "/v1/cases?"+query, "")
		if got.status != 422 || got.text("code") != code {
			t.Errorf("%s answered %d %s, want 422 %s", query, got.status, got.raw, code)
		}
	}
	// Any place that has the shape of one is a place, the first and last of all times too.
	for place, want := range map[string]int{
		`{"closed":false,"due_at":"0000-01-01T00:00:00Z","id":""}`: 2,
		`{"closed":true,"due_at":"9999-12-31T23:59:59Z","id":"z"}`: 0,
	} {
		got := d.call(t, "ann", "GET", "/v1/cases?cursor="+made(place), "").wants(t, 200, "")
		if n := len(got.body["items"].([]any)); n != want {
			t.Errorf("behind %s are %d cases, want %d", place, n, want)
		}
	}
	for _, query := range []string{"stage=lost", "needs_attention=1"} {
		if got := d.call(t, "ann", "GET", "/v1/payments?"+query, ""); got.status != 422 {
			t.Errorf("%s answered %d", query, got.status)
		}
	}
}
