package api_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/api"
	"github.com/paysaga/paysaga/internal/openapitest"
	"github.com/paysaga/paysaga/internal/payment"
	"github.com/paysaga/paysaga/internal/pgtest"
	"github.com/paysaga/paysaga/internal/postgres"
	"github.com/paysaga/paysaga/workflows"
)

// The people at the desk. Carla holds a token of each trade, and stays one person.
var people = map[string]api.Role{
	"shop": api.Merchant, "shop/till": api.Merchant, "stall": api.Merchant,
	"ann": api.Support, "ben": api.Support, "carla": api.Support,
	"carla/approver": api.Approver, "dora": api.Approver, "emil": api.Approver,
	"otto": api.Operator,
}

func secretOf(person string) string { return person + strings.Repeat("-token", 6) }

func tokens(t *testing.T) api.Tokens {
	t.Helper()
	var lines strings.Builder
	for person, role := range people {
		name, _, _ := strings.Cut(person, "/")
		fmt.Fprintf(&lines, "%s:%s:%x\n", role, name, sha256.Sum256([]byte(secretOf(person))))
	}
	tokens, err := api.ParseTokens(lines.String())
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

// desk is a whole desk on books of its own, with WeChat and Temporal played.
type desk struct {
	*pgtest.Database
	url   string
	api   http.Handler
	store *postgres.Store
	till  *till
	sagas *sagas
	log   *bytes.Buffer
}

func newDesk(t *testing.T, change ...func(*api.Server)) *desk {
	t.Helper()
	d := &desk{Database: pgtest.New(t), till: &till{}, sagas: &sagas{}, log: &bytes.Buffer{}}
	return d.beside(t, change...)
}

// beside is one more api on the same books.
func (d *desk) beside(t *testing.T, change ...func(*api.Server)) *desk {
	t.Helper()
	store, err := postgres.Open(t.Context(), d.URL+"&role=paysaga_app", postgres.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	server := api.Server{
		Desk: store, Till: d.till, Sagas: d.sagas, Closings: d.sagas, Runs: d.sagas, Tokens: tokens(t),
		Rules:     api.Rules{AppIDs: []string{"wxapp", "wxother"}, LatePayment: payment.LateRefund, ApprovalAboveFen: 100_000},
		Callbacks: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "callbacks saw "+r.URL.Path) }),
		Log:       slog.New(slog.NewTextHandler(d.log, nil)),
		People:    api.People{Sessions: store, Plain: true},
	}
	for _, to := range change {
		to(&server)
	}
	another := *d
	another.api, another.store = server.Routes(), store
	listening := httptest.NewServer(another.api)
	t.Cleanup(listening.Close)
	another.url = listening.URL
	return &another
}

// answer is what came back: the status, and the body as far as it is JSON.
type answer struct {
	status int
	header http.Header
	raw    string
	body   map[string]any
}

func (a answer) text(key string) string {
	s, _ := a.body[key].(string)
	return s
}

// call asks once: with an Idempotency-Key that nobody else has.
func (d *desk) call(t *testing.T, person, method, path, body string) answer {
	t.Helper()
	return d.again(t, rand.Text(), person, method, path, body)
}

// again asks under a key that may have been used before.
func (d *desk) again(t *testing.T, key, person, method, path, body string) answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, d.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if person != "" {
		request.Header.Set("Authorization", "Bearer "+secretOf(person))
	}
	if method == http.MethodPost {
		request.Header.Set("Idempotency-Key", key)
	}
	return do(t, request)
}

// held makes calls, and holds every answer to the contract.
var held = &http.Client{Transport: &openapitest.Transport{}}

func do(t *testing.T, request *http.Request) answer {
	t.Helper()
	response, err := held.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	got := answer{status: response.StatusCode, header: response.Header, raw: string(raw)}
	if strings.Contains(response.Header.Get("Content-Type"), "json") {
		if err := json.Unmarshal(raw, &got.body); err != nil {
			t.Fatalf("%s %s answered no JSON: %q", request.Method, request.URL, raw)
		}
	}
	return got
}

