package e2e

import (
	"crypto/rand"
	"net/http"
	"strings"
	"testing"

	"github.com/paysaga/paysaga/internal/simulator"
)

// mini sells an order from the merchant's mini-program.
func (w *world) mini() (number, openID string) {
	w.Helper()
	number, openID = "E"+rand.Text()[:20], "o"+rand.Text()
	if status, _ := w.sell(number, map[string]any{"trade_type": "jsapi", "openid": openID}); status != http.StatusCreated {
		w.Fatalf("order %s was answered %d", number, status)
	}
	return number, openID
}

// told counts what the payer read, what WeChat was told of the goods, and what
// the shop took of its payments' events.
func (w *world) told(number string) (read, uploads int, events []string) {
	w.Helper()
	truth := w.truth(number)
	for _, m := range truth.Messages {
		read += m.Count
	}
	for _, s := range truth.ShippingInfos {
		uploads += s.Uploads
	}
	for _, e := range truth.Webhooks {
		if e.Taken > 0 && !strings.HasPrefix(e.Type, "case.") {
			events = append(events, e.Type)
		}
	}
	return read, uploads, events
}

// Whatever becomes of the telling, the payment is completed, its money stays, and
// those who take what they are told are told once.
func TestTelling(t *testing.T) {
	w := newWorld(t, nil, "NOTIFY_GIVE_UP_AFTER=12s") // long enough for three tries on a busy machine
	for ending, row := range map[string]struct {
		plan          simulator.Plan
		read, uploads int
		events        string
		cases         int
	}{
		"the shop, the payer and WeChat are told": {read: 1, uploads: 1, events: "order.shipped"},
		"the shop takes nothing, and the others are told": {
			plan: simulator.Plan{Webhook: "fail"}, read: 1, uploads: 1, cases: 1,
		},
		"the shop is silent, and the others are told": {
			plan: simulator.Plan{Webhook: "hang"}, read: 1, uploads: 1, cases: 1,
		},
		"the payer gave no consent, and nobody is bothered": {
			plan: simulator.Plan{Message: "no_consent"}, uploads: 1, events: "order.shipped",
		},
		"the payer's message is sent, unanswered, and not sent again": {
			plan: simulator.Plan{Message: "execute_then_reset"}, read: 1, uploads: 1, events: "order.shipped",
		},
		"the payer's message waits for a busy WeChat": {
			plan: simulator.Plan{Message: "busy", MessageTimes: 2}, read: 1, uploads: 1, events: "order.shipped",
		},
		"WeChat takes back the token": {
			plan: simulator.Plan{Message: "invalid_token", MessageTimes: 1}, read: 1, uploads: 1, events: "order.shipped",
		},
		"the report arrives, unanswered, and is not made again": {
			plan: simulator.Plan{ShippingInfo: "execute_then_fail", ShippingInfoTimes: 2}, read: 1, uploads: 1, events: "order.shipped",
		},
		"the report is lost, and made again": {
			plan: simulator.Plan{ShippingInfo: "fail", ShippingInfoTimes: 2}, read: 1, uploads: 1, events: "order.shipped",
		},
		"WeChat will not have the report, and a person must know": {
			plan: simulator.Plan{ShippingInfo: "not_shippable"}, read: 1, events: "order.shipped", cases: 1,
		},
	} {
		w.play(ending, func(w *world) {
			number, openID := w.mini()
			w.plan(number, row.plan)
			id := w.pay(number, simulator.PayRequest{})
			v := w.reaches(id, "completed")
			w.runCloses(id)
			if shipped, refundedFen := w.whatHappened(id, number); shipped != 1 || refundedFen != 0 {
				w.Errorf("shipped %d times, %d fen went back", shipped, refundedFen)
			}
			read, uploads, events := w.told(number)
			if got := strings.Join(events, " "); read != row.read || uploads != row.uploads || got != row.events {
				w.Errorf("the payer read %d, WeChat has %d reports, the shop took %q; want %d, %d, %q",
					read, uploads, got, row.read, row.uploads, row.events)
			}
			open := 0
			for _, c := range v.Cases {
				if c.State == "open" && c.Kind == "notify_failed" && c.Owner != "" {
					open++
				}
			}
			if open != row.cases || len(v.Cases) != row.cases {
				w.Errorf("cases %+v, want %d of telling", v.Cases, row.cases)
			}
			if events := len(w.history(id).Events); row.plan == (simulator.Plan{}) && events > 24 {
				w.Errorf("telling all three took %d history events; it is one act", events)
			}
			if said := w.fleet.Logs(1000) + w.history(id).String(); strings.Contains(said, openID) {
				w.Errorf("the openid is in a log or in Temporal")
			}
		})
	}
}

// Neither of WeChat's calls has a key, so a worker that dies in one leaves nobody
// who knows what came of it.
func TestAKilledWorkerTellsNobodyTwice(t *testing.T) {
	for _, call := range []string{"message", "shipping_info"} {
		for _, when := range []string{"before", "after"} {
			t.Run("killed "+when+" WeChat takes the "+call, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, nil)
				number, _ := w.mini()
				caught := w.hold(call, number, when)
				id := w.pay(number, simulator.PayRequest{})
				caught()
				w.fleet.Workers[0].Kill()
				w.release(number)
				w.revive(w.fleet.Workers[0])
				w.endsShipped(id, number)
				read, uploads, _ := w.told(number)
				if arrived := call == "message" && when == "after"; read > 1 || arrived && read != 1 {
					t.Errorf("the payer read %d messages", read)
				}
				if uploads != 1 {
					t.Errorf("WeChat has %d reports", uploads)
				}
				if cases := w.payment(id).Cases; len(cases) != 0 {
					t.Errorf("cases %+v", cases)
				}
			})
		}
	}
}
