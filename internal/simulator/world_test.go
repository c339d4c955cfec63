package simulator

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/wechatpay-apiv3/wechatpay-go/core"
	"github.com/wechatpay-apiv3/wechatpay-go/core/option"
)

// world is a simulator under test and the ways to reach it.
type world struct {
	*simulator
	t       *testing.T
	wechat  *httptest.Server
	control *httptest.Server
	end     func() // ends this process of the simulator; its data stays
}

// papersOnce makes one set of keys for all tests: they cost most of a second.
var papersOnce = sync.OnceValues(newPapers)

// start begins a world in an empty directory, brisk unless told otherwise.
func start(t *testing.T, with ...func(*Config)) *world {
	t.Helper()
	p, err := papersOnce()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{
		Data: t.TempDir(), RefundAfter: time.Millisecond,
		Retry: []time.Duration{time.Millisecond, time.Millisecond, time.Millisecond},
		Log:   slog.New(slog.DiscardHandler),
	}
	for _, change := range with {
		change(&cfg)
	}
	if err := writeWhole(filepath.Join(cfg.Data, "account.json"), raw); err != nil {
		t.Fatal(err)
	}
	return startAgain(t, cfg)
}

// startAgain begins a world on what is in cfg.Data.
func startAgain(t *testing.T, cfg Config) *world {
	t.Helper()
	life, stop := context.WithCancel(context.Background())
	s, err := open(life, cfg)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{simulator: s, t: t}
	w.wechat, w.control = httptest.NewServer(s.merchantRoutes()), httptest.NewServer(s.controlRoutes())
	s.cashier = w.control.URL
	w.end = sync.OnceFunc(func() {
		stop()
		w.wechat.CloseClientConnections()
		w.wechat.Close()
		w.control.Close()
		s.running.Wait()
		if err := s.ledger.close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(w.end)
	return w
}

// steer calls the control port and expects 200.
func (w *world) steer(path string, in, out any) {
	w.t.Helper()
	if status, body := w.try(http.MethodPost, path, in); status != http.StatusOK {
		w.t.Fatalf("POST %s: %d %s", path, status, body)
	} else if out != nil {
		if err := json.Unmarshal(body, out); err != nil {
			w.t.Fatalf("POST %s: %v in %s", path, err, body)
		}
	}
}

// try calls the control port and returns whatever came.
func (w *world) try(method, path string, in any) (int, []byte) {
	w.t.Helper()
	raw, err := json.Marshal(in)
	if err != nil {
		w.t.Fatal(err)
	}
	r, err := http.NewRequest(method, w.control.URL+path, bytes.NewReader(raw))
	if err != nil {
		w.t.Fatal(err)
	}
	return do(w.t, r)
}

func do(t *testing.T, r *http.Request) (int, []byte) {
	t.Helper()
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, body
}

// known is what the truth says of an order.
func (w *world) known(outTradeNo string) Truth {
	w.t.Helper()
	status, body := w.try(http.MethodGet, "/truth/"+outTradeNo, struct{}{})
	var t Truth
	if err := json.Unmarshal(body, &t); err != nil || status != http.StatusOK {
		w.t.Fatalf("truth of %s: %d %s", outTradeNo, status, body)
	}
	return t
}

// pays orders and pays 100 fen, with no callback, and returns the transaction_id.
func (w *world) pays(outTradeNo string) string {
	w.t.Helper()
	var paid PayAnswer
	w.steer("/orders/"+outTradeNo+"/pay", PayRequest{AmountFen: 100, NotifyURL: "http://127.0.0.1:1/never", Lose: true}, &paid)
	return paid.TransactionID
}

// eventually waits until a condition holds that something in the background brings about.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never came true: %s", what)
		}
	}
}

// rehost sends requests for WeChat's fixed host to the simulator.
type rehost struct{ to *url.URL }

func (rt rehost) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.Scheme, r.URL.Host = rt.to.Scheme, rt.to.Host
	return http.DefaultTransport.RoundTrip(r)
}

// sdk is WeChat's own Go client, in public-key mode.
func (w *world) sdk() *core.Client {
	w.t.Helper()
	a := w.account
	client, err := core.NewClient(context.Background(),
		option.WithWechatPayPublicKeyAuthCipher(a.MchID, a.MchSerial, a.merchant, a.PublicKeyID, &a.public.key.PublicKey),
		option.WithHTTPClient(w.rehosted()))
	if err != nil {
		w.t.Fatal(err)
	}
	return client
}

func (w *world) rehosted() *http.Client {
	to, err := url.Parse(w.wechat.URL)
	if err != nil {
		w.t.Fatal(err)
	}
	return &http.Client{Transport: rehost{to}}
}

// shop calls the shop, signed by the Standard Webhooks library itself.
func (w *world) shop(method, path, key string, in any) (int, map[string]string) {
	w.t.Helper()
	r := w.shopRequest(method, path, key, in)
	status, body := do(w.t, r)
	var out map[string]string
	if len(body) > 0 {
		if err := json.Unmarshal(body, &out); err != nil {
			w.t.Fatalf("%s %s: %d %s", method, path, status, body)
		}
	}
	return status, out
}

func (w *world) shopRequest(method, path, key string, in any) *http.Request {
	w.t.Helper()
	var body []byte
	if in != nil {
		body, _ = json.Marshal(in)
	}
	r, err := http.NewRequest(method, w.wechat.URL+"/shop"+path, bytes.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	secret := w.account.FulfilmentSecret
	if path == "/webhooks" {
		secret = w.account.WebhookSecret
	}
	signer, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		w.t.Fatal(err)
	}
	now := time.Now()
	signature, err := signer.Sign("msg-"+key, now, body)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("webhook-id", "msg-"+key)
	r.Header.Set("webhook-timestamp", fmt.Sprint(now.Unix()))
	r.Header.Set("webhook-signature", signature)
	r.Header.Set("Idempotency-Key", key)
	return r
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
