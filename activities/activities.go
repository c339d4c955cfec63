// Package activities is the acts: one type per party, one idempotent method per
// thing a saga asks of it. Each act reads the books, does its one outside thing
// under a key that was committed before, writes what came of it, and returns
// the books as it left them.
//
// A business "no" (the shop refuses, WeChat will not refund) is written to the
// books and is no error: the books then say compensating or holding, and the
// saga goes that way. An error means that there is no answer yet.
package activities

import (
	"context"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/paysaga/paysaga/internal/payment"
)

// fault is the one place where a payment error becomes Temporal's. The kind
// rides along as the error's type, because sentinels die on the way through
// history. Only what asking again cannot change is not retried.
func fault(err error) error {
	if err == nil {
		return nil
	}
	kind := payment.KindOf(err)
	opts := temporal.ApplicationErrorOptions{}
	if e, ok := asPaymentError(err); ok {
		opts.NextRetryDelay = e.RetryAfter
	}
	switch kind {
	case payment.Invalid, payment.NotFound, payment.Conflict, payment.Refused:
		opts.NonRetryable = true
	}
	return temporal.NewApplicationErrorWithOptions(err.Error(), string(kind), opts)
}

// soon is how long an act may take to write down how its outside call ended,
// whatever became of the attempt's own context meanwhile.
const soon = 5 * time.Second

// afterwards is a context for noting what already happened outside.
func afterwards(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), soon)
}
