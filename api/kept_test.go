package api_test

import (
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/paysaga/paysaga/internal/wechattest"
)

func TestWhatIsKeptOfAPayment(t *testing.T) {
	const row = `select concat_ws('|', kind, verdict, via, event_type, transaction_id, out_trade_no, appid, mchid, amount_fen,
		currency, trade_state, coalesce(paid_at at time zone 'UTC', '-infinity'), seen, done, tries) from inbox where transaction_id = $1`
	for name, c := range map[string]struct {
		changes fields
		want    string // after the transaction_id
	}{
		"as WeChat sends it": {nil,
			"TEA-01|wxd678efh567hg6787|1230000109|12850|CNY|SUCCESS|2026-11-22 02:34:56|1|f|0"},
		"with a coupon, the order's price counts": {fields{"amount": fields{"total": 12850, "payer_total": 1, "currency": "CNY"}},
			"TEA-01|wxd678efh567hg6787|1230000109|12850|CNY|SUCCESS|2026-11-22 02:34:56|1|f|0"},
		"with another state, which the saga will ask about": {fields{"trade_state": "CLOSED"},
			"TEA-01|wxd678efh567hg6787|1230000109|12850|CNY|CLOSED|2026-11-22 02:34:56|1|f|0"},
		"without a time": {fields{"success_time": nil},
			"TEA-01|wxd678efh567hg6787|1230000109|12850|CNY|SUCCESS|-infinity|1|f|0"},
		"with a garbled time": {fields{"success_time": "2026-11-22 10:34:56"},
			"TEA-01|wxd678efh567hg6787|1230000109|12850|CNY|SUCCESS|-infinity|1|f|0"},
		"with a time to come": {fields{"success_time": "2099-01-01T00:00:00+08:00"},
			"TEA-01|wxd678efh567hg6787|1230000109|12850|CNY|SUCCESS|-infinity|1|f|0"},
		"with a time of yesterday, which is late news": {fields{"success_time": "2026-11-21T10:34:56+08:00"},
			"TEA-01|wxd678efh567hg6787|1230000109|12850|CNY|SUCCESS|2026-11-21 02:34:56|1|f|0"},
		"with milliseconds": {fields{"success_time": "2026-11-22T10:34:56.789+08:00"},
			"TEA-01|wxd678efh567hg6787|1230000109|12850|CNY|SUCCESS|2026-11-22 02:34:56.789|1|f|0"},
	} {
		t.Run(name, func(t *testing.T) {
			g, number := newGate(t), freshNumber()
			changes := fields{"out_trade_no": "TEA-01"}
			maps.Copy(changes, c.changes)
			l := g.payment(number, changes)
			if status, _, body := g.post(t, l); status != http.StatusOK {
				t.Fatalf("answered %d %s", status, body)
			}
			want := "payment|accepted|callback|TRANSACTION.SUCCESS|" + number + "|" + c.want
			if diff := cmp.Diff(want, g.Text(t, row, number)); diff != "" {
				t.Error(diff)
			}
			if got := g.Text(t, `select serial||' '||request_id||' '||verdict from callbacks`); got != g.wechat.Serial+" 08E9AB5C1D-0 accepted" {
				t.Errorf("the delivery was kept as %q", got)
			}
		})
	}
}

// What tells how it was sent is kept with the bytes; what proves it, or could be
// somebody's secret, is not.
func TestWhichHeadersAreKept(t *testing.T) {
	g := newGate(t)
	l := g.payment(freshNumber(), nil).
		with("Cookie", "session=hunter2").with("Authorization", "Bearer hunter2").with("X-Api-Key", "hunter2").
		with("User-Agent", "Mozilla/4.0").with("Request-Id", strings.Repeat("x", 129))
	for _, l := range []letter{l, g.sign("")} { // one is read, the other kept as it came
		if status, _, _ := g.post(t, l); status == http.StatusServiceUnavailable {
			t.Fatal("nothing was kept")
		}
	}
	const names = `select string_agg(names, '; ' order by id) from (
		select id, (select string_agg(n, ' ' order by n) from jsonb_object_keys(headers) n) as names from callbacks) held`
	want := "Content-Type User-Agent Wechatpay-Nonce Wechatpay-Serial Wechatpay-Signature-Type Wechatpay-Timestamp; " +
		"Content-Type Request-Id User-Agent Wechatpay-Nonce Wechatpay-Serial Wechatpay-Signature-Type Wechatpay-Timestamp"
	if got := g.Text(t, names); got != want {
		t.Errorf("kept: %s", got)
	}
	if got := g.Text(t, `select headers->>'User-Agent' from callbacks order by id limit 1`); got != "Mozilla/4.0" {
		t.Errorf("the User-Agent was kept as %q", got)
	}
	if text := g.Text(t, `select string_agg(headers::text || request_id, '') from callbacks`); strings.Contains(text, "hunter2") || strings.Contains(text, "xxx") {
		t.Errorf("kept: %s", text)
	}
}

// BIZ-23: two instances, one database, one moment.
func TestFiftyDeliveriesAtOnceAreOnePayment(t *testing.T) {
	one := newGate(t)
	two := newGateOn(t, one.Database, "")
	same := one.wechat.Envelope(freshID(), "TRANSACTION.SUCCESS", "transaction",
		wechattest.Transaction(freshNumber(), "ORDER1", 12850).JSON()).JSON()
	if err := two.keys.Replace(one.material()); err != nil {
		t.Fatal(err)
	}
	var deliveries sync.WaitGroup
	ready := make(chan struct{})
	for i := range 50 {
		deliveries.Go(func() {
			g := []*gate{one, two}[i%2]
			<-ready
			if status, _, body := g.post(t, letter{header: one.wechat.Sign(now, same), body: same}); status != http.StatusOK || body != successBody {
				t.Errorf("answered %d %s", status, body)
			}
		})
	}
	close(ready)
	deliveries.Wait()
	if got := one.Text(t, `select count(*)||' row, seen '||max(seen) from inbox`); got != "1 row, seen 50" {
		t.Errorf("%s, want 1 row, seen 50", got)
	}
}

