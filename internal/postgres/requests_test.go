package postgres_test

import (
	"strings"
	"testing"
	"time"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

// bring takes a fresh payment to a stage, the way a saga would.
func (w *world) bring(stage payment.Stage) {
	w.Helper()
	switch stage {
	case payment.Received:
		w.must(w.Claim(w.Context(), news(txn)))
	case payment.Paid:
		w.paid()
	case payment.Shipped:
		w.paid()
		w.claimShip()
		w.dispatched(payment.ShipDispatched)
	case payment.Completed:
		w.bring(payment.Shipped)
		w.must(w.Told(w.Context(), "order.shipped-"+txn, activities.Taken, ""))
	case payment.Holding:
		w.paid()
		w.claimShip()
		w.hold(txn, payment.CaseShipUnknown, time.Now().Add(time.Hour))
	case payment.Quarantined:
		w.db.Order(w, orderNo, fen-1)
		w.must(w.Claim(w.Context(), news(txn)))
	case payment.Compensating:
		w.compensating()
	case payment.Refunded:
		w.compensating()
		w.refund(payment.RefundSuccess)
		w.must(w.MarkRefunded(w.Context(), txn))
	case payment.Resolved:
		w.bring(payment.Quarantined)
		w.resolve("q0", payment.Refunded)
		w.must(w.Resolved(w.Context(), "q0", proof(payment.Refunded)))
	}
	w.want(w.must(w.Read(w.Context(), txn)), stage)
}

// refund takes a number and lets WeChat say how it went.
func (w *world) refund(state payment.RefundState) payment.Books {
	w.Helper()
	r := w.claimRefund()
	return w.must(w.RefundSaid(w.Context(), activities.RefundWord{
		TransactionID: txn, OutRefundNo: r.OutRefundNo, State: state, AmountFen: r.AmountFen,
	}))
}

// proof is what those who know say of a payment that ended so; somebody else gave
// the money back, where it went back.
func proof(outcome payment.Stage, refunds ...activities.RefundWord) activities.Proof {
	if outcome == payment.Refunded && len(refunds) == 0 {
		refunds = []activities.RefundWord{{TransactionID: txn, OutRefundNo: "CONSOLE9", State: payment.RefundSuccess, AmountFen: fen}}
	}
	return activities.Proof{Detail: "confirmed", Refunds: refunds, Shipment: byHand}
}

// byHand is the shipment that the shop shows for the order.
var byHand = activities.Dispatch{State: payment.ShipDispatched, ShipmentID: "S9", Carrier: "SF", TrackingNo: "SF9"}

// resolve asks for a payment to be closed as an outcome, and begins that.
func (w *world) resolve(id string, outcome payment.Stage) payment.Books {
	w.Helper()
	w.ask(id, payment.Resolve, "")
	w.db.Exec(w, `update requests set outcome = $2 where id = $1`, id, outcome)
	return w.must(w.BeginRequest(w.Context(), id))
}

func TestWhatMayBeAskedInWhichStage(t *testing.T) {
	for stage, row := range map[payment.Stage]struct{ compensate, retry, resolve payment.RequestState }{
		payment.Received:     {payment.Running, payment.RequestDone, payment.RequestRefused},
		payment.Paid:         {payment.Running, payment.RequestDone, payment.RequestRefused},
		payment.Shipped:      {payment.Running, payment.RequestDone, payment.RequestRefused},
		payment.Completed:    {payment.Running, payment.RequestRefused, payment.RequestRefused},
		payment.Holding:      {payment.Running, payment.RequestDone, payment.Running},
		payment.Quarantined:  {payment.Running, payment.RequestRefused, payment.Running},
		payment.Compensating: {payment.RequestRefused, payment.RequestDone, payment.RequestRefused},
		payment.Refunded:     {payment.RequestRefused, payment.RequestRefused, payment.RequestRefused},
		payment.Resolved:     {payment.RequestRefused, payment.RequestRefused, payment.RequestRefused},
	} {
		for kind, want := range map[payment.RequestKind]payment.RequestState{
			payment.Compensate: row.compensate, payment.Retry: row.retry, payment.Resolve: row.resolve,
		} {
			t.Run(string(kind)+" while "+string(stage), func(t *testing.T) {
				t.Parallel()
				w := open(t)
				w.bring(stage)
				books := w.begin("q1", kind)
				w.must(w.BeginRequest(t.Context(), "q1")) // an act may run twice
				if got := w.request("q1"); !strings.HasPrefix(got, string(want)+": ") {
					t.Errorf("the request is %s, want %s", got, want)
				}
				goes := stage
				switch {
				case kind == payment.Compensate && want == payment.Running:
					goes = payment.Compensating
				case kind == payment.Retry && stage == payment.Holding:
					goes = payment.Paid
				}
				w.want(books, goes)
			})
		}
	}
}

func TestWhatAnApproverMustHaveSeen(t *testing.T) {
	closed := func(w *world) {
		w.compensating()
		w.want(w.refund(payment.RefundClosed), payment.Holding)
	}
	cancelRefused := func(w *world) {
		w.paid()
		w.claimShip()
		w.begin("q0", payment.Compensate)
		_, err := w.ClaimCancel(w.Context(), txn)
		w.ok(err)
		w.want(w.hold(txn, payment.CaseCancelRefused, time.Time{}), payment.Holding)
	}
	for name, row := range map[string]struct {
		before   func(*world)
		kind     payment.RequestKind
		goods    payment.Goods
		approver string
		want     string
	}{
		"a new refund number is not taken by one person": {
			closed, payment.Retry, "", "", "refused: WeChat closed the last refund; a new number needs an approver"},
		"nor by one who calls it a compensation": {
			closed, payment.Compensate, "", "", "refused: WeChat closed the last refund; a new number needs an approver"},
		"nor after somebody cancelled the run as well": {
			func(w *world) { closed(w); w.hold(txn, payment.CaseCancelledWorkflow, time.Time{}) },
			payment.Retry, "", "", "refused: WeChat closed the last refund; a new number needs an approver"},
		"two people take a new number": {
			closed, payment.Retry, "", "bob", "done: goes on, after refund_closed"},
		"goods are not given away by one person": {
			func(w *world) { w.bring(payment.Completed) }, payment.Compensate, payment.GoodsKept, "",
			"refused: to refund without stopping the goods needs an approver"},
		"two people give goods away": {
			func(w *world) { w.bring(payment.Completed) }, payment.Compensate, payment.GoodsKept, "bob", "running: "},
		"what may still ship is stopped first, whoever approved": {
			func(w *world) { w.bring(payment.Holding) }, payment.Compensate, payment.GoodsReturned, "bob",
			"refused: the shipment is not known to be dispatched; stop it first"},
		"what the shop would not cancel has left": {
			cancelRefused, payment.Compensate, payment.GoodsReturned, "bob", "running: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			row.before(w)
			w.ask("q1", row.kind, row.approver)
			w.db.Exec(t, `update requests set goods = $1 where id = 'q1'`, row.goods)
			w.must(w.BeginRequest(t.Context(), "q1"))
			if got := w.request("q1"); got != row.want {
				t.Errorf("the request is %q, want %q", got, row.want)
			}
		})
	}
}

