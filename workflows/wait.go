package workflows

import (
	"reflect"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/paysaga/paysaga/internal/payment"
)

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
		if s.impatient {
			wait, s.impatient = 0, false
		}
		if err := s.pause(wait); err != nil {
			return err
		}
		if err := w.ask(); s.cut(err) || !reflect.DeepEqual(before, s.books) {
			return err
		}
		// No answer is no news: the next question is soon.
		if !s.now().Before(w.late) {
			if err := s.openCase(w.kind, w.because); err != nil {
				return err
			}
		}
	}
	return errCalled
}

// tooLong tells whether the history has grown so long that a new run should
// carry on; everything it needs is in the books.
func (s *saga) tooLong() bool {
	return workflow.GetInfo(s.ctx).GetContinueAsNewSuggested()
}

// rest is a pause after a turn that moved nothing. A call ends it only if it can
// be heard: not before the books were read, nor before a cancelled run holds.
func (s *saga) rest() error {
	d := backoff(s.books.Terms.RetryMaxInterval, s.stalls)
	if s.books.Stage == "" || s.mustHold {
		return workflow.Sleep(s.ctx, d)
	}
	return s.pause(d)
}

// pause waits, or ends with errCalled as soon as somebody calls.
func (s *saga) pause(d time.Duration) error {
	called, err := s.await(s.now().Add(d), s.called)
	if called {
		return errCalled
	}
	return err
}

// await waits until done, or until a time, and tells which it was; the zero time
// never comes. A refund that goes beside the story is looked after meanwhile. If
// that moved the payment, it ends with errCalled.
func (s *saga) await(until time.Time, done func() bool) (bool, error) {
	stage := s.books.Stage
	for {
		look := s.nextLook()
		switch now := s.now(); {
		case !look.IsZero() && !look.After(now) && !done() && s.ctx.Err() == nil:
			s.look()
			if s.books.Stage != stage || s.tooLong() {
				return false, errCalled
			}
		case !until.IsZero() && !until.After(now):
			return done(), nil
		default:
			over, err := s.sleep(earlier(until, look), done)
			if over || err != nil {
				return over, err
			}
		}
	}
}

// sleep waits until done, or until a time; the zero time never comes.
func (s *saga) sleep(until time.Time, done func() bool) (bool, error) {
	if until.IsZero() {
		err := workflow.Await(s.ctx, done)
		return err == nil, err
	}
	return workflow.AwaitWithOptions(s.ctx, workflow.AwaitOptions{
		Timeout:      until.Sub(s.now()),
		TimerOptions: workflow.TimerOptions{Summary: s.doing},
	}, done)
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
