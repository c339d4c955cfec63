package api_test

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	"github.com/paysaga/paysaga/api"
	"github.com/paysaga/paysaga/internal/payment"
)

// Every route, and whom it lets in: all others are turned away, and leave no trace.
func TestEveryRouteLetsInItsRolesAndNobodyElse(t *testing.T) {
	const resolved = `,"outcome":"shipped","evidence":["SHP-1"]`
	d := newDesk(t)
	routes := d.api.(chi.Routes)
	shown := map[string]bool{}
	for i, row := range []struct {
		method, path, body string
		status             int
		roles              []string
	}{
		{"POST", "/v1/orders", `{"out_trade_no":"#-order","description":"tea","amount_fen":1,"trade_type":"native"}`, 201, []string{"shop"}},
		{"GET", "/v1/orders/known-order", "", 200, []string{"shop", "ann", "dora", "otto"}},
		{"POST", "/v1/orders/known-order/close", "", 202, []string{"shop"}},
		{"GET", "/v1/payments", "", 200, []string{"shop", "ann", "dora", "otto"}},
		{"GET", "/v1/cases", "", 200, []string{"ann", "dora", "otto"}},
		{"GET", "/v1/cases/#", "", 200, []string{"ann", "dora", "otto"}},
		{"POST", "/v1/cases/#/assign", reason(`,"owner":"ann"`), 200, []string{"ann", "dora", "otto"}},
		{"POST", "/v1/cases/#/close", reason(`,"resolution":"told by phone"`), 200, []string{"ann", "dora", "otto"}},
		{"POST", "/v1/cases/#/notes", `{"text":"the shop is closed on Mondays"}`, 200, []string{"ann", "dora", "otto"}},
		{"GET", "/v1/inbox", "", 200, []string{"ann", "dora", "otto"}},
		{"GET", "/v1/inbox/1", "", 200, []string{"ann", "dora", "otto"}},
		{"GET", "/v1/webhooks", "", 200, []string{"ann", "dora", "otto"}},
		{"POST", "/v1/webhooks/#/resend", reason(""), 202, []string{"ann", "dora", "otto"}},
		{"GET", "/v1/payments/known", "", 200, []string{"shop", "ann", "dora", "otto"}},
		{"POST", "/v1/payments/#/compensate", reason(""), 202, []string{"ann", "dora"}},
		{"POST", "/v1/payments/PART#/refunds", reason(`,"amount_fen":1`), 202, []string{"ann", "dora"}},
		{"POST", "/v1/payments/#/retry", reason(""), 202, []string{"ann", "dora", "otto"}},
		{"POST", "/v1/payments/#/resolve", reason(resolved), 202, []string{"ann", "dora"}},
		{"POST", "/v1/compensations", reason(`,"transaction_ids":["#"]`), 200, []string{"ann", "dora"}},
		{"GET", "/v1/reports", "", 200, []string{"ann", "dora", "otto"}},
		{"GET", "/v1/reports/2026-11-20", "", 200, []string{"ann", "dora", "otto"}},
		{"GET", "/v1/approvals", "", 200, []string{"ann", "dora", "otto"}},
		{"POST", "/v1/shipments/#/dispatched", `{"carrier":"SF","tracking_no":"1"}`, 202, []string{"shop"}},
		{"GET", "/v1/audit", "", 200, []string{"otto"}},
		{"GET", "/v1/today", "", 200, []string{"ann", "dora", "otto"}},
		{"GET", "/v1/requests/#", "", 200, []string{"ann", "dora", "otto"}},
		{"POST", "/v1/requests/#/approve", reason(""), 202, []string{"dora"}},
		{"POST", "/v1/requests/#/reject", reason(""), 202, []string{"dora"}},
	} {
		match := chi.NewRouteContext()
		routes.Match(match, row.method, row.path)
		shown[row.method+" "+match.RoutePattern()] = true
		var done, denied string // the last acts in the audit log
		for j, who := range []string{"shop", "ann", "dora", "otto", "", "stranger"} {
			t.Run(row.method+" "+row.path+" by "+who, func(t *testing.T) {
				id := fmt.Sprintf("T%dx%d", i, j)
				if i+j == 0 {
					d.call(t, "shop", "POST", "/v1/orders", `{"out_trade_no":"known-order","description":"tea","amount_fen":1,"trade_type":"native"}`).wants(t, 201, "")
					d.paid(t, "known", 1, payment.Paid, "")
					d.aDay(t, "2026-11-20")
					d.Exec(t, `insert into inbox (key, kind, verdict, via) values ('notice:1', 'other', 'noted', 'callback')`)
				}
				d.paid(t, id, 12850, payment.Holding, payment.CaseShipUnknown)
				d.aCase(t, id, "1 h", "open", id)
				d.Exec(t, `insert into webhooks (id, transaction_id, event, payload, state) values ($1, $1, 'order.shipped', '{}', 'gave_up')`, id)
				if strings.Contains(row.path, "PART") {
					d.paid(t, "PART"+id, 12850, payment.Paid, "")
				}
				if strings.Contains(row.path, "shipments") {
					d.call(t, "shop", "POST", "/v1/orders", `{"out_trade_no":"`+id+`-order","description":"tea","amount_fen":1,"trade_type":"native"}`).wants(t, 201, "")
					d.Exec(t, `insert into shipments (transaction_id, out_trade_no, ship_key, state, shipment_id) values ($1, $1 || '-order', $1, 'accepted', $1)`, id)
				}
				if strings.Contains(row.path, "requests") {
					d.Exec(t, `insert into requests (id, transaction_id, kind, state, actor, reason, amount_fen, expires_at)
						values ($1, $1, 'compensate', 'pending_approval', 'ben', '0123456789', 1, now() + interval '1 h')`, id)
				}
				trace := func() string {
					return d.Text(t, `select concat((select count(*) from orders), '/', (select string_agg(state, ',' order by id) from requests), '/',
						(select string_agg(state || owner, ',' order by id) from cases), '/', (select count(*) from case_events), '/',
						(select string_agg(state, ',' order by id) from webhooks))`)
				}
				before := trace()
				got := d.call(t, who, row.method, strings.ReplaceAll(row.path, "#", id), strings.ReplaceAll(row.body, "#", id))
				switch {
				case who == "" || who == "stranger":
					got.wants(t, 401, "unauthorized")
					if got.header.Get("WWW-Authenticate") == "" {
						t.Error("a 401 without WWW-Authenticate")
					}
				case slices.Contains(row.roles, who):
					got.wants(t, row.status, "")
					if row.method == "POST" {
						done = d.Text(t, `select concat_ws(' ', action, decision) from audit_log order by seq desc limit 1`)
					}
					return
				default:
					got.wants(t, 403, "wrong_role")
					denied = d.Text(t, `select concat_ws(' ', action, decision, actor) from audit_log order by seq desc limit 1`)
					if !strings.HasSuffix(denied, " DENY "+who) {
						t.Errorf("the audit log ends with %q", denied)
					}
				}
				if now := trace(); now != before {
					t.Errorf("left a trace: %s, was %s", now, before)
				}
			})
		}
		action, _, _ := strings.Cut(denied, " ")
		if row.method == "POST" && row.path != "/v1/compensations" && done != action+" ALLOW" {
			t.Errorf("%s was denied as %q and done as %q", row.path, denied, done)
		}
	}
	err := chi.Walk(routes, func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		if strings.HasPrefix(route, "/v1/") && !shown[method+" "+route] {
			t.Errorf("nobody says whom %s %s lets in", method, route)
		}
		return nil
	})
	if err != nil || len(shown) < 20 {
		t.Errorf("%d routes were shown: %v", len(shown), err)
	}
}

