package console

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/paysaga/paysaga/api"
)

// What the API would answer; every text in it that a person may have written is hostile.
const hostile = `<script>alert(1)</script>'\"&`

const dossier = `{"transaction_id":"4200001","out_trade_no":"TEA-0001","amount_fen":123450,"refunded_fen":450,"stage":"holding","needs_attention":true,
  "steps":[{"name":"ship","state":"running","attempts":3,"last_error":"` + hostile + `"}],
  "refunds":[{"out_refund_no":"R4200001","amount_fen":450,"state":"success"},{"out_refund_no":"R4200001-2","amount_fen":1000,"state":"processing"}],
  "cases":[{"id":"c1","kind":"ship_unknown","owner":"support","state":"open","due_at":"2026-01-01T00:00:00Z","opened_at":"2026-01-01T00:00:00Z","detail":"` + hostile + `"}],
  "requests":[{"id":"req_1","kind":"retry","state":"done","actor":"ann","reason":"` + hostile + `","created_at":"2026-01-01T00:00:00Z"}],
  "timeline":[{"at":"2026-01-01T00:00:00Z","was":"paid","became":"holding","what":"` + hostile + `","actor":"paysaga"}]}`

const aCase = `{"id":"c1","kind":"close_stuck","owner":"` + hostile + `","state":"open","out_trade_no":"TEA-0001","due_at":"2026-01-01T00:00:00Z",
  "opened_at":"2026-01-01T00:00:00Z","detail":"` + hostile + `","events":[{"at":"2026-01-01T00:00:00Z","actor":"ann","what":"noted","text":"` + hostile + `"},
  {"at":"2026-01-01T00:00:00Z","actor":"ann","what":"assigned","owner":"` + hostile + `warehouse","text":"","reason":"` + hostile + `they keep the stock"}]}`

const aRequest = `{"id":"req_2","transaction_id":"4200001","kind":"compensate","state":"pending_approval","actor":"%s","reason":"` + hostile + `",
  "goods":"kept","amount_fen":150000,"created_at":"2026-01-01T00:00:00Z","expires_at":"2026-01-02T00:00:00Z"}`

// desktop is a console on an API that answers by heart, and notes what it was asked.
type desktop struct {
	*testing.T
	pages   http.Handler
	who     api.Caller
	out     bool              // nobody is signed in
	answers map[string]string // by method and path; what is missing is 404
	asked   []string

	mu      sync.Mutex
	refuses string // the code that every POST gets
}

func newDesktop(t *testing.T) *desktop {
	d := &desktop{T: t, who: api.Caller{Role: api.Approver, Name: "dora"}, answers: map[string]string{
		"GET /v1/payments/4200001":             dossier,
		"GET /v1/payments":                     `{"items":[{"transaction_id":"4200001","out_trade_no":"` + hostile + `","amount_fen":5,"stage":"paid","needs_attention":true}],"next_cursor":"abc"}`,
		"GET /v1/inbox":                        `{"items":[{"event_type":"TRANSACTION.SUCCESS","verdict":"accepted","received_at":"2026-01-01T00:00:00Z"}]}`,
		"GET /v1/cases":                        `{"items":[` + aCase + `],"next_cursor":"abc"}`,
		"GET /v1/cases/c1":                     aCase,
		"GET /v1/approvals":                    `{"items":[` + fmt.Sprintf(aRequest, "ben") + `]}`,
		"GET /v1/reports":                      `{"items":[{"date":"2026-01-01","state":"settled","differences":2}],"next_cursor":"abc"}`,
		"GET /v1/reports/2026-01-01":           `{"report":{"date":"2026-01-01","state":"settled"},"items":[{"kind":"bill_unknown_payment","subject":"` + hostile + `","theirs_fen":5,"detail":"` + hostile + `","became":"started"}]}`,
		"GET /v1/today":                        `{"day":"2026-01-01","payments":1,"hours":[{"payments":3,"refunds":1}],"shipped":{"count":1,"p50_s":0.2,"p95_s":70,"within":[{"at_most_s":1,"count":1}]},"holding":[{"reason":"ship_unknown","count":1,"since":"2026-01-01T00:00:00Z"}]}`,
		"POST /v1/payments/4200001/compensate": `{"request_id":"req_9","state":"queued"}`,
		"POST /v1/payments/4200001/refunds":    `{"request_id":"req_9","state":"queued"}`,
		"POST /v1/payments/4200001/resolve":    `{"request_id":"req_9","state":"queued"}`,
		"POST /v1/requests/req_2/approve":      `{}`,
		"POST /v1/requests/req_2/reject":       `{}`,
		"POST /v1/cases/c1/close":              `{}`,
		"POST /v1/compensations":               `{"taken":2,"refused":1,"amount_fen":300,"items":[{"transaction_id":"A","code":"wrong_stage","detail":"` + hostile + `"}]}`,
	}}
	d.pages = d.desk(false)
	return d
}

