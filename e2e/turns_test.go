package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paysaga/paysaga/internal/fleet"
	"github.com/paysaga/paysaga/internal/simulator"
)

// turnstile stands before WeChat and notes when orders are asked about.
type turnstile struct {
	mu    sync.Mutex
	asked []time.Time
}

func newTurnstile(t *testing.T, upstream string) (*turnstile, string) {
	t.Helper()
	wechat, err := url.Parse(upstream)
	if err != nil {
		t.Fatal(err)
	}
	g := &turnstile{}
	proxy := httputil.NewSingleHostReverseProxy(wechat)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/out-trade-no/") {
			g.mu.Lock()
			g.asked = append(g.asked, time.Now())
			g.mu.Unlock()
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return g, server.URL
}

// times is when orders were asked about, in turn.
func (g *turnstile) times() []time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.asked
}

// busiest is the most that fall into one second.
func busiest(at []time.Time) (most int) {
	for first := range at {
		last := first
		for last < len(at) && at[last].Sub(at[first]) < time.Second {
			last++
		}
		most = max(most, last-first)
	}
	return most
}

// WeChat counts a merchant's calls, whichever worker makes them: two workers
// together ask fifty times a second, and neither takes another turn for ten
// seconds when WeChat says: too often. What they had leased by then goes on.
func TestTwoWorkersShareTheMerchantsTurns(t *testing.T) {
	port, err := fleet.FreePort(0)
	if err != nil {
		t.Fatal(err)
	}
	gate, address := newTurnstile(t, "http://"+fleet.Loopback(port))
	w := newWorld(t, func(o *fleet.Options) { o.Ports.Simulator, o.Workers = port, 2 },
		"WECHATPAY_BASE_URL="+address, "ORDER_QUERY_AT=1s,1h")

	const many = 250
	w.unsold("FIRST", many)
	w.await("all are asked about", func() bool { return len(gate.times()) == many })
	at := gate.times()
	took := at[many-1].Sub(at[0])
	t.Logf("%d queries in %v, at most %d in a second", many, took.Round(time.Millisecond), busiest(at))
	// At their turns they take five seconds, and half of that if each worker kept
	// its own. A machine that stalls bunches turns, and gains none.
	if took < 4*time.Second {
		t.Errorf("%d queries took %v", many, took)
	}
	for i, worker := range w.fleet.Workers {
		if looked := w.figure(worker, `paysaga_due_orders_total{outcome="unoffered"}`); looked < 20 {
			t.Errorf("worker %d looked at %d orders", i, looked)
		}
	}

	w.plan("LIMITED0001", simulator.Plan{Query: "frequency_limited", QueryTimes: 1})
	w.unsold("LIMITED", many)
	w.await("all are asked about again", func() bool { return len(gate.times()) == 2*many+1 }) // one of them twice
	at = gate.times()[many:]
	var longest time.Duration
	for i := range at[1:] {
		longest = max(longest, at[i+1].Sub(at[i]))
	}
	if t.Logf("the longest pause was %v", longest.Round(time.Millisecond)); longest < 6*time.Second {
		t.Errorf("WeChat said: too often, and was asked again within %v", longest)
	}
}

// unsold has many orders in the books that WeChat never heard of, due now, the
// first of them first.
func (w *world) unsold(name string, many int) {
	w.Helper()
	var made int
	w.sql(&made, `
		with made as (
		  insert into orders (out_trade_no, appid, description, amount_fen, trade_type, late_payment, expires_at, created_by, created_at)
		  select $1 || lpad(n::text, 4, '0'), 'wx1', 'tea', 1, 'native', 'refund', now() + interval '1 h', 'shop',
		         now() - interval '1 min' + n * interval '1 ms'
		    from generate_series(1, $2::int) n
		  returning 1)
		select count(*) from made`, name, many)
}

// figure is one of a process's metrics; 0 if it has none of that name.
func (w *world) figure(of *fleet.Member, name string) (value int) {
	w.Helper()
	response, err := http.Get(of.AdminURL + "/metrics")
	if err != nil {
		w.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		w.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if number, ok := strings.CutPrefix(line, name+" "); ok {
			if _, err := fmt.Sscan(number, &value); err != nil {
				w.Fatalf("%s: %v", line, err)
			}
		}
	}
	return value
}
