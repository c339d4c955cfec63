package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.temporal.io/sdk/client"

	"github.com/paysaga/paysaga/internal/fleet"
	"github.com/paysaga/paysaga/internal/simulator"
)

// world is one fleet with its own database and namespace, and the hands to move
// everybody in it: payer, shop, support, and whoever pulls plugs.
type world struct {
	*testing.T
	fleet       *fleet.Fleet
	databaseURL string
	namespace   string
	temporal    client.Client
	options     fleet.Options
	cut         bool // a run of this scene was terminated
}

// quick makes minutes of waiting into moments, so that an ending can be seen.
var quick = []string{
	"SIM_RETRY=200ms,200ms,300ms,500ms,500ms,1s,1s,1s,2s,2s,2s,2s,2s,2s,2s",
	"SHIP_ATTEMPT_TIMEOUT=3s", "SHIP_GIVE_UP_AFTER=60s", "RETRY_MAX_INTERVAL=500ms",
	"REFUND_POLL=500ms,1s", "REFUND_SPACING=100ms", "UNKNOWN_ORDER_WAIT=2s",
	"SWEEP_EVERY=500ms", "REQUEST_WAIT=2s", "NOTIFY_GIVE_UP_AFTER=30s",
	"ORDER_QUERY_AT=1h", // where a scene loses a callback, it says who finds the payment
}

