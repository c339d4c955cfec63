package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/paysaga/paysaga/internal/payment"
)

// How long each party gets for one attempt, and how long until a person is told.
// What merchants may change comes with the books, as payment.Terms.
const (
	ownBooksTimeout = 5 * time.Second
	webhookTimeout  = 10 * time.Second
	wechatTimeout   = 45 * time.Second // three calls of ten (query, refund, query), and a margin
	evidenceTimeout = time.Minute

	lookAgainAfter = 3 * time.Second // for an order younger than its payment
	aWhile         = 10 * time.Minute
	anHour         = time.Hour
	aDay           = 24 * time.Hour
	pollOftenFor   = 7 * aDay // then once a day
	restAtMost     = time.Hour
	ownBooksRest   = 10 * time.Second // our own database is cheap to ask

	billSilence = 5 * time.Minute  // between two pieces of a bill
	billRest    = 30 * time.Minute // WeChat's own advice while a bill is being made
)

// quick is for our own books: it never gives up.
func quick(t payment.Terms, summary string) workflow.ActivityOptions {
	policy := retries(t)
	policy.MaximumInterval = min(policy.MaximumInterval, ownBooksRest)
	return workflow.ActivityOptions{StartToCloseTimeout: ownBooksTimeout, RetryPolicy: policy, Summary: summary}
}

func shipping(t payment.Terms) workflow.ActivityOptions {
	return workflow.ActivityOptions{
		StartToCloseTimeout:    t.ShipAttemptTimeout,
		ScheduleToCloseTimeout: t.ShipGiveUpAfter,
		RetryPolicy:            retries(t),
		Summary:                "ask the shop to ship",
	}
}

func cancelling(t payment.Terms) workflow.ActivityOptions {
	return workflow.ActivityOptions{
		StartToCloseTimeout:    t.ShipAttemptTimeout,
		ScheduleToCloseTimeout: aDay,
		RetryPolicy:            retries(t),
		Summary:                "ask the shop not to ship",
	}
}

func telling(t payment.Terms) workflow.ActivityOptions {
	return workflow.ActivityOptions{
		StartToCloseTimeout:    webhookTimeout,
		ScheduleToCloseTimeout: t.NotifyGiveUpAfter,
		RetryPolicy:            retries(t),
		Summary:                "tell the shop",
	}
}

func refunding(t payment.Terms) workflow.ActivityOptions {
	how := asking(t, aDay)
	how.Summary = "ask WeChat to refund"
	return how
}

// asking is for WeChat, on a queue of its own where the merchant's rate is kept.
func asking(t payment.Terms, patience time.Duration) workflow.ActivityOptions {
	return workflow.ActivityOptions{
		TaskQueue:              QueueWeChat,
		StartToCloseTimeout:    wechatTimeout,
		ScheduleToCloseTimeout: patience,
		RetryPolicy:            retries(t),
		Summary:                "ask WeChat about the payment",
	}
}

// checking is for a person's evidence, which may name several refunds.
func checking(t payment.Terms) workflow.ActivityOptions {
	how := asking(t, anHour)
	how.StartToCloseTimeout = evidenceTimeout
	how.Summary = "check a person's evidence"
	return how
}

// following is for a question about a refund that is asked again soon anyway.
func following(t payment.Terms) workflow.ActivityOptions {
	how := asking(t, aWhile)
	how.RetryPolicy.MaximumAttempts = 3
	how.Summary = "ask WeChat about the refund"
	return how
}

// glancing is for a refund that is looked after while the saga waits for
// something else.
func glancing(t payment.Terms) workflow.ActivityOptions {
	how := following(t)
	how.RetryPolicy.MaximumAttempts = 1
	return how
}

// looking is for a question to the shop that is asked again soon anyway.
func looking(t payment.Terms) workflow.ActivityOptions {
	policy := retries(t)
	policy.MaximumAttempts = 3
	return workflow.ActivityOptions{
		StartToCloseTimeout: t.ShipAttemptTimeout,
		RetryPolicy:         policy,
		Summary:             "ask the shop whether it dispatched",
	}
}

// retries waits longer each time, and at most RetryMaxInterval. Before the books
// were read there are no terms, and our own books are all that is asked.
func retries(t payment.Terms) *temporal.RetryPolicy {
	atMost := t.RetryMaxInterval
	if atMost <= 0 {
		atMost = ownBooksRest
	}
	return &temporal.RetryPolicy{
		InitialInterval:    min(time.Second, atMost),
		BackoffCoefficient: 2,
		MaximumInterval:    atMost,
	}
}

// backoff is the n-th wait, n from 0, of waits that double from first to an hour.
func backoff(first time.Duration, n int) time.Duration {
	if first <= 0 {
		first = ownBooksRest
	}
	wait := first
	for ; n > 0 && wait < restAtMost; n-- {
		wait *= 2
	}
	return max(first, min(wait, restAtMost))
}
