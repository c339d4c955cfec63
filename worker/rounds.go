package worker

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/paysaga/paysaga/internal/payment"
)

// Round is something a worker does again and again beside the sagas. Every worker
// makes every round, so what two of them must not do twice is leased in the books.
type Round struct {
	Name string
	// Every is the pause after a round that found nothing more, or failed.
	Every time.Duration
	// Do makes one round. More says that there may be more to do at once. An
	// error's text may come from anywhere and is not logged: only its code is.
	Do func(ctx context.Context) (more bool, err error)
}

// MakeRounds makes each of the rounds, one after the other of its own kind and
// beside those of others, until ctx ends; it returns when the last one is over.
func MakeRounds(ctx context.Context, log *slog.Logger, rounds ...Round) {
	var going sync.WaitGroup
	for _, round := range rounds {
		going.Go(func() { round.repeat(ctx, log) })
	}
	going.Wait()
}

func (r Round) repeat(ctx context.Context, log *slog.Logger) {
	log = log.With("round", r.Name)
	pause := time.NewTimer(0)
	defer pause.Stop()
	failing := "" // a long outage is two lines in the log, not one a second
	for {
		select {
		case <-ctx.Done():
			return
		case <-pause.C:
		}
		more, err := r.once(ctx, log)
		switch code := codeOf(err); {
		case ctx.Err() != nil:
			return
		case code == failing:
		case code != "":
			log.Warn("a round failed, and is made again", "code", code)
			failing = code
		default:
			log.Info("the rounds go on")
			failing = ""
		}
		if more && err == nil {
			pause.Reset(0)
		} else {
			pause.Reset(r.Every)
		}
	}
}

// once makes one round. One that panics has failed, and nothing else has: the
// sagas of this process must not end with it.
func (r Round) once(ctx context.Context, log *slog.Logger) (more bool, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			log.Error("a round panicked", "type", fmt.Sprintf("%T", cause), "stack", string(debug.Stack()))
			more, err = false, payment.Failf(payment.Internal, "panic", "the round panicked")
		}
	}()
	return r.Do(ctx)
}

func codeOf(err error) string {
	if code := payment.CodeOf(err); err == nil || code != "" {
		return code
	}
	return "unknown"
}
