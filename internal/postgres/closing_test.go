package postgres_test

import (
	"strings"
	"testing"
	"time"

	"github.com/paysaga/paysaga/internal/payment"
)

// An order is closed unless a payment of it is still to be judged: that one may
// have been in time.
func TestWhenAnOrderIsClosed(t *testing.T) {
	held := func(direction string) func(*world) {
		return func(w *world) {
			w.db.Exec(w, `insert into payments (transaction_id, out_trade_no, appid, mchid, amount_fen, currency, trade_state, paid_at, via, sweep_at)
				values ($1, $2, 'wx1', $3, $4, 'CNY', 'SUCCESS', now(), 'query', now())`, txn, orderNo, mchID, fen)
			w.db.Exec(w, `update payments set stage = 'holding', hold_reason = 'not_paid', hold_direction = $1`, direction)
		}
	}
	found := func(w *world, change func(*payment.Payment)) {
		paid := news(txn)
		paid.Via = payment.ViaQuery
		if change != nil {
			change(&paid)
		}
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
	for name, row := range map[string]struct {
		before func(*world)
		want   payment.OrderState
	}{
		"nobody paid":    {func(*world) {}, payment.OrderClosed},
		"it has expired": {func(w *world) { w.expire() }, payment.OrderClosed},
		"a payment was found, and is in the inbox":     {func(w *world) { found(w, nil) }, payment.OrderPending},
		"another order's payment is in the inbox":      {func(w *world) { found(w, func(p *payment.Payment) { p.OutTradeNo = "ORDER-2" }) }, payment.OrderClosed},
		"a payment is claimed, and WeChat to be asked": {claim(func(p *payment.Payment) { p.Via = payment.ViaQuery }), payment.OrderPending},
		"a payment is held, and may go on":             {held("forward"), payment.OrderPending},
		"a payment is held on its way back":            {held("backward"), payment.OrderClosed},
		"the amount was wrong":                         {claim(func(p *payment.Payment) { p.AmountFen++ }), payment.OrderClosed},
		"a payment came too late, and goes back": {func(w *world) {
			w.expire()
			found(w, func(p *payment.Payment) { p.PaidAt = time.Now().Add(-time.Second) })
			paid := news(txn)
			paid.PaidAt = time.Now().Add(-time.Second)
			w.must(w.Claim(w.Context(), paid))
		}, payment.OrderClosed},
		"it was paid": {claim(func(*payment.Payment) {}), payment.OrderPaid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			w.db.Order(t, orderNo, fen)
			row.before(w)
			for range 2 {
				state, err := w.CloseOrder(t.Context(), payment.Closing{OutTradeNo: orderNo, Actor: "shop"})
				w.ok(err)
				if state != row.want || w.order() != row.want {
					t.Fatalf("it says %s, the order is %s, want %s", state, w.order(), row.want)
				}
			}
			dossier, err := w.OrderDossier(t.Context(), orderNo, "")
			w.ok(err)
			var told []string
			for _, line := range dossier.Timeline {
				if line.What == "closed" {
					told = append(told, line.Actor)
				}
			}
			if want := map[bool]string{true: "shop"}[row.want == payment.OrderClosed]; strings.Join(told, ",") != want {
				t.Errorf("its timeline tells of closings by %q", told)
			}
		})
	}
}

// expire makes the order one that could be paid until a minute ago.
func (w *world) expire() {
	w.Helper()
	w.db.Exec(w, `update orders set created_at = now() - interval '1 h', expires_at = now() - interval '1 min'`)
}

func TestAClosedOrderNeedsNobodyToCloseIt(t *testing.T) {
	w := open(t)
	w.db.Order(t, orderNo, fen)
	w.ok(w.OpenCase(t.Context(), payment.Case{Kind: payment.CaseCloseStuck, OutTradeNo: orderNo}))
	w.ok(w.OpenCase(t.Context(), payment.Case{Kind: payment.CaseCloseStuck, OutTradeNo: "ORDER-2"}))
	_, err := w.CloseOrder(t.Context(), payment.Closing{OutTradeNo: orderNo, Actor: "shop"})
	w.ok(err)
	if open := w.db.Text(t, `select string_agg(out_trade_no, ' ') from cases where state = 'open'`); open != "ORDER-2" {
		t.Errorf("cases are open for %q", open)
	}
	_, err = w.CloseOrder(t.Context(), payment.Closing{OutTradeNo: "ORDER-NONE"})
	w.wantKind(err, payment.NotFound)
}

// A payment and a closing at the same moment: whichever is first, they agree.
func TestAClosingRacesWithAPayment(t *testing.T) {
	for range 20 {
		w := open(t)
		w.db.Order(t, orderNo, fen)
		race(
			func() { w.must(w.Claim(w.Context(), news(txn))) },
			func() {
				_, err := w.CloseOrder(w.Context(), payment.Closing{OutTradeNo: orderNo, Actor: "shop"})
				w.ok(err)
			},
		)
		stage := payment.Stage(w.db.Text(t, `select stage from payments`))
		if order := w.order(); !(order == payment.OrderPaid && stage == payment.Paid) && !(order == payment.OrderClosed && stage == payment.Compensating) {
			t.Fatalf("the order is %s and its payment %s", order, stage)
		}
	}
}

func TestThePayerIsKeptWhereWeChatWantsOne(t *testing.T) {
	w := open(t)
	w.db.Order(t, orderNo, fen)
	for change, constraint := range map[string]string{
		`openid = 'o-1'`:                                                         "jsapi_names_its_payer",
		`trade_type = 'jsapi'`:                                                   "jsapi_names_its_payer",
		`payer_client_ip = '203.0.113.9'`:                                        "h5_names_its_scene",
		`trade_type = 'h5', payer_client_ip = '203.0.113.9'`:                     "h5_names_its_type",
		`trade_type = 'h5', h5_type = 'Wap'`:                                     "h5_names_its_scene",
		`trade_type = 'jsapi', openid = 'o-1', h5_type = 'Wap'`:                  "h5_names_its_type",
		`trade_type = 'jsapi', openid = 'o-1'`:                                   "",
		`trade_type = 'app', openid = ''`:                                        "",
		`trade_type = 'h5', payer_client_ip = 'x', h5_type = 'Wap', openid = ''`: "",
	} {
		_, err := w.db.Pool.Exec(t.Context(), `update orders set `+change)
		if (err == nil) != (constraint == "") || err != nil && !strings.Contains(err.Error(), constraint) {
			t.Errorf("%s: %v, want %q", change, err, constraint)
		}
		w.db.Exec(t, `update orders set trade_type = 'native', openid = '', payer_client_ip = '', h5_type = ''`)
	}
}
