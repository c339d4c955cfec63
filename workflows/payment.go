// Package workflows is the story: what becomes of a payment that WeChat confirms.
// It replays from history, so it does no I/O, reads no clock but the workflow's,
// and knows no settings but the terms that come with the books.
package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

// They name the acts for run and attempt, and stay nil.
var (
	books    *activities.Books
	shop     *activities.Shop
	wechat   *activities.WeChat
	evidence *activities.Evidence
)

// PaymentSaga takes one payment to its end: shipped and the shop told, refunded
// in full, or closed by a person. Until then it is open, and whenever it cannot
// go on by itself it has a case with an owner.
//
// There is one mode. It reads the books, does the one thing they call for, and
// reads what that act left; so a run that was lost, terminated or forgotten is
// mended by starting another. A run that finds nothing to do waits a while for a
// person's request and ends as a duplicate.
//
// Dispatch is the pivot. Before it, the shop's no turns the payment round; after
// it, only a person does. No answer is never taken for a no: it waits, and in the
// end it holds. Cancelling the run undoes nothing, it holds as well.
func PaymentSaga(ctx workflow.Context, paid payment.Payment) (payment.Outcome, error) {
	s, err := open(ctx, paid)
	if err != nil {
		return payment.Outcome{}, err
	}
	for s.books.Stage == "" { // not read yet
		s.turn()
	}
	if s.books.Done() && s.nobodyComes() {
		return payment.Outcome{Stage: s.books.Stage, Duplicate: true}, nil
	}
	for !s.books.Done() || s.called() {
		if s.tooLong() && !s.called() {
			return payment.Outcome{}, workflow.NewContinueAsNewError(s.ctx, PaymentSaga, s.paid)
		}
		s.turn()
	}
	return payment.Outcome{Stage: s.books.Stage}, nil
}

// next does what the books call for.
func (s *saga) next() error {
	switch b := s.books; {
	case s.cancelled():
		return s.holdCancelled()
	case b.Stage == "":
		return s.read()
	case s.called():
		return s.hear()
	case queued(b): // written, and its signal not here yet
		return s.begin(b.Request.ID)
	case running(b, payment.Resolve):
		return s.resolve()
	case b.Stage == payment.Received:
		return s.judge()
	case b.Stage == payment.Paid && b.Shipment == payment.ShipAccepted:
		return s.awaitDispatch()
	case b.Stage == payment.Paid:
		return s.ship()
	case b.Stage == payment.Shipped:
		return s.tell()
	case b.Stage == payment.Compensating:
		return s.undo()
	case b.Stage.Waiting():
		return s.awaitPerson()
	}
	return s.windUp()
}

// judge settles a payment that its order alone could not settle.
func (s *saga) judge() error {
	if orderUnknown(s.books) {
		return s.findOrder()
	}
	s.say("asking WeChat whether it was paid")
	err := attempt(s, asking(s.books.Terms, aDay), wechat.AskPayment, s.paid.TransactionID)
	if err == nil || s.cut(err) {
		return err
	}
	return s.openCase(payment.CaseNotPaid, "WeChat gave no answer for a day; it is asked on")
}

// findOrder looks again for a while, because an order's row may be younger than
// the news that it was paid. Then it asks WeChat what was paid, and a person.
func (s *saga) findOrder() error {
	s.say("looking for the order")
	until := s.now().Add(s.books.Terms.UnknownOrderWait)
	for s.now().Before(until) {
		if err := s.pause(min(lookAgainAfter, until.Sub(s.now()))); err != nil {
			return err
		}
		if err := s.read(); err != nil || !orderUnknown(s.books) {
			return err
		}
	}
	s.say("asking WeChat what was paid")
	err := attempt(s, asking(s.books.Terms, aWhile), wechat.AskPayment, s.paid.TransactionID)
	if s.cut(err) || !orderUnknown(s.books) {
		return err
	}
	return s.hold(payment.CaseUnknownOrder, "no such order: "+s.books.OutTradeNo)
}

// ship asks the shop for up to ShipGiveUpAfter. An outcome still unknown then is
// a person's, and if none comes for HoldFor the payment is compensated: the one
// thing that time alone undoes.
func (s *saga) ship() error {
	s.say("asking the shop to ship")
	err := attempt(s, shipping(s.books.Terms), shop.Ship, s.paid.TransactionID)
	switch {
	case s.cut(err):
		return err
	case err == nil && (s.books.Stage != payment.Paid || s.books.Shipment == payment.ShipAccepted):
		return nil
	}
	return s.holdUntil(s.now().Add(s.books.Terms.HoldFor), payment.CaseShipUnknown,
		"the shop gave no answer to ship; it may have shipped")
}

// awaitDispatch waits for the shop to dispatch what it accepted: by its report,
// or by asking it. Too long means a case, and only a person turns it round.
func (s *saga) awaitDispatch() error {
	s.say("waiting for the shop to dispatch")
	return s.watch(watch{
		every:   func(n int) time.Duration { return backoff(s.books.Terms.RetryMaxInterval, n) },
		ask:     func() error { return attempt(s, looking(s.books.Terms), shop.FindShipment, s.paid.TransactionID) },
		late:    s.books.ShipAskedAt.Add(s.books.Terms.DispatchOverdueAfter),
		kind:    payment.CaseDispatchOverdue,
		because: "the shop accepted the order and has not dispatched it",
	})
}