// wants fails the test unless the answer has the status and, as a problem, the code.
func (a answer) wants(t *testing.T, status int, code string) answer {
	t.Helper()
	if a.status != status || a.text("code") != code {
		t.Errorf("answered %d %s, want %d with code %q", a.status, a.raw, status, code)
	}
	if status >= 400 && a.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("an error of type %q", a.header.Get("Content-Type"))
	}
	return a
}

// way is how a payment gets to each stage; the schema lets it take no other.
var way = map[payment.Stage][]payment.Stage{
	payment.Received:     {},
	payment.Paid:         {payment.Paid},
	payment.Shipped:      {payment.Paid, payment.Shipped},
	payment.Completed:    {payment.Paid, payment.Shipped, payment.Completed},
	payment.Holding:      {payment.Holding},
	payment.Quarantined:  {payment.Quarantined},
	payment.Compensating: {payment.Compensating},
	payment.Refunded:     {payment.Compensating, payment.Refunded},
	payment.Resolved:     {payment.Holding, payment.Resolved},
}

// paid puts a payment into the books, at a stage, held for a reason if it holds.
func (d *desk) paid(t *testing.T, id string, amountFen int64, stage payment.Stage, held payment.CaseKind) {
	t.Helper()
	d.Exec(t, `insert into payments (transaction_id, out_trade_no, appid, mchid, amount_fen, currency, trade_state, paid_at, via, sweep_at)
		values ($1, $1 || '-order', 'wxapp', '1900000001', $2, 'CNY', 'SUCCESS', now() - interval '1 day', 'callback', now())`, id, amountFen)
	for _, next := range way[stage] {
		d.Exec(t, `update payments set stage = $2,
			hold_reason = case $2 when 'holding' then $3 else '' end,
			hold_direction = case $2 when 'holding' then 'forward' else '' end,
			refunded_fen = case $2 when 'refunded' then amount_fen else 0 end
			where transaction_id = $1`, id, next, string(held))
	}
}

// called puts a payment into the inbox alone: its saga has not begun.
func (d *desk) called(t *testing.T, id, verdict string) {
	t.Helper()
	d.Exec(t, `insert into inbox (key, kind, verdict, via, transaction_id, out_trade_no, appid, mchid, amount_fen, currency, trade_state)
		values ($1, 'payment', $2, 'callback', $1, 'ORDER-' || $1, 'wxapp', '1900000001', 12850, 'CNY', 'SUCCESS')`, id, verdict)
}

func (d *desk) asked(t *testing.T, id, reply string) answer {
	t.Helper()
	return d.call(t, "ann", "POST", "/v1/payments/"+id+"/compensate", reply).wants(t, 202, "")
}

// till plays WeChat's prepay: one number has one set of parameters for ever.
type till struct {
	mu     sync.Mutex
	orders map[string]payment.Order
	calls  int
	paid   map[string]activities.Transaction // what a query finds, besides unpaid orders
	back   map[string]activities.RefundWord  // the refunds that WeChat knows
	silent bool                              // queries get no answer
	asked  func()                            // what happens while WeChat is asked
	before func() error                      // what goes wrong before WeChat knows the order
	after  func(context.Context) error       // what goes wrong when it already does
}

func (f *till) Prepay(ctx context.Context, order payment.Order) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	if f.before != nil {
		if err := f.before(); err != nil {
			return "", err
		}
	}
	known, ok := f.orders[order.OutTradeNo]
	if ok && (known.AmountFen != order.AmountFen || known.Description != order.Description || !known.ExpiresAt.Equal(order.ExpiresAt)) {
		return "", payment.Failf(payment.Refused, "out_trade_no_used", "the same number with other parameters")
	}
	if f.orders == nil {
		f.orders = map[string]payment.Order{}
	}
	f.orders[order.OutTradeNo] = order
	if f.after != nil {
		if err := f.after(ctx); err != nil {
			return "", err
		}
	}
	kind := map[payment.TradeType]string{payment.Native: "weixin://pay", payment.H5: "https://wx.test/h5"}[order.TradeType]
	return fmt.Sprintf("%s/%s/%d", cmp.Or(kind, "prepay"), order.OutTradeNo, f.calls), nil
}

