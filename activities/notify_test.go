package activities_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

// More moods, of WeChat's mini-program.
const (
	busy    mood = "busy"    // does nothing, and says later
	wrong   mood = "wrong"   // does nothing, and says that it never will
	knowing mood = "knowing" // does nothing, and says that it knows already
)

// fakeMini is WeChat's mini-program: whoever tells it twice is heard twice.
type fakeMini struct {
	mu       sync.Mutex
	read     int // messages the payer got
	uploads  int // 2 is shipped twice, as WeChat sees it
	refunded bool
	openID   string // as last told
	sends    will
	reports  will
	asks     will
}

func (m *fakeMini) Send(_ context.Context, d activities.Delivery) error {
	m.openID = string(d.OpenID)
	return m.hears(&m.sends, &m.read)
}

func (m *fakeMini) Report(context.Context, activities.Delivery) error {
	return m.hears(&m.reports, &m.uploads)
}

func (m *fakeMini) hears(will *will, effect *int) error {
	mood := will.next()
	m.mu.Lock()
	defer m.mu.Unlock()
	switch mood {
	case silent:
		return errSilence
	case busy:
		return payment.Failf(payment.Busy, "busy", "not now")
	case wrong:
		return payment.Failf(payment.Invalid, "wrong", "never")
	case refusing:
		return payment.Failf(payment.Refused, "no_consent", "the payer does not want it")
	case knowing:
		return payment.Failf(payment.Conflict, "known", "it knows already")
	}
	*effect++
	switch mood {
	case losesAnswers:
		return errSilence
	case lying:
		return payment.Failf(payment.Busy, "busy", "not now")
	}
	return nil
}

func (m *fakeMini) Reported(context.Context, string) (bool, error) {
	mood := m.asks.next()
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case mood == silent:
		return false, errSilence
	case m.refunded:
		return false, payment.Failf(payment.Refused, "refunded", "it was refunded")
	}
	return m.uploads > 0, nil
}

// shippedFromMini has a payment of the mini-program's payer shipped.
func (w *world) shippedFromMini() payment.Books {
	w.Helper()
	w.db.Exec(w, `update orders set trade_type = 'jsapi', openid = 'oPayer'`)
	w.paid()
	return w.until(w.ship.Ship)
}

// message is how the one to a party stands, and after how many attempts.
func (w *world) message(whom activities.Whom) string {
	w.Helper()
	return w.db.Text(w, `select state || ' ' || attempts from webhooks where whom = $1`, whom)
}

func TestNotify(t *testing.T) {
	for name, row := range map[string]struct {
		moods   []mood
		message string
		heard   int
	}{
		"the shop takes it":                         {nil, "delivered 1", 1},
		"the shop is away twice":                    {[]mood{silent, silent}, "delivered 3", 1},
		"the shop takes it, and its answer is lost": {[]mood{losesAnswers}, "delivered 2", 2}, // one webhook-id, so the shop drops one
		"the shop wants no more":                    {[]mood{refusing}, "stopped 1", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			w.paid()
			w.until(w.ship.Ship)
			w.shop.tells.moods = row.moods
			w.want(w.until(w.ship.Notify), payment.Completed)
			w.want(w.until(w.ship.Notify), payment.Completed) // an act may run again
			if got := w.message(activities.ToShop); got != row.message || w.openCases() != "" {
				t.Errorf("message %q, cases %q; want %q", got, w.openCases(), row.message)
			}
			if len(w.shop.heard) != row.heard {
				t.Errorf("the shop heard %v", w.shop.heard)
			}
			for _, id := range w.shop.heard {
				if id != "order.shipped-"+txn {
					t.Errorf("the shop heard %q", id)
				}
			}
		})
	}
}

