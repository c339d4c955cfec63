package api_test

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/paysaga/paysaga/internal/payment"
	"github.com/paysaga/paysaga/internal/pgtest"
)

// wire is the line to Postgres, which can be cut at the moment that hurts.
type wire struct {
	target string
	fault  atomic.Value // of type fault
}

type fault string

const (
	healthy          fault = "healthy"
	lostBeforeCommit fault = "the next commit never gets there"
	lostAfterCommit  fault = "the next commit is done, and its answer lost"
	down             fault = "nobody answers the phone"
	frozen           fault = "connected, and silent"
)

// newWire returns a wire to the server of a database URL, and the URL through it.
func newWire(t *testing.T, databaseURL string) (*wire, string) {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{target: u.Host}
	w.fault.Store(healthy)
	var lines sync.WaitGroup
	lines.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			lines.Go(func() { w.carry(near) })
		}
	})
	t.Cleanup(func() { listener.Close(); lines.Wait() })
	u.Host = listener.Addr().String()
	return w, u.String()
}

func (w *wire) carry(near net.Conn) {
	defer near.Close()
	if w.fault.Load() == down {
		return
	}
	far, err := net.Dial("tcp", w.target)
	if err != nil {
		return
	}
	defer far.Close()
	var back sync.WaitGroup
	defer back.Wait()
	defer far.Close()
	var deaf atomic.Bool
	back.Go(func() {
		defer near.Close()
		buffer := make([]byte, 64<<10)
		for {
			n, err := far.Read(buffer)
			if n > 0 && !deaf.Load() {
				if _, err := near.Write(buffer[:n]); err != nil {
					return
				}
			}
			if err != nil || deaf.Load() { // what the server said to a commit is lost with the line
				return
			}
		}
	})
	buffer := make([]byte, 64<<10)
	for {
		n, err := near.Read(buffer)
		if err != nil {
			return
		}
		switch w.fault.Load() {
		case down:
			return
		case frozen:
			_, _ = io.Copy(io.Discard, near)
			return
		case lostBeforeCommit:
			if isCommit(buffer[:n]) {
				w.fault.Store(healthy)
				return
			}
		case lostAfterCommit:
			if isCommit(buffer[:n]) {
				w.fault.Store(healthy)
				deaf.Store(true)
			}
		}
		if _, err := far.Write(buffer[:n]); err != nil {
			return
		}
		if deaf.Load() {
			back.Wait()
			return
		}
	}
}

// isCommit recognises the simple query that ends a transaction.
func isCommit(message []byte) bool {
	return bytes.HasPrefix(message, []byte("Q")) && bytes.Contains(message, []byte("commit"))
}

// 2xx means durable, and nothing else does. The wire is cut; what WeChat is
// told must fit what the disk, or Temporal, holds.
func TestAnAnswerPromisesWhatIsDurable(t *testing.T) {
	for name, row := range map[string]struct {
		fault      fault
		temporalUp bool
		event      func(g *gate) letter
		status     int
		inbox      int64
		inTemporal int
	}{
		"all is well": {healthy, true, ordinary, 200, 1, 0},
		"the commit was done, and its answer lost":        {lostAfterCommit, false, ordinary, 200, 1, 0},
		"the commit never arrived":                        {lostBeforeCommit, false, ordinary, 503, 0, 0},
		"the commit never arrived, and Temporal keeps it": {lostBeforeCommit, true, ordinary, 200, 0, 1},
		"Postgres is down, and Temporal keeps it":         {down, true, ordinary, 200, 0, 1},
		"Postgres is silent, and Temporal keeps it":       {frozen, true, ordinary, 200, 0, 1},
		"both are down": {down, false, ordinary, 503, 0, 0},
		"Postgres is down, and a refund has nobody to keep it":        {down, true, refundNews, 503, 0, 0},
		"Postgres is down, and an odd state has nobody to ask WeChat": {down, true, notPaid, 503, 0, 0},
		"Postgres is down, and a case has nobody to open it":          {down, true, unusable, 503, 0, 0},
		"Postgres is down, and malformed bytes cannot be kept":        {down, true, empty, 503, 0, 0},
		"a refused one needs nobody":                                  {down, false, unproven, 401, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := pgtest.New(t)
			line, address := newWire(t, db.URL)
			g := newGateOn(t, db, address)
			g.temporal.up = row.temporalUp
			line.fault.Store(row.fault)

			began := time.Now()
			status, header, body := g.post(t, row.event(g))
			if took := time.Since(began); took > 4*time.Second { // three, and a busy machine's share
				t.Errorf("WeChat waited %v", took)
			}
			if status != row.status {
				t.Errorf("answered %d %s, want %d", status, body, row.status)
			}
			if status == http.StatusServiceUnavailable && (body != busyBody || header.Get("Retry-After") == "") {
				t.Errorf("busy as %s, Retry-After %q", body, header.Get("Retry-After"))
			}
			if n := g.Int(t, `select count(*) from inbox`); n != row.inbox {
				t.Errorf("%d rows in the inbox, want %d", n, row.inbox)
			}
			if n := len(g.temporal.held); n != row.inTemporal {
				t.Fatalf("Temporal holds %d, want %d", n, row.inTemporal)
			}
			for _, paid := range g.temporal.held {
				want := payment.Payment{
					TransactionID: paid.TransactionID, OutTradeNo: "TEA-01", AppID: "wxd678efh567hg6787", MchID: "1230000109",
					AmountFen: 12850, Currency: "CNY", TradeState: "SUCCESS", PaidAt: now, Via: payment.ViaTemporal,
				}
				if diff := cmp.Diff(want, paid); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

func ordinary(g *gate) letter {
	return g.payment(freshNumber(), fields{"out_trade_no": "TEA-01", "success_time": nil})
}
func notPaid(g *gate) letter  { return g.payment(freshNumber(), fields{"trade_state": "NOTPAY"}) }
func unusable(g *gate) letter { return g.payment(freshNumber(), fields{"amount": nil}) }
func empty(g *gate) letter    { return g.sign("") }
func unproven(g *gate) letter { return ordinary(g).with("Wechatpay-Nonce", "AAAAAAAAAAAA") }
func refundNews(g *gate) letter {
	return g.event("REFUND.SUCCESS", "refund", fields{
		"transaction_id": freshNumber(), "out_refund_no": "R1", "refund_status": "SUCCESS"}.JSON())
}

// After the database is back, the same callback is kept as if nothing had been.
func TestWeChatsRepeatMendsWhatWasBusy(t *testing.T) {
	db := pgtest.New(t)
	line, address := newWire(t, db.URL)
	g := newGateOn(t, db, address)
	l := ordinary(g)
	for _, step := range []struct {
		fault  fault
		status int
	}{{down, 503}, {lostBeforeCommit, 503}, {lostAfterCommit, 200}, {healthy, 200}} {
		line.fault.Store(step.fault)
		if status, _, _ := g.post(t, l); status != step.status {
			t.Errorf("%s: %d, want %d", step.fault, status, step.status)
		}
	}
	if got := g.Text(t, `select count(*)||' row, seen '||max(seen) from inbox`); got != "1 row, seen 2" {
		t.Errorf("%s, want 1 row, seen 2", got)
	}
}
