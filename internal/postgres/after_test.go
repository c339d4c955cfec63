package postgres_test

import (
	"testing"
	"time"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

// What the shop promised never to ship leaves all the same.
func TestDispatchedAlthoughTheMoneyGoesBack(t *testing.T) {
	cancelled := func(w *world) {
		w.paid()
		w.claimShip()
		w.begin("q0", payment.Compensate)
		_, err := w.ClaimCancel(w.Context(), txn)
		w.ok(err)
		w.must(w.Cancelled(w.Context(), txn))
	}
	for name, row := range map[string]struct {
		before func(*world)
		stage  payment.Stage
		cases  string
	}{
		"no refund is made yet: none is": {cancelled, payment.Holding, "cancel_refused"},
		"a number is taken, and WeChat not asked: it is not asked": {func(w *world) {
			cancelled(w)
			_, err := w.OpenRefund(w.Context(), txn)
			w.ok(err)
		}, payment.Holding, "cancel_refused"},
		"WeChat is asked for a part, and not for the rest: it is not asked for that": {func(w *world) {
			w.paid()
			w.claimShip()
			w.part("p1", 850)
			w.hold(txn, payment.CaseShipUnknown, time.Now().Add(-time.Hour))
			w.want(w.must(w.EndHold(w.Context(), txn)), payment.Compensating)
			_, err := w.ClaimCancel(w.Context(), txn)
			w.ok(err)
			w.must(w.Cancelled(w.Context(), txn))
		}, payment.Holding, "cancel_refused"},
		"WeChat is asked: a person is told": {func(w *world) {
			cancelled(w)
			w.claimRefund()
		}, payment.Compensating, "dispatched_anyway"},
		"WeChat has refunded: a person is told": {func(w *world) {
			cancelled(w)
			w.refund(payment.RefundSuccess)
		}, payment.Compensating, "dispatched_anyway"},
		"all of it went back: a person is told": {func(w *world) {
			cancelled(w)
			w.refund(payment.RefundSuccess)
			w.must(w.MarkRefunded(w.Context(), txn))
		}, payment.Refunded, "dispatched_anyway"},
		"a person had closed it as refunded: a person is told": {func(w *world) {
			cancelled(w)
			w.hold(txn, payment.CaseCancelledWorkflow, time.Time{})
			w.resolve("q1", payment.Refunded)
			w.must(w.Resolved(w.Context(), "q1", proof(payment.Refunded)))
		}, payment.Resolved, "dispatched_anyway"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			row.before(w)
			for range 2 { // the shop says it twice
				w.want(w.dispatched(payment.ShipDispatched), row.stage)
			}
			w.wantCases(txn, row.cases)
			if got := w.shipment(); got != "dispatched S1 SF1" {
				t.Errorf("shipment %q", got)
			}
			if row.stage != payment.Holding {
				return
			}
			if refund, err := w.OpenRefund(t.Context(), txn); payment.KindOf(err) != payment.Conflict {
				t.Errorf("a refund of %d fen may be sent, %v", refund.AmountFen, err)
			}
			w.db.Exec(t, `update requests set state = 'refused' where state = 'running'`)
			if books := w.begin("q1", payment.Retry); books.Stage != payment.Compensating || !books.Shipment.ToCancel() {
				t.Errorf("tried again, it is %s, and the shipment %s is not cancelled first", books.Stage, books.Shipment)
			}
		})
	}
}

// A shop's no that comes while a payment is held is not lost.
func TestARetryOfWhatTheShopRefusedGoesBack(t *testing.T) {
	w := open(t)
	w.paid()
	w.claimShip()
	w.hold(txn, payment.CaseCancelledWorkflow, time.Time{})
	w.want(w.must(w.ShipRefused(t.Context(), txn, "sold_out: none left")), payment.Holding)
	w.want(w.begin("q1", payment.Retry), payment.Compensating)
	if got := w.verdict(txn).Cause; got != "shop_refused" {
		t.Errorf("it goes back because of %q", got)
	}
}

// A case without a hold closes when its cause has gone.
func TestACaseEndsWithItsCause(t *testing.T) {
	t.Run("a late dispatch is nobody's worry once the payment goes back", func(t *testing.T) {
		t.Parallel()
		w := open(t)
		w.paid()
		w.claimShip()
		w.dispatched(payment.ShipAccepted)
		w.ok(w.OpenCase(t.Context(), payment.Case{Kind: payment.CaseDispatchOverdue, TransactionID: txn}))
		w.want(w.begin("q1", payment.Compensate), payment.Compensating)
		w.wantCases(txn, "")
	})
	for says, cases := range map[string]string{"SUCCESS": "", "NOTPAY": "not_paid"} {
		t.Run("WeChat was silent for long, and says "+says, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			w.db.Order(w, orderNo, fen)
			told := news(txn)
			told.Via = payment.ViaBill
			w.must(w.Claim(t.Context(), told))
			w.ok(w.OpenCase(t.Context(), payment.Case{Kind: payment.CaseNotPaid, TransactionID: txn}))
			w.must(w.WeChatSaid(t.Context(), txn, activities.Transaction{
				TransactionID: txn, OutTradeNo: orderNo, AppID: "wx1", MchID: mchID, TradeState: says, AmountFen: fen, Currency: "CNY",
			}))
			w.wantCases(txn, cases)
		})
	}
}

func TestARequestThatWaitedForNobodyIsNotDecided(t *testing.T) {
	w := open(t)
	w.paid()
	w.ask("q1", payment.Compensate, "")
	for what, decide := range map[string]func(payment.Decision) (payment.Request, error){
		"approve": func(d payment.Decision) (payment.Request, error) { return w.Approve(t.Context(), d) },
		"reject":  func(d payment.Decision) (payment.Request, error) { return w.Reject(t.Context(), d) },
	} {
		_, err := decide(payment.Decision{RequestID: "q1", By: "bob", Reason: "it looks right to me"})
		if payment.KindOf(err) != payment.Conflict || payment.CodeOf(err) != "decided" {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// Two causes of one payment have two cases, and the end of one is not the other's.
func TestAWrongRefundAmountIsNoContradictionOfThePayment(t *testing.T) {
	w := open(t)
	w.compensating()
	w.ok(w.OpenCase(t.Context(), payment.Case{Kind: payment.CaseConflictingNews, TransactionID: txn})) // as the inbox does
	r := w.claimRefund()
	w.want(w.must(w.RefundSaid(t.Context(), activities.RefundWord{
		TransactionID: txn, OutRefundNo: r.OutRefundNo, State: payment.RefundSuccess, AmountFen: fen - 1,
	})), payment.Holding)
	w.wantCases(txn, "conflicting_news refund_mismatch")
	w.want(w.begin("q1", payment.Retry), payment.Compensating)
	w.wantCases(txn, "conflicting_news")
}