func (d *desktop) desk(plain bool) http.Handler {
	ui, _ := url.Parse("https://temporal.test/ui")
	desk := chi.NewRouter()
	desk.Mount("/console", Console{
		API: http.HandlerFunc(d.answer), Sessions: d, TemporalUI: ui, Namespace: "payments", Plain: plain,
		Log: slog.New(slog.NewTextHandler(d.Output(), nil)),
	}.Routes())
	return desk
}

func (d *desktop) Caller(*http.Request) (api.Caller, bool) { return d.who, !d.out }
func (d *desktop) SingleSignOn() bool                      { return true }
func (d *desktop) WasSignedIn(*http.Request) bool          { return false }

func (d *desktop) answer(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if r.Method == http.MethodPost {
		body, _ := io.ReadAll(r.Body)
		d.asked = append(d.asked, fmt.Sprintf("%s %s %s", r.URL.Path, r.Header.Get("Idempotency-Key"), body))
		if d.refuses != "" {
			status := http.StatusConflict
			if d.refuses == "no_answer" {
				status = http.StatusServiceUnavailable
			}
			w.WriteHeader(status)
			fmt.Fprintf(w, `{"status":%d,"code":%q,"detail":"%s"}`, status, d.refuses, hostile)
			return
		}
	}
	text, ok := d.answers[r.Method+" "+r.URL.Path]
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		text = `{"status":404,"code":"no_such_payment"}`
	}
	fmt.Fprint(w, text)
}

func (d *desktop) send(method, path, form string, header ...string) *httptest.ResponseRecorder {
	d.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(form))
	if form != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	d.pages.ServeHTTP(w, r)
	return w
}

var pages = []string{
	"/console/", "/console/cases/c1", "/console/search", "/console/search?q=TEA", "/console/payments/4200001",
	"/console/payments/4200001/compensate", "/console/payments/4200001/retry", "/console/payments/4200001/resolve",
	"/console/approvals", "/console/bulk", "/console/reports", "/console/reports/2026-01-01", "/console/today", "/console/nothing",
}

var (
	foreign = regexp.MustCompile(`(?:src|href|action)="(?:https?:)?//[^"]*"`)
	inline  = regexp.MustCompile(`(?i)<script>|<style|\sstyle=|\son[a-z]+=|javascript:`)
	broken  = regexp.MustCompile(`%!|ZgotmplZ|&lt;no value|<no value`)
)

func TestEveryPageInBothLanguagesIsWholeAndLoadsNothingFromElsewhere(t *testing.T) {
	d := newDesktop(t)
	for _, path := range pages {
		for accept, code := range map[string]string{"zh-CN,zh;q=0.9": `lang="zh-CN"`, "en-GB": `lang="en"`} {
			t.Run(path+" "+accept, func(t *testing.T) {
				got := d.send("GET", path, "", "Accept-Language", accept)
				page := got.Body.String()
				if want := map[bool]int{true: 404, false: 200}[path == "/console/nothing"]; got.Code != want {
					t.Fatalf("%d %s", got.Code, page)
				}
				if !strings.Contains(page, code) || !strings.HasSuffix(strings.TrimSpace(page), "</html>") {
					t.Errorf("not a whole page in %s", accept)
				}
				for _, link := range foreign.FindAllString(page, -1) {
					if !strings.HasPrefix(link, `href="https://temporal.test/ui/namespaces/payments/workflows/`) {
						t.Errorf("leads elsewhere: %s", link)
					}
				}
				if m := inline.FindString(page); m != "" {
					t.Errorf("holds %q, which the policy forbids", m)
				}
				if m := broken.FindString(page); m != "" {
					t.Errorf("is broken: %q", m)
				}
				h := got.Header()
				if h.Get("Content-Security-Policy") != policy || h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" {
					t.Errorf("headers: %v", h)
				}
			})
		}
	}
}

