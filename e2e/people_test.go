package e2e

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paysaga/paysaga/internal/fleet"
	"github.com/paysaga/paysaga/internal/simulator"
	"github.com/paysaga/paysaga/internal/ssotest"
)

// A person signs in at the merchant's identity provider, and is let through to what
// their role may see, until they sign out.
func TestSigningInAtTheMerchantsProvider(t *testing.T) {
	idp := ssotest.New(t)
	idp.Say(ssotest.Says{Claims: map[string]any{"paysaga_role": "operator", "email": "olu@shop.test", "email_verified": true}})
	w := newWorld(t, nil, "OIDC_ISSUER="+idp.Issuer, "OIDC_CLIENT_ID="+ssotest.ClientID, "OIDC_CLIENT_SECRET="+ssotest.ClientSecret)
	api := w.fleet.APIs[0].URL
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	visit := func(method, path, body string) (int, string, string) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), method, api+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		response, err := browser.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, response.Request.URL.Path, string(text)
	}
	const payloads = `{"payloads":[{"metadata":{"encoding":"anNvbi9wbGFpbg=="},"data":"MQ=="}]}`
	if status, _, _ := visit("POST", "/codec/decode", payloads); status != http.StatusUnauthorized {
		t.Errorf("before signing in, payloads are answered with %d", status)
	}
	if status, at, text := visit("GET", "/console/oidc?next=/console/today", ""); status != http.StatusOK || at != "/console/today" || !strings.Contains(text, "olu@shop.test") {
		t.Errorf("signed in, at %s with %d", at, status)
	}
	if status, _, text := visit("POST", "/codec/decode", payloads); status != http.StatusOK {
		t.Errorf("an operator's question is answered with %d %s", status, text)
	}
	if _, at, _ := visit("POST", "/console/logout", ""); at != "/console/login" {
		t.Errorf("signed out, at %s", at)
	}
	if status, _, _ := visit("POST", "/codec/decode", payloads); status != http.StatusUnauthorized {
		t.Errorf("after signing out, payloads are answered with %d", status)
	}

	idp.Say(ssotest.Says{Claims: map[string]any{"paysaga_role": "guest"}})
	if status, at, _ := visit("GET", "/console/oidc", ""); at != "/console/login" || status != http.StatusUnauthorized {
		t.Errorf("a guest is at %s with %d", at, status)
	}
}

// What the api took is explained as taken, and as refused once a byte is wrong.
func TestExplainingACallbackThatCame(t *testing.T) {
	var api atomic.Value // its URL, once it is there
	copies := make(chan []byte, 16)
	front := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		text, err := httputil.DumpRequest(r, true)
		target, _ := api.Load().(string)
		behind, parseErr := url.Parse(target)
		if err != nil || parseErr != nil || target == "" {
			rw.WriteHeader(http.StatusBadGateway)
			return
		}
		copies <- text
		httputil.NewSingleHostReverseProxy(behind).ServeHTTP(rw, r)
	}))
	t.Cleanup(front.Close)
	w := newWorld(t, func(o *fleet.Options) { o.PublicURL = front.URL })
	api.Store(w.fleet.APIs[0].URL)
	number := w.order(tea)
	w.endsShipped(w.pay(number, simulator.PayRequest{}), number)

	paste, came := string(<-copies), time.Now()
	file := filepath.Join(t.TempDir(), "callback.txt")
	for name, row := range map[string]struct {
		paste string
		at    time.Time
		taken bool
		says  string
	}{
		"as it came":         {paste, came, true, number},
		"an hour later":      {paste, came.Add(time.Hour), false, "time: "},
		"with one byte more": {strings.Replace(paste, `"id"`, `"id" `, 1), came, false, "signature: "},
	} {
		if err := os.WriteFile(file, []byte(row.paste), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := w.fleet.Run(t.Context(), "explain-callback", file, "--at="+row.at.Format(time.RFC3339))
		if (err == nil) != row.taken || !strings.Contains(out, row.says) || strings.Contains(out, "openid") {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}
