package api_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"github.com/paysaga/paysaga/api"
	"github.com/paysaga/paysaga/internal/payment"
)

// browser is one person's: it keeps cookies, and shows each redirect.
type browser struct {
	*testing.T
	desk   *desk
	client *http.Client
}

func (d *desk) browser(t *testing.T) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t, d, &http.Client{
		Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// visits fetches a page, or posts a form, as a browser on one of our own pages would.
func (b *browser) visits(method, path string, form url.Values, headers ...string) *http.Response {
	b.Helper()
	request, err := http.NewRequestWithContext(b.Context(), method, b.desk.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.Fatal(err)
	}
	request.Header.Set("Sec-Fetch-Site", "same-origin")
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := b.client.Do(request)
	if err != nil {
		b.Fatal(err)
	}
	response.Body.Close()
	return response
}

func (b *browser) signsIn(secret string) *http.Response {
	b.Helper()
	return b.visits("POST", "/console/login", url.Values{"token": {secret}, "next": {"/console/cases/1"}})
}

// is fails the test unless the console knows this person; nobody if empty.
func (b *browser) is(person string) {
	b.Helper()
	if got := b.visits("GET", "/console/whoami", nil).Header.Get("Whoami"); got != person {
		b.Errorf("the console sees %q, want %q", got, person)
	}
}

// lobby is a desk with a console that tells who is in, and an identity provider.
func lobby(t *testing.T, sso api.SSO, change ...func(*api.Server)) *desk {
	t.Helper()
	return newDesk(t, append(change, func(s *api.Server) {
		s.People.SSO = sso
		s.Console = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if by, in := s.Caller(r); in {
				w.Header().Set("Whoami", fmt.Sprintf("%s %s", by.Role, by.Name))
			}
		})
	})...)
}

func TestSigningInWithAToken(t *testing.T) {
	d := lobby(t, nil)
	for name, row := range map[string]struct {
		secret string
		is     string // the role and name of who is in; nobody if empty
		logs   string
	}{
		"support":                     {secretOf("ann"), "support ann", "signed in"},
		"an approver":                 {secretOf("dora"), "approver dora", "signed in"},
		"an operator, pasted a space": {" " + secretOf("otto") + "\n", "operator otto", "signed in"},
		"a merchant's system":         {secretOf("shop"), "", "wrong_role"},
		"an unknown token":            {secretOf("nobody"), "", "unknown_token"},
		"half a token":                {secretOf("ann")[:20], "", "unknown_token"},
		"nothing":                     {"", "", "unknown_token"},
	} {
		t.Run(name, func(t *testing.T) {
			b := d.browser(t)
			d.log.Reset()
			response := b.signsIn(row.secret)
			want := "/console/cases/1"
			if row.is == "" {
				want = "/console/login?next=%2Fconsole%2Fcases%2F1&why=refused"
			}
			if to := response.Header.Get("Location"); response.StatusCode != http.StatusSeeOther || to != want {
				t.Errorf("sent to %s with %d", to, response.StatusCode)
			}
			b.is(row.is)
			if log := d.log.String(); !strings.Contains(log, row.logs) || row.secret != "" && strings.Contains(log, strings.TrimSpace(row.secret)) {
				t.Errorf("the log says %s", log)
			}
		})
	}
}

func TestTheCookie(t *testing.T) {
	for name, row := range map[string]struct {
		plain bool
		want  string
	}{
		"with TLS":                       {false, "__Host-paysaga=X; Path=/; HttpOnly; Secure; SameSite=Lax"},
		"without, on this machine alone": {true, "paysaga=X; Path=/; HttpOnly; SameSite=Lax"},
	} {
		t.Run(name, func(t *testing.T) {
			d := lobby(t, nil, func(s *api.Server) { s.People.Plain = row.plain })
			response := d.browser(t).signsIn(secretOf("ann"))
			cookies := response.Cookies()
			if len(cookies) != 1 || len(cookies[0].Value) < 40 {
				t.Fatalf("cookies: %v", cookies)
			}
			if got := strings.Replace(response.Header.Get("Set-Cookie"), cookies[0].Value, "X", 1); got != row.want {
				t.Errorf("sets %s", got)
			}
			kept := d.Text(t, `select encode(secret_sha256, 'hex') || ' ' || role || ' ' || name from sessions`)
			if strings.Contains(kept, cookies[0].Value) || !strings.HasSuffix(kept, " support ann") {
				t.Errorf("the books keep %s", kept)
			}
		})
	}
}

func TestASessionEnds(t *testing.T) {
	for name, end := range map[string]func(*testing.T, *desk, *browser){
		"when the person signs out": func(t *testing.T, _ *desk, b *browser) {
			if response := b.visits("POST", "/console/logout", url.Values{}); response.Header.Get("Location") != "/console/login" {
				t.Errorf("sent to %s", response.Header.Get("Location"))
			}
		},
		"when they were away": func(t *testing.T, d *desk, _ *browser) {
			d.Exec(t, `update sessions set seen_at = now() - interval '16 min'`)
		},
		"when their token is taken away": func(t *testing.T, d *desk, _ *browser) {
			d.Exec(t, `update sessions set token_sha256 = sha256('an older one')`)
		},
		"when their token gets another role": func(t *testing.T, d *desk, _ *browser) {
			d.Exec(t, `update sessions set role = 'approver'`)
		},
		"when their token is somebody else's now": func(t *testing.T, d *desk, _ *browser) {
			d.Exec(t, `update sessions set name = 'ben'`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := lobby(t, nil)
			b := d.browser(t)
			b.signsIn(secretOf("ann"))
			b.is("support ann")
			end(t, d, b)
			b.is("")
		})
	}
}

