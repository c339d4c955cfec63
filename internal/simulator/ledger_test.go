package simulator

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func (w *world) everything() []Truth {
	w.t.Helper()
	status, body := w.try(http.MethodGet, "/truth", nil)
	var all []Truth
	if err := json.Unmarshal(body, &all); err != nil || status != http.StatusOK {
		w.t.Fatalf("truth: %d %s", status, body)
	}
	return all
}

// live plays a bit of everything and waits until nothing moves any more.
func (w *world) live(m *merchant) {
	w.t.Helper()
	w.steer("/orders/order-1/plan", Plan{Shop: "accept", Refund: "not_enough", RefundTimes: 3}, nil)
	if _, err := w.prepay("order-1", 100); err != nil {
		w.t.Fatal(code(err))
	}
	var paid PayAnswer
	w.steer("/orders/order-1/pay", PayRequest{NotifyURL: m.URL}, &paid)
	w.statuses("order-1", 1)
	w.ships("ship-T1")
	w.cancels("ship-T1")
	w.shop(http.MethodPost, "/webhooks", "E1", map[string]any{"type": "order.refunded", "data": map[string]any{"out_trade_no": "order-1"}})
	w.refund(paid.TransactionID, "R1", 60, 100)
	w.steer("/orders/order-1/refund", ConsoleRefund{OutRefundNo: "byhand", AmountFen: 10}, nil)
	w.statuses("order-1", 2)
	eventually(w.t, "all notices are done", func() bool { return w.noticeOf("order-1").Done })
}

func TestPastIsRememberedAfterRestart(t *testing.T) {
	w := start(t)
	w.live(w.merchant(sane))
	before := w.everything()
	w.end()

	again := startAgain(t, w.Config)
	if diff := cmp.Diff(before, again.everything()); diff != "" {
		t.Errorf("the past changed (-before +after):\n%s", diff)
	}
	id := before[0].Payments[0].TransactionID
	// Two of the three planned refusals are left, and then it works.
	for i, want := range []string{"403 NOT_ENOUGH", "403 NOT_ENOUGH", "ok"} {
		if _, err := again.refund(id, "R1", 60, 100); code(err) != want {
			t.Errorf("refund call %d after the restart: %s, want %s", i+1, code(err), want)
		}
	}
	if _, err := again.refund(id, "R2", 31, 100); code(err) != "400 INVALID_REQUEST" {
		t.Errorf("refunding more than is left: %s", code(err))
	}
	if got, _ := again.ships("ship-T1"); got != http.StatusConflict {
		t.Errorf("the cancelled key ships: %d", got)
	}
	if _, err := again.prepay("order-1", 100); code(err) != "400 ORDERPAID" {
		t.Errorf("prepay of the paid order: %s", code(err))
	}
}

func TestLineCutOffByCrashNeverHappened(t *testing.T) {
	w := start(t)
	w.live(w.merchant(sane))
	before := w.everything()
	w.end()
	path := filepath.Join(w.Data, "ledger.jsonl")
	whole := readFile(t, path)
	if err := os.WriteFile(path, []byte(whole+`{"at":"2026-01-01T00:00:00Z","shipm`), 0o600); err != nil {
		t.Fatal(err)
	}
	again := startAgain(t, w.Config)
	if diff := cmp.Diff(before, again.everything()); diff != "" {
		t.Errorf("the past changed (-before +after):\n%s", diff)
	}
	again.steer("/orders/order-1/plan", Plan{Shop: "refuse"}, nil)
	again.end()
	startAgain(t, w.Config) // the new line stands on its own
}

func TestLedgerThatIsNotOursIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.jsonl")
	if err := os.WriteFile(path, []byte("{}\nhello\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openLedger(path); err == nil {
		t.Error("a broken ledger was opened")
	}
}

func TestUnfinishedBusinessGoesOnAfterRestart(t *testing.T) {
	long := func(c *Config) {
		c.RefundAfter = time.Hour
		c.Retry = []time.Duration{time.Hour}
	}
	w := start(t, long)
	m := w.merchant(func(n int, good bool) int {
		if n == 1 {
			return http.StatusInternalServerError
		}
		return http.StatusOK
	})
	var paid PayAnswer
	w.steer("/orders/order-1/pay", PayRequest{AmountFen: 100, NotifyURL: m.URL}, &paid)
	w.statuses("order-1", 1)
	eventually(t, "the attempt is counted", func() bool { return w.noticeOf("order-1").Attempts == 1 })
	if _, err := w.refund(paid.TransactionID, "R1", 100, 100); err != nil {
		t.Fatal(code(err))
	}
	w.end()

	brisk := w.Config
	brisk.RefundAfter, brisk.Retry = time.Millisecond, []time.Duration{time.Millisecond}
	again := startAgain(t, brisk)
	eventually(t, "the refund succeeded", func() bool { return again.queryRefundStatus("R1") == "SUCCESS" })
	if got := again.statuses("order-1", 3); !cmp.Equal(got, []int{500, 200, 200}) {
		t.Errorf("statuses %v, want the payment's retry and the refund's callback", got)
	}
}
