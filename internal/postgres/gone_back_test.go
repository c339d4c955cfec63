package postgres_test

import (
	"testing"
	"time"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

// found is what an order query shows of the payment.
func found(tradeState string) activities.Transaction {
	return activities.Transaction{
		TransactionID: txn, OutTradeNo: orderNo, AppID: "wx1", MchID: mchID,
		TradeState: tradeState, AmountFen: fen, Currency: "CNY", PaidAt: news(txn).PaidAt,
	}
}

// shows has an order query keep what it found.
func (w *world) shows(tradeState string) {
	w.Helper()
	w.ok(w.KeepFound(w.Context(), found(tradeState).Found()))
}

// An order query shows REFUND: in whatever moment that is, nothing ships that
// nobody asked for, and a person knows.
func TestAnOrderQueryShowsThatMoneyWentBack(t *testing.T) {
	callback := func(w *world) {
		paid := news(txn)
		_, err := w.Keep(w.Context(), payment.News{
			Key: payment.PaymentKey(paid), Kind: payment.NewsPayment, Verdict: payment.Accepted, Payment: paid,
		}, payment.Delivery{})
		w.ok(err)
	}
	claimed := func(change func(*payment.Payment)) func(*world) {
		return func(w *world) {
			w.db.Order(w, orderNo, fen)
			paid := news(txn)
			change(&paid)
			w.want(w.must(w.Claim(w.Context(), paid)), payment.Received)
			w.must(w.WeChatSaid(w.Context(), txn, found("REFUND")))
		}
	}
	asTold := func(*payment.Payment) {}
	asFound := func(p *payment.Payment) { p.Via, p.TradeState = payment.ViaQuery, "REFUND" }
	in := func(stage payment.Stage) func(*world) { return func(w *world) { w.bring(stage) } }
	for name, row := range map[string]struct {
		before func(*world)
		after  func(*world) // and then; may be nil
		stage  payment.Stage
		cases  string
	}{
		"nobody told of the payment yet":             {func(*world) {}, claimed(asFound), payment.Holding, "foreign_refund"},
		"its callback is in the inbox":               {callback, claimed(asTold), payment.Holding, "foreign_refund"},
		"its order is unknown":                       {in(payment.Received), nil, payment.Holding, "foreign_refund"},
		"it was accepted, and nobody asked the shop": {in(payment.Paid), nil, payment.Holding, "foreign_refund"},
		"the shop was asked":                         {func(w *world) { w.paid(); w.claimShip() }, nil, payment.Paid, "foreign_refund"},
		"the goods have left":                        {in(payment.Completed), nil, payment.Completed, "foreign_refund"},
		"a person looks at something else":           {in(payment.Holding), nil, payment.Holding, "foreign_refund ship_unknown"},
		"a person looks at something else, and nobody asked the shop": {
			func(w *world) { w.paid(); w.hold(txn, payment.CaseCancelledWorkflow, time.Time{}) }, nil, payment.Holding, "foreign_refund"},
		"it is in quarantine": {in(payment.Quarantined), nil, payment.Quarantined, "amount_mismatch foreign_refund"},
		"it goes back anyway, and WeChat was not asked yet": {
			in(payment.Compensating), nil, payment.Compensating, "foreign_refund"},
		"it goes back, and WeChat was asked": {
			func(w *world) { w.compensating(); w.claimRefund() }, nil, payment.Compensating, ""},
		"it went back":               {in(payment.Refunded), nil, payment.Refunded, ""},
		"a part of it went back":     {func(w *world) { w.bring(payment.Completed); w.part("q1", 850) }, nil, payment.Completed, ""},
		"somebody named it before":   {func(w *world) { w.bring(payment.Completed); w.elsewhere(payment.RefundSuccess, 850) }, nil, payment.Completed, "foreign_refund"},
		"it was held for it already": {func(w *world) { w.paid(); w.must(w.GoneBack(w.Context(), txn, found("REFUND"))) }, nil, payment.Holding, "foreign_refund"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			row.before(w)
			for range 2 { // WeChat shows it as often as it is asked
				w.shows("REFUND")
			}
			if row.after != nil {
				row.after(w)
			}
			if _, err := w.ClaimShip(t.Context(), txn); row.stage != payment.Paid && err == nil {
				t.Fatal("it ships before anybody has looked")
			}
			if w.db.Int(t, `select count(*) from inbox where kind = 'refund' and not done`) > 0 {
				w.must(w.GoneBack(t.Context(), txn, found("REFUND"))) // its saga hears of it
			}
			w.want(w.must(w.Read(t.Context(), txn)), row.stage)
			w.wantCases(txn, row.cases)
			if n := w.db.Int(t, `select count(*) from inbox where kind = 'refund' and not done`); n > 0 {
				t.Error("its saga would be told for ever")
			}
		})
	}
}

