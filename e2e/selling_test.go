package e2e

import (
	"context"
	"crypto/rand"
	"net/http"
	"strings"
	"testing"

	"github.com/paysaga/paysaga/internal/fleet"
	"github.com/paysaga/paysaga/internal/simulator"
	"github.com/paysaga/paysaga/workflows"
)

// offer is the api's answer to an order.
type offer struct {
	OutTradeNo string            `json:"out_trade_no"`
	State      string            `json:"state"`
	CodeURL    string            `json:"code_url"`
	H5URL      string            `json:"h5_url"`
	Client     map[string]string `json:"client"`
}

// sell sends an order with fields on top of a native one's; number may be taken.
func (w *world) sell(number string, fields map[string]any) (status int, made offer) {
	w.Helper()
	order := map[string]any{
		"out_trade_no": number, "description": "tea", "amount_fen": tea, "trade_type": "native",
		"shipping": map[string]string{"to": "counter 3"},
	}
	for name, value := range fields {
		order[name] = value
	}
	status = w.call("POST", w.fleet.APIs[0].URL+"/v1/orders", w.fleet.Tokens.Merchant, order, &made)
	return status, made
}

func (w *world) closeOrder(number string) int {
	w.Helper()
	return w.call("POST", w.fleet.APIs[0].URL+"/v1/orders/"+number+"/close", w.fleet.Tokens.Merchant, nil, nil)
}

// closes demands that the order is closed here and at WeChat, where nobody can pay it.
func (w *world) closes(number string) {
	w.Helper()
	w.await("order "+number+" closed", func() bool { return w.orderState(number) == "closed" })
	w.runCloses(workflows.ClosingID(number))
	if state := w.truth(number).State; state != "CLOSED" {
		w.Errorf("at WeChat order %s is %s", number, state)
	}
	if status := w.call("POST", w.fleet.Simulator.AdminURL+"/orders/"+number+"/pay", "", simulator.PayRequest{}, nil); status != http.StatusConflict {
		w.Errorf("paying order %s was answered %d", number, status)
	}
}

func TestSelling(t *testing.T) {
	w := newWorld(t, nil)
	for way, payer := range map[string]map[string]any{
		"native": nil,
		"jsapi":  {"openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"},
		"h5":     {"payer_client_ip": "203.0.113.9", "h5_type": "Wap"},
		"app":    nil,
	} {
		w.play("sold by "+way, func(w *world) {
			number := "E" + rand.Text()[:20]
			fields := map[string]any{"trade_type": way}
			for name, value := range payer {
				fields[name] = value
			}
			status, made := w.sell(number, fields)
			offered := map[string]bool{
				"native": strings.HasPrefix(made.CodeURL, "weixin://"), "h5": strings.HasPrefix(made.H5URL, "http"),
				"jsapi": strings.HasPrefix(made.Client["package"], "prepay_id=") && made.Client["paySign"] != "",
				"app":   made.Client["prepayId"] != "" && made.Client["sign"] != "",
			}
			if status != http.StatusCreated || !offered[way] {
				w.Fatalf("answered %d %+v", status, made)
			}
			id := w.pay(number, simulator.PayRequest{})
			w.endsShipped(id, number)
			said := w.fleet.Logs(1000) + w.history(id).String()
			for field, private := range payer {
				if text := private.(string); field != "h5_type" && strings.Contains(said, text) {
					w.Errorf("%s is in a log or in Temporal", field)
				}
			}
		})
	}

	w.play("nobody pays, and it is closed, twice", func(w *world) {
		number := w.order(tea)
		for range 2 {
			if status := w.closeOrder(number); status != http.StatusAccepted {
				w.Errorf("answered %d", status)
			}
			w.closes(number)
		}
		if calls := w.truth(number).Calls; calls["query"] != 2 || calls["close"] != 1 {
			w.Errorf("WeChat was called %v", calls)
		}
		w.recorded(workflows.ClosingID(number), "order-closed")
	})

	w.play("WeChat closes it and does not say so", func(w *world) {
		number := w.order(tea)
		w.plan(number, simulator.Plan{Close: "execute_then_reset", CloseTimes: 1, Query: "fail", QueryTimes: 1})
		w.closeOrder(number)
		w.closes(number)
	})

	w.play("it was paid and its callback is lost, and closing finds the payment", func(w *world) {
		number := w.order(tea)
		id := w.pay(number, simulator.PayRequest{Lose: true})
		w.closeOrder(number)
		w.endsShipped(id, number)
		w.foundByQuery(id)
		if status := w.closeOrder(number); status != http.StatusConflict {
			w.Errorf("closing a sold order was answered %d", status)
		}
	})

	w.play("the customer pays as we close", func(w *world) {
		number := w.order(tea)
		caught := w.hold("close", number, "before")
		w.closeOrder(number)
		caught()
		id := w.pay(number, simulator.PayRequest{Lose: true})
		w.release(number)
		w.endsShipped(id, number)
		w.foundByQuery(id)
		w.recorded(workflows.ClosingID(number), "order-paid-as-it-closed")
	})

	w.play("the prepay's answer is lost, and the same order is offered again", func(w *world) {
		number := "E" + rand.Text()[:20]
		w.plan(number, simulator.Plan{Prepay: "bad_signature", PrepayTimes: 1})
		if status, _ := w.sell(number, nil); status != http.StatusServiceUnavailable {
			w.Errorf("answered %d", status)
		}
		if status, made := w.sell(number, nil); status != http.StatusCreated || made.CodeURL == "" {
			w.Errorf("sent again, answered %d %+v", status, made)
		}
		w.endsShipped(w.pay(number, simulator.PayRequest{}), number)
	})

	w.play("the prepay's answer is lost, and it is paid all the same", func(w *world) {
		number := "E" + rand.Text()[:20]
		w.plan(number, simulator.Plan{Prepay: "bad_signature", PrepayTimes: 1})
		w.sell(number, nil)
		id := w.pay(number, simulator.PayRequest{Lose: true})
		if status, _ := w.sell(number, nil); status != http.StatusConflict {
			w.Errorf("answered %d", status)
		}
		w.endsShipped(id, number)
		w.foundByQuery(id)
		if calls := w.truth(number).Calls["prepay"]; calls != 1 {
			w.Errorf("offered %d times", calls)
		}
	})
}