func TestWhoIsLetInByTheirToken(t *testing.T) {
	d := newDesk(t)
	d.paid(t, "4200001", 1, payment.Paid, "")
	good := secretOf("ann")
	for name, row := range map[string]struct {
		headers []string
		status  int
	}{
		"a token":                {[]string{"Bearer " + good}, 200},
		"a token, in small caps": {[]string{"bearer " + good}, 200},
		"its hash":               {[]string{fmt.Sprintf("Bearer %x", sha256.Sum256([]byte(good)))}, 401},
		"the token twice":        {[]string{"Bearer " + good, "Bearer " + good}, 401},
		"half of it":             {[]string{"Bearer " + good[:len(good)/2]}, 401},
		"one character more":     {[]string{"Bearer " + good + "x"}, 401},
		"a space more":           {[]string{"Bearer  " + good}, 401},
		"another scheme":         {[]string{"Basic " + good}, 401},
		"no scheme":              {[]string{good}, 401},
		"an unsigned JWT":        {[]string{"Bearer eyJhbGciOiJub25lIn0.eyJyb2xlIjoiYXBwcm92ZXIifQ."}, 401},
		"an empty one":           {[]string{"Bearer "}, 401},
		"none":                   {nil, 401},
	} {
		t.Run(name, func(t *testing.T) {
			request, err := http.NewRequestWithContext(t.Context(), "GET", d.url+"/v1/payments/4200001", nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Header["Authorization"] = row.headers
			if got := do(t, request); got.status != row.status {
				t.Errorf("answered %d %s, want %d", got.status, got.raw, row.status)
			}
		})
	}
}

func TestTokensAreCheckedBeforeAnythingOpens(t *testing.T) {
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte("x")))
	for name, row := range map[string]struct{ lines, says string }{
		"two parts":               {"support:ann", "line 1: must be"},
		"four parts":              {"support:ann:x:" + sum, "line 1: must be"},
		"a role that is none":     {"\n\nadmin:ann:" + sum, "line 3: a role"},
		"a name with a space":     {"support:an n:" + sum, "line 1: a name"},
		"our own name":            {"support:PaySaga:" + sum, "line 1: a name"},
		"no name":                 {"support::" + sum, "line 1: a name"},
		"the token itself":        {"support:ann:" + secretOf("ann"), "line 1: the third part"},
		"a hash in capitals":      {"support:ann:" + strings.ToUpper(sum), "line 1: the third part"},
		"half a hash":             {"support:ann:" + sum[:32], "line 1: the third part"},
		"one token for two":       {"support:ann:" + sum + "\nmerchant:shop:" + sum, "line 2: the same token"},
		"two mistakes, both told": {"x\ny", "line 1: must be role:name:sha256hex\nline 2"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := api.ParseTokens(row.lines)
			if err == nil || !strings.Contains(err.Error(), row.says) {
				t.Fatalf("says %v, want %q", err, row.says)
			}
			if strings.Contains(err.Error(), secretOf("ann")) {
				t.Error("repeats a secret")
			}
		})
	}
	if known, err := api.ParseTokens("\n  support:ann:" + sum + "  \r\n\n"); err != nil || len(known) != 1 {
		t.Errorf("found %d tokens, %v", len(known), err)
	}
}