// Every refund of ours makes WeChat say REFUND: that is no news.
func TestARefundThatTheBooksKnowIsNoNews(t *testing.T) {
	for name, before := range map[string]func(*world){
		"all of it went back":        func(w *world) { w.bring(payment.Refunded) },
		"a part is on its way":       func(w *world) { w.bring(payment.Completed); w.part("q1", 850) },
		"WeChat closed it":           func(w *world) { w.compensating(); w.refund(payment.RefundClosed) },
		"somebody else's has a name": func(w *world) { w.bring(payment.Completed); w.elsewhere(payment.RefundSuccess, 850) },
		"it was held for it":         func(w *world) { w.paid(); w.must(w.GoneBack(w.Context(), txn, found("REFUND"))) },
		"it was found so":            func(w *world) { w.shows("REFUND") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			before(w)
			w.shows("REFUND")
			if n := w.db.Int(t, `select count(*) from inbox where kind = 'refund'`); n != 0 {
				t.Error("its saga is told")
			}
		})
	}
	for name, before := range map[string]func(*world){
		"ours was never asked for": func(w *world) { w.compensating(); _, err := w.OpenRefund(w.Context(), txn); w.ok(err) },
		"WeChat refused ours, a part": func(w *world) {
			w.bring(payment.Completed)
			asked := w.part("q1", 850)
			w.must(w.RefundRefused(w.Context(), asked.OutRefundNo, "no"))
		},
	} {
		t.Run("but news if "+name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			before(w)
			w.shows("REFUND")
			w.must(w.GoneBack(t.Context(), txn, found("REFUND")))
			if n := w.db.Int(t, `select count(*) from cases where kind = 'foreign_refund'`); n != 1 {
				t.Error("nobody learns of it")
			}
		})
	}
}

// WeChat, asked again, does not say REFUND any more, or it was ours: it ships.
func TestNoMoneyWentBackAfterAll(t *testing.T) {
	for _, tradeState := range []string{"SUCCESS", ""} {
		w := open(t)
		w.paid()
		w.shows("REFUND")
		_, err := w.ClaimShip(t.Context(), txn)
		w.wantKind(err, payment.Busy)
		w.want(w.must(w.GoneBack(t.Context(), txn, activities.Transaction{TradeState: tradeState})), payment.Paid)
		w.claimShip()
		w.wantCases(txn, "")
		if verdict := w.db.Text(t, `select verdict || ' ' || done from inbox where kind = 'refund'`); verdict != "noted true" {
			t.Errorf("the news is %s", verdict)
		}
	}
}

// The number comes before WeChat was asked about the payment: one case is enough.
func TestANumberOvertakesTheQuestion(t *testing.T) {
	w := open(t)
	w.bring(payment.Completed)
	w.shows("REFUND")
	w.elsewhere(payment.RefundSuccess, 850)
	w.must(w.GoneBack(t.Context(), txn, found("REFUND")))
	if n := w.db.Int(t, `select count(*) from cases`); n != 1 {
		t.Errorf("%d cases", n)
	}
}

