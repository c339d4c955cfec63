package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paysaga/paysaga/internal/simulator"
)

// refused demands that a part is refused at once, for that cause.
func (w *world) refused(id string, amountFen int64, code string) {
	w.Helper()
	status, text, err := send(w.Context(), "POST", w.fleet.APIs[0].URL+"/v1/payments/"+id+"/refunds", w.fleet.Tokens.Support,
		map[string]any{"amount_fen": amountFen, "reason": "one cup was broken"})
	var said struct{ Code, Detail string }
	if err != nil || json.Unmarshal(text, &said) != nil || status != http.StatusUnprocessableEntity || said.Code != code || said.Detail == "" {
		w.Errorf("answered %d %s, %v; want 422 %s", status, text, err, code)
	}
}

// What WeChat will not refund any more is refused by us, with the reason, and
// WeChat is not asked.
func TestWhatWeChatWillNotRefund(t *testing.T) {
	w := newWorld(t, nil)
	longAgo := time.Now().Add(-366 * 24 * time.Hour)
	w.play("paid more than a year ago: a part is refused", func(w *world) {
		number := w.order(tea)
		id := w.pay(number, simulator.PayRequest{SuccessTime: &longAgo})
		w.endsShipped(id, number)
		w.refused(id, 300, "too_old_to_refund")
		if calls := w.truth(number).Calls["refund"]; calls != 0 {
			w.Errorf("WeChat was asked %d times", calls)
		}
	})

	w.play("paid more than a year ago, and the shop refuses: held, and not asked for in vain", func(w *world) {
		number := w.order(tea)
		w.plan(number, simulator.Plan{Shop: "refuse"})
		id := w.pay(number, simulator.PayRequest{SuccessTime: &longAgo})
		w.held(id, "holding", "refund_refused")
		if calls := w.truth(number).Calls["refund"]; calls != 0 {
			w.Errorf("WeChat was asked %d times", calls)
		}
	})

	w.play("fifty parts went back: the next one is refused", func(w *world) {
		number := w.order(tea)
		id := w.pay(number, simulator.PayRequest{})
		w.endsShipped(id, number)
		for i := range 49 { // in the console, where nobody waits a minute
			w.console(number, fmt.Sprintf("CONSOLE%d-%s", i, number), 1)
		}
		w.await("the books know of them", func() bool { return w.payment(id).RefundedFen == 49 })
		asked, _ := w.refundPart(id, 1)
		w.ends(asked, "done")
		w.refused(id, 1, "too_many_refunds")
		w.backFen(id, number, 50)
	})
}

// Support gives part back and undoes the payment, and finance refunds in WeChat's
// console, all in one moment, twenty times: never more than was paid, and in the
// end exactly that.
func TestThreeHandsInOnePurse(t *testing.T) {
	w := newWorld(t, nil, "SHIP_GIVE_UP_AFTER=4s")
	for round := range 20 {
		w.play(fmt.Sprint("round ", round), func(w *world) {
			number := w.order(tea)
			w.plan(number, simulator.Plan{Shop: "fail"})
			id := w.pay(number, simulator.PayRequest{})
			w.reaches(id, "paid")
			api := w.fleet.APIs[0].URL + "/v1/payments/" + id
			var hands sync.WaitGroup
			for url, body := range map[string]any{
				api + "/refunds":    map[string]any{"amount_fen": 500, "reason": "one cup was broken"},
				api + "/compensate": map[string]any{"reason": "customer cancelled by phone"},
				w.fleet.Simulator.AdminURL + "/orders/" + number + "/refund": simulator.ConsoleRefund{OutRefundNo: "CONSOLE" + number, AmountFen: 400},
			} {
				hands.Go(func() {
					status, text, err := send(w.Context(), "POST", url, w.fleet.Tokens.Support, body)
					if err != nil || status/100 != 2 && status != http.StatusConflict && status != http.StatusUnprocessableEntity {
						w.Errorf("%s was answered %d %s, %v", url, status, text, err)
					}
				})
			}
			hands.Wait()
			w.settle(id)
			w.whatHappened(id, number) // never more than was paid
			w.endsRefunded(id, number)
			for _, r := range w.truth(number).Refunds {
				ours := slices.ContainsFunc(w.payment(id).Refunds, func(known refundView) bool { return known.OutRefundNo == r.OutRefundNo })
				if r.State == "SUCCESS" && !ours {
					w.Errorf("the books do not know %+v", r)
				}
			}
		})
	}
}

// settle is support doing what the payment's cases ask for, until its money is back.
func (w *world) settle(id string) {
	w.Helper()
	w.await("support has it all given back", func() bool {
		v := w.payment(id)
		open := slices.ContainsFunc(v.Requests, func(r request) bool {
			return r.State == "pending_approval" || r.State == "queued" || r.State == "running"
		})
		ask := ""
		switch {
		case v.Stage == "refunded":
			return true
		case open:
		case v.Stage == "paid":
			ask = "compensate"
		case v.Stage == "holding":
			ask = "compensate"
			if slices.ContainsFunc(v.Cases, func(c caseView) bool { return c.State == "open" && strings.HasPrefix(c.Kind, "refund_") }) {
				ask = "retry"
			}
		}
		if ask == "" {
			return false
		}
		var asked struct {
			RequestID string `json:"request_id"`
			State     string
		}
		status := w.call("POST", w.fleet.APIs[0].URL+"/v1/payments/"+id+"/"+ask, w.fleet.Tokens.Support,
			map[string]any{"reason": "what is left goes back too"}, &asked)
		if status == http.StatusAccepted && asked.State == "pending_approval" {
			w.approve(asked.RequestID)
		}
		return false
	})
}