// newWorld launches a fleet; env comes on top of quick.
func newWorld(t *testing.T, change func(*fleet.Options), env ...string) *world {
	t.Helper()
	name := "e2e_" + strings.ToLower(rand.Text()[:12])
	w := &world{T: t, databaseURL: database(t, name), namespace: "payments-" + name}
	w.options = fleet.Options{
		Binary: binary, Dir: t.TempDir(), DatabaseURL: w.databaseURL,
		TemporalAddress: os.Getenv("TEMPORAL_ADDRESS"), Namespace: w.namespace,
		Env: append(append([]string{}, quick...), env...),
	}
	if change != nil {
		change(&w.options)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var err error
	if w.fleet, err = fleet.Launch(ctx, w.options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		w.unbroken()
		if t.Failed() {
			t.Log(w.fleet.Logs(40))
		}
		if err := w.fleet.Close(); err != nil {
			t.Error(err)
		}
	})
	w.temporal, err = client.Dial(client.Options{HostPort: w.options.TemporalAddress, Namespace: w.namespace, Logger: quiet{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.temporal.Close)
	return w
}

// play runs one ending in this world, beside the others.
func (w *world) play(ending string, scene func(w *world)) {
	w.Run(ending, func(t *testing.T) {
		t.Parallel()
		mine := *w
		mine.T = t
		scene(&mine)
	})
}

// playAlone runs one ending in this world, after the others: it pulls a plug.
func (w *world) playAlone(ending string, scene func(w *world)) {
	w.Run(ending, func(t *testing.T) {
		mine := *w
		mine.T = t
		scene(&mine)
	})
}

// database makes an empty database that is dropped at the end.
func database(t *testing.T, name string) string {
	t.Helper()
	onServer(t, "create database "+name)
	t.Cleanup(func() { onServer(t, "drop database "+name+" with (force)") })
	u, err := url.Parse(os.Getenv("DATABASE_URL"))
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	return u.String()
}

// onServer makes and drops databases.
func onServer(t *testing.T, commands ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, os.Getenv("DATABASE_URL"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	for _, sql := range commands {
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

// sql asks the books themselves.
func (w *world) sql(into any, query string, args ...any) {
	w.Helper()
	conn, err := pgx.Connect(w.Context(), w.databaseURL)
	if err != nil {
		w.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(w.Context()))
	if err := conn.QueryRow(w.Context(), query, args...).Scan(into); err != nil {
		w.Fatalf("%s: %v", query, err)
	}
}

// change changes the books behind everybody's back.
func (w *world) change(statement string, args ...any) {
	w.Helper()
	conn, err := pgx.Connect(w.Context(), w.databaseURL)
	if err != nil {
		w.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(w.Context()))
	if tag, err := conn.Exec(w.Context(), statement, args...); err != nil || tag.RowsAffected() == 0 {
		w.Fatalf("%s: %v, %v", statement, tag, err)
	}
}

// await polls until want is true: for what other processes do in their own time.
func (w *world) await(what string, want func() bool) {
	w.Helper()
	w.awaitFor(time.Minute, what, want)
}

func (w *world) awaitFor(atMost time.Duration, what string, want func() bool) {
	w.Helper()
	deadline := time.After(atMost)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !want() {
		select {
		case <-deadline:
			w.Fatalf("waited %s in vain: %s", atMost, what)
		case <-tick.C:
		}
	}
}

// call sends JSON and returns the status; a 2xx answer is read into answer.
func (w *world) call(method, url, token string, body, answer any) int {
	w.Helper()
	status, text, err := send(w.Context(), method, url, token, body)
	if err != nil {
		w.Fatalf("%s %s: %v", method, url, err)
	}
	if status/100 == 2 && answer != nil {
		if err := json.Unmarshal(text, answer); err != nil {
			w.Fatalf("%s %s: %v in %s", method, url, err, text)
		}
	} else if status/100 != 2 {
		w.Logf("%s %s: %d %s", method, url, status, bytes.TrimSpace(text))
	}
	return status
}

func send(ctx context.Context, method, url, token string, body any) (int, []byte, error) {
	var sent io.Reader = http.NoBody
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return 0, nil, err
		}
		sent = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, url, sent)
	if err != nil {
		return 0, nil, err
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
		request.Header.Set("Idempotency-Key", keyOf(body))
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	return response.StatusCode, text, err
}

// keyOf is the Idempotency-Key of a body: an order's is its own number, so that an
// order sent again is the same call; every other act is meant once.
func keyOf(body any) string {
	if order, ok := body.(map[string]any); ok && order["out_trade_no"] != nil {
		return fmt.Sprint(order["out_trade_no"])
	}
	return rand.Text()
}

// must is call for what has to work.
func (w *world) must(method, url, token string, body, answer any) {
	w.Helper()
	if status := w.call(method, url, token, body, answer); status/100 != 2 {
		w.Fatalf("%s %s: %d", method, url, status)
	}
}

// --- the payer, the shop and WeChat

func (w *world) control(method, path string, body, answer any) {
	w.Helper()
	w.must(method, w.fleet.Simulator.AdminURL+path, "", body, answer)
}

func (w *world) order(amountFen int64) string {
	w.Helper()
	number := "E" + rand.Text()[:20]
	var made struct {
		CodeURL string `json:"code_url"`
	}
	w.must("POST", w.fleet.APIs[0].URL+"/v1/orders", w.fleet.Tokens.Merchant, map[string]any{
		"out_trade_no": number, "description": "tea", "amount_fen": amountFen, "trade_type": "native",
		"shipping": map[string]string{"to": "counter 3"},
	}, &made)
	if !strings.HasPrefix(made.CodeURL, "weixin://") {
		w.Fatalf("order %s has code_url %q", number, made.CodeURL)
	}
	return number
}

func (w *world) plan(number string, plan simulator.Plan) {
	w.Helper()
	w.control("POST", "/orders/"+number+"/plan", plan, nil)
}

func (w *world) pay(number string, how simulator.PayRequest) string {
	w.Helper()
	var paid simulator.PayAnswer
	w.control("POST", "/orders/"+number+"/pay", how, &paid)
	return paid.TransactionID
}

// hold makes the next such call wait, and returns when somebody waits in it.
func (w *world) hold(call, number, when string) (caught func()) {
	w.Helper()
	w.control("POST", "/holds", simulator.Hold{Call: call, OutTradeNo: number, When: when}, nil)
	return func() {
		w.Helper()
		w.await("a "+call+" call held "+when, func() bool {
			var holds []simulator.Hold
			w.control("GET", "/holds", nil, &holds)
			for _, h := range holds {
				if h.Call == call && h.OutTradeNo == number && h.Waiting > 0 {
					return true
				}
			}
			return false
		})
	}
}

func (w *world) release(number string) {
	w.Helper()
	w.control("POST", "/holds/release", simulator.Release{OutTradeNo: number}, nil)
}

func (w *world) truth(number string) simulator.Truth {
	w.Helper()
	var truth simulator.Truth
	w.control("GET", "/truth/"+number, nil, &truth)
	return truth
}

// --- support

// view is the api's word on a payment in its own words.
type view struct {
	TransactionID  string `json:"transaction_id"`
	OutTradeNo     string `json:"out_trade_no"`
	AmountFen      int64  `json:"amount_fen"`
	RefundedFen    int64  `json:"refunded_fen"`
	Stage          string `json:"stage"`
	NeedsAttention bool   `json:"needs_attention"`
	Steps          []struct {
		Name, State string
		Attempts    int
		LastError   string `json:"last_error"`
	}
	Refunds  []refundView
	Cases    []caseView
	Requests []request
	Timeline []json.RawMessage
}

type refundView struct {
	OutRefundNo string `json:"out_refund_no"`
	AmountFen   int64  `json:"amount_fen"`
	State       string
}

type caseView struct{ Kind, Owner, State string }

type request struct {
	ID    string `json:"id"`
	Kind  string `json:"kind"`
	State string `json:"state"`
	Actor string `json:"actor"`
}

// payment asks any api that answers; 404 gives an empty view.
func (w *world) payment(id string) view {
	w.Helper()
	var v view
	for _, api := range w.fleet.APIs {
		status, text, err := send(w.Context(), "GET", api.URL+"/v1/payments/"+id, w.fleet.Tokens.Support, nil)
		if err != nil || status != http.StatusOK {
			continue
		}
		if err := json.Unmarshal(text, &v); err != nil {
			w.Fatalf("payment %s: %v in %s", id, err, text)
		}
		return v
	}
	return v
}

// reaches waits until the payment stands in that stage.
func (w *world) reaches(id, stage string) view {
	w.Helper()
	var v view
	w.await(fmt.Sprintf("payment %s %s", id, stage), func() bool {
		v = w.payment(id)
		return v.Stage == stage
	})
	return v
}

// ask sends a person's request and returns its id.
func (w *world) ask(id, kind, token string, body map[string]any) string {
	w.Helper()
	var asked struct {
		RequestID string `json:"request_id"`
	}
	w.must("POST", w.fleet.APIs[0].URL+"/v1/payments/"+id+"/"+kind, token, body, &asked)
	return asked.RequestID
}

func (w *world) request(id string) request {
	w.Helper()
	var r request
	w.must("GET", w.fleet.APIs[0].URL+"/v1/requests/"+id, w.fleet.Tokens.Support, nil, &r)
	return r
}

// quiet keeps the SDK's chatter out of the tests.
type quiet struct{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}