func (f *till) QueryOrder(_ context.Context, outTradeNo string) (activities.Transaction, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.silent {
		return activities.Transaction{}, payment.Failf(payment.Unknown, "timeout", "no answer")
	}
	if paid, ok := f.paid[outTradeNo]; ok {
		return paid, nil
	}
	if _, ok := f.orders[outTradeNo]; ok {
		return activities.Transaction{OutTradeNo: outTradeNo, TradeState: "NOTPAY"}, nil
	}
	return activities.Transaction{}, payment.Failf(payment.NotFound, "order_not_exist", "no prepay came")
}

func (f *till) QueryPayment(_ context.Context, transactionID string) (activities.Transaction, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.asked != nil {
		f.asked()
	}
	if f.silent {
		return activities.Transaction{}, payment.Failf(payment.Unknown, "timeout", "no answer")
	}
	for _, paid := range f.paid {
		if paid.TransactionID == transactionID {
			return paid, nil
		}
	}
	return activities.Transaction{}, payment.Failf(payment.NotFound, "order_not_exist", "no such payment")
}

func (f *till) QueryRefund(_ context.Context, outRefundNo string) (activities.RefundWord, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.asked != nil {
		f.asked()
	}
	if f.silent {
		return activities.RefundWord{}, payment.Failf(payment.Busy, "FREQUENCY_LIMITED", "later")
	}
	word, ok := f.back[outRefundNo]
	if !ok {
		return word, payment.Failf(payment.NotFound, "RESOURCE_NOT_EXISTS", "no such refund")
	}
	return word, nil
}

func (f *till) ClientParameters(_ context.Context, order payment.Order) (map[string]string, error) {
	if order.TradeType == payment.Native || order.TradeType == payment.H5 {
		return nil, nil
	}
	return map[string]string{"appId": order.AppID, "package": order.Offer, "sign": "signed"}, nil
}

// sagas plays Temporal's front desk, which may be away.
type sagas struct {
	mu   sync.Mutex
	away bool
	told []told
	sent []string // shipments whose dispatch was reported
	shut []payment.Closing
}

func (f *sagas) TellDispatched(_ context.Context, paid payment.Payment, report workflows.DispatchReport) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away {
		return errors.New("temporal is away")
	}
	f.sent = append(f.sent, paid.TransactionID+" "+report.ShipmentID)
	return nil
}

func (f *sagas) LatestRun(_ context.Context, transactionID string) (payment.Run, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away {
		return payment.Run{}, payment.Failf(payment.Unknown, "temporal_silent", "temporal is away")
	}
	if transactionID != "4200001" {
		return payment.Run{}, payment.Failf(payment.NotFound, "no_run", "none")
	}
	return payment.Run{RunID: "run-1", Status: "completed"}, nil
}

func (f *sagas) CloseOrder(_ context.Context, asked payment.Closing) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away {
		return payment.Failf(payment.Unknown, "temporal_silent", "temporal is away")
	}
	f.shut = append(f.shut, asked)
	return nil
}

type told struct {
	Payment   payment.Payment
	Signal    string
	RequestID string
}

func (f *sagas) Tell(ctx context.Context, paid payment.Payment, signal string, word workflows.Word) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away {
		return errors.New("temporal is away")
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	f.told = append(f.told, told{paid, signal, word.RequestID})
	return nil
}

func (f *sagas) heard() []told {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]told{}, f.told...)
}

// at parses a time of an answer.
func at(t *testing.T, text string) time.Time {
	t.Helper()
	when, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return when
}
