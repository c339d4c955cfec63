package workflows

import (
	"context"
	"errors"
	"reflect"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/paysaga/paysaga/internal/payment"
)

// saga is one run. All that has to last is in the books; the rest is what this
// run is doing, and who called meanwhile.
type saga struct {
	ctx   workflow.Context
	paid  payment.Payment
	books payment.Books // as the last act left them

	doing string // for people
	since time.Time

	calls        []call   // people's signals, not heard yet
	byHand       int      // signals without a request so far
	refundNews   []string // the numbers of refunds that WeChat has news of
	dispatchNews bool
	impatient    bool   // a person wants what is waited for tried now
	errand       errand // a refund that goes beside the story

	mustHold bool // the run was cancelled, and the books do not say so yet
	stalls   int  // turns in a row that moved nothing
	cases    map[payment.CaseKind]bool
	untold   bool // the shop took no message
	shown    shown
}

// errCalled ends an act or a wait early because somebody called, or because what
// they asked for changed the books. Nothing is wrong.
var errCalled = errors.New("somebody called")

// run has one act done, keeps the books it returns, and is not interrupted.
func run[In any](s *saga, how workflow.ActivityOptions, act func(context.Context, In) (payment.Books, error), in In) error {
	var left payment.Books
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(s.ctx, how), act, in).Get(s.ctx, &left)
	if err == nil {
		s.books = left
	}
	return err
}

// attempt is run for an act that may take long: it goes on listening, and drops
// the act as soon as somebody's call moved the books. It does not wait for the
// attempt under way, because the act's own fence in Postgres stops that. A person
// who wants it tried now has it begun anew, with the time that it had left.
func attempt(s *saga, how workflow.ActivityOptions, act func(context.Context, string) (payment.Books, error), in string) error {
	var answer workflow.Future
	drop := func() {}
	defer func() { drop() }()
	begin := func() {
		drop()
		var ctx workflow.Context
		ctx, drop = workflow.WithCancel(s.ctx)
		answer = workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, how), act, in)
		s.impatient = false
	}
	before, giveUp := s.books, s.now().Add(how.ScheduleToCloseTimeout)
	begin()
	for {
		_, err := s.await(time.Time{}, func() bool { return answer.IsReady() || s.called() })
		if err != nil {
			return err
		}
		if answer.IsReady() {
			break
		}
		s.hear()
		if s.ctx.Err() != nil || turned(before, s.books) {
			return errCalled
		}
		left, forEver := giveUp.Sub(s.now()), how.ScheduleToCloseTimeout == 0
		if s.impatient && !answer.IsReady() && (forEver || left > 0) {
			how.ScheduleToCloseTimeout = max(left, 0)
			begin()
		}
	}
	var left payment.Books
	if err := answer.Get(s.ctx, &left); err != nil {
		return err
	}
	crossed := !reflect.DeepEqual(before, s.books)
	s.books = left
	if crossed && readsWhatCrossed(s.ctx) {
		return s.read() // another act wrote meanwhile, and nobody knows which was last
	}
	return nil
}

// turned tells whether a call left something else to do than the act it came in
// on. What the act itself writes down as it tries is no reason to begin it anew,
// nor is a refund that goes beside it: that would give it all its time again.
func turned(before, now payment.Books) bool {
	if now.Stage != before.Stage {
		return true
	}
	goesBack := now.Stage == payment.Compensating || now.Stage.Final()
	return goesBack && (now.RefundedFen != before.RefundedFen ||
		atWeChat(now.Refund) != atWeChat(before.Refund))
}

func orderUnknown(b payment.Books) bool {
	return b.Stage == payment.Received && b.Unsettled == payment.UnknownOrder
}

// read reads the books; the first time, that claims the payment and judges it. Books
// that do not know it later were restored from before that. What was done since is
// unknown, its callback is old news, and the claim asks WeChat before it ships.
func (s *saga) read() error {
	err := run(s, quick(s.books.Terms, "mark paid"), books.MarkPaid, s.paid)
	if err == nil {
		s.paid.Via = payment.ViaQuery
	}
	return err
}

// turn is one step and a look at what came of it. A turn that moved nothing is
// followed by a rest, longer each time, and a fresh look at the books, so that
// no surprise can make a saga spin.
func (s *saga) turn() {
	before := s.books
	err := s.next()
	switch {
	case s.cut(err):
	case err == nil && !reflect.DeepEqual(before, s.books):
		s.stalls = 0
	default:
		workflow.GetLogger(s.ctx).Warn("the books did not move", "doing", s.doing, "err", err)
		if s.rest() == nil && s.books.Stage != "" {
			_ = s.read() // what went wrong comes back in the next turn
		}
		s.stalls++
	}
	s.show()
}

// cut tells whether a step ended early, by a call or by cancelling.
func (s *saga) cut(err error) bool { return errors.Is(err, errCalled) || s.ctx.Err() != nil }

func (s *saga) now() time.Time { return workflow.Now(s.ctx) }
