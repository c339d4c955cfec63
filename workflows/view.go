package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/paysaga/paysaga/internal/payment"
)

// State answers the query `state`: what an operator wants to know of a run.
type State struct {
	payment.Books
	Doing string    `json:"doing"` // one line
	Since time.Time `json:"since"` // when it began doing that
}

// shown is what the search attributes say.
type shown struct {
	stage  payment.Stage
	failed string
	needs  bool
}

// open begins a run: the query and the signals are there before anything else.
func open(ctx workflow.Context, paid payment.Payment) (*saga, error) {
	s := &saga{ctx: ctx, paid: paid, cases: map[payment.CaseKind]bool{}}
	s.say("reading the books")
	err := workflow.SetQueryHandler(ctx, QueryState, func() (State, error) {
		return State{Books: s.books, Doing: s.doing, Since: s.since}, nil
	})
	return s, err
}

// say tells people what the run is doing. It writes no history.
func (s *saga) say(doing string) {
	if s.doing == doing {
		return
	}
	s.doing, s.since = doing, s.now()
	workflow.SetCurrentDetails(s.ctx, s.details())
}

// details are what the Temporal UI shows above a running saga.
func (s *saga) details() string {
	b := s.books
	lines := fmt.Sprintf("**%s** since %s", s.doing, s.since.UTC().Format(time.RFC3339))
	if b.Stage != "" {
		lines += fmt.Sprintf("\n\norder `%s`: %s, paid %s, refunded %s",
			b.OutTradeNo, b.Stage, payment.Yuan(b.AmountFen), payment.Yuan(b.RefundedFen))
	}
	if b.Hold != nil {
		lines += fmt.Sprintf("\n\nheld on its way %s: %s", b.Hold.Direction, b.Hold.Reason)
		if !b.Hold.Until.IsZero() {
			lines += ", compensated at " + b.Hold.Until.UTC().Format(time.RFC3339) + " if nobody comes"
		}
	}
	return lines
}

// show keeps the search attributes true from the first trouble on, and at the
// end. A saga that goes well writes them once.
func (s *saga) show() {
	b := s.books
	now := shown{
		stage:  b.Stage,
		failed: s.failedStep(),
		needs:  !b.Done() && (b.Stage.Waiting() || abnormal(b.Refund) || len(s.cases) > 0 || s.stalls >= 3),
	}
	trouble := now.needs || b.Stage == payment.Compensating || s.shown != shown{}
	if now == s.shown || !trouble && !b.Done() {
		return
	}
	updates := []temporal.SearchAttributeUpdate{
		SagaStage.ValueSet(string(now.stage)),
		NeedsAttention.ValueSet(now.needs),
	}
	switch {
	case now.failed != "":
		updates = append(updates, FailedStep.ValueSet(now.failed))
	case s.shown.failed != "":
		updates = append(updates, FailedStep.ValueUnset())
	}
	if err := workflow.UpsertTypedSearchAttributes(s.ctx, updates...); err != nil {
		workflow.GetLogger(s.ctx).Error("search attributes", "err", err)
	}
	s.shown = now
}

// failedStep names the step that a person would look at, as in the steps table.
func (s *saga) failedStep() string {
	b := s.books
	switch {
	case b.Stage == "" && s.stalls > 0, b.Stage == payment.Quarantined:
		return "mark_paid"
	case b.Hold != nil:
		return stepOf[b.Hold.Reason]
	case b.Stage == payment.Compensating && b.Shipment == payment.ShipRefused:
		return "ship"
	case abnormal(b.Refund):
		return "refund"
	case s.untold:
		return "notify"
	}
	return ""
}

func abnormal(r *payment.Refund) bool { return r != nil && r.State == payment.RefundAbnormal }

var stepOf = map[payment.CaseKind]string{
	payment.CaseUnknownOrder:   "mark_paid",
	payment.CaseNotPaid:        "mark_paid",
	payment.CaseShipUnknown:    "ship",
	payment.CaseCancelRefused:  "cancel_shipment",
	payment.CaseCancelUnknown:  "cancel_shipment",
	payment.CaseRefundRefused:  "refund",
	payment.CaseRefundStuck:    "refund",
	payment.CaseRefundAbnormal: "refund",
	payment.CaseRefundClosed:   "refund",
	payment.CaseRefundMismatch: "refund",
	payment.CaseForeignRefund:  "refund",
}