// foundByQuery demands that no callback told of the payment.
func (w *world) foundByQuery(id string) {
	w.Helper()
	var via string
	w.sql(&via, "select string_agg(via, ',') from inbox where transaction_id = $1 and kind = 'payment'", id)
	if via != "query" {
		w.Errorf("the inbox has %s by %q", id, via)
	}
}

// WeChat took the prepay, and the api died before it knew. The same order, sent
// again, is offered with the parameters of the first.
func TestTheAPIDiesWhileItOffersAnOrder(t *testing.T) {
	w := newWorld(t, nil)
	number := "E" + rand.Text()[:20]
	caught := w.hold("prepay", number, "after")
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		_, _, _ = send(context.WithoutCancel(t.Context()), "POST", w.fleet.APIs[0].URL+"/v1/orders", w.fleet.Tokens.Merchant, map[string]any{
			"out_trade_no": number, "description": "tea", "amount_fen": tea, "trade_type": "native",
			"shipping": map[string]string{"to": "counter 3"},
		})
	}()
	caught()
	w.fleet.APIs[0].Kill()
	<-answered
	w.release(number)
	if err := w.fleet.APIs[0].Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if status, _ := w.sell(number, nil); status != http.StatusConflict {
		t.Errorf("sent again while the first call may be in flight, answered %d", status)
	}
	var leases int
	w.sql(&leases, "with now as (update idempotency_keys set leased_until = now() returning 1) select count(*) from now") // half a minute later
	if status, made := w.sell(number, nil); status != http.StatusCreated || made.CodeURL == "" {
		t.Fatalf("sent again, answered %d %+v", status, made)
	}
	w.endsShipped(w.pay(number, simulator.PayRequest{}), number)
	if truth := w.truth(number); truth.Calls["query"] == 0 || truth.Calls["prepay"] != 2 {
		t.Errorf("WeChat was called %v", truth.Calls)
	}
}

// The first way to WeChat is cut; everything goes by the second.
func TestWeChatIsReachedByItsBackup(t *testing.T) {
	port, err := fleet.FreePort(0)
	if err != nil {
		t.Fatal(err)
	}
	first := newProxy(t, fleet.Loopback(port))
	w := newWorld(t, func(o *fleet.Options) { o.Ports.Simulator = port },
		"WECHATPAY_BASE_URL=http://"+first.addr(), "WECHATPAY_BACKUP_URL=http://"+fleet.Loopback(port))
	sold := w.order(tea)
	first.listener.Close() // nobody is there any more
	first.cut()

	w.endsShipped(w.pay(sold, simulator.PayRequest{}), sold)
	refused := w.order(tea)
	w.plan(refused, simulator.Plan{Shop: "refuse"})
	w.endsRefunded(w.pay(refused, simulator.PayRequest{}), refused)
	unsold := w.order(tea)
	w.closeOrder(unsold)
	w.closes(unsold)
}
