package postgres_test

import (
	"testing"
	"time"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

// closedAs asks for the payment to be closed as an outcome, with that proof, and
// returns what became of the request.
func (w *world) closedAs(outcome payment.Stage, proof activities.Proof) string {
	w.Helper()
	w.resolve("q9", outcome)
	w.must(w.Resolved(w.Context(), "q9", proof))
	return w.request("q9")
}

// cancelled is a payment that went back until its shipment was stopped, and is
// held there.
func (w *world) cancelled() {
	w.Helper()
	w.paid()
	w.claimShip()
	w.begin("q0", payment.Compensate)
	_, err := w.ClaimCancel(w.Context(), txn)
	w.ok(err)
	w.must(w.Cancelled(w.Context(), txn))
	w.hold(txn, payment.CaseCancelledWorkflow, time.Time{})
}

// The shop's word counts for the payment that it shipped, and for no other.
func TestWhoseShipmentItIs(t *testing.T) {
	const other = "4200000009"
	for name, row := range map[string]struct {
		before func(*world)
		want   string
	}{
		"its own": {func(w *world) {
			w.bring(payment.Holding)
			w.db.Exec(w, `update shipments set shipment_id = 'S9'`)
		}, "done: confirmed"},
		"its own, and the shop's answer never came": {func(w *world) { w.bring(payment.Holding) }, "done: confirmed"},
		"another than it asked for": {func(w *world) {
			w.bring(payment.Holding)
			w.db.Exec(w, `update shipments set shipment_id = 'S1'`)
		}, "refused: this payment's shipment is another"},
		"of the payment that paid the order": {func(w *world) {
			w.compensating()
			w.hold(txn, payment.CaseCancelledWorkflow, time.Time{})
		}, "refused: another payment paid the order, and what ships is that one's"},
		"of another payment of an order that we do not know": {func(w *world) {
			w.must(w.Claim(w.Context(), news(txn)))
			w.must(w.Claim(w.Context(), news(other)))
			w.hold(txn, payment.CaseUnknownOrder, time.Time{})
			w.db.Exec(w, `insert into shipments (transaction_id, out_trade_no, ship_key, state) values ($1, $2, 'k', 'dispatched')`, other, orderNo)
		}, "refused: another payment paid the order, and what ships is that one's"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			row.before(w)
			if got := w.closedAs(payment.Shipped, proof(payment.Shipped)); got != row.want {
				t.Errorf("the request is %q, want %q", got, row.want)
			}
		})
	}
}

// What a person closed as shipped does not ship again, whoever pays next.
func TestAnOrderThatWasShippedByHandShipsOnce(t *testing.T) {
	const next = "4200000009"
	for name, before := range map[string]func(*world){
		"its payment was of a wrong amount": func(w *world) { w.bring(payment.Quarantined) },
		"its payment was of a wrong amount, and the order had closed": func(w *world) {
			w.bring(payment.Quarantined)
			w.db.Exec(w, `update orders set state = 'closed', late_payment = 'reopen'`)
		},
		"its order came after its payment": func(w *world) {
			w.must(w.Claim(w.Context(), news(txn)))
			w.hold(txn, payment.CaseUnknownOrder, time.Time{})
			w.db.Order(w, orderNo, fen)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			before(w)
			if got := w.closedAs(payment.Shipped, proof(payment.Shipped)); got != "done: confirmed" {
				t.Fatal(got)
			}
			if got := w.shipment(); got != "dispatched S9 SF9" || w.order() != payment.OrderShipped {
				t.Errorf("shipment %q, and the order is %s", got, w.order())
			}
			w.db.Exec(t, `update orders set amount_fen = $1`, fen)
			w.want(w.must(w.Claim(t.Context(), news(next))), payment.Compensating)
			_, err := w.ClaimShip(t.Context(), next)
			w.wantKind(err, payment.Conflict)
			w.undoes(next, "second_payment")
		})
	}
	t.Run("the order is still unknown, and turns up later", func(t *testing.T) {
		t.Parallel()
		w := open(t)
		w.must(w.Claim(t.Context(), news(txn)))
		w.hold(txn, payment.CaseUnknownOrder, time.Time{})
		if got := w.closedAs(payment.Shipped, proof(payment.Shipped)); got != "done: confirmed" {
			t.Fatal(got)
		}
		w.db.Order(t, orderNo, fen)
		w.want(w.must(w.Claim(t.Context(), news(next))), payment.Paid)
		_, err := w.ClaimShip(t.Context(), next)
		w.wantKind(err, payment.Internal) // asked again, and held in the end
	})
}

