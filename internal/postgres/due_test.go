package postgres_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/paysaga/paysaga/internal/payment"
	"github.com/paysaga/paysaga/internal/postgres"
)

// unpaid is a world with a pending order of some age, offered for an hour.
func unpaid(t testing.TB, age time.Duration) *world {
	t.Helper()
	w := open(t)
	w.db.Order(t, orderNo, fen)
	w.ages(orderNo, age)
	return w
}

// ages makes an order one that was made that long ago, for an hour, and that is due now.
func (w *world) ages(number string, age time.Duration) {
	w.Helper()
	w.db.Exec(w, `update orders set created_at = now() - $2::interval, expires_at = now() - $2::interval + interval '1 h'
		where out_trade_no = $1`, number, age)
	w.db.Exec(w, `update due_orders set next_at = now() where out_trade_no = $1`, number)
}

// leases returns who is to be acted on, as number:ask or number:close.
func (w *world) leases() string {
	w.Helper()
	due, _, err := w.LeaseDue(w.Context(), 50, 0)
	w.ok(err)
	var said []string
	for _, order := range due {
		said = append(said, order.OutTradeNo+map[bool]string{false: ":ask", true: ":close"}[order.Expired])
	}
	return strings.Join(said, " ")
}

// moment is when an order is looked at next, counted from its creation; a busy
// machine has five seconds to get there.
func (w *world) moment(number string) string {
	w.Helper()
	return w.db.Text(w, `select coalesce((
		select make_interval(secs => 5 * floor(extract(epoch from next_at - created_at) / 5 + 0.001))::text
		  from due_orders join orders using (out_trade_no) where out_trade_no = $1), 'never')`, number)
}

func TestWhenAnOrderIsLookedAt(t *testing.T) {
	keep := func(w *world) {
		paid := news(txn)
		w.ok(w.KeepFound(w.Context(), payment.News{
			Key: payment.PaymentKey(paid), Kind: payment.NewsPayment, Verdict: payment.Accepted, Payment: paid,
		}))
	}
	claim := func(change func(*payment.Payment)) func(*world) {
		return func(w *world) {
			paid := news(txn)
			change(&paid)
			w.must(w.Claim(w.Context(), paid))
		}
	}
	wrong := claim(func(p *payment.Payment) { p.AmountFen++ })
	hold := func(w *world) {
		claim(func(p *payment.Payment) { p.Via = payment.ViaQuery })(w)
		w.db.Exec(w, `update payments set stage = 'holding', hold_reason = 'not_paid', hold_direction = 'forward'`)
	}
	for name, row := range map[string]struct {
		age    time.Duration
		before func(*world)
		acts   string
		next   string
	}{
		"just made: not yet":                                   {0, nil, "", "00:00:05"},
		"nobody paid in five seconds":                          {5 * time.Second, nil, orderNo + ":ask", "00:00:30"},
		"nobody paid in three minutes":                         {3*time.Minute + time.Second, nil, orderNo + ":ask", "00:05:00"},
		"the workers were away: once, and not for each time":   {7 * time.Minute, nil, orderNo + ":ask", "00:10:00"},
		"the last time: then it expires":                       {30 * time.Minute, nil, orderNo + ":ask", "01:00:00"},
		"it has expired: closed, and again if that fails":      {time.Hour, nil, orderNo + ":close", "01:05:00"},
		"it expired long ago and cannot be closed: less often": {3 * time.Hour, nil, orderNo + ":close", "05:00:00"},
		"it expired for ever: daily":                           {200 * time.Hour, nil, orderNo + ":close", "224:00:00"},
		"its payment is in the inbox":                          {time.Minute, keep, "", "00:03:00"},
		"its payment is in the inbox as it expires":            {time.Hour, keep, "", "01:05:00"},
		"its payment was late and is known, and its news not put away": {time.Hour, func(w *world) {
			keep(w)
			claim(func(p *payment.Payment) { p.PaidAt = time.Now().Add(time.Minute) })(w)
		}, orderNo + ":close", "01:05:00"},
		"its payment is held":                              {time.Minute, hold, "", "00:03:00"},
		"its payment is held as it expires":                {time.Hour, hold, "", "01:05:00"},
		"its payment has the wrong amount":                 {time.Minute, wrong, "", "00:03:00"},
		"its payment has the wrong amount, and it expires": {time.Hour, wrong, orderNo + ":close", "01:05:00"},
		"it is paid": {time.Minute, claim(func(*payment.Payment) {}), "", "never"},
		"it was closed": {time.Minute, func(w *world) {
			_, err := w.CloseOrder(w.Context(), payment.Closing{OutTradeNo: orderNo, Actor: "shop"})
			w.ok(err)
		}, "", "never"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := unpaid(t, row.age)
			if row.before != nil {
				row.before(w)
			}
			if acts := w.leases(); acts != row.acts {
				t.Errorf("it says %q, want %q", acts, row.acts)
			}
			if next := w.moment(orderNo); next != row.next {
				t.Errorf("next at %s, want %s", next, row.next)
			}
			if acts := w.leases(); acts != "" {
				t.Errorf("at once again: %q", acts)
			}
		})
	}
}

