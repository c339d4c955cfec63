package activities_test

import (
	"testing"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

func (g *fakeWeChat) console(number string, state payment.RefundState, amountFen int64) {
	g.made[number] = activities.RefundWord{TransactionID: txn, OutRefundNo: number, State: state, AmountFen: amountFen}
}

func TestNewsOfARefundIsCheckedWithWeChat(t *testing.T) {
	news := activities.RefundNews{TransactionID: txn, OutRefundNo: "CONSOLE1"}
	t.Run("somebody else made it", func(t *testing.T) {
		t.Parallel()
		w := open(t)
		w.paid()
		w.wechat.console("CONSOLE1", payment.RefundSuccess, 850)
		for range 2 { // an act may run twice
			books := w.must(w.refunds.HearRefund(t.Context(), news))
			w.want(books, payment.Holding)
			if books.RefundedFen != 850 {
				t.Errorf("%d fen went back", books.RefundedFen)
			}
		}
		if got := w.openCases(); got != "foreign_refund" {
			t.Errorf("cases %q", got)
		}
	})
	t.Run("nobody made it", func(t *testing.T) {
		t.Parallel()
		w := open(t)
		w.paid()
		w.want(w.must(w.refunds.HearRefund(t.Context(), news)), payment.Paid)
		if got := w.openCases(); got != "" {
			t.Errorf("cases %q", got)
		}
	})
	t.Run("WeChat is silent: asked again", func(t *testing.T) {
		t.Parallel()
		w := open(t)
		w.paid()
		w.wechat.queries.moods = []mood{silent}
		w.asksAgain(w.refunds.HearRefund(t.Context(), news))
		w.want(w.read(), payment.Paid)
	})
	goneBack := activities.RefundNews{TransactionID: txn}
	t.Run("an order query named no number, and WeChat says REFUND", func(t *testing.T) {
		t.Parallel()
		w := open(t)
		w.paid()
		w.wechat.trade = &activities.Transaction{TransactionID: txn, TradeState: "REFUND"}
		for range 2 {
			w.want(w.must(w.refunds.HearRefund(t.Context(), goneBack)), payment.Holding)
		}
		if got := w.openCases(); got != "foreign_refund" {
			t.Errorf("cases %q", got)
		}
	})
	t.Run("an order query named no number, and WeChat knows no such payment", func(t *testing.T) {
		t.Parallel()
		w := open(t)
		w.paid()
		w.want(w.must(w.refunds.HearRefund(t.Context(), goneBack)), payment.Paid)
	})
	t.Run("an order query named no number, and WeChat is silent: asked again", func(t *testing.T) {
		t.Parallel()
		w := open(t)
		w.paid()
		w.wechat.pays.moods = []mood{silent}
		w.asksAgain(w.refunds.HearRefund(t.Context(), goneBack))
	})
	t.Run("it is ours, and ended long ago", func(t *testing.T) {
		t.Parallel()
		w := open(t)
		w.second()
		w.until(w.refunds.Refund)
		news := activities.RefundNews{TransactionID: txn, OutRefundNo: "R" + txn}
		if books := w.must(w.refunds.HearRefund(t.Context(), news)); books.RefundedFen != fen {
			t.Errorf("%d fen went back", books.RefundedFen)
		}
	})
}

// What is left may be promised to somebody else's refund, and only WeChat knows
// whether that is still made.
func TestOursWaitsForSomebodyElsesAndAsksHowItStands(t *testing.T) {
	w := open(t)
	w.second()
	w.wechat.console("CONSOLE1", payment.RefundProcessing, fen)
	w.must(w.refunds.HearRefund(t.Context(), activities.RefundNews{TransactionID: txn, OutRefundNo: "CONSOLE1"}))
	w.asksAgain(w.refunds.Refund(t.Context(), txn))
	if len(w.wechat.asked) != 0 {
		t.Fatal("and was sent beside it")
	}
	w.wechat.console("CONSOLE1", payment.RefundClosed, fen)
	w.asksAgain(w.refunds.Refund(t.Context(), txn)) // learns that it came to nothing
	books := w.until(w.refunds.Refund)
	if books.RefundedFen != fen || w.wechat.made["R"+txn].State != payment.RefundSuccess {
		t.Errorf("%d fen went back", books.RefundedFen)
	}
}

// wish is ann's request for part of the money, as the desk writes it.
func (w *world) wish(amountFen int64) payment.Books {
	w.Helper()
	_, err := w.store.Ask(w.Context(), payment.Request{
		ID: "part", TransactionID: txn, Kind: payment.PartialRefund, Actor: "ann", Reason: "one cup was broken", AmountFen: amountFen,
	}, 1<<40)
	if err != nil {
		w.Fatal(err)
	}
	return w.must(w.books.BeginRequest(w.Context(), "part"))
}

func TestAPartIsAskedForWhileThePaymentGoesOn(t *testing.T) {
	for name, row := range map[string]struct {
		arrange func(*fakeWeChat)
		state   string
		request string
		cases   string
		askedAs int
	}{
		"WeChat refunds": {nil, "success", "done: 850 fen went back", "", 1},
		"WeChat refunds, and its answer is lost": {
			func(g *fakeWeChat) { g.refunds.moods = []mood{losesAnswers} }, "success", "done: 850 fen went back", "", 1},
		"WeChat is silent, and had not done it": {
			func(g *fakeWeChat) { g.refunds.moods = []mood{silent, silent} }, "success", "done: 850 fen went back", "", 3},
		"WeChat says no, and has none: whoever asked learns why": {
			func(g *fakeWeChat) { g.refunds.moods = []mood{refusing} },
			"withdrawn", "refused: WeChat refuses: param_error: no", "refund_refused", 1},
		"WeChat says no, and yet has it": {
			func(g *fakeWeChat) { g.refunds.moods = []mood{lying} }, "success", "done: 850 fen went back", "", 1},
		"WeChat takes it, and is not done yet": {
			func(g *fakeWeChat) { g.refunds.moods = []mood{later} }, "processing", "running: ", "", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			w.paid()
			w.wish(850)
			if row.arrange != nil {
				row.arrange(w.wechat)
			}
			w.want(w.until(w.refunds.Refund), payment.Paid)
			if got := w.db.Text(t, `select out_refund_no || ' ' || amount_fen || ' ' || state from refunds`); got != "R"+txn+" 850 "+row.state {
				t.Errorf("refund %q, want %s", got, row.state)
			}
			if got := w.db.Text(t, `select state || ': ' || detail from requests`); got != row.request {
				t.Errorf("request %q, want %q", got, row.request)
			}
			if got := w.openCases(); got != row.cases || len(w.wechat.asked) != row.askedAs {
				t.Errorf("cases %q, asked %v", got, w.wechat.asked)
			}
		})
	}
}