// A person has looked and lets it go on. What was accepted before goes on from
// there; what was not, once the refund has a number in the books.
func TestAPersonLetsItShipAfterMoneyWentBack(t *testing.T) {
	t.Run("it was accepted", func(t *testing.T) {
		t.Parallel()
		w := open(t)
		w.paid()
		w.shows("REFUND")
		w.want(w.must(w.GoneBack(t.Context(), txn, found("REFUND"))), payment.Holding)
		w.want(w.begin("q1", payment.Retry), payment.Paid)
		w.shows("REFUND")
		w.want(w.must(w.GoneBack(t.Context(), txn, found("REFUND"))), payment.Paid) // an act may run twice
		w.claimShip()
		w.wantCases(txn, "")
	})
	asked := func(t *testing.T) *world {
		w := open(t)
		w.db.Order(t, orderNo, fen)
		w.shows("REFUND")
		paid := news(txn)
		paid.Via, paid.TradeState = payment.ViaQuery, "REFUND"
		w.must(w.Claim(t.Context(), paid))
		w.want(w.must(w.WeChatSaid(t.Context(), txn, found("REFUND"))), payment.Holding)
		return w
	}
	t.Run("it was found so, and nobody names a number", func(t *testing.T) {
		t.Parallel()
		w := asked(t)
		w.want(w.begin("q1", payment.Retry), payment.Received)
		w.want(w.must(w.WeChatSaid(t.Context(), txn, found("REFUND"))), payment.Holding)
		w.wantCases(txn, "foreign_refund")
	})
	t.Run("it was found so, and a person named the number", func(t *testing.T) {
		t.Parallel()
		w := asked(t)
		w.resolve("q1", payment.Refunded)
		w.want(w.must(w.RefuseRequest(t.Context(), "q1", "they do not add up", consoleRefund(850))), payment.Holding)
		w.want(w.begin("q2", payment.Retry), payment.Received)
		w.want(w.must(w.WeChatSaid(t.Context(), txn, found("REFUND"))), payment.Paid)
		w.claimShip()
	})
	t.Run("it was found so, all of it, and a person named the number", func(t *testing.T) {
		t.Parallel()
		w := asked(t)
		w.resolve("q1", payment.Refunded)
		w.must(w.RefuseRequest(t.Context(), "q1", "WeChat does not know the other one", consoleRefund(fen)))
		w.begin("q2", payment.Retry)
		w.want(w.must(w.WeChatSaid(t.Context(), txn, found("REFUND"))), payment.Compensating)
		w.want(w.must(w.MarkRefunded(t.Context(), txn)), payment.Refunded)
	})
	t.Run("it was found so, and WeChat now names another amount", func(t *testing.T) {
		t.Parallel()
		w := asked(t)
		w.begin("q2", payment.Retry)
		other := found("REFUND")
		other.AmountFen--
		w.want(w.must(w.WeChatSaid(t.Context(), txn, other)), payment.Quarantined)
	})
}

func consoleRefund(amountFen int64) activities.RefundWord {
	return activities.RefundWord{
		TransactionID: txn, OutRefundNo: "CONSOLE1", RefundID: "50", State: payment.RefundSuccess, AmountFen: amountFen,
	}
}

// Compensation asked for all of it, and WeChat refused, for somebody had given
// some of it back. Once a person has named that refund, the rest goes back.
func TestANamedRefundLeavesTheRestToCompensation(t *testing.T) {
	w := open(t)
	w.compensating()
	first := w.claimRefund()
	w.want(w.must(w.RefundRefused(t.Context(), first.OutRefundNo, "more than is left")), payment.Holding)
	w.resolve("q1", payment.Refunded)
	unclear := consoleRefund(1)
	unclear.OutRefundNo, unclear.State = "CONSOLE2", "odd"
	w.want(w.must(w.RefuseRequest(t.Context(), "q1", "they do not add up", unclear, consoleRefund(850))), payment.Holding)
	w.wantRequest("q1", "refused: they do not add up")
	w.wantCases(txn, "foreign_refund refund_refused")
	if got := w.refundState(first.OutRefundNo); got != payment.RefundWithdrawn {
		t.Errorf("the refused one is %s, and would be asked for again", got)
	}
	if asked, err := w.Ask(t.Context(), payment.Request{
		ID: "q2", TransactionID: txn, Kind: payment.Retry, Actor: "ann", Reason: "the rest should go back now",
	}, 1<<40); err != nil || asked.State != payment.PendingApproval || asked.AmountFen != 12000 {
		t.Fatalf("a new number wants a second person: %+v, %v", asked, err)
	}
	_, err := w.Approve(t.Context(), payment.Decision{RequestID: "q2", By: "bob", Reason: "checked with the console"})
	w.ok(err)
	w.want(w.must(w.BeginRequest(t.Context(), "q2")), payment.Compensating)
	rest, err := w.OpenRefund(t.Context(), txn)
	w.ok(err)
	if rest.AmountFen != 12000 || rest.OutRefundNo == first.OutRefundNo {
		t.Errorf("%+v", rest)
	}
}

// It was refused for something else, and there is room for it: it stays.
func TestANamedRefundThatLeavesRoomChangesNothing(t *testing.T) {
	w := open(t)
	w.bring(payment.Completed)
	w.elsewhere(payment.RefundProcessing, 850)
	w.db.Exec(t, `update payments set stage = 'compensating', goods = 'kept', undo_cause = 'q0'`)
	first := w.claimRefund()
	w.want(w.must(w.RefundRefused(t.Context(), first.OutRefundNo, "a wrong parameter")), payment.Holding)
	closed := consoleRefund(100)
	closed.OutRefundNo, closed.State = "CONSOLE2", payment.RefundClosed
	w.must(w.RefundHeard(t.Context(), txn, closed))
	if got := w.refundState(first.OutRefundNo); got != payment.RefundRequested {
		t.Errorf("ours is %s, and was to be tried again under its number", got)
	}
}