func TestAnOrderIsDueFromTheMomentItIsWritten(t *testing.T) {
	w := open(t)
	order := payment.Order{
		OutTradeNo: orderNo, AppID: "wx1", Description: "tea", AmountFen: fen, Currency: "CNY", TradeType: payment.Native,
		LatePayment: payment.LateRefund, Shipping: json.RawMessage(`{}`), CreatedAt: time.Now().Add(-time.Minute), ExpiresAt: time.Now().Add(time.Hour),
	}
	ctx := payment.WithActor(t.Context(), payment.Actor{Name: "shop", Call: "C1"})
	for range 2 {
		if _, _, err := w.TakeOrder(ctx, order, "shop"); err != nil {
			t.Fatal(err)
		}
	}
	if acts := w.leases(); acts != orderNo+":ask" {
		t.Errorf("it says %q", acts)
	}
}

func TestAnUnansweredOrderComesBackSoon(t *testing.T) {
	w := unpaid(t, 10*time.Minute)
	w.db.Order(t, "ORDER-2", fen)
	w.ages("ORDER-2", 58*time.Minute+30*time.Second)
	w.leases()
	w.ok(w.AskAgain(t.Context(), []string{orderNo, "ORDER-2"}))
	// RETRY_MAX_INTERVAL is two minutes here, and ORDER-2 expires before.
	for number, want := range map[string]string{orderNo: "00:12:00", "ORDER-2": "01:00:00"} {
		if next := w.moment(number); next != want {
			t.Errorf("%s comes back at %s, want %s", number, next, want)
		}
	}
}

// Whoever leases, and how many at once: each order goes to one, and no two have
// the same turn.
func TestWorkersShareTheTurns(t *testing.T) {
	const workers, each, apart = 4, 5, 20 * time.Millisecond
	w := open(t)
	for i := range workers * each {
		number := fmt.Sprintf("ORDER-%d", i)
		w.db.Order(t, number, fen)
		w.ages(number, time.Minute)
	}
	var mu sync.Mutex
	var first, last time.Time // at the earliest and at the latest: a turn counts from a moment within the call
	asked := map[string]bool{}
	leases := 0
	race(times(workers, func(int) {
		for all := false; !all; { // who comes while too many turns are taken comes again
			before := time.Now()
			due, _, err := w.LeaseDue(t.Context(), each, apart)
			after := time.Now()
			w.ok(err)
			mu.Lock()
			for _, order := range due {
				asked[order.OutTradeNo] = true
				leases++
				if earliest := before.Add(order.Turn); first.IsZero() || earliest.Before(first) {
					first = earliest
				}
				if latest := after.Add(order.Turn); latest.After(last) {
					last = latest
				}
			}
			all = leases >= workers*each
			mu.Unlock()
		}
	})...)
	if len(asked) != leases || leases != workers*each {
		t.Errorf("%d orders were leased %d times", len(asked), leases)
	}
	if spread := last.Sub(first); spread < (workers*each-1)*apart {
		t.Errorf("%d turns lie within %v", leases, spread)
	}
}

func TestNobodyLeasesWhileTheTurnsAreTaken(t *testing.T) {
	const apart = time.Minute
	w := unpaid(t, time.Minute)
	again := func() int {
		w.db.Exec(t, `update due_orders set next_at = now()`)
		due, _, err := w.LeaseDue(t.Context(), 2, apart)
		w.ok(err)
		return len(due)
	}
	var leased []int
	for range 4 { // two minutes ahead may be taken, and then no more
		leased = append(leased, again())
	}
	if !slices.Equal(leased, []int{1, 1, 1, 0}) {
		t.Errorf("leased %v", leased)
	}
	w.db.Exec(t, `delete from wechat_turns`)
	w.ok(w.NoTurns(t.Context(), 3*apart))
	if again() != 0 {
		t.Error("leased although WeChat said: too often")
	}
	w.db.Exec(t, `update wechat_turns set mchid = 'another'`)
	if again() != 1 {
		t.Error("not leased because of another merchant's turns")
	}
	w.ok(w.NoTurns(t.Context(), 0))
	if ahead := w.db.Text(t, `select (free_at > now() + interval '30 s')::text from wechat_turns where mchid = $1`, mchID); ahead != "true" {
		t.Error("a pause takes back turns that were given")
	}
}

// The books of an earlier release hold pending orders that nobody ever asked about.
func TestPendingOrdersOfAnEarlierReleaseAreDue(t *testing.T) {
	w := open(t)
	files, err := fs.Sub(postgres.Migrations, "migrations")
	w.ok(err)
	provider, err := goose.NewProvider(goose.DialectPostgres, stdlib.OpenDBFromPool(w.db.Pool), files)
	w.ok(err)
	_, err = provider.DownTo(t.Context(), 6)
	w.ok(err)
	w.db.Order(t, orderNo, fen)
	w.db.Order(t, "ORDER-2", fen)
	w.db.Order(t, "ORDER-3", fen)
	w.db.Exec(t, `update orders set created_at = now() - interval '20 min'`)
	w.db.Exec(t, `update orders set state = 'closed' where out_trade_no = 'ORDER-2'`)
	w.db.Exec(t, `update orders set created_at = now() - interval '1 day', expires_at = now() - interval '1 h' where out_trade_no = 'ORDER-3'`)
	w.ok(postgres.Migrate(t.Context(), w.db.URL))
	acts := strings.Fields(w.leases())
	slices.Sort(acts)
	if !slices.Equal(acts, []string{orderNo + ":ask", "ORDER-3:close"}) {
		t.Errorf("due are %q", acts)
	}
}