func TestThePayerIsToldAtMostOnce(t *testing.T) {
	for name, row := range map[string]struct {
		moods   []mood
		lost    bool // an attempt was cut off before it could say anything
		message string
		read    int
		cases   string
	}{
		"the payer is told":                              {message: "delivered 1", read: 1},
		"WeChat is busy twice, and says that it is":      {moods: []mood{busy, busy}, message: "delivered 3", read: 1},
		"WeChat sends it, and its answer is lost":        {moods: []mood{losesAnswers}, message: "unknown 1", read: 1},
		"WeChat is silent: nobody knows, nobody repeats": {moods: []mood{silent}, message: "unknown 1"},
		"busy first, and then its answer is lost":        {moods: []mood{busy, losesAnswers}, message: "unknown 2", read: 1},
		"an attempt was cut off: nobody repeats it":      {lost: true, message: "unknown 1"},
		"the payer gave no consent":                      {moods: []mood{refusing}, message: "stopped 1"},
		"the template is wrong, and a person must know":  {moods: []mood{wrong}, message: "rejected 1", cases: "notify_failed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			w.shippedFromMini()
			w.mini.sends.moods = row.moods
			if row.lost {
				if err := w.store.Asking(t.Context(), "order.shipped-"+txn+"-payer"); err != nil {
					t.Fatal(err)
				}
			}
			w.want(w.until(w.ship.Notify), payment.Completed)
			if got := w.message(activities.ToPayer); got != row.message {
				t.Errorf("message %q, want %q", got, row.message)
			}
			// Not even if somebody wants it sent again; but for a clear no.
			w.db.Exec(t, `update webhooks set state = 'pending' where whom = 'payer' and state in ('delivered', 'unknown')`)
			w.until(w.ship.Notify)
			if w.mini.read != row.read || w.openCases() != row.cases {
				t.Errorf("the payer read %d, cases %q; want %d, %q", w.mini.read, w.openCases(), row.read, row.cases)
			}
			if w.message(activities.ToShop) != "delivered 1" || w.mini.uploads != 1 {
				t.Error("the others had to wait for the payer's")
			}
		})
	}
}

func TestAPayerWhoConsentsLaterCanBeToldAfterAll(t *testing.T) {
	w := open(t)
	w.shippedFromMini()
	w.mini.sends.moods = []mood{refusing}
	w.until(w.ship.Notify)
	w.db.Exec(t, `update webhooks set state = 'pending' where whom = 'payer'`) // a person sends it again
	w.until(w.ship.Notify)
	if got := w.message(activities.ToPayer); got != "delivered 2" || w.mini.read != 1 {
		t.Errorf("message %q, and the payer read %d", got, w.mini.read)
	}
}

func TestWeChatIsToldWhatWasShippedOnce(t *testing.T) {
	for name, row := range map[string]struct {
		moods, asks []mood
		before      func(w *world)
		message     string
		uploads     int
		cases       string
	}{
		"WeChat takes the report":                          {message: "delivered 1", uploads: 1},
		"its answer is lost, and when asked it knows":      {moods: []mood{losesAnswers}, message: "delivered 2", uploads: 1},
		"it is silent, and when asked it does not know":    {moods: []mood{silent}, message: "delivered 2", uploads: 1},
		"it is silent, also when asked":                    {moods: []mood{losesAnswers}, asks: []mood{silent}, message: "delivered 3", uploads: 1},
		"it is busy":                                       {moods: []mood{busy}, message: "delivered 2", uploads: 1},
		"it says that it is busy, and has taken it":        {moods: []mood{lying}, message: "delivered 2", uploads: 1},
		"it says that it knows, and does not: asked again": {moods: []mood{knowing}, message: "delivered 2", uploads: 1},
		"it says that it knows, and does":                  {moods: []mood{knowing}, before: func(w *world) { w.mini.uploads = 1 }, message: "delivered 1", uploads: 1},
		"an attempt that nobody heard of again had arrived": {
			before: func(w *world) {
				w.mini.uploads = 1
				if err := w.store.Asking(w.Context(), "order.shipped-"+txn+"-wechat"); err != nil {
					w.Fatal(err)
				}
			},
			message: "delivered 1", uploads: 1,
		},
		"the payment was refunded there, and it wants no report": {
			moods: []mood{silent}, before: func(w *world) { w.mini.refunded = true }, message: "stopped 2",
		},
		"it takes the report for wrong, and a person must know": {moods: []mood{wrong}, message: "rejected 1", cases: "notify_failed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			w.shippedFromMini()
			w.mini.reports.moods, w.mini.asks.moods = row.moods, row.asks
			if row.before != nil {
				row.before(w)
			}
			w.want(w.until(w.ship.Notify), payment.Completed)
			if got := w.message(activities.ToWeChat); got != row.message {
				t.Errorf("message %q, want %q", got, row.message)
			}
			if w.mini.uploads != row.uploads || w.openCases() != row.cases {
				t.Errorf("%d uploads, cases %q; want %d, %q", w.mini.uploads, w.openCases(), row.uploads, row.cases)
			}
			if w.mini.read != 1 || w.mini.openID != "oPayer" || len(w.shop.heard) != 1 {
				t.Errorf("the payer read %d messages, the shop heard %v", w.mini.read, w.shop.heard)
			}
		})
	}
}

