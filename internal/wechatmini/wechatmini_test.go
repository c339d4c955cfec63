package wechatmini_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
	"github.com/paysaga/paysaga/internal/wechatmini"
)

const (
	secret  = "canary-secret-9f2b"
	openID  = "canary-openid-77aa"
	phrase  = "canary-errmsg-41cc" // in every errmsg, which may quote a request
	txn     = "4200000001"
	orderNo = "ORDER|1*"
)

var delivery = activities.Delivery{
	TransactionID: txn, OutTradeNo: orderNo, Description: "龙井 <tea> & cups", AmountFen: 12805,
	Carrier: "SF", TrackingNo: "SF1", OpenID: openID,
	ShippedAt: time.Date(2026, 2, 3, 20, 4, 5, 0, time.UTC),
}

// fakeWeChat answers each path with its next answer, the last one for ever, and
// gives a new token whenever it is asked for one.
type fakeWeChat struct {
	answers map[string][]string
	life    int    // of a token, in seconds
	hangUp  string // at calls to this path
	refuses string // this token
	curt    bool   // keeps no connection open

	mu     sync.Mutex
	tokens int
	calls  []call
}

type call struct {
	path, token, text string
	body              map[string]any
}

func (f *fakeWeChat) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text, _ := io.ReadAll(r.Body)
	var body map[string]any
	_ = json.Unmarshal(text, &body)
	f.mu.Lock()
	defer f.mu.Unlock()
	path := strings.TrimPrefix(r.URL.Path, "/")
	if r.Method != http.MethodPost || body == nil {
		http.Error(w, "no", http.StatusBadRequest)
		return
	}
	token := r.URL.Query().Get("access_token")
	f.calls = append(f.calls, call{path, token, string(text), body})
	if f.curt {
		w.Header().Set("Connection", "close")
	}
	switch {
	case path == f.hangUp:
		panic(http.ErrAbortHandler)
	case token != "" && token == f.refuses:
		io.WriteString(w, code(40001))
		return
	}
	if planned := f.answers[path]; len(planned) > 0 {
		if len(planned) > 1 {
			f.answers[path] = planned[1:]
		}
		if planned[0] != "" {
			io.WriteString(w, planned[0])
			return
		}
	}
	if path == stableToken {
		f.tokens++
		fmt.Fprintf(w, `{"access_token":"token-%d","expires_in":%d}`, f.tokens, f.life)
		return
	}
	io.WriteString(w, `{"errcode":0,"errmsg":"ok"}`)
}

// heard is the calls to a path.
func (f *fakeWeChat) heard(path string) (found []call) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.calls {
		if c.path == path {
			found = append(found, c)
		}
	}
	return found
}

const (
	stableToken = "cgi-bin/stable_token"
	subscribe   = "cgi-bin/message/subscribe/send"
	upload      = "wxa/sec/order/upload_shipping_info"
	getOrder    = "wxa/sec/order/get_order"
)

func code(n int) string { return fmt.Sprintf(`{"errcode":%d,"errmsg":"%s %s"}`, n, phrase, openID) }

// open starts a WeChat with those answers and a client of it.
func open(t testing.TB, f *fakeWeChat) *wechatmini.Client {
	t.Helper()
	if f.life == 0 {
		f.life = 7200
	}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	return client(t, server.URL)
}

func client(t testing.TB, base string) *wechatmini.Client {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	c, err := wechatmini.New(wechatmini.Config{
		AppID: "wx1", Secret: secret, BaseURL: u, Consignor: "189****1234",
		Template: wechatmini.Template{ID: "T1", Fields: map[string]string{
			"character_string1": "out_trade_no", "thing2": "description", "amount3": "amount",
			"thing4": "carrier", "character_string5": "tracking_no", "time6": "shipped_at",
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// wantKind also checks that an error repeats nothing of secrets, payers or answers.
func wantKind(t testing.TB, err error, kind payment.Kind) {
	t.Helper()
	if payment.KindOf(err) != kind {
		t.Errorf("%v is %q, want %q", err, payment.KindOf(err), kind)
	}
	if err == nil {
		return
	}
	for _, canary := range []string{secret, openID, phrase, "token-", "http", txn} {
		if strings.Contains(err.Error(), canary) || strings.Contains(fmt.Sprintf("%+v", err), canary) {
			t.Errorf("the error shows %s: %v", canary, err)
		}
	}
}

func TestAConfigurationThatCannotWorkIsRefused(t *testing.T) {
	for name, cfg := range map[string]wechatmini.Config{
		"no secret": {AppID: "wx1"},
		"no appid":  {Secret: secret},
		"a template that shows what is not known": {AppID: "wx1", Secret: secret, Template: wechatmini.Template{
			ID: "T1", Fields: map[string]string{"thing1": "openid"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := wechatmini.New(cfg)
			if err == nil || strings.Contains(err.Error(), secret) {
				t.Errorf("%v", err)
			}
		})
	}
}
