package activities

import (
	"context"
	"errors"

	"github.com/paysaga/paysaga/internal/payment"
)

// Ledger is what the acts need of the books. Every method is one transaction,
// and safe to repeat: a commit error means unknown, and the act runs again.
type Ledger interface {
	// Claim writes a payment down once, judges it against its order, and
	// returns the books; a payment judged before is only read.
	Claim(ctx context.Context, paid payment.Payment) (payment.Books, error)
	// Read returns the books; NotFound for a payment never claimed.
	Read(ctx context.Context, transactionID string) (payment.Books, error)

	// Hold stops the saga for a person: the stage, why, and a case. Requests
	// that were running end as refused, so that a person may ask again.
	Hold(ctx context.Context, stop Stop) (payment.Books, error)
	// EndHold compensates a hold whose deadline has passed; any other is left.
	EndHold(ctx context.Context, transactionID string) (payment.Books, error)
	// OpenCase opens a case without moving the payment.
	OpenCase(ctx context.Context, about payment.Case) error

	// BeginRequest turns a queued request into a move, after reading it and
	// its approval again; the request is running or done afterwards.
	BeginRequest(ctx context.Context, requestID string) (payment.Books, error)
	// RecordUnverified writes a hand-sent signal down as a request that waits
	// for an approver; refused at once if another request is open.
	RecordUnverified(ctx context.Context, asked payment.Unverified) (payment.Books, error)

	// MarkRefunded moves a payment whose refunds add up to what was paid to
	// refunded, its order with it, and notes whom to tell.
	MarkRefunded(ctx context.Context, transactionID string) (payment.Books, error)
	// Tried notes a failed attempt at a step, for people.
	Tried(ctx context.Context, t Try) error
}

// Stop is a saga stopped for a person.
type Stop struct {
	TransactionID string       `json:"transaction_id"`
	Hold          payment.Hold `json:"hold"`
	Detail        string       `json:"detail"`
}

// Try is one failed attempt at a step.
type Try struct {
	TransactionID string
	Step          string // as in the steps table: mark_paid, ship, notify …
	Error         string // code and text, free of secrets
}

// Books keeps our own books.
type Books struct{ Ledger Ledger }

// MarkPaid claims the payment, judges it and moves its order to paid. It is also
// how every run first reads the books. Idempotent by transaction_id.
func (b *Books) MarkPaid(ctx context.Context, paid payment.Payment) (payment.Books, error) {
	return answer(b.Ledger.Claim(ctx, paid))
}

// Hold stops the saga for a person and opens the case that says why. Idempotent
// by payment and reason.
func (b *Books) Hold(ctx context.Context, stop Stop) (payment.Books, error) {
	return answer(b.Ledger.Hold(ctx, stop))
}

// EndHold compensates a payment whose hold has run out. Idempotent by stage.
func (b *Books) EndHold(ctx context.Context, transactionID string) (payment.Books, error) {
	return answer(b.Ledger.EndHold(ctx, transactionID))
}

// OpenCase asks for a person without stopping the saga. Idempotent by kind and
// subject.
func (b *Books) OpenCase(ctx context.Context, about payment.Case) error {
	return fault(b.Ledger.OpenCase(ctx, about))
}

// BeginRequest does what a person asked for, as far as the books alone can.
// Idempotent by request id.
func (b *Books) BeginRequest(ctx context.Context, requestID string) (payment.Books, error) {
	return answer(b.Ledger.BeginRequest(ctx, requestID))
}

// RecordUnverified keeps what somebody asked for by hand in the Temporal UI.
// Idempotent by request id, which comes from the run.
func (b *Books) RecordUnverified(ctx context.Context, asked payment.Unverified) (payment.Books, error) {
	return answer(b.Ledger.RecordUnverified(ctx, asked))
}

// MarkRefunded ends a compensation whose money went back. Idempotent by stage.
func (b *Books) MarkRefunded(ctx context.Context, transactionID string) (payment.Books, error) {
	return answer(b.Ledger.MarkRefunded(ctx, transactionID))
}

func answer(books payment.Books, err error) (payment.Books, error) { return books, fault(err) }

func asPaymentError(err error) (*payment.Error, bool) { return errors.AsType[*payment.Error](err) }
