package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/paysaga/paysaga/internal/payment"
)

// A refund of part of a payment goes beside the story: it moves no stage, and
// nothing waits for it. While the saga waits for whatever it waits for, it looks
// after that refund now and then. The same holds for any refund that WeChat has
// while something else comes first.

// errand is how this run has looked after such a refund so far.
type errand struct {
	number string // the refund's; it begins anew with another one
	asked  bool   // and once it is only asked about
	looks  int
	since  time.Time
	last   time.Time
}

// beside tells whether there is such a refund now. Of any other, undo and windUp
// take care; before the payment turns round there is none. What a person stopped
// is not sent, only asked about.
func (s *saga) beside() bool {
	b := s.books
	switch {
	case b.Refund == nil:
		return false
	case b.Stage == payment.Paid, b.Stage == payment.Shipped:
		return b.Refund.Part
	case b.Stage == payment.Holding, b.Stage == payment.Compensating && mustStop(b):
		return s.onlyAsked()
	}
	return false
}

// onlyAsked tells whether the refund beside is asked about and not sent: WeChat
// has it, or was asked for it before a person stopped the payment and may have it
// all the same. Its no would be an answer.
func (s *saga) onlyAsked() bool {
	b := s.books
	if b.Refund == nil || b.Stage == payment.Paid || b.Stage == payment.Shipped || atWeChat(b.Refund) {
		return atWeChat(b.Refund)
	}
	refused := b.Hold != nil && b.Hold.Reason == payment.CaseRefundRefused
	return !b.Refund.AskedAt.IsZero() && !refused && asksTheUnanswered(s.ctx)
}

// nextLook is when the refund is to be looked after; zero is never.
func (s *saga) nextLook() time.Time {
	if !s.beside() {
		return time.Time{}
	}
	e, r := &s.errand, s.books.Refund
	if asked := s.onlyAsked(); e.number != r.OutRefundNo || e.asked != asked {
		*e = errand{number: r.OutRefundNo, asked: asked, since: s.now(), last: s.now()}
	}
	switch {
	case e.asked:
		return e.last.Add(s.pollAfter(e.looks, tiredOf(r)))
	case e.looks == 0 && r.ReadyAt.After(e.since):
		return r.ReadyAt
	case e.looks == 0:
		return e.since
	}
	return e.last.Add(backoff(s.books.Terms.RetryMaxInterval, 0))
}

// look sends the refund, or asks what became of it, once. What failed is tried
// again at the next look; somebody is told when it has been too many.
func (s *saga) look() {
	act, late, because := wechat.Refund, s.errand.since.Add(aDay), refundStays
	if s.errand.asked {
		act, late, because = wechat.QueryRefund, tiredOf(s.books.Refund), refundSlow
	}
	err := run(s, glancing(s.books.Terms), act, s.paid.TransactionID)
	s.errand.looks++
	s.errand.last = s.now()
	if err != nil {
		workflow.GetLogger(s.ctx).Warn("the refund beside did not move", "err", err)
	}
	if s.beside() && !s.now().Before(late) {
		if err := s.openCase(payment.CaseRefundStuck, because); err != nil {
			workflow.GetLogger(s.ctx).Warn("and nobody could be told", "err", err)
		}
	}
	s.show()
}

// What people read of a refund that does not move.
const (
	refundStays = "the money does not move; WeChat is asked on under the same number"
	refundSlow  = "WeChat has had the refund for a week; it is asked once a day"
)

// tiredOf is when WeChat has been asked often enough about a refund.
func tiredOf(r *payment.Refund) time.Time { return r.AskedAt.Add(pollOftenFor) }

// pollAfter is how long before the n-th question about a refund, n from 0.
func (s *saga) pollAfter(n int, tired time.Time) time.Duration {
	polls := s.books.Terms.RefundPoll
	if len(polls) == 0 || !s.now().Before(tired) {
		return aDay
	}
	return polls[min(n, len(polls)-1)]
}