func TestTheShopsReportIsReadBeforeTheShopIsAsked(t *testing.T) {
	w := open(t)
	w.paid()
	w.shop.ships.moods = []mood{later}
	w.must(w.ship.Ship(t.Context(), txn))
	w.shop.finds.moods = []mood{silent, silent}
	_, err := w.store.ReportDispatch(t.Context(), payment.DispatchReport{ShipmentID: "S1", Carrier: "SF", TrackingNo: "SF7", By: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	w.want(w.must(w.ship.FindShipment(t.Context(), txn)), payment.Shipped)
	if got := w.db.Text(t, `select payload->'data'->>'tracking_no' from webhooks`); got != "SF7" {
		t.Errorf("the shop is told %q", got)
	}
}

// Nobody can say how a payment ended while WeChat may still make our refund.
func TestAPersonsWordWaitsForOurOwnRefund(t *testing.T) {
	for name, row := range map[string]struct {
		arrange func(*fakeWeChat)
		ends    payment.RefundState // what became of it after the hold; empty is nothing
		want    payment.Stage
		request string
		refund  string
	}{
		"WeChat never had it": {func(g *fakeWeChat) { g.refunds.moods = []mood{refusing} }, "",
			payment.Resolved, "done: shipped, confirmed", "withdrawn"},
		"WeChat works on it": {func(g *fakeWeChat) { g.refunds.moods = []mood{later} }, payment.RefundProcessing,
			payment.Holding, "refused: WeChat may still make refund R" + txn, "processing"},
		"WeChat closed it": {func(g *fakeWeChat) { g.refunds.moods = []mood{later} }, payment.RefundClosed,
			payment.Resolved, "done: shipped, confirmed", "closed"},
		"WeChat made it": {func(g *fakeWeChat) { g.refunds.moods = []mood{later} }, payment.RefundSuccess,
			payment.Holding, "refused: all of the money went back", "success"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			w.paid()
			w.undo()
			row.arrange(w.wechat)
			w.until(w.refunds.Refund)
			w.must(w.books.Hold(t.Context(), activities.Stop{TransactionID: txn, Hold: payment.Hold{Reason: payment.CaseCancelledWorkflow}}))
			w.db.Exec(t, "update refunds set asked_at = asked_at - interval '2 minutes'") // nothing of ours is on its way any more
			if row.ends != "" {
				w.wechat.ends("R"+txn, row.ends)
			}
			w.shop.dispatch(orderNo)
			w.ask("q2", payment.Resolve)
			w.db.Exec(t, `update requests set outcome = 'shipped', evidence = '{S1}' where id = 'q2'`)
			w.must(w.books.BeginRequest(t.Context(), "q2"))
			w.want(w.must(w.evidence.Resolve(t.Context(), "q2")), row.want)
			if got := w.db.Text(t, `select state || ': ' || detail from requests where id = 'q2'`); got != row.request {
				t.Errorf("request %q, want %q", got, row.request)
			}
			if got := w.db.Text(t, `select state from refunds`); got != row.refund {
				t.Errorf("our refund is %s, want %s", got, row.refund)
			}
		})
	}
}