func TestNobodyWaitsForAnothersSilence(t *testing.T) {
	w := open(t)
	w.shippedFromMini()
	w.shop.tells.moods = []mood{silent}
	w.asksAgain(w.ship.Notify(t.Context(), txn))
	w.want(w.read(), payment.Shipped)
	if w.mini.read != 1 || w.mini.uploads != 1 {
		t.Errorf("the payer read %d messages, and WeChat has %d reports", w.mini.read, w.mini.uploads)
	}
	w.want(w.until(w.ship.Notify), payment.Completed)
	if w.mini.read != 1 || w.mini.uploads != 1 || len(w.shop.heard) != 1 {
		t.Errorf("and again: %d messages, %d reports, the shop heard %v", w.mini.read, w.mini.uploads, w.shop.heard)
	}
}

func TestAPaymentTooYoungForWeChatIsReportedLater(t *testing.T) {
	w := open(t)
	w.shippedFromMini()
	early := payment.Failf(payment.Busy, "too_early", "unknown yet")
	early.RetryAfter = time.Minute
	if err := w.store.NotTold(t.Context(), "order.shipped-"+txn+"-wechat", early); err != nil {
		t.Fatal(err)
	}
	if wait := w.asksAgain(w.ship.Notify(t.Context(), txn)); wait <= 50*time.Second || wait > time.Minute {
		t.Errorf("asked again in %s, want a minute", wait)
	}
	if w.mini.uploads != 0 || w.message(activities.ToWeChat) != "pending 1" {
		t.Errorf("%d reports before their time; message %s", w.mini.uploads, w.message(activities.ToWeChat))
	}
	w.db.Exec(t, `update webhooks set try_at = now() where whom = 'wechat'`)
	w.want(w.must(w.ship.Notify(t.Context(), txn)), payment.Completed)
}

func TestTheFirstToBeAskedAgainSetsThePace(t *testing.T) {
	w := open(t)
	w.shippedFromMini()
	early := payment.Failf(payment.Busy, "too_early", "unknown yet")
	early.RetryAfter = time.Minute
	if err := w.store.NotTold(t.Context(), "order.shipped-"+txn+"-wechat", early); err != nil {
		t.Fatal(err)
	}
	w.shop.tells.moods = []mood{silent}
	if wait := w.asksAgain(w.ship.Notify(t.Context(), txn)); wait != 0 {
		t.Errorf("the shop is asked again in %s, because WeChat wants a minute", wait)
	}
}

func TestAnAnswerAfterTheAttemptWasGivenUpCounts(t *testing.T) {
	w := open(t)
	w.shippedFromMini()
	ctx, giveUp := context.WithCancel(t.Context())
	w.mini.sends.during = giveUp
	_, _ = w.ship.Notify(ctx, txn)
	if got := w.message(activities.ToPayer); got != "delivered 1" {
		t.Errorf("message %q", got)
	}
}

func TestAMiniProgramThatIsGoneIsToldNothing(t *testing.T) {
	w := open(t)
	w.shippedFromMini()
	w.ship.Mini = nil
	w.want(w.must(w.ship.Notify(t.Context(), txn)), payment.Completed)
	if got := w.message(activities.ToPayer) + ", " + w.message(activities.ToWeChat); got != "stopped 1, stopped 1" {
		t.Error(got)
	}
}

func TestGivingUpOpensACaseForEachAndCompletes(t *testing.T) {
	w := open(t)
	w.shippedFromMini()
	w.shop.tells.moods = []mood{silent}
	w.mini.reports.moods = []mood{silent}
	w.asksAgain(w.ship.Notify(t.Context(), txn))
	w.want(w.read(), payment.Shipped)
	w.want(w.must(w.ship.GiveUpNotify(t.Context(), txn)), payment.Completed)
	if got := w.openCases(); got != "notify_failed notify_failed" {
		t.Errorf("cases %q", got)
	}
	if w.mini.read != 1 || w.wechat.refundedFen() != 0 {
		t.Errorf("the payer read %d messages and got %d fen back", w.mini.read, w.wechat.refundedFen())
	}
}