// A cookie that was copied before is worth nothing after.
func TestSigningInAgainEndsTheSessionBefore(t *testing.T) {
	d := lobby(t, nil)
	b := d.browser(t)
	first := b.signsIn(secretOf("ann")).Cookies()[0]
	b.signsIn(secretOf("dora"))
	b.is("approver dora")
	thief := d.browser(t)
	at, err := url.Parse(d.url)
	if err != nil {
		t.Fatal(err)
	}
	thief.client.Jar.SetCookies(at, []*http.Cookie{first})
	thief.is("")
}

func TestOtherSitesPagesSignNobodyInOrOut(t *testing.T) {
	d := lobby(t, nil)
	b := d.browser(t)
	b.signsIn(secretOf("ann"))
	for name, headers := range map[string][]string{
		"another site":             {"Sec-Fetch-Site", "cross-site"},
		"a neighbour's host":       {"Sec-Fetch-Site", "same-site"},
		"an old browser elsewhere": {"Sec-Fetch-Site", "", "Origin", "https://evil.test"},
	} {
		t.Run(name, func(t *testing.T) {
			for path, form := range map[string]url.Values{
				"/console/logout": {}, "/console/login": {"token": {secretOf("dora")}}, "/console/payments/1/refunds": {"reason": {"x"}},
			} {
				if response := b.visits("POST", path, form, headers...); response.StatusCode != http.StatusForbidden {
					t.Errorf("%s answered %d", path, response.StatusCode)
				}
			}
			b.is("support ann")
		})
	}
}

func TestWhereSomebodyGoesAfterSigningIn(t *testing.T) {
	d := lobby(t, nil)
	for next, want := range map[string]string{
		"/console/payments/1?tab=x":  "/console/payments/1?tab=x",
		"":                           "/console/",
		"/v1/orders":                 "/console/",
		"https://evil.test/console/": "/console/",
		"//evil.test/console/":       "/console/",
		`/console/\evil.test`:        "/console/",
		"javascript:alert(1)":        "/console/",
		"/console/%zz":               "/console/",
		"/consolex/":                 "/console/",
	} {
		response := d.browser(t).visits("POST", "/console/login", url.Values{"token": {secretOf("ann")}, "next": {next}})
		if got := response.Header.Get("Location"); got != want {
			t.Errorf("%q leads to %q, want %q", next, got, want)
		}
	}
}

// idp plays an identity provider that is asked once.
type idp struct {
	person payment.Session
	err    error
	asked  url.Values
	memo   string
}

func (p *idp) Begin(context.Context) (address, memo string, err error) {
	return "https://id.test/authorize?state=s", "s.n.v", nil
}

func (p *idp) Finish(_ context.Context, memo string, answer url.Values) (payment.Session, error) {
	p.memo, p.asked = memo, answer
	return p.person, p.err
}

func TestSingleSignOn(t *testing.T) {
	for name, row := range map[string]struct {
		idp  idp
		is   string
		want string // where they are sent, or the status
	}{
		"an approver":             {idp{person: payment.Session{Role: "approver", Name: "ann@shop.test"}}, "approver ann@shop.test", "/console/today"},
		"somebody without a role": {idp{err: payment.Failf(payment.Refused, "sso_role", "no role")}, "", "/console/login?next=%2Fconsole%2Ftoday&why=refused"},
		"the provider is silent":  {idp{err: payment.Failf(payment.Unknown, "sso_silent", "silent")}, "", "503"},
		"we are misconfigured":    {idp{err: payment.Failf(payment.Internal, "sso_client", "x")}, "", "500"},
	} {
		t.Run(name, func(t *testing.T) {
			d := lobby(t, &row.idp)
			b := d.browser(t)
			if to := b.visits("GET", "/console/oidc?next=/console/today", nil).Header.Get("Location"); to != "https://id.test/authorize?state=s" {
				t.Errorf("sent to %s", to)
			}
			response := b.visits("GET", "/console/oidc/callback?state=s&code=c", nil, "Sec-Fetch-Site", "cross-site")
			got := response.Header.Get("Location")
			if got == "" {
				got = fmt.Sprint(response.StatusCode)
			}
			if got != row.want || row.idp.memo != "s.n.v" || row.idp.asked.Encode() != "code=c&state=s" {
				t.Errorf("sent to %s; the provider saw %q and %v", got, row.idp.memo, row.idp.asked)
			}
			b.is(row.is)
			b.visits("GET", "/console/oidc/callback?state=s&code=c", nil)
			if row.idp.memo != "" {
				t.Error("the memo is good for a second try")
			}
		})
	}
}

func TestWithoutSingleSignOnThereIsNone(t *testing.T) {
	d := newDesk(t)
	for _, path := range []string{"/console/oidc", "/console/oidc/callback?state=s&code=c"} {
		if response := d.browser(t).visits("GET", path, nil); response.StatusCode != http.StatusNotFound {
			t.Errorf("%s answered %d", path, response.StatusCode)
		}
	}
}

// The API takes no cookie: a page of another site could send it.
func TestASessionIsNoToken(t *testing.T) {
	d := lobby(t, nil)
	b := d.browser(t)
	b.signsIn(secretOf("ann"))
	d.paid(t, "4200001", 1, payment.Paid, "")
	if response := b.visits("GET", "/v1/payments/4200001", nil); response.StatusCode != http.StatusUnauthorized {
		t.Errorf("answered %d", response.StatusCode)
	}
}
