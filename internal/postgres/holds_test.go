package postgres_test

import (
	"testing"
	"time"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

func (w *world) hold(id string, reason payment.CaseKind, until time.Time) payment.Books {
	w.Helper()
	return w.must(w.Hold(w.Context(), activities.Stop{
		TransactionID: id, Hold: payment.Hold{Reason: reason, Until: until}, Detail: "as a test would have it",
	}))
}

// begin asks for something and begins it.
func (w *world) begin(id string, kind payment.RequestKind) payment.Books {
	w.Helper()
	w.ask(id, kind, "")
	return w.must(w.BeginRequest(w.Context(), id))
}

func (w *world) wantCases(id, want string) {
	w.Helper()
	if got := w.openCases(id); got != want {
		w.Errorf("open cases %q, want %q", got, want)
	}
}

func TestAHoldOpensOneCaseAndARetryClosesIt(t *testing.T) {
	w := open(t)
	w.paid()
	until := time.Now().Add(time.Hour)
	for range 2 { // an act may run twice
		books := w.hold(txn, payment.CaseShipUnknown, until)
		w.want(books, payment.Holding)
		if h := books.Hold; h.Reason != payment.CaseShipUnknown || h.Direction != payment.Forward || h.Until.Sub(until).Abs() > time.Millisecond {
			t.Errorf("hold %+v", h)
		}
	}
	w.wantCases(txn, "ship_unknown")

	w.want(w.begin("q1", payment.Retry), payment.Paid)
	w.wantCases(txn, "")
	if got := w.request("q1"); got != "done: goes on, after ship_unknown" {
		t.Error(got)
	}

	w.hold(txn, payment.CaseShipUnknown, until)
	if n := w.db.Int(t, `select times_opened from cases where kind = 'ship_unknown'`); n != 2 {
		t.Errorf("the cause came back, and its case was opened %d times", n)
	}
}

func TestAHoldEndsInCompensationOnlyAfterItsDeadline(t *testing.T) {
	for name, row := range map[string]struct {
		until time.Time
		want  payment.Stage
	}{
		"the deadline passed, and it goes back": {time.Now().Add(-time.Second), payment.Compensating},
		"there is still time for a person":      {time.Now().Add(time.Minute), payment.Holding},
		"a hold without a deadline waits":       {time.Time{}, payment.Holding},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			w.paid()
			w.hold(txn, payment.CaseShipUnknown, row.until)
			books := w.must(w.EndHold(t.Context(), txn))
			w.want(books, row.want)
			if books.Stage == payment.Compensating {
				w.wantCases(txn, "")
				if books.Goods != payment.GoodsStop {
					t.Errorf("goods %q are not stopped", books.Goods)
				}
			}
		})
	}
}

func TestAHoldThatComesTooLateDoesNothing(t *testing.T) {
	refund := func(w *world) { w.begin("q0", payment.Compensate) }
	dispatch := func(w *world) {
		w.claimShip()
		w.dispatched(payment.ShipDispatched)
	}
	for name, row := range map[string]struct {
		before func(*world)
		reason payment.CaseKind
		want   payment.Stage
	}{
		"ship is unknown, and the shop has just dispatched":   {dispatch, payment.CaseShipUnknown, payment.Shipped},
		"ship is unknown, and a person has turned it round":   {refund, payment.CaseShipUnknown, payment.Compensating},
		"cancel is refused, and the shop never had it":        {refund, payment.CaseCancelRefused, payment.Compensating},
		"cancel is unknown, and nothing is being cancelled":   {func(*world) {}, payment.CaseCancelUnknown, payment.Paid},
		"the order is unknown, and it has turned up and paid": {func(*world) {}, payment.CaseUnknownOrder, payment.Paid},
		"ship is unknown, and the shop has just accepted": {func(w *world) {
			w.claimShip()
			w.dispatched(payment.ShipAccepted)
		}, payment.CaseShipUnknown, payment.Paid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			w.paid()
			row.before(w)
			w.want(w.hold(txn, row.reason, time.Time{}), row.want)
			w.wantCases(txn, "")
		})
	}
}

func TestANewReasonToHoldTakesTheOldOnesPlace(t *testing.T) {
	w := open(t)
	w.compensating()
	w.claimRefund()
	w.hold(txn, payment.CaseRefundRefused, time.Time{})
	books := w.must(w.Hold(t.Context(), activities.Stop{
		TransactionID: txn, Hold: payment.Hold{Reason: payment.CaseCancelledWorkflow, Direction: payment.Forward},
	}))
	if books.Hold.Reason != payment.CaseCancelledWorkflow || books.Hold.Direction != payment.Backward {
		t.Errorf("hold %+v: the reason is new, and the direction is where it was going", books.Hold)
	}
	w.wantCases(txn, "cancelled_workflow")
	w.want(w.begin("q1", payment.Retry), payment.Compensating)
	w.wantCases(txn, "")
}

