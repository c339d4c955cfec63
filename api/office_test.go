package api_test

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/api"
	"github.com/paysaga/paysaga/internal/payment"
	"github.com/paysaga/paysaga/internal/pgtest"
	"github.com/paysaga/paysaga/internal/postgres"
	"github.com/paysaga/paysaga/workflows"
)

// engine is Temporal with a will of its own: it remembers which payments ever had
// a run and which have an open one, and may be away.
type engine struct {
	sync.Mutex
	down       bool
	open, ever map[string]bool
	begun      []payment.Payment
	told       []string
	slow       time.Duration
	busy, most int // calls at the same time
	asked      int // calls; each one costs Temporal something
}

func newEngine() *engine { return &engine{open: map[string]bool{}, ever: map[string]bool{}} }

func (e *engine) Start(ctx context.Context, paid payment.Payment) error {
	return e.begin(ctx, paid, func() bool { return e.ever[paid.TransactionID] })
}

func (e *engine) Restart(ctx context.Context, paid payment.Payment) error {
	err := e.begin(ctx, paid, func() bool { return e.open[paid.TransactionID] })
	if payment.KindOf(err) == payment.Conflict {
		return nil
	}
	return err
}

func (e *engine) begin(ctx context.Context, paid payment.Payment, already func() bool) error {
	e.Lock()
	e.busy++
	e.asked++
	e.most = max(e.most, e.busy)
	wait := e.slow
	e.Unlock()
	if wait > 0 {
		select { // how slow Temporal is, which is what this is about
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
	e.Lock()
	defer e.Unlock()
	e.busy--
	switch {
	case e.down || ctx.Err() != nil:
		return payment.Failf(payment.Unknown, "temporal_silent", "no answer")
	case already():
		return payment.Failf(payment.Conflict, "already_started", "it was started before")
	}
	e.open[paid.TransactionID], e.ever[paid.TransactionID] = true, true
	e.begun = append(e.begun, paid)
	return nil
}

func (e *engine) Tell(_ context.Context, paid payment.Payment, signal string, word workflows.Word) error {
	return e.tell(paid, signal+" "+word.RequestID)
}

func (e *engine) TellRefund(_ context.Context, paid payment.Payment, news workflows.RefundResult) error {
	return e.tell(paid, "refund_result "+news.OutRefundNo)
}

func (e *engine) TellDispatched(_ context.Context, paid payment.Payment, report workflows.DispatchReport) error {
	return e.tell(paid, "dispatched "+report.ShipmentID)
}

func (e *engine) tell(paid payment.Payment, what string) error {
	e.Lock()
	defer e.Unlock()
	if e.down {
		return payment.Failf(payment.Unknown, "temporal_silent", "no answer")
	}
	e.told = append(e.told, paid.TransactionID+" "+paid.OutTradeNo+" "+what)
	return nil
}

func (e *engine) set(change func(*engine)) {
	e.Lock()
	defer e.Unlock()
	change(e)
}

func (e *engine) started() (numbers []string) {
	e.Lock()
	defer e.Unlock()
	for _, paid := range e.begun {
		numbers = append(numbers, paid.TransactionID)
	}
	slices.Sort(numbers)
	return numbers
}

// words are what the sagas were told so far.
func (e *engine) words() []string {
	e.Lock()
	defer e.Unlock()
	return slices.Clone(e.told)
}

// refundDesk is WeChat's list of refunds; an empty word is its silence.
type refundDesk map[string]activities.RefundWord

func (d refundDesk) QueryRefund(_ context.Context, outRefundNo string) (activities.RefundWord, error) {
	word, ok := d[outRefundNo]
	switch {
	case !ok:
		return word, payment.Failf(payment.NotFound, "resource_not_exists", "no such refund")
	case word == activities.RefundWord{}:
		return word, payment.Failf(payment.Unknown, "wechat_silent", "no answer")
	}
	return word, nil
}

// office is a relay on books of its own.
type office struct {
	*pgtest.Database
	store  *postgres.Store
	engine *engine
	relay  *api.Relay
}

func newOffice(t *testing.T, every time.Duration, refunds refundDesk) *office {
	t.Helper()
	o := &office{Database: pgtest.New(t), engine: newEngine()}
	store, err := postgres.Open(t.Context(), o.URL, postgres.Settings{SweepEvery: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	o.Exec(t, `alter table payments disable trigger user`) // how payments got where they stand does not matter here
	o.store = store
	o.relay = o.another(every, refunds)
	return o
}

// another is one more relay on the same books and the same Temporal.
func (o *office) another(every time.Duration, refunds refundDesk) *api.Relay {
	return api.NewRelay(api.Relay{
		Backlog: o.store, Engine: o.engine, Refunds: refunds, Every: every, AtOnce: 8,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
}

// open runs relays until the test ends, and holds Run to its word that nothing
// of it runs any more.
func (o *office) open(t *testing.T, relays ...*api.Relay) (closeNow func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, relay := range append(relays, o.relay) {
		running.Go(func() {
			if err := relay.Run(ctx); err != nil {
				t.Errorf("Run: %v", err)
			}
		})
	}
	stop := sync.OnceFunc(func() { cancel(); running.Wait() })
	t.Cleanup(stop)
	return stop
}

func paidNow(number string) payment.News {
	paid := payment.Payment{
		TransactionID: number, OutTradeNo: "ORDER1", AppID: "wx1", MchID: "1", AmountFen: 12850, Currency: "CNY",
		TradeState: "SUCCESS", PaidAt: now, Via: payment.ViaCallback,
	}
	return payment.News{Key: payment.PaymentKey(paid), Kind: payment.NewsPayment, Verdict: payment.Accepted, Payment: paid}
}

func (o *office) keep(t *testing.T, news payment.News) {
	t.Helper()
	if _, err := o.store.Keep(t.Context(), news, payment.Delivery{}); err != nil {
		t.Fatal(err)
	}
}

// claimed puts a payment into the books as a saga would have left it.
func (o *office) claimed(t *testing.T, number string, stage payment.Stage) {
	t.Helper()
	hold := ""
	if stage == payment.Holding {
		hold = "ship_unknown"
	}
	o.Exec(t, `insert into payments (transaction_id, out_trade_no, appid, mchid, amount_fen, currency, trade_state, paid_at, via,
	             stage, hold_reason, hold_direction, refunded_fen, sweep_at)
	           values ($1, 'ORDER1', 'wx1', '1', 12850, 'CNY', 'SUCCESS', $2, 'callback', $3, $4,
	             case $4 when '' then '' else 'forward' end, case $3 when 'refunded' then 12850 else 0 end, now())`,
		number, now, stage, hold)
}

// due makes time pass for whatever waits in the inbox.
func (o *office) due(t *testing.T) {
	t.Helper()
	o.Exec(t, `update inbox set next_try_at = now() - interval '1 s' where not done`)
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}