func TestARepeatOnlyCounts(t *testing.T) {
	g, number := newGate(t), freshNumber()
	for _, l := range []letter{
		g.payment(number, nil),
		g.payment(number, fields{"attach": "another notification id, and other words that are not about money"}),
	} {
		if status, _, _ := g.post(t, l); status != http.StatusOK {
			t.Fatalf("answered %d", status)
		}
	}
	odd := g.event("TRANSACTION.SUCCESS", "transaction", "null")
	for range 3 {
		if status, _, _ := g.post(t, odd); status != http.StatusOK {
			t.Fatalf("answered %d", status)
		}
	}
	g.Exec(t, `update cases set state = 'closed', resolution = 'seen', closed_at = now()`)
	if status, _, _ := g.post(t, odd); status != http.StatusOK {
		t.Fatalf("answered %d", status)
	}
	got := g.Text(t, `select string_agg(kind||' '||verdict||' '||seen, ', ' order by id) from inbox`)
	if want := "payment accepted 2, other case 4"; got != want {
		t.Errorf("the inbox holds %s; want %s", got, want)
	}
	if got := g.Text(t, `select count(*)||' '||max(state)||' '||max(times_opened) from cases`); got != "1 closed 1" {
		t.Errorf("cases: %s; a repeat must not open what a person closed", got)
	}
}

// BIZ-15 and its kin: the first story stands, and a person is told of the second.
func TestASecondStoryOfOnePaymentIsACase(t *testing.T) {
	for name, changes := range map[string]fields{
		"another order":    {"out_trade_no": "OTHER-01"},
		"another amount":   {"amount": fields{"total": 1, "currency": "CNY"}},
		"another currency": {"amount": fields{"total": 12850, "currency": "USD"}},
		"another merchant": {"mchid": "1900000001"},
		"another app":      {"appid": "wx1111111111111111"},
		"another state":    {"trade_state": "CLOSED"},
	} {
		t.Run(name, func(t *testing.T) {
			g, number := newGate(t), freshNumber()
			first := g.payment(number, nil)
			second := g.payment(number, changes)
			for _, l := range []letter{first, second, second, first} {
				if status, _, body := g.post(t, l); status != http.StatusOK || body != successBody {
					t.Fatalf("answered %d %s", status, body)
				}
			}
			got := g.Text(t, `select string_agg(verdict||' seen '||seen||case when done then ' done' else '' end, ', ' order by id) from inbox`)
			if want := "accepted seen 2, case seen 2 done"; got != want {
				t.Errorf("the inbox holds %s; want %s", got, want)
			}
			if got := g.Text(t, `select string_agg(kind||' '||subject||' '||owner, ', ') from cases`); got != "conflicting_news "+number+" support" {
				t.Errorf("cases: %s", got)
			}
		})
	}
}

func TestTwoStoriesInOneMomentAreNotBothBelieved(t *testing.T) {
	g, number := newGate(t), freshNumber()
	var deliveries sync.WaitGroup
	ready := make(chan struct{})
	for _, order := range []string{"STORY-1", "STORY-2", "STORY-3", "STORY-4", "STORY-1", "STORY-2", "STORY-3", "STORY-4"} {
		l := g.payment(number, fields{"out_trade_no": order})
		deliveries.Go(func() {
			<-ready
			if status, _, body := g.post(t, l); status != http.StatusOK {
				t.Errorf("answered %d %s", status, body)
			}
		})
	}
	close(ready)
	deliveries.Wait()
	if got := g.Text(t, `select string_agg(verdict, ' ' order by verdict) from inbox`); got != "accepted case case case" {
		t.Errorf("verdicts: %s", got)
	}
	if n := g.Int(t, `select count(*) from cases where kind = 'conflicting_news'`); n != 1 {
		t.Errorf("%d cases, want 1", n)
	}
}

// WID-10
func TestNumbersThatDifferInCaseAreTwoPayments(t *testing.T) {
	g := newGate(t)
	for _, number := range []string{"4200abc", "4200ABC"} {
		if status, _, _ := g.post(t, g.payment(number, nil)); status != http.StatusOK {
			t.Fatalf("answered %d", status)
		}
	}
	if got := g.Text(t, `select string_agg(transaction_id||' '||verdict, ', ' order by id) from inbox`); got != "4200abc accepted, 4200ABC accepted" {
		t.Errorf("the inbox holds %s", got)
	}
}

func TestACaseNamesWhichNumbersAreLegible(t *testing.T) {
	g, number := newGate(t), freshNumber()
	for _, l := range []letter{
		g.payment(number, fields{"amount": fields{"total": "12850", "currency": "CNY"}, "out_trade_no": "TEA-01"}),
		g.payment("../etc/passwd", fields{"out_trade_no": "TEA-02"}),
	} {
		if status, _, _ := g.post(t, l); status != http.StatusOK {
			t.Fatalf("answered %d", status)
		}
	}
	got := g.Text(t, `select string_agg(concat_ws(' ', transaction_id, out_trade_no, notification_id = subject, detail), '; ' order by out_trade_no) from cases`)
	want := number + " TEA-01 t amount.total is absent or odd;  TEA-02 t transaction_id is absent or odd"
	if got != want {
		t.Errorf("cases:\n%s\nwant\n%s", got, want)
	}
}
