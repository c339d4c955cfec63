package activities_test

import (
	"testing"
	"time"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

func TestAPersonsWordIsCheckedWithThoseWhoKnow(t *testing.T) {
	refund := func(id string, amountFen int64, state payment.RefundState) func(*world) {
		return func(w *world) {
			w.wechat.made[id] = activities.RefundWord{TransactionID: txn, OutRefundNo: id, State: state, AmountFen: amountFen}
		}
	}
	dispatched := func(w *world) { w.shop.dispatch(orderNo) }
	stopped := func(w *world) { w.stopped() }
	for name, row := range map[string]struct {
		outcome  payment.Stage
		evidence []string
		world    []func(*world)
		want     payment.Stage
		request  string
	}{
		"shipped, and the shop says so": {
			payment.Shipped, []string{"S1"}, []func(*world){dispatched}, payment.Resolved, "done: shipped, confirmed"},
		"shipped, and the shop names another shipment": {
			payment.Shipped, []string{"S2", "S3"}, []func(*world){dispatched}, payment.Holding, "refused: the shop dispatched another shipment than was named"},
		"shipped, and no shipment is named": {
			payment.Shipped, nil, []func(*world){dispatched}, payment.Holding, "refused: the shop dispatched another shipment than was named"},
		"shipped, and the shop knows nothing of it": {
			payment.Shipped, nil, nil, payment.Holding, "refused: the shop knows no such shipment"},
		"shipped, and the shop has only accepted it": {
			payment.Shipped, nil,
			[]func(*world){func(w *world) {
				w.shop.parcels[orderNo] = activities.Dispatch{State: payment.ShipAccepted}
			}},
			payment.Holding, "refused: the shop has not dispatched it"},
		"refunded in one, and WeChat says so": {
			payment.Refunded, []string{"X1"}, []func(*world){stopped, refund("X1", fen, payment.RefundSuccess)},
			payment.Resolved, "done: refunded, confirmed"},
		"refunded in two, and WeChat says so": {
			payment.Refunded, []string{"X1", "X2"},
			[]func(*world){stopped, refund("X1", fen-1, payment.RefundSuccess), refund("X2", 1, payment.RefundSuccess)},
			payment.Resolved, "done: refunded, confirmed"},
		"refunded, and the parcel may still leave": {
			payment.Refunded, []string{"X1"}, []func(*world){refund("X1", fen, payment.RefundSuccess)},
			payment.Holding, "refused: stop the shipment first"},
		"refunded, and a fen is missing": {
			payment.Refunded, []string{"X1"}, []func(*world){refund("X1", fen-1, payment.RefundSuccess)},
			payment.Holding, "refused: the refunds do not add up to what was paid"},
		"refunded, with one number named twice": {
			payment.Refunded, []string{"X1", "X1"}, []func(*world){refund("X1", fen/2, payment.RefundSuccess)},
			payment.Holding, "refused: a refund number is named twice"},
		"refunded, and it is not done yet": {
			payment.Refunded, []string{"X1"}, []func(*world){refund("X1", fen, payment.RefundProcessing)},
			payment.Holding, "refused: WeChat does not call X1 a success"},
		"refunded, and WeChat knows no such number": {
			payment.Refunded, []string{"X1"}, nil, payment.Holding, "refused: WeChat knows no refund X1"},
		"refunded, by another payment's refund": {
			payment.Refunded, []string{"X1"},
			[]func(*world){func(w *world) {
				w.wechat.made["X1"] = activities.RefundWord{TransactionID: "4200000009", OutRefundNo: "X1", State: payment.RefundSuccess, AmountFen: fen}
			}},
			payment.Holding, "refused: X1 is a refund of another payment"},
		"refunded, and nothing is named": {
			payment.Refunded, nil, nil, payment.Holding, "refused: the refunds do not add up to what was paid"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			w.held()
			for _, arrange := range row.world {
				arrange(w)
			}
			w.claims("q1", row.outcome, row.evidence...)
			for range 2 { // an act may run twice
				w.want(w.must(w.evidence.Resolve(t.Context(), "q1")), row.want)
			}
			if got := w.db.Text(t, `select state || ': ' || detail from requests where id = 'q1'`); got != row.request {
				t.Errorf("request %q, want %q", got, row.request)
			}
		})
	}
	t.Run("what was named and does not add up is in the books from then on", func(t *testing.T) {
		t.Parallel()
		w := open(t)
		w.held()
		refund("X1", 850, payment.RefundSuccess)(w)
		refund("X2", 100, payment.RefundProcessing)(w)
		w.wechat.made["X3"] = activities.RefundWord{TransactionID: "4200000009", OutRefundNo: "X3", State: payment.RefundSuccess, AmountFen: 1}
		w.claims("q1", payment.Refunded, "X0", "X1", "X1", "X2", "X3")
		books := w.must(w.evidence.Resolve(t.Context(), "q1"))
		w.want(books, payment.Holding)
		if got := w.db.Text(t, `select string_agg(out_refund_no || ' ' || amount_fen || ' ' || state, ', ' order by out_refund_no) from refunds where is_foreign`); got != "X1 850 success, X2 100 processing" {
			t.Errorf("the books know %q", got)
		}
		if got := w.db.Text(t, `select detail from requests where id = 'q1'`); got != "WeChat knows no refund X0" {
			t.Errorf("the request was refused for %q", got)
		}
		if books.RefundedFen != 850 {
			t.Errorf("%d fen went back", books.RefundedFen)
		}
		if got := w.openCases(); got != "foreign_refund foreign_refund ship_unknown" {
			t.Errorf("cases %q", got)
		}
	})
	t.Run("nobody answers, and it is asked again", func(t *testing.T) {
		t.Parallel()
		w := open(t)
		w.held()
		w.claims("q1", payment.Shipped, "S1")
		w.shop.finds.moods = []mood{silent}
		w.asksAgain(w.evidence.Resolve(t.Context(), "q1"))
		w.want(w.read(), payment.Holding)
	})
	t.Run("nobody answers for so long that it is given up, and a person may ask for something else", func(t *testing.T) {
		t.Parallel()
		w := open(t)
		w.held()
		w.claims("q1", payment.Shipped, "S1")
		for range 2 { // an act may run twice
			w.want(w.must(w.evidence.GiveUpResolve(t.Context(), "q1")), payment.Holding)
		}
		if got := w.db.Text(t, `select state || ': ' || detail from requests`); got != "refused: nobody who knows answered" {
			t.Error(got)
		}
		w.ask("q2", payment.Compensate)
		w.want(w.must(w.books.BeginRequest(t.Context(), "q2")), payment.Compensating)
	})
}

