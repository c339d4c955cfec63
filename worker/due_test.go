package worker

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

// town is WeChat, the books and Temporal at once: which orders are due, what
// WeChat says of each, and what became of them.
type town struct {
	due    []payment.DueOrder
	words  map[string]activities.Transaction
	silent map[string]error // by order: WeChat's or Temporal's no
	takes  time.Duration    // what one query takes

	mu     sync.Mutex
	began  time.Time
	asked  map[string]time.Duration
	kept   []string
	closed []string
	again  []string
	paused time.Duration
}

func (c *town) LeaseDue(context.Context, int, time.Duration) ([]payment.DueOrder, bool, error) {
	c.began = time.Now()
	return c.due, true, nil
}

func (c *town) AskAgain(ctx context.Context, numbers []string) error {
	if ctx.Err() == nil {
		c.again = numbers
	}
	return ctx.Err()
}

func (c *town) NoTurns(ctx context.Context, pause time.Duration) error {
	if ctx.Err() == nil {
		c.paused = pause
	}
	return ctx.Err()
}

func (c *town) KeepFound(_ context.Context, found payment.News) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept = append(c.kept, fmt.Sprint(found.Payment.TransactionID, " ", found.Payment.Via))
	return nil
}

func (c *town) QueryOrder(ctx context.Context, number string) (activities.Transaction, error) {
	c.mu.Lock()
	c.asked[number] = time.Since(c.began)
	c.mu.Unlock()
	if err := wait(ctx, c.takes); err != nil {
		return activities.Transaction{}, err
	}
	return c.words[number], c.silent[number]
}

func (c *town) CloseOrder(_ context.Context, asked payment.Closing) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.silent[asked.OutTradeNo]; err != nil {
		return err
	}
	c.closed = append(c.closed, asked.OutTradeNo+" by "+asked.Actor)
	return nil
}

// drained has one worker drain the town once, and returns what it counted.
func (c *town) drained(t *testing.T, ctx context.Context) (counted map[string]int, err error) {
	t.Helper()
	c.asked = map[string]time.Duration{}
	registry := prometheus.NewRegistry()
	orders := DueOrders{Ledger: c, WeChat: c, Closings: c, Count: NewDueCounter(registry)}
	_, err = orders.Round().Do(ctx)
	families, gathering := registry.Gather()
	if gathering != nil {
		t.Fatal(gathering)
	}
	counted = map[string]int{}
	for _, family := range families {
		for _, metric := range family.Metric {
			counted[metric.Label[0].GetValue()] = int(metric.Counter.GetValue())
		}
	}
	slices.Sort(c.again)
	return counted, err
}

func TestWhatBecomesOfADueOrder(t *testing.T) {
	says := func(state string) map[string]activities.Transaction {
		return map[string]activities.Transaction{"A": {OutTradeNo: "A", TransactionID: "4200000001", TradeState: state, AmountFen: 1}}
	}
	no := func(kind payment.Kind, code string) map[string]error {
		return map[string]error{"A": payment.Failf(kind, code, "text")}
	}
	for name, row := range map[string]struct {
		words   map[string]activities.Transaction
		silent  map[string]error
		expired bool
		want    string // what became of it
		counted string
	}{
		"nobody has paid":              {words: says("NOTPAY"), counted: "offered"},
		"its callback is lost":         {words: says("SUCCESS"), want: "kept 4200000001 query", counted: "paid"},
		"paid, and part of it is back": {words: says("REFUND"), want: "kept 4200000001 query", counted: "paid"},
		"somebody closed it there":     {words: says("CLOSED"), want: "closed A by paysaga", counted: "withdrawn"},
		"it never reached WeChat":      {silent: no(payment.NotFound, "order_not_exist"), counted: "unoffered"},
		"WeChat is silent":             {silent: no(payment.Unknown, "wechat_no_answer"), want: "again A", counted: "failed"},
		"WeChat does not know our key": {silent: no(payment.Refused, "sign_error"), want: "again A", counted: "failed"},
		"asked too often":              {silent: no(payment.Busy, "frequency_limited"), want: "again A, paused 10s", counted: "limited"},
		"it has expired":               {expired: true, want: "closed A by paysaga", counted: "expired"},
		"it has expired, and Temporal is away": {
			expired: true, silent: no(payment.Unknown, "temporal_silent"), want: "again A", counted: "failed"},
	} {
		t.Run(name, func(t *testing.T) {
			c := &town{words: row.words, silent: row.silent, due: []payment.DueOrder{{OutTradeNo: "A", Expired: row.expired}}}
			counted, err := c.drained(t, t.Context())
			var became []string
			for what, whom := range map[string][]string{"kept ": c.kept, "closed ": c.closed, "again ": c.again} {
				for _, one := range whom {
					became = append(became, what+one)
				}
			}
			slices.Sort(became)
			if c.paused > 0 {
				became = append(became, "paused "+c.paused.String())
			}
			if got := strings.Join(became, ", "); got != row.want {
				t.Errorf("what became of it: %q, want %q", got, row.want)
			}
			if diff := cmp.Diff(map[string]int{row.counted: 1}, counted); diff != "" {
				t.Errorf("counted (-want +got):\n%s", diff)
			}
			if failed := payment.CodeOf(err); (failed != "") != (row.counted == "failed" || row.counted == "limited") {
				t.Errorf("the round ended with %v", err)
			}
		})
	}
}

// Orders A, B … of a batch, a tenth of a second apart.
func batch(n int) (due []payment.DueOrder) {
	for i := range n {
		due = append(due, payment.DueOrder{OutTradeNo: string(rune('A' + i)), Turn: time.Duration(i) * 100 * time.Millisecond})
	}
	return due
}

func TestEachIsAskedAboutAtItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &town{due: batch(4), takes: time.Second} // the answers take longer than the turns
		if _, err := c.drained(t, t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, order := range c.due {
			if at, asked := c.asked[order.OutTradeNo]; !asked || at != order.Turn {
				t.Errorf("%s was asked about at %v, want %v", order.OutTradeNo, at, order.Turn)
			}
		}
	})
}

// What WeChat was not asked is asked later; what it was asked is answered.
func TestAskedTooOftenNobodyAsksOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &town{
			due: batch(6), takes: 250 * time.Millisecond,
			silent: map[string]error{"B": payment.Failf(payment.Busy, "frequency_limited", "text")},
		}
		counted, _ := c.drained(t, t.Context())
		if got := strings.Join(c.again, ""); got != "BEF" || len(c.asked) != 4 || c.paused == 0 {
			t.Errorf("%q come back, %d were asked about, a pause of %v", got, len(c.asked), c.paused)
		}
		if counted["offered"] != 3 || counted["limited"] != 1 {
			t.Errorf("counted %v", counted)
		}
	})
}

func TestAStoppingWorkerLeavesNothingLeased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithTimeout(t.Context(), 150*time.Millisecond)
		defer stop()
		c := &town{due: batch(4), takes: 100 * time.Millisecond}
		c.drained(t, ctx)
		if got := strings.Join(c.again, ""); got != "BCD" { // B was not answered
			t.Errorf("%q come back", got)
		}
	})
}
