package worker

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

// Outbox tells the shop of cases. That is no saga's to do: the payment whose case
// it is may be held, and its saga waits.
type Outbox struct {
	Ledger OutboxLedger
	Shop   interface {
		Tell(ctx context.Context, m activities.Message) error
	}
	Every time.Duration // how often is looked for what is to be told
	Log   *slog.Logger
}

// OutboxLedger is what the outbox needs of the books.
type OutboxLedger interface {
	// PostOverdue writes a message for each open case whose time is over, at most
	// so many, and returns how many.
	PostOverdue(ctx context.Context, atMost int) (int, error)
	// LeasePost hands out messages that are due, and hides them for a while.
	LeasePost(ctx context.Context, atMost int) ([]activities.Message, error)
	// Posted notes what came of an attempt, and returns how the message stands.
	Posted(ctx context.Context, id string, failed error) (state string, err error)
}

// How much is done in one go. A shop that is silent costs ten seconds a go.
const (
	overdueAtOnce  = 100
	messagesAtOnce = 10
	notedWithin    = 5 * time.Second
)

// Rounds are the outbox's two: to notice what is overdue, and to tell.
func (o Outbox) Rounds() []Round {
	return []Round{
		{Name: "overdue cases", Every: o.Every, Do: o.notice},
		{Name: "outbox", Every: o.Every, Do: o.tell},
	}
}

func (o Outbox) notice(ctx context.Context) (more bool, err error) {
	n, err := o.Ledger.PostOverdue(ctx, overdueAtOnce)
	return n == overdueAtOnce, err
}

// tell makes one attempt at each message that is due, side by side. An attempt
// that is cut off before it was noted is made again, under the same webhook-id.
func (o Outbox) tell(ctx context.Context) (more bool, err error) {
	due, err := o.Ledger.LeasePost(ctx, messagesAtOnce)
	if err != nil {
		return false, err
	}
	failures := make([]error, len(due))
	var all sync.WaitGroup
	for i, m := range due {
		all.Go(func() { failures[i] = o.attempt(ctx, m) })
	}
	all.Wait()
	return len(due) == messagesAtOnce, errors.Join(failures...)
}

// attempt tells one message. The shop's silence is written down and is no failure
// of the round.
func (o Outbox) attempt(ctx context.Context, m activities.Message) error {
	failed := o.Shop.Tell(ctx, m)
	if failed != nil && ctx.Err() != nil {
		return ctx.Err() // we stop, and it is nobody's fault
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), notedWithin)
	defer cancel()
	state, err := o.Ledger.Posted(ctx, m.ID, failed)
	switch {
	case payment.KindOf(err) == payment.NotFound:
		return nil // it ended meanwhile
	case err == nil && activities.Telling(state) == activities.GaveUp:
		o.Log.Warn("gave up telling the shop", "webhook_id", m.ID, "code", payment.CodeOf(failed))
	}
	return err
}