// A payment that WeChat does not call paid is closed for nothing, as long as
// WeChat stands by its word.
func TestWhatWasNeverPaidIsClosedWithoutARefund(t *testing.T) {
	for says, row := range map[string]struct {
		stage   payment.Stage
		request string
	}{
		"NOTPAY":  {payment.Resolved, "done: nothing to refund, for WeChat says NOTPAY"},
		"CLOSED":  {payment.Resolved, "done: nothing to refund, for WeChat says CLOSED"},
		"":        {payment.Resolved, "done: nothing to refund, for WeChat says NOT_FOUND"},
		"SUCCESS": {payment.Holding, "refused: WeChat says SUCCESS now"},
		"REFUND":  {payment.Holding, "refused: WeChat says REFUND now"},
	} {
		t.Run("WeChat says "+says, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			told := news(txn)
			told.Via = payment.ViaQuery
			w.must(w.books.MarkPaid(t.Context(), told))
			w.want(w.must(w.refunds.AskPayment(t.Context(), txn)), payment.Holding) // it knows of no payment
			if says != "" {
				w.wechat.trade = &activities.Transaction{TransactionID: txn, TradeState: says}
			}
			w.claims("q1", payment.Refunded)
			w.wechat.pays.moods = []mood{silent}
			w.asksAgain(w.evidence.Resolve(t.Context(), "q1"))
			w.want(w.must(w.evidence.Resolve(t.Context(), "q1")), row.stage)
			if got := w.db.Text(t, `select state || ': ' || detail from requests`); got != row.request {
				t.Errorf("request %q, want %q", got, row.request)
			}
		})
	}
}

// claims has a person say how the payment ended, and begins that request.
func (w *world) claims(id string, outcome payment.Stage, evidence ...string) {
	w.Helper()
	w.ask(id, payment.Resolve)
	w.db.Exec(w, `update requests set outcome = $2, evidence = $3 where id = $1`, id, outcome, append([]string{}, evidence...))
	w.want(w.must(w.books.BeginRequest(w.Context(), id)), payment.Holding)
}

// stopped has the shop cancel what is held, and somebody hold it again.
func (w *world) stopped() {
	w.Helper()
	w.ask("q0", payment.Compensate)
	w.must(w.books.BeginRequest(w.Context(), "q0"))
	w.must(w.ship.CancelShipment(w.Context(), txn))
	w.must(w.books.Hold(w.Context(), activities.Stop{
		TransactionID: txn, Hold: payment.Hold{Reason: payment.CaseCancelledWorkflow, Direction: payment.Backward},
	}))
}

// held is a payment whose shipping has no known outcome.
func (w *world) held() {
	w.Helper()
	w.paid()
	w.shop.ships.moods = []mood{silent}
	w.asksAgain(w.ship.Ship(w.Context(), txn))
	w.must(w.books.Hold(w.Context(), activities.Stop{
		TransactionID: txn,
		Hold:          payment.Hold{Reason: payment.CaseShipUnknown, Direction: payment.Forward, Until: time.Now().Add(time.Hour)},
	}))
}
