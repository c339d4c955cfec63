package activities_test

import (
	"errors"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

// The kind of an error decides whether Temporal asks again: a wrong guess either
// loses a payment or repeats for ever what cannot change.
func TestOnlyWhatAskingAgainCannotChangeIsNotAskedAgain(t *testing.T) {
	w := open(t)
	for name, row := range map[string]struct {
		act   func() error
		kind  payment.Kind
		final bool
	}{
		"no such payment": {func() error { _, err := w.ship.Ship(t.Context(), "4299999999"); return err }, payment.NotFound, true},
		"no such request": {func() error { _, err := w.evidence.Resolve(t.Context(), "nobody's"); return err }, payment.NotFound, true},
		"the money has not gone back": {func() error {
			w.second()
			_, err := w.books.MarkRefunded(t.Context(), txn)
			return err
		}, payment.Conflict, true},
		"WeChat is silent": {func() error {
			w.wechat.pays.moods = []mood{silent}
			_, err := w.refunds.AskPayment(t.Context(), txn)
			return err
		}, payment.Unknown, false},
		"a case nobody can name": {func() error {
			return w.books.OpenCase(t.Context(), payment.Case{Kind: "x", Subject: "a\x00b"})
		}, payment.Invalid, true},
	} {
		t.Run(name, func(t *testing.T) {
			fault, ok := errors.AsType[*temporal.ApplicationError](row.act())
			if !ok {
				t.Fatal("no fault that Temporal understands")
			}
			if fault.Type() != string(row.kind) || fault.NonRetryable() != row.final {
				t.Errorf("%s, final %v; want %s, %v", fault.Type(), fault.NonRetryable(), row.kind, row.final)
			}
		})
	}
}

func TestAHoldIsForAPersonAndEndsByItsDeadline(t *testing.T) {
	w := open(t)
	w.paid()
	books := w.must(w.books.Hold(t.Context(), activities.Stop{
		TransactionID: txn,
		Hold:          payment.Hold{Reason: payment.CaseShipUnknown, Direction: payment.Forward, Until: time.Now().Add(-time.Minute)},
		Detail:        "no answer for 2h",
	}))
	w.want(books, payment.Holding)
	if got := w.db.Text(t, `select kind || ' ' || owner || ' ' || detail from cases`); got != "ship_unknown support no answer for 2h" {
		t.Errorf("case %q", got)
	}
	w.want(w.must(w.books.EndHold(t.Context(), txn)), payment.Compensating)
	if got := w.openCases(); got != "" {
		t.Errorf("open cases %q", got)
	}
}

func TestASignalByHandWaitsForAnApprover(t *testing.T) {
	w := open(t)
	w.paid()
	books := w.must(w.books.RecordUnverified(t.Context(), payment.Unverified{
		RequestID: "run-1", TransactionID: txn, Kind: payment.Compensate, Actor: "eve", Reason: "the customer called",
	}))
	if books.Stage != payment.Paid || books.Request != nil {
		t.Errorf("%s, %+v", books.Stage, books.Request)
	}
	w.want(w.must(w.books.BeginRequest(t.Context(), "run-1")), payment.Paid) // nobody approved
	if got := w.db.Text(t, `select state || ' ' || actor from requests`); got != "pending_approval unverified:eve" {
		t.Errorf("request %q", got)
	}
}
