package wechatpay_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/paysaga/paysaga/internal/payment"
	"github.com/paysaga/paysaga/internal/simulator"
	"github.com/paysaga/paysaga/internal/wechatpay"
)

// world is the pretend WeChat Pay, our client of it, and its control port.
type world struct {
	*wechatpay.Client
	env     map[string]string // merchant.env
	expires time.Time         // of every order, so that one offered again is the same
	control string
	paid    chan string // the paths at which callbacks arrived
}

// pretend starts a WeChat Pay that ends with the test.
func pretend(t *testing.T, with ...func(*simulator.Config)) *world {
	t.Helper()
	w := &world{control: "http://" + freeAddress(t), expires: time.Now().Add(time.Hour), paid: make(chan string, 100)}
	public := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { w.paid <- r.URL.Path }))

	data := t.TempDir()
	cfg := simulator.Config{
		Addr: freeAddress(t), ControlAddr: strings.TrimPrefix(w.control, "http://"), Data: data,
		RefundAfter: time.Millisecond, Log: slog.New(slog.DiscardHandler),
	}
	for _, change := range with {
		change(&cfg)
	}
	ctx, end := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- simulator.Run(ctx, cfg) }()
	t.Cleanup(func() {
		end()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	eventually(t, "the simulator is up", func() bool {
		response, err := http.Get(w.control + "/readyz")
		if err == nil {
			response.Body.Close()
		}
		return err == nil
	})
	w.env = readEnv(t, filepath.Join(data, "merchant.env"))
	w.Client = w.merchant(t, w.env["WECHATPAY_MCH_PRIVATE_KEY_FILE"], public)
	return w
}

// merchant is a client that signs with the key in keyFile.
func (w *world) merchant(t *testing.T, keyFile, public string) *wechatpay.Client {
	t.Helper()
	key, err := wechatpay.ParsePrivateKey(readFile(t, keyFile))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := wechatpay.NewKeys(wechatpay.KeyMaterial{
		PublicKeyID: w.env["WECHATPAY_PUBLIC_KEY_ID"], PublicKey: readFile(t, w.env["WECHATPAY_PUBLIC_KEY_FILE"]),
		PlatformCerts: readFile(t, w.env["WECHATPAY_PLATFORM_CERTS_FILE"]), APIv3Key: w.env["WECHATPAY_API_V3_KEY"],
	})
	if err != nil {
		t.Fatal(err)
	}
	client, err := wechatpay.New(wechatpay.Config{
		MchID: w.env["WECHATPAY_MCH_ID"], MchSerial: w.env["WECHATPAY_MCH_SERIAL"], PrivateKey: key, Verifier: keys,
		BaseURL: mustURL(t, w.env["WECHATPAY_BASE_URL"]), PublicURL: mustURL(t, public),
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func (w *world) order(number string) payment.Order {
	return payment.Order{
		OutTradeNo: number, AppID: w.env["WECHATPAY_APP_ID"], Description: "tea & cake", AmountFen: 12850, Currency: "CNY",
		TradeType: payment.Native, ExpiresAt: w.expires,
	}
}

// pull moves a lever of the control port and reads what it says into out.
func (w *world) pull(t *testing.T, method, path string, in, out any) {
	t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequest(method, w.control+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s", method, path, response.Status)
	}
	if err := json.NewDecoder(response.Body).Decode(out); err != nil {
		t.Fatal(err)
	}
}

// buy offers an order and has it paid; it returns the transaction_id.
func (w *world) buy(t *testing.T, number string) string {
	t.Helper()
	if _, err := w.Prepay(t.Context(), w.order(number)); err != nil {
		t.Fatal(err)
	}
	var paid simulator.PayAnswer
	w.pull(t, "POST", "/orders/"+number+"/pay", simulator.PayRequest{}, &paid)
	return paid.TransactionID
}

func (w *world) plan(t *testing.T, number string, plan simulator.Plan) {
	t.Helper()
	w.pull(t, "POST", "/orders/"+number+"/plan", plan, new(simulator.Plan))
}

func (w *world) truth(t *testing.T, number string) (truth simulator.Truth) {
	t.Helper()
	w.pull(t, "GET", "/truth/"+number, struct{}{}, &truth)
	return truth
}

// eventually waits for something that happens by itself over there.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !done(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in 15 seconds: %s", what)
		}
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func readEnv(t *testing.T, path string) map[string]string {
	t.Helper()
	env := map[string]string{}
	for line := range strings.Lines(readFile(t, path)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		env[name] = value
	}
	if len(env) == 0 {
		t.Fatalf("%s holds nothing", path)
	}
	return env
}