func TestWhatIsNotThere(t *testing.T) {
	d := newDesk(t)
	for _, row := range []struct {
		method, path string
		status       int
		code, allow  string
	}{
		{"GET", "/", 404, "no_such_route", ""},
		{"GET", "/v1/nothing", 404, "no_such_route", ""},
		{"GET", "/v1/orders/TEA-0001/", 404, "no_such_route", ""},
		{"GET", "/v1//orders/TEA-0001", 404, "no_such_route", ""},
		{"GET", "/callbacks", 404, "no_such_route", ""},
		{"GET", "/v1/orders", 405, "wrong_method", "POST"},
		{"DELETE", "/v1/orders/TEA-0001", 405, "wrong_method", "GET"},
		{"PATCH", "/v1/payments/4200001", 405, "wrong_method", "GET"},
		{"GET", "/v1/payments/4200001/compensate?amount=1", 405, "wrong_method", "POST"},
		{"PURGE", "/v1/requests/r/approve", 405, "wrong_method", "POST"},
	} {
		t.Run(row.method+" "+row.path, func(t *testing.T) {
			got := d.call(t, "ann", row.method, row.path, "").wants(t, row.status, row.code)
			if got.header.Get("Allow") != row.allow {
				t.Errorf("allows %q, want %q", got.header.Get("Allow"), row.allow)
			}
		})
	}
	if got := d.call(t, "", "GET", "/v1/nothing", ""); got.status != 401 {
		t.Errorf("a stranger learns what is there: %d", got.status)
	}
}

// WeChat has no token of ours, and its callbacks' paths and bodies are judged by
// their own handler alone.
func TestCallbacksPassTheDeskBy(t *testing.T) {
	d := newDesk(t)
	for _, path := range []string{"/callbacks/wechatpay", "/callbacks/wechatpay/", "/callbacks//wechatpay", "/callbacks/wechat/messages"} {
		for _, method := range []string{"POST", "GET", "PUT"} {
			got := d.call(t, "", method, path, strings.Repeat("x", 1<<17))
			if got.status != 200 || got.raw != "callbacks saw "+path {
				t.Errorf("%s %s: %d %s", method, path, got.status, got.raw)
			}
		}
	}
}

func TestAPanicIsOneAnswerAndNoSecretIsLogged(t *testing.T) {
	d := newDesk(t)
	d.till.before = func() error { panic("order " + tea) }
	d.call(t, "shop", "POST", "/v1/orders", tea).wants(t, 500, "internal")
	log := d.log.String()
	if !strings.Contains(log, "/v1/orders") || strings.Contains(log, "Lake") || strings.Contains(log, secretOf("shop")) {
		t.Errorf("the log says %s", log)
	}
	d.till.before = nil
	d.call(t, "shop", "POST", "/v1/orders", strings.Replace(tea, "0001", "0002", 1)).wants(t, 201, "")
}

func TestBooksThatAreAwayAreNoAnswer(t *testing.T) {
	d := newDesk(t)
	d.Exec(t, `alter table orders rename to orders_elsewhere`)
	got := d.call(t, "shop", "POST", "/v1/orders", tea)
	got.wants(t, 500, "internal")
	if strings.Contains(got.raw, "42P01") || !strings.Contains(d.log.String(), "42P01") {
		t.Errorf("the caller learns %s, and we %s", got.raw, d.log)
	}
	d.Exec(t, `alter table orders_elsewhere rename to orders`)
	d.Exec(t, `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`)
	d.call(t, "shop", "POST", "/v1/orders", tea)
	d.call(t, "shop", "POST", "/v1/orders", strings.Replace(tea, "0001", "0002", 1)).wants(t, 201, "")
}