func TestARequestIsBoundToItsAmount(t *testing.T) {
	w := open(t)
	w.paid()
	w.ask("q1", payment.Compensate, "")
	w.db.Exec(t, `update requests set amount_fen = amount_fen - 1`)
	w.want(w.must(w.BeginRequest(t.Context(), "q1")), payment.Paid)
	if got := w.request("q1"); got != "refused: asked for 12849 fen, and 12850 fen would go back now" {
		t.Error(got)
	}
}

func TestARequestThatWaitsForAnApproverIsNotBegun(t *testing.T) {
	w := open(t)
	w.paid()
	w.ask("q1", payment.Compensate, "")
	w.db.Exec(t, `update requests set state = 'pending_approval', expires_at = now() + interval '1 day'`)
	books := w.must(w.BeginRequest(t.Context(), "q1"))
	if books.Stage != payment.Paid || books.Request != nil {
		t.Errorf("%s, %+v", books.Stage, books.Request)
	}
	_, err := w.BeginRequest(t.Context(), "nobody's")
	w.wantKind(err, payment.NotFound)
}

func TestTheBooksShowTheRequestThatMayRun(t *testing.T) {
	w := open(t)
	w.paid()
	w.ask("q1", payment.Compensate, "")
	if q := w.must(w.Read(t.Context(), txn)).Request; q == nil || *q != (payment.OpenRequest{ID: "q1", Kind: payment.Compensate, State: payment.Queued}) {
		t.Errorf("%+v", q)
	}
	w.must(w.BeginRequest(t.Context(), "q1"))
	w.refund(payment.RefundSuccess)
	books := w.must(w.MarkRefunded(t.Context(), txn))
	if books.Request != nil {
		t.Errorf("still open: %+v", books.Request)
	}
	if got := w.request("q1"); got != "done: refunded in full" {
		t.Error(got)
	}
}