func TestAHoldRefusesTheRequestThatRan(t *testing.T) {
	w := open(t)
	w.paid()
	w.claimShip()
	w.want(w.begin("q1", payment.Compensate), payment.Compensating)
	books := w.hold(txn, payment.CaseCancelRefused, time.Time{})
	if got := w.request("q1"); got != "refused: held: cancel_refused" {
		t.Error(got)
	}
	if books.Request != nil {
		t.Error("and a person may not ask again")
	}
}

func TestARetryGoesOnFromWhereItStopped(t *testing.T) {
	for name, row := range map[string]struct {
		before func(*world)
		want   payment.Stage
	}{
		"the order has turned up": {func(w *world) {
			w.must(w.Claim(w.Context(), news(txn)))
			w.hold(txn, payment.CaseUnknownOrder, time.Time{})
			w.db.Order(w, orderNo, fen)
		}, payment.Paid},
		"the order is still unknown": {func(w *world) {
			w.must(w.Claim(w.Context(), news(txn)))
			w.hold(txn, payment.CaseUnknownOrder, time.Time{})
		}, payment.Received},
		"WeChat is asked again, for its earlier no was doubted": {func(w *world) {
			w.db.Order(w, orderNo, fen)
			told := news(txn)
			told.Via = payment.ViaQuery
			w.must(w.Claim(w.Context(), told))
			w.must(w.WeChatSaid(w.Context(), txn, activities.Transaction{TradeState: "NOTPAY"}))
		}, payment.Received},
		"it had been accepted": {func(w *world) {
			w.paid()
			w.hold(txn, payment.CaseCancelledWorkflow, time.Time{})
		}, payment.Paid},
		"the shop dispatched while it was held": {func(w *world) {
			w.paid()
			w.claimShip()
			w.hold(txn, payment.CaseCancelledWorkflow, time.Time{})
			w.want(w.dispatched(payment.ShipDispatched), payment.Holding)
		}, payment.Shipped},
		"it was going back": {func(w *world) {
			w.compensating()
			w.claimRefund()
			w.hold(txn, payment.CaseRefundRefused, time.Time{})
		}, payment.Compensating},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			row.before(w)
			w.want(w.must(w.Read(t.Context(), txn)), payment.Holding)
			books := w.begin("q1", payment.Retry)
			w.want(books, row.want)
			w.wantCases(txn, "")
			if books.Stage == payment.Shipped && (w.order() != payment.OrderShipped || books.Webhook == "") {
				t.Errorf("shipped, but the order is %s and the shop is told %q", w.order(), books.Webhook)
			}
			if books.Stage == payment.Received && books.Unsettled == payment.Settled {
				t.Error("received, and nothing says what is missing")
			}
		})
	}
}

func TestACaseOfADifferentCauseStaysOpenWhenAHoldEnds(t *testing.T) {
	w := open(t)
	w.paid()
	w.ok(w.OpenCase(t.Context(), payment.Case{Kind: payment.CaseForeignRefund, Subject: "X1", TransactionID: txn}))
	w.hold(txn, payment.CaseCancelledWorkflow, time.Time{})
	w.begin("q1", payment.Retry)
	w.wantCases(txn, "foreign_refund")
}

func TestACaseKeepsItsOwnerAndIsOpenedOnceACause(t *testing.T) {
	w := open(t)
	about := payment.Case{Kind: payment.CaseUnusableCallback, NotificationID: "N1"}
	w.ok(w.OpenCase(t.Context(), about))
	w.db.Exec(t, `update cases set owner = 'zoe'`)
	w.ok(w.OpenCase(t.Context(), about))
	w.db.Exec(t, `update cases set state = 'closed', resolution = 'seen', closed_at = now()`)
	w.ok(w.OpenCase(t.Context(), about))
	got := w.db.Text(t, `select string_agg(state || ' ' || owner || ' ' || subject || ' ' || times_opened, ',') from cases`)
	if got != "open zoe N1 2" {
		t.Error(got)
	}
	if n := w.db.Int(t, `select count(*) from cases where due_at between now() + interval '23 hours' and now() + interval '25 hours'`); n != 1 {
		t.Error("a case is due in a day")
	}
}
