package api_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"github.com/paysaga/paysaga/api"
	"github.com/paysaga/paysaga/internal/payment"
	"github.com/paysaga/paysaga/internal/pgtest"
	"github.com/paysaga/paysaga/internal/postgres"
	"github.com/paysaga/paysaga/internal/wechatpay"
	"github.com/paysaga/paysaga/internal/wechattest"
)

const (
	apiV3Key       = "0123456789abcdef0123456789abcdef"
	apiV3KeyBefore = "fedcba9876543210fedcba9876543210"
	successBody    = `{"code":"SUCCESS","message":"成功"}`
	signatureBody  = `{"code":"FAIL","message":"signature"}`
	malformedBody  = `{"code":"FAIL","message":"malformed"}`
	retryBody      = `{"code":"FAIL","message":"retry"}`
	busyBody       = `{"code":"FAIL","message":"busy"}`
)

// now is the gate's time, and the time of every signature that does not say another.
var now = time.Date(2026, 11, 22, 2, 35, 0, 0, time.UTC)

// gate is the callback route as WeChat sees it: the real handler behind the real
// routes, with real keys, on books of its own. WeChat is played, with its keys.
type gate struct {
	*pgtest.Database
	url      string
	wechat   *wechattest.Platform // the public key
	cert     *wechattest.Platform // a platform certificate
	certs    string               // the certificate, PEM
	keys     *wechatpay.Keys
	store    *postgres.Store
	inbox    *watchedInbox
	temporal *lastResort
	metrics  *prometheus.Registry
	log      *safeBuffer
	wakes    atomic.Int64
	ahead    atomic.Int64 // of our clock, in nanoseconds
	handler  *api.Callbacks
}

// clock is the gate's own clock, which may go wrong.
func (g *gate) clock() time.Time { return now.Add(time.Duration(g.ahead.Load())) }

func newGate(t testing.TB) *gate { return newGateOn(t, pgtest.New(t), "") }

