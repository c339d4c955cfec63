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

	calls        []call // people's signals, not heard yet
	byHand       int    // signals without a request so far
	refundNews   string // the out_refund_no that WeChat has news of
	dispatchNews bool

	detached bool // the run was cancelled, and goes on without that context
	mustHold bool // and the books do not say so yet
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
// attempt under way, because the act's own fence in Postgres stops that.
func attempt(s *saga, how workflow.ActivityOptions, act func(context.Context, string) (payment.Books, error), in string) error {
	ctx, drop := workflow.WithCancel(s.ctx)
	defer drop()
	before := s.books
	answer := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, how), act, in)
	for {
		err := workflow.Await(s.ctx, func() bool { return answer.IsReady() || s.called() })
		if err != nil {
			return err
		}
		if answer.IsReady() {
			break
		}
		s.hear()
		if s.ctx.Err() != nil || !reflect.DeepEqual(before, s.books) {
			return errCalled
		}
	}
	var left payment.Books
	err := answer.Get(s.ctx, &left)
	if err == nil {
		s.books = left
	}
	return err
}

// watch is a long wait for something outside: it asks now and then until the
// books change, and opens a case once it is late.
type watch struct {
	every   func(n int) time.Duration // how long before the n-th question, n from 0
	ask     func() error
	late    time.Time
	kind    payment.CaseKind
	because string
}

func (s *saga) watch(w watch) error {
	before := s.books
	for n := 0; !s.tooLong(); n++ {
		wait := w.every(n)
		if left := w.late.Sub(s.now()); left > 0 {
			wait = min(wait, left)
		}
		if err := s.pause(wait); err != nil {
			return err
		}
		if err := w.ask(); s.cut(err) || !reflect.DeepEqual(before, s.books) {
			return err
		} // no answer is no news: the next question is soon
		if !s.now().Before(w.late) {
			if err := s.openCase(w.kind, w.because); err != nil {
				return err
			}
		}
	}
	return errCalled
}

// read reads the books; the first time, that claims the payment and judges it.
func (s *saga) read() error {
	return run(s, quick(s.books.Terms, "mark paid"), books.MarkPaid, s.paid)
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
		if s.pause(backoff(s.books.Terms.RetryMaxInterval, s.stalls)) == nil && s.books.Stage != "" {
			_ = s.read() // what went wrong comes back in the next turn
		}
		s.stalls++
	}
	s.show()
}

// cut tells whether a step ended early, by a call or by cancelling.
func (s *saga) cut(err error) bool { return errors.Is(err, errCalled) || s.ctx.Err() != nil }

func (s *saga) now() time.Time { return workflow.Now(s.ctx) }

// tooLong tells whether the history has grown so long that a new run should
// carry on; everything it needs is in the books.
func (s *saga) tooLong() bool {
	return workflow.GetInfo(s.ctx).GetContinueAsNewSuggested()
}

// pause waits, or ends with errCalled as soon as somebody calls.
func (s *saga) pause(d time.Duration) error {
	called, err := workflow.AwaitWithOptions(s.ctx, workflow.AwaitOptions{
		Timeout:      d,
		TimerOptions: workflow.TimerOptions{Summary: s.doing},
	}, s.called)
	if called {
		return errCalled
	}
	return err
}
