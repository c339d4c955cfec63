package workflows

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/paysaga/paysaga/activities"
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
		if number := refund.OutRefundNo; !slices.Contains(s.refundNews, number) {
			s.refundNews = append(s.refundNews, number)
		}
		refund = RefundResult{}
	}
	for workflow.GetSignalChannel(s.ctx, SignalDispatched).ReceiveAsync(&DispatchReport{}) {
		s.dispatchNews = true
	}
	return len(s.calls) > 0 || len(s.refundNews) > 0 || s.parcelMoved()
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

// refund hears news of a refund. If it is the one under way, that is asked about;
// while the first asking has no answer yet, this run has not seen its number. Any
// other may be somebody else's.
func (s *saga) refund(number string) error {
	open, how := s.books.Refund, following(s.books.Terms)
	unseen := open == nil && s.books.Stage == payment.Compensating &&
		strings.HasPrefix(number, payment.RefundNumber(s.paid.TransactionID, 1))
	if unseen || open != nil && number == open.OutRefundNo {
		return run(s, how, wechat.QueryRefund, s.paid.TransactionID)
	}
	return run(s, how, wechat.HearRefund, activities.RefundNews{TransactionID: s.paid.TransactionID, OutRefundNo: number})
}

// parcelMoved tells whether the shop reported a dispatch that the books, as this
// run knows them, do not have. A report after a cancel counts as well.
func (s *saga) parcelMoved() bool {
	return s.dispatchNews && s.books.Shipment != payment.ShipDispatched &&
		(s.books.Stage == payment.Paid || s.books.Shipment != payment.ShipNone)
}

// hear does what the calls ask for, as far as the books alone can; what else it
// takes, the next turn sees in the books. It reads the request's row, never the
// signal's word. What failed is logged and not repeated: a request that counts is
// in the books, and signalled again.
func (s *saga) hear() error {
	log := workflow.GetLogger(s.ctx)
	for len(s.refundNews) > 0 {
		number := s.refundNews[0]
		s.refundNews = s.refundNews[1:]
		if err := s.refund(number); err != nil {
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
		} else if s.calls[0].kind == payment.Retry && s.calls[0].byHand == 0 {
			s.impatient = true
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

// begin begins a request of this payment. A signal sent by hand may name another
// payment's: its own saga is told of that one, and what this saga goes by stays.
func (s *saga) begin(requestID string) error {
	ours := s.books
	err := run(s, quick(s.books.Terms, "begin a request"), books.BeginRequest, requestID)
	if s.books.TransactionID != ours.TransactionID {
		s.books = ours
	}
	return err
}

// resolve ends a payment by a person's word, if those who know bear it out. If
// they do not answer, the request ends, so that a person may ask for something
// else, and so that the hold's deadline comes when it was to come.
func (s *saga) resolve() error {
	s.say("checking a person's evidence")
	how, requestID := checking(s.books.Terms), s.books.Request.ID
	if hold := s.books.Hold; hold != nil && !hold.Until.IsZero() {
		how.ScheduleToCloseTimeout = max(time.Second, min(how.ScheduleToCloseTimeout, hold.Until.Sub(s.now())))
	}
	err := attempt(s, how, evidence.Resolve, requestID)
	if err == nil || s.cut(err) {
		return err
	}
	giveUp := quick(s.books.Terms, "give up checking a person's evidence")
	giveUp.TaskQueue = how.TaskQueue
	return run(s, giveUp, evidence.GiveUpResolve, requestID)
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