// newGateOn opens a gate on a database, by way of another address if one is given.
func newGateOn(t testing.TB, db *pgtest.Database, address string) *gate {
	t.Helper()
	if address == "" {
		address = db.URL
	}
	g := &gate{
		Database: db, log: &safeBuffer{}, metrics: prometheus.NewRegistry(), temporal: &lastResort{},
		wechat: wechattest.NewPlatform(t, "PUB_KEY_ID_0112345678901234567890", apiV3Key),
		cert:   wechattest.NewPlatform(t, "", apiV3Key),
	}
	store, err := postgres.Open(t.Context(), address, postgres.Settings{SweepEvery: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	g.store, g.inbox = store, &watchedInbox{Inbox: store}
	g.certs = g.cert.Certificate(t, now.Add(-time.Hour), now.AddDate(50, 0, 0))
	if g.keys, err = wechatpay.NewKeys(g.material()); err != nil {
		t.Fatal(err)
	}
	g.keys.Now = g.clock

	listening := httptest.NewUnstartedServer(nil)
	g.url = "http://" + listening.Listener.Addr().String()
	public, err := url.Parse(g.url)
	if err != nil {
		t.Fatal(err)
	}
	callbacks := &api.Callbacks{
		Keys: g.keys, Inbox: g.inbox, LastResort: g.temporal, Wake: func() { g.wakes.Add(1) },
		Public: public, MaxBytes: 64 << 10, Count: api.NewCounters(g.metrics),
		Log: slog.New(slog.NewJSONHandler(g.log, nil)), Refusals: rate.Sometimes{Every: 1}, Now: g.clock,
	}
	g.handler = callbacks
	desk := api.Server{Callbacks: callbacks, Log: callbacks.Log}
	listening.Config.Handler = desk.Routes()
	listening.Start()
	t.Cleanup(listening.Close)
	return g
}

// material is what WeChat's console would show this merchant.
func (g *gate) material() wechatpay.KeyMaterial {
	return wechatpay.KeyMaterial{
		PublicKeyID: g.wechat.Serial, PublicKey: g.wechat.PublicPEM(), PlatformCerts: g.certs,
		APIv3Key: apiV3Key, APIv3KeyBefore: apiV3KeyBefore,
	}
}

// watchedInbox is the real inbox, and knows whether it was asked.
type watchedInbox struct {
	api.Inbox
	asked atomic.Int64
}

func (w *watchedInbox) Keep(ctx context.Context, news payment.News, came payment.Delivery) (payment.Verdict, error) {
	w.asked.Add(1)
	return w.Inbox.Keep(ctx, news, came)
}

func (w *watchedInbox) KeepRaw(ctx context.Context, verdict payment.Verdict, came payment.Delivery) error {
	w.asked.Add(1)
	return w.Inbox.KeepRaw(ctx, verdict, came)
}

// lastResort is Temporal where Postgres is away: up or down, and it remembers.
type lastResort struct {
	sync.Mutex
	up   bool
	held []payment.Payment
}

func (l *lastResort) StartDurably(ctx context.Context, paid payment.Payment) error {
	l.Lock()
	defer l.Unlock()
	if !l.up || ctx.Err() != nil {
		return payment.Failf(payment.Unknown, "temporal_silent", "no answer")
	}
	l.held = append(l.held, paid)
	return nil
}

// safeBuffer is a log that many may write.
type safeBuffer struct {
	sync.Mutex
	bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.Lock()
	defer b.Unlock()
	return b.Buffer.Write(p)
}

func (b *safeBuffer) String() string {
	b.Lock()
	defer b.Unlock()
	return b.Buffer.String()
}

// letter is one request to the gate, as a test may spoil it.
type letter struct {
	method, path, host string
	header             http.Header
	body               string
}

// payment is a good callback of a payment, with changes to the plaintext.
func (g *gate) payment(transactionID string, changes wechattest.Fields) letter {
	return g.event("TRANSACTION.SUCCESS", "transaction",
		wechattest.Transaction(transactionID, "ORDER"+transactionID[max(0, len(transactionID)-20):], 12850).With(changes).JSON())
}

// event is a good callback of any event.
func (g *gate) event(event, original, plaintext string) letter {
	return g.sign(g.wechat.Envelope(freshID(), event, original, plaintext).JSON())
}

func (g *gate) sign(body string) letter { return letter{header: g.wechat.Sign(now, body), body: body} }

var lastID atomic.Int64

// freshID is a notification id as WeChat's look.
func freshID() string { return fmt.Sprintf("b62e271c-3389-58a0-8146-%012d", lastID.Add(1)) }

// freshNumber is a transaction_id as WeChat's look.
func freshNumber() string { return fmt.Sprintf("42000009252021012849977%05d", lastID.Add(1)) }

func (l letter) with(name string, values ...string) letter {
	l.header = l.header.Clone()
	l.header[http.CanonicalHeaderKey(name)] = values
	return l
}

func (l letter) without(names ...string) letter {
	l.header = l.header.Clone()
	for _, name := range names {
		l.header.Del(name)
	}
	return l
}

// post sends a letter and returns the answer's status, headers and body.
func (g *gate) post(t *testing.T, l letter) (int, http.Header, string) {
	t.Helper()
	method, path := l.method, l.path
	if method == "" {
		method = http.MethodPost
	}
	if path == "" {
		path = api.CallbackPath
	}
	request, err := http.NewRequest(method, g.url+path, strings.NewReader(l.body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header = l.header
	if l.host != "" {
		request.Host = l.host
	}
	response, err := http.DefaultTransport.RoundTrip(request) // follows no redirect
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, response.Header, string(body)
}

// rows counts every table of the books.
func (g *gate) rows(t *testing.T) map[string]int64 {
	t.Helper()
	counts := map[string]int64{}
	for table := range strings.FieldsSeq(g.Text(t, `
		select string_agg(tablename, ' ') from pg_tables
		 where schemaname = 'public' and tablename <> 'goose_db_version' and tablename not like 'callbacks\_%'`)) {
		counts[table] = g.Int(t, `select count(*) from `+table)
	}
	if len(counts) < 10 {
		t.Fatalf("these are not the books: %v", counts)
	}
	return counts
}

// grown is how many rows each table has more than before. A case comes with a line
// of its history and a message to the shop, and is counted once.
func (g *gate) grown(t *testing.T, before map[string]int64) map[string]int64 {
	t.Helper()
	more := map[string]int64{}
	for table, n := range g.rows(t) {
		if n != before[table] {
			more[table] = n - before[table]
		}
	}
	for _, companion := range []string{"case_events", "outbox"} {
		if more[companion] == more["cases"] {
			delete(more, companion)
		}
	}
	return more
}

// counted is a counter's value, by the value of its one label or of none.
func (g *gate) counted(t *testing.T, name, label string) float64 {
	t.Helper()
	families, err := g.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if family.GetName() == name && (label == "" || m.GetLabel()[0].GetValue() == label) {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}