func TestWhoIsNotSignedInSeesOnlyTheSignIn(t *testing.T) {
	d := newDesktop(t)
	d.out = true
	for _, path := range pages {
		got := d.send("GET", path, "")
		if to := got.Header().Get("Location"); got.Code != 303 || to != "/console/login?next="+url.QueryEscape(path) {
			t.Errorf("%s: %d to %q", path, got.Code, to)
		}
	}
	if got := d.send("POST", "/console/payments/4200001/compensate", "reason=because+I+say+so"); got.Code != 303 || len(d.asked) != 0 {
		t.Errorf("%d, and the API was asked %v", got.Code, d.asked)
	}
	for next, want := range map[string]string{
		"/console/today": `value="/console/today"`, "https://evil.test/": `value="/console/"`, "//evil.test": `value="/console/"`,
		"/console/\\evil.test": `value="/console/"`, "javascript:alert(1)": `value="/console/"`,
	} {
		if page := d.send("GET", "/console/login?next="+url.QueryEscape(next), "").Body.String(); !strings.Contains(page, want) {
			t.Errorf("after signing in with next=%s one is not led to %s", next, want)
		}
	}
}

func TestACaseTellsWhoHandedItToWhomAndWhy(t *testing.T) {
	d := newDesktop(t)
	for language, words := range map[string][]string{
		"zh": {"ann · 备注", "ann · 转交 → ", "warehouse", "原因：", "they keep the stock"},
		"en": {"ann · noted", "ann · handed over → ", "warehouse", "because: ", "they keep the stock"},
	} {
		page := d.send("GET", "/console/cases/c1", "", "Accept-Language", language).Body.String()
		for _, word := range words {
			if !strings.Contains(page, word) {
				t.Errorf("%s: no %q", language, word)
			}
		}
	}
}

func TestWhatAFormAsksOfTheAPI(t *testing.T) {
	for name, row := range map[string]struct{ path, form, asks, to string }{
		"undo all of it":        {"/console/payments/4200001/compensate", "key=k1&goods=stop&reason=the+payer+rang+us", `/v1/payments/4200001/compensate k1 {"goods":"stop","reason":"the payer rang us"}`, "/console/payments/4200001"},
		"part of it, in yuan":   {"/console/payments/4200001/refunds", "key=k1&amount=12.5&reason=one+cup+broke", `/v1/payments/4200001/refunds k1 {"amount_fen":1250,"reason":"one cup broke"}`, "/console/payments/4200001"},
		"close with evidence":   {"/console/payments/4200001/resolve", "key=k1&outcome=refunded&evidence=R1+R2,R3&reason=seen+at+WeChat", `/v1/payments/4200001/resolve k1 {"evidence":["R1","R2","R3"],"outcome":"refunded","reason":"seen at WeChat"}`, "/console/payments/4200001"},
		"approve":               {"/console/approvals/req_2/approve", "key=k1&reason=looks+right+to+me", `/v1/requests/req_2/approve k1-approve {"reason":"looks right to me"}`, "/console/approvals"},
		"reject":                {"/console/approvals/req_2/reject", "key=k1&reason=looks+wrong+to+me", `/v1/requests/req_2/reject k1-reject {"reason":"looks wrong to me"}`, "/console/approvals"},
		"close a case":          {"/console/cases/c1/close", "key=k1&resolution=told+by+phone&reason=the+shop+knows", `/v1/cases/c1/close k1-close {"reason":"the shop knows","resolution":"told by phone"}`, "/console/cases/c1"},
		"change the language":   {"/console/language", "language=en&next=/console/today", "", "/console/today"},
		"and be led nowhere":    {"/console/language", "language=en&next=//evil.test", "", "/console/"},
		"an amount that is not": {"/console/payments/4200001/refunds", "key=k1&amount=1.234&reason=one+cup+broke", "", ""},
		"an act that is not":    {"/console/payments/4200001/destroy", "key=k1&reason=one+cup+broke", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesktop(t)
			got := d.send("POST", row.path, row.form)
			if asked := strings.Join(d.asked, "; "); asked != row.asks {
				t.Errorf("asks %s, want %s", asked, row.asks)
			}
			if to := got.Header().Get("Location"); to != row.to || (row.to == "") != (got.Code >= 400) {
				t.Errorf("%d to %q, want %q", got.Code, to, row.to)
			}
		})
	}
}

