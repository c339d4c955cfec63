package workflows

import (
	"reflect"
	"time"

	"github.com/paysaga/paysaga/internal/payment"
)

// undo takes back what the books say was done, last first: stop the goods, give
// the money back, mark it refunded. Whom to tell is told when the stage is final.
// It holds at the first refusal, and no answer to a cancel is never taken for
// leave to refund.
func (s *saga) undo() error {
	switch b := s.books; {
	case mustStop(b):
		return s.cancelShipment()
	case atWeChat(b.Refund):
		return s.awaitRefund()
	case b.RefundedInFull():
		s.say("marking it refunded")
		return run(s, quick(b.Terms, "mark refunded"), books.MarkRefunded, s.paid.TransactionID)
	}
	return s.giveBack()
}

// mustStop tells whether the goods are to be stopped before money goes back.
func mustStop(b payment.Books) bool {
	return b.Shipment.ToCancel() && b.Goods != payment.GoodsReturned && b.Goods != payment.GoodsKept
}

// cancelShipment gives the shop a day: an outage over a night mends itself, and
// no payer waits longer for the money without a person knowing.
func (s *saga) cancelShipment() error {
	s.say("asking the shop not to ship")
	err := attempt(s, cancelling(s.books.Terms), shop.CancelShipment, s.paid.TransactionID)
	if err == nil || s.cut(err) {
		return err
	}
	return s.hold(payment.CaseCancelUnknown, "the shop gave no answer to cancel; it may still ship, so nothing was refunded")
}

// giveBack asks WeChat to make the open refund, or one of what is left, always
// under the same number. An empty merchant account or a silent WeChat is waited
// for; after a day somebody is told, and it goes on.
func (s *saga) giveBack() error {
	s.say("asking WeChat to refund")
	before := s.books
	err := attempt(s, refunding(s.books.Terms), wechat.Refund, s.paid.TransactionID)
	if s.cut(err) || err == nil && !reflect.DeepEqual(before, s.books) {
		return err
	}
	return s.openCase(payment.CaseRefundStuck, refundStays)
}

// awaitRefund waits for WeChat's final word on a refund it has: by its callback
// or by asking, whichever is first.
func (s *saga) awaitRefund() error {
	s.say("waiting for WeChat to finish the refund")
	tired := tiredOf(s.books.Refund)
	return s.watch(watch{
		every:   func(n int) time.Duration { return s.pollAfter(n, tired) },
		ask:     func() error { return attempt(s, following(s.books.Terms), wechat.QueryRefund, s.paid.TransactionID) },
		late:    tired,
		kind:    payment.CaseRefundStuck,
		because: refundSlow,
	})
}

// windUp does what a final stage leaves to do: take a refund to its end, and tell
// the shop. Only a part that a person asked for is still sent here; the payment is
// settled without any other.
func (s *saga) windUp() error {
	switch b := s.books; {
	case b.Refund != nil && b.Refund.Part && !atWeChat(b.Refund):
		return s.giveBack()
	case b.Refund != nil:
		return s.awaitRefund()
	case b.Webhook != "":
		return s.tell()
	}
	return s.read() // a request that runs, and nothing that it asks for
}

// tell lets the shop know, and the payer where there is a mini-program, for up to
// NotifyGiveUpAfter. It never compensates: who takes no message means a case, and
// the saga goes on without.
func (s *saga) tell() error {
	s.say("telling the shop")
	err := attempt(s, telling(s.books.Terms), shop.Notify, s.paid.TransactionID)
	if err == nil || s.cut(err) || s.books.Webhook == "" {
		return err
	}
	s.untold = true
	return run(s, quick(s.books.Terms, "give up telling the shop"), shop.GiveUpNotify, s.paid.TransactionID)
}

// atWeChat tells whether WeChat has the refund, so that it is asked about and
// not sent.
func atWeChat(r *payment.Refund) bool {
	return r != nil && r.State != payment.RefundRequested
}