func TestAPersonClosesAPaymentWithEvidence(t *testing.T) {
	for name, row := range map[string]struct {
		from    payment.Stage
		outcome payment.Stage
		order   payment.OrderState
		webhook string
	}{
		"held, and the shop had shipped":        {payment.Holding, payment.Shipped, payment.OrderShipped, "order.shipped-" + txn},
		"quarantined, and it had been refunded": {payment.Quarantined, payment.Refunded, payment.OrderPending, "payment.refunded-" + txn},
		"quarantined, and shipped by hand":      {payment.Quarantined, payment.Shipped, payment.OrderShipped, "order.shipped-" + txn},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			w.bring(row.from)
			books := w.resolve("q1", row.outcome)
			if books.Stage != row.from || books.Request == nil || books.Request.State != payment.Running {
				t.Fatalf("before the evidence: %+v", books)
			}
			books = w.must(w.Resolved(t.Context(), "q1", proof(row.outcome)))
			w.want(books, payment.Resolved)
			w.wantCases(txn, "")
			if w.order() != row.order || books.Webhook != row.webhook {
				t.Errorf("order %s, told %q", w.order(), books.Webhook)
			}
			if got := w.request("q1"); got != "done: confirmed" {
				t.Error(got)
			}
		})
	}
}

func TestEvidenceThatDoesNotHoldChangesNothing(t *testing.T) {
	w := open(t)
	w.bring(payment.Holding)
	w.resolve("q1", payment.Shipped)
	books := w.must(w.RefuseRequest(t.Context(), "q1", "the shop has not dispatched it"))
	w.want(books, payment.Holding)
	w.wantCases(txn, "ship_unknown")
	if got := w.request("q1"); got != "refused: the shop has not dispatched it" {
		t.Error(got)
	}
}

func TestARequestThatEndedClosesNothing(t *testing.T) {
	w := open(t)
	w.bring(payment.Holding)
	w.resolve("q1", payment.Shipped)
	w.must(w.RefuseRequest(t.Context(), "q1", "the shop has not dispatched it"))
	w.want(w.must(w.Resolved(t.Context(), "q1", proof(payment.Shipped))), payment.Holding) // a straggler
}

func TestAPaymentThatMovedOnIsNotClosedByEvidence(t *testing.T) {
	w := open(t)
	w.bring(payment.Holding)
	w.resolve("q1", payment.Refunded)
	w.want(w.dispatched(payment.ShipDispatched), payment.Shipped) // the shop answers after all
	w.want(w.must(w.Resolved(t.Context(), "q1", proof(payment.Refunded))), payment.Shipped)
	if got := w.request("q1"); got != "refused: the payment is shipped now" {
		t.Error(got)
	}
}