func TestARefusedFormComesBackAsItWasWithTheReason(t *testing.T) {
	d := newDesktop(t)
	d.refuses = "one_open_request"
	got := d.send("POST", "/console/payments/4200001/compensate", "key=k1&goods=kept&reason=the+payer+rang+us", "Accept-Language", "en")
	page := got.Body.String()
	if got.Code != 409 || !strings.Contains(page, "one_open_request") || !strings.Contains(page, "the payer rang us") ||
		!strings.Contains(page, `value="kept" checked`) {
		t.Errorf("%d %s", got.Code, page)
	}
	if strings.Contains(page, `name="key" value="k1"`) {
		t.Error("the form has the key that was answered, so a second try would get the first answer")
	}
}

// Whoever confirms again because there was no answer must find what was done, and
// not do it twice.
func TestAFormWithoutAnAnswerKeepsItsKey(t *testing.T) {
	for _, code := range []string{"no_answer", "idempotency_key_in_use"} {
		synctest.Test(t, func(t *testing.T) {
			d := newDesktop(t)
			d.refuses = code
			for _, path := range []string{"/console/payments/4200001/refunds", "/console/cases/c1/notes", "/console/bulk"} {
				got := d.send("POST", path, "key=k1&amount=1&text=x&ids=A&sure=yes&reason=the+payer+rang+us")
				if page := got.Body.String(); got.Code < 409 || !strings.Contains(page, `name="key" value="k1"`) {
					t.Errorf("%s after %s: %d %s", path, code, got.Code, page)
				}
			}
		})
	}
}

// The second of a double click comes while the first is in flight, and shows what
// became of that.
func TestAFormSentTwiceIsAnsweredAsTheFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesktop(t)
		d.refuses = "idempotency_key_in_use"
		go func() {
			time.Sleep(3 * time.Second)
			d.mu.Lock()
			defer d.mu.Unlock()
			d.refuses = ""
		}()
		got := d.send("POST", "/console/payments/4200001/refunds", "key=k1&amount=1&reason=the+payer+rang+us")
		if to := got.Header().Get("Location"); got.Code != http.StatusSeeOther || to != "/console/payments/4200001" {
			t.Errorf("answered %d, sent to %q", got.Code, to)
		}
	})
}

// What a cookie says is shown to people, so nobody else may set one.
func TestThePagesOwnCookies(t *testing.T) {
	for name, plain := range map[string]bool{"__Host-paysaga-": false, "paysaga-": true} {
		d := newDesktop(t)
		d.pages = d.desk(plain)
		for path, form := range map[string]string{
			"/console/language":                    "language=en&next=/console/",
			"/console/payments/4200001/compensate": "key=k1&goods=stop&reason=the+payer+rang+us",
		} {
			cookies := d.send("POST", path, form).Result().Cookies()
			if len(cookies) != 1 {
				t.Fatalf("%s set %v", path, cookies)
			}
			c := cookies[0]
			if !strings.HasPrefix(c.Name, name) || c.Secure == plain || !c.HttpOnly || c.Path != "/" || c.SameSite != http.SameSiteLaxMode {
				t.Errorf("%s set %s", path, c)
			}
			if page := d.send("GET", "/console/", "", "Cookie", c.Name+"="+c.Value).Body.String(); !strings.Contains(page, "Needs a person") && !strings.Contains(page, "req_9") {
				t.Errorf("%s was not heard", c)
			}
		}
	}
}

