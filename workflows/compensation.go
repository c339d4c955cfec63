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
	case b.Shipment.ToCancel() && b.Goods != payment.GoodsReturned && b.Goods != payment.GoodsKept:
		return s.cancelShipment()
	case atWeChat(b.Refund):
		return s.awaitRefund()
	case b.RefundedInFull():
		s.say("marking it refunded")
		return run(s, quick(b.Terms, "mark refunded"), books.MarkRefunded, s.paid.TransactionID)
	}
	return s.giveBack()
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

// giveBack asks WeChat to refund what is left, always under the same number. An
// empty merchant account or a silent WeChat is waited for; after a day somebody
// is told, and it goes on.
func (s *saga) giveBack() error {
	s.say("asking WeChat to refund")
	before := s.books
	err := attempt(s, refunding(s.books.Terms), wechat.Refund, s.paid.TransactionID)
	if s.cut(err) || err == nil && !reflect.DeepEqual(before, s.books) {
		return err
	}
	return s.openCase(payment.CaseRefundStuck, "the money does not move; WeChat is asked on under the same number")
}

// awaitRefund waits for WeChat's final word on a refund it has: by its callback
// or by asking, whichever is first.
func (s *saga) awaitRefund() error {
	s.say("waiting for WeChat to finish the refund")
	asked := s.books.Refund.AskedAt
	if asked.IsZero() {
		asked = s.now()
	}
	tired := asked.Add(pollOftenFor)
	return s.watch(watch{
		every: func(n int) time.Duration {
			polls := s.books.Terms.RefundPoll
			if len(polls) == 0 || !s.now().Before(tired) {
				return aDay
			}
			return polls[min(n, len(polls)-1)]
		},
		ask:     func() error { return attempt(s, following(s.books.Terms), wechat.QueryRefund, s.paid.TransactionID) },
		late:    tired,
		kind:    payment.CaseRefundStuck,
		because: "WeChat has had the refund for a week; it is asked once a day",
	})
}

// windUp does what a final stage leaves to do: follow a refund to its end, and
// tell the shop. A refund is only asked about here and never sent, for the
// payment is settled without it.
func (s *saga) windUp() error {
	switch b := s.books; {
	case b.Refund != nil:
		return s.awaitRefund()
	case b.Webhook != "":
		return s.tell()
	}
	return s.read() // a request that runs, and nothing that it asks for
}

// tell lets the shop know, for up to NotifyGiveUpAfter. It never compensates: a
// shop that takes no messages means a case, and the saga goes on without.
func (s *saga) tell() error {
	s.say("telling the shop")
	err := attempt(s, telling(s.books.Terms), shop.Notify, s.paid.TransactionID)
	if err == nil || s.cut(err) || s.books.Webhook == "" {
		return err
	}
return err
}

// atWeChat tells whether WeChat has the refund, so that it is asked about and
// not sent. One that was made outside paysaga is never sent.
func atWeChat(r *payment.Refund) bool {
	return r != nil && (r.Foreign || r.State != payment.RefundRequested)
}