func (w *world) undoes(id, cause string) {
	w.Helper()
	if got := w.verdict(id).Cause; got != cause {
		w.Errorf("it goes back because of %q, want %q", got, cause)
	}
}

// Closing a payment as refunded stops nothing: what may still leave is stopped first.
func TestOnlyWhatCannotLeaveIsClosedAsRefunded(t *testing.T) {
	for name, row := range map[string]struct {
		before func(*world)
		want   string
	}{
		"the shop never said what became of it": {func(w *world) { w.bring(payment.Holding) }, "refused: stop the shipment first"},
		"the shop accepted it": {func(w *world) {
			w.bring(payment.Holding)
			w.dispatched(payment.ShipAccepted)
			w.hold(txn, payment.CaseCancelledWorkflow, time.Time{})
		}, "refused: stop the shipment first"},
		"the shop cancelled it": {(*world).cancelled, "done: confirmed"},
		"the shop dispatched it": {func(w *world) {
			w.bring(payment.Shipped)
			w.hold(txn, payment.CaseCancelledWorkflow, time.Time{})
		}, "done: confirmed"},
		"nobody asked the shop": {func(w *world) {
			w.paid()
			w.hold(txn, payment.CaseCancelledWorkflow, time.Time{})
		}, "done: confirmed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			row.before(w)
			got := w.closedAs(payment.Refunded, proof(payment.Refunded))
			if got != row.want {
				t.Errorf("the request is %q, want %q", got, row.want)
			}
			if got == "done: confirmed" && (w.order() != payment.OrderRefunded || w.openCases(txn) != "") {
				t.Errorf("the order is %s, open cases %q", w.order(), w.openCases(txn))
			}
		})
	}
}

// What was never paid has nothing to give back, and keeps no order from closing.
func TestAPaymentThatWasNoneIsClosed(t *testing.T) {
	w := open(t)
	w.db.Order(t, orderNo, fen)
	told := news(txn)
	told.Via = payment.ViaBill
	w.must(w.Claim(t.Context(), told))
	w.want(w.must(w.WeChatSaid(t.Context(), txn, activities.Transaction{TradeState: "NOTPAY"})), payment.Holding)
	closing := payment.Closing{OutTradeNo: orderNo, Actor: "shop"}
	if state, err := w.CloseOrder(t.Context(), closing); err != nil || state != payment.OrderPending {
		t.Fatalf("while a person is awaited, the order is %s, %v", state, err)
	}
	if got := w.closedAs(payment.Refunded, activities.Proof{Detail: "nothing to refund", NeverPaid: true}); got != "done: nothing to refund" {
		t.Fatal(got)
	}
	if books := w.must(w.Read(t.Context(), txn)); !books.Done() || w.openCases(txn) != "" {
		t.Errorf("still open: %+v, cases %q", books, w.openCases(txn))
	}
	if state, err := w.CloseOrder(t.Context(), closing); err != nil || state != payment.OrderClosed {
		t.Errorf("the order is %s, %v", state, err)
	}
}

func TestOnlyWhatWeChatCalledUnpaidIsClosedForNothing(t *testing.T) {
	w := open(t)
	w.paid()
	w.hold(txn, payment.CaseCancelledWorkflow, time.Time{})
	if got := w.closedAs(payment.Refunded, activities.Proof{NeverPaid: true}); got != "refused: the refunds do not add up to what was paid" {
		t.Error(got)
	}
}
