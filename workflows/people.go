package workflows

import (
	"fmt"
	"slices"

	"go.temporal.io/sdk/workflow"

	"github.com/paysaga/paysaga/internal/payment"
)

// call is one signal from a person. One without a request was sent by hand.
type call struct {
	kind   payment.RequestKind
	word   Word
	byHand int // which of the run's hand-sent ones, from 1; zero for a request
}

var requestSignals = []string{SignalCompensate, SignalRefund, SignalRetry, SignalResolve}

// called takes in every signal that arrived and tells whether one of them wants
// something done now. It ends every wait.
func (s *saga) called() bool {
	for _, name := range requestSignals {
		signals := workflow.GetSignalChannel(s.ctx, name)
		for word := (Word{}); signals.ReceiveAsync(&word); word = (Word{}) {
			s.note(call{kind: payment.RequestKind(name), word: word})
		}
	}
	var refund RefundResult
	for workflow.GetSignalChannel(s.ctx, SignalRefundResult).ReceiveAsync(&refund) {
		s.refundNews = refund.OutRefundNo
	}
	for workflow.GetSignalChannel(s.ctx, SignalDispatched).ReceiveAsync(&DispatchReport{}) {
		s.dispatchNews = true
	}
	return len(s.calls) > 0 || s.refundMoved() || s.parcelMoved()
}

// note keeps a call, unless its request runs or waits to be heard already: the
// sweep repeats a request until it ended.
func (s *saga) note(c call) {
	id := c.word.RequestID
	if id == "" {
		s.byHand++
		c.byHand = s.byHand
		s.calls = append(s.calls, c)
		return
	}
	runs := s.books.Request != nil && s.books.Request.ID == id && s.books.Request.State == payment.Running
	waits := slices.ContainsFunc(s.calls, func(other call) bool { return other.word.RequestID == id })
	if !runs && !waits {
		s.calls = append(s.calls, c)
	}
}

// refundMoved tells whether WeChat has news of the refund that is under way. While
// the first asking has no answer yet, this run has not seen its number.
func (s *saga) refundMoved() bool {
	if s.books.Refund == nil {
		return s.refundNews != "" && s.books.Stage == payment.Compensating
	}
	return s.refundNews == s.books.Refund.OutRefundNo
}

func (s *saga) parcelMoved() bool {
	b := s.books
	heldForward := b.Hold != nil && b.Hold.Direction == payment.Forward
	return s.dispatchNews && (b.Stage == payment.Paid || heldForward)
}

// hear does what the calls ask for, as far as the books alone can; what else it
// takes, the next turn sees in the books. It reads the request's row, never the
// signal's word. What failed is logged and not repeated: a request that counts is
// in the books, and signalled again.
func (s *saga) hear() error {
	log := workflow.GetLogger(s.ctx)
	if s.refundMoved() {
		s.refundNews = ""
		if err := run(s, following(s.books.Terms), wechat.QueryRefund, s.paid.TransactionID); err != nil {
			log.Warn("WeChat has news of a refund, and gave no answer", "err", err)
		}
	}
	if s.parcelMoved() {
		s.dispatchNews = false
		if err := run(s, looking(s.books.Terms), shop.FindShipment, s.paid.TransactionID); err != nil {
			log.Warn("the shop reported a dispatch, and does not show it", "err", err)
		}
	}
	for len(s.calls) > 0 {
		err := s.answer(s.calls[0])
		if s.ctx.Err() != nil {
			return err // cancelled meanwhile: heard again on the context after that
		}
		if err != nil {
			log.Warn("a request could not be begun", "request", s.calls[0].word.RequestID, "err", err)
		}
		s.calls = s.calls[1:]
	}
	return errCalled
}

// answer begins a request, or writes one sent by hand down for an approver. The
// latter's id comes from the run, so that neither a retry nor a reset of the run
// writes it twice.
func (s *saga) answer(c call) error {
	if c.word.RequestID != "" {
		return s.begin(c.word.RequestID)
	}
	info := workflow.GetInfo(s.ctx)
	return run(s, quick(s.books.Terms, "note what was asked for by hand"), books.RecordUnverified, payment.Unverified{
		RequestID:     fmt.Sprintf("%s-%d", info.OriginalRunID, c.byHand),
		TransactionID: s.paid.TransactionID,
		Kind:          c.kind,
		Actor:         c.word.Actor,
		Reason:        c.word.Reason,
		Goods:         c.word.Goods,
		Outcome:       c.word.Outcome,
		Evidence:      c.word.Evidence,
	})
}

func (s *saga) begin(requestID string) error {
	return run(s, quick(s.books.Terms, "begin a request"), books.BeginRequest, requestID)
}

// resolve ends a payment by a person's word, if those who know bear it out.
func (s *saga) resolve() error {
	s.say("checking a person's evidence")
	return attempt(s, checking(s.books.Terms), evidence.Resolve, s.books.Request.ID)
}

// nobodyComes waits for a request to a payment that was done before this run.
func (s *saga) nobodyComes() bool {
	s.say("done before; waiting for a request")
	return s.pause(s.books.Terms.RequestWait) != errCalled
}

func queued(b payment.Books) bool { return b.Request != nil && b.Request.State == payment.Queued }

func running(b payment.Books, kind payment.RequestKind) bool {
	return b.Request != nil && b.Request.State == payment.Running && b.Request.Kind == kind
}
