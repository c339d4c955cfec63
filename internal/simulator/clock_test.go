package simulator

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"
)

func (w *world) passes(by string) {
	w.t.Helper()
	w.steer("/clock/advance", ClockAdvance{By: by}, nil)
}

func stopped(c *Config) { c.Clock = "stopped" }

func TestADayOfRetriesPassesInAMoment(t *testing.T) {
	w := start(t, stopped, func(c *Config) { c.Retry = WeChatRetry })
	m := w.merchant(func(n int, good bool) int {
		if !good {
			t.Error("a callback was not signed at the receiver's time")
		}
		return http.StatusServiceUnavailable
	})
	w.steer("/orders/order-1/pay", PayRequest{AmountFen: 100, NotifyURL: m.URL}, nil)
	w.counted("order-1", 1)
	w.passes("14s")
	w.passes("1s")
	w.counted("order-1", 2)
	w.passes("15s")
	w.counted("order-1", 3)
	sent := w.known("order-1").Deliveries
	for i, gap := range []time.Duration{15 * time.Second, 15 * time.Second} {
		if got := sent[i+1].At.Sub(sent[i].At); got != gap {
			t.Errorf("retry %d came %s after the attempt before it, want %s", i+1, got, gap)
		}
	}
	w.passes("24h3m30s") // all the rest of the day
	w.counted("order-1", 16)
	if !w.noticeOf("order-1").Done {
		t.Error("WeChat goes on after 15 retries")
	}
}

// counted waits until an order's notice was attempted n times.
func (w *world) counted(outTradeNo string, n int) {
	w.t.Helper()
	eventually(w.t, "the attempt is counted", func() bool { return w.noticeOf(outTradeNo).Attempts >= n })
	if got := len(w.known(outTradeNo).Deliveries); got != n {
		w.t.Fatalf("%d deliveries, want %d", got, n)
	}
}

func TestRefundEndsWhenItsTimeHasCome(t *testing.T) {
	w := start(t, stopped, func(c *Config) { c.RefundAfter = time.Hour })
	id := w.pays("order-1")
	if _, err := w.refund(id, "R1", 100, 100); err != nil {
		t.Fatal(code(err))
	}
	w.passes("59m")
	if got := w.queryRefundStatus("R1"); got != "PROCESSING" {
		t.Errorf("after 59 minutes the refund is %s", got)
	}
	w.passes("1m")
	eventually(t, "the refund succeeded", func() bool { return w.queryRefundStatus("R1") == "SUCCESS" })
}

func TestTimeThatPassedStaysPassed(t *testing.T) {
	w := start(t)
	w.passes("3h")
	w.passes("30m")
	w.end()
	again := startAgain(t, w.Config)
	status, body := again.try(http.MethodGet, "/clock", struct{}{})
	var told ClockTime
	if err := json.Unmarshal(body, &told); err != nil || status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	if told.Ahead != "3h30m0s" || time.Until(told.Now) < 3*time.Hour {
		t.Errorf("after the restart the clock says %+v", told)
	}
	for _, by := range []string{"", "-1h", "0s", "tomorrow"} {
		if status, _ := again.try(http.MethodPost, "/clock/advance", ClockAdvance{By: by}); status != http.StatusUnprocessableEntity {
			t.Errorf("moving the clock by %q: %d", by, status)
		}
	}
}
