package workflows

import (
	"reflect"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

// awaitPerson waits for a request, or for the hold's deadline. Now and then it looks
// whether the books still say so: they may have been restored from before the hold,
// and then nobody knows of a case, and this run is all that keeps others away.
func (s *saga) awaitPerson() error {
	s.say("waiting for a person")
	var until time.Time
	if s.books.Hold != nil {
		until = s.books.Hold.Until
	}
	before := s.books
	for n := 0; !s.tooLong(); n++ {
		look := until
		if doubtsItsBooks(s.ctx) {
			look = earlier(until, s.now().Add(backoff(s.books.Terms.RetryMaxInterval, n)))
		}
		called, err := s.await(look, s.called)
		switch {
		case called:
			return errCalled
		case err != nil:
			return err
		case look.Equal(until):
			return run(s, quick(s.books.Terms, "compensate, for nobody came"), books.EndHold, s.paid.TransactionID)
		}
		if err := s.read(); err != nil || !reflect.DeepEqual(before, s.books) {
			return err
		}
	}
	return errCalled
}

// hold stops for a person, for as long as it takes.
func (s *saga) hold(why payment.CaseKind, detail string) error {
	return s.holdUntil(time.Time{}, why, detail)
}

func (s *saga) holdUntil(until time.Time, why payment.CaseKind, detail string) error {
	direction := payment.Forward
	if s.books.Stage == payment.Compensating {
		direction = payment.Backward
	}
	return run(s, quick(s.books.Terms, "hold for a person"), books.Hold, activities.Stop{
		TransactionID: s.paid.TransactionID,
		Hold:          payment.Hold{Reason: why, Direction: direction, Until: until},
		Detail:        detail,
	})
}

// cancelled tells whether the run was cancelled and has not held for it yet. From
// then on everything runs on a context of its own.
func (s *saga) cancelled() bool {
	if s.ctx.Err() != nil {
		s.ctx, _ = workflow.NewDisconnectedContext(s.ctx)
		s.mustHold = true
	}
	return s.mustHold
}

// holdCancelled holds a payment whose run was cancelled, the same way round. The
// act that was cut short may have moved the books, so they are read first.
func (s *saga) holdCancelled() error {
	if err := s.read(); err != nil {
		return err
	}
	if !s.books.Stage.Waiting() && !s.books.Stage.Final() {
		if err := s.hold(payment.CaseCancelledWorkflow, "somebody cancelled the run in Temporal"); err != nil {
			return err
		}
	}
	s.mustHold = false
	return errCalled
}

// openCase asks for a person without stopping: once a cause in each run.
func (s *saga) openCase(kind payment.CaseKind, detail string) error {
	if s.cases[kind] {
		return nil
	}
	how := quick(s.books.Terms, "open a case")
	about := payment.Case{
		Kind: kind, TransactionID: s.paid.TransactionID, OutTradeNo: s.books.OutTradeNo, Detail: detail,
	}
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(s.ctx, how), books.OpenCase, about).Get(s.ctx, nil)
	if err != nil {
		return err
	}
	s.cases[kind] = true
	s.show()
	return nil
}