func TestAPreviewComesBeforeABulkAct(t *testing.T) {
	d := newDesktop(t)
	form := "ids=A%0AB+C&reason=a+recalled+batch"
	page := d.send("POST", "/console/bulk", form, "Accept-Language", "en").Body.String()
	if len(d.asked) != 1 || !strings.Contains(d.asked[0], `"preview":true`) || !strings.Contains(page, "Confirm 2") {
		t.Fatalf("asked %v; %s", d.asked, page)
	}
	d.send("POST", "/console/bulk", form+"&sure=yes&key=k1")
	if len(d.asked) != 2 || !strings.Contains(d.asked[1], ` k1 `) || !strings.Contains(d.asked[1], `"preview":false`) {
		t.Errorf("asked %v", d.asked)
	}
}

func TestButtonsAreThoseThatRoleAndStageAllow(t *testing.T) {
	d := newDesktop(t)
	paid := strings.NewReplacer(`"holding"`, `"paid"`, `became":"paid`, `became":"holding`).Replace(dossier)
	open := strings.Replace(dossier, `"state":"done"`, `"state":"queued"`, 1)
	for name, row := range map[string]struct {
		role api.Role
		page string
		want string
	}{
		"support, holding":  {api.Support, dossier, "retry compensate resolve"},
		"operator, holding": {api.Operator, dossier, "retry"},
		"approver, paid":    {api.Approver, paid, "retry refunds compensate"},
		"a request is open": {api.Approver, open, ""},
	} {
		t.Run(name, func(t *testing.T) {
			d.who.Role, d.answers["GET /v1/payments/4200001"] = row.role, row.page
			var found []string
			for _, m := range regexp.MustCompile(`/console/payments/4200001/([a-z]+)"`).FindAllStringSubmatch(d.send("GET", "/console/payments/4200001", "").Body.String(), -1) {
				found = append(found, m[1])
			}
			if got := strings.Join(found, " "); got != row.want {
				t.Errorf("%q, want %q", got, row.want)
			}
		})
	}
}

func TestNobodyIsOfferedToDecideOnTheirOwn(t *testing.T) {
	d := newDesktop(t)
	for name, row := range map[string]struct {
		role    api.Role
		actor   string
		decides bool
	}{
		"an approver on another's": {api.Approver, "ben", true},
		"on their own":             {api.Approver, "dora", false},
		"support":                  {api.Support, "ben", false},
	} {
		d.who.Role, d.answers["GET /v1/approvals"] = row.role, `{"items":[`+fmt.Sprintf(aRequest, row.actor)+`]}`
		if offered := strings.Contains(d.send("GET", "/console/approvals", "").Body.String(), "/console/approvals/req_2/approve"); offered != row.decides {
			t.Errorf("%s: offered %v", name, offered)
		}
	}
}

func TestMoneyAsPeopleWriteIt(t *testing.T) {
	for fenWritten, want := range map[int64]string{0: "¥0.00", 5: "¥0.05", 123450: "¥1,234.50", 100000000: "¥1,000,000.00", -250: "-¥2.50"} {
		if got := yuan(fenWritten); got != want {
			t.Errorf("%d is %s, want %s", fenWritten, got, want)
		}
	}
	for text, want := range map[string]int64{"12.5": 1250, "12": 1200, " ¥1,234.50 ": 123450, "12,345,678": 1234567800, "0.01": 1} {
		if got, ok := fen(text); !ok || got != want {
			t.Errorf("%s is %d fen, want %d", text, got, want)
		}
	}
	for _, text := range []string{"", "-1", "1.234", "1e3", "12,5", "12,50", "1,23.00", ",123", "12,5.", "abc", "99999999999999999999"} {
		if got, ok := fen(text); ok {
			t.Errorf("%q is taken for %d fen", text, got)
		}
	}
}
