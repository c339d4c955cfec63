package worker

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paysaga/paysaga/internal/payment"
)

// A round does its steps in turn, and then finds nothing more.
func TestRounds(t *testing.T) {
	type step struct {
		more  bool
		err   error
		panic any
	}
	away := payment.Failf(payment.Busy, "database_away", "postgres://secret@host")
	for name, row := range map[string]struct {
		steps []step
		at    []time.Duration // when each step was made
		said  string
	}{
		"nothing to do: made again after its pause":    {[]step{{}, {}}, []time.Duration{0, time.Second}, ""},
		"more to do: made again at once":               {[]step{{more: true}, {more: true}, {}, {}}, []time.Duration{0, 0, 0, time.Second}, ""},
		"it fails: made again after its pause":         {[]step{{more: true, err: away}, {}}, []time.Duration{0, time.Second}, "failed database_away, on"},
		"it fails for long: two lines":                 {[]step{{err: away}, {err: away}, {err: away}, {}}, []time.Duration{0, time.Second, 2 * time.Second, 3 * time.Second}, "failed database_away, on"},
		"it fails in two ways: each is named":          {[]step{{err: away}, {err: errors.New("secret")}}, []time.Duration{0, time.Second}, "failed database_away, failed unknown"},
		"it panics: the process lives, and goes round": {[]step{{panic: "secret"}, {}}, []time.Duration{0, time.Second}, "panicked, failed panic, on"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var out bytes.Buffer
				ctx, stop := context.WithCancel(t.Context())
				began := time.Now()
				var at []time.Duration
				MakeRounds(ctx, slog.New(slog.NewTextHandler(&out, nil)), Round{Name: "test", Every: time.Second, Do: func(context.Context) (bool, error) {
					if len(at) == len(row.steps) {
						stop()
						return true, context.Canceled
					}
					now := row.steps[len(at)]
					at = append(at, time.Since(began))
					if now.panic != nil {
						panic(now.panic)
					}
					return now.more, now.err
				}})
				if len(at) != len(row.at) {
					t.Fatalf("made %d times, want %d", len(at), len(row.at))
				}
				for i := range at {
					if at[i] != row.at[i] {
						t.Errorf("made at %v, want %v", at, row.at)
						break
					}
				}
				if said := heard(out.String()); said != row.said {
					t.Errorf("the log says %q, want %q", said, row.said)
				}
				if strings.Contains(out.String(), "secret") {
					t.Errorf("a secret is in the log: %s", out.String())
				}
			})
		})
	}
}

// heard is a log in short.
func heard(log string) string {
	var said []string
	for line := range strings.Lines(log) {
		_, code, _ := strings.Cut(line, "code=")
		switch {
		case strings.Contains(line, "panicked"):
			said = append(said, "panicked")
		case strings.Contains(line, "failed"):
			said = append(said, "failed "+strings.TrimSpace(code))
		case strings.Contains(line, "go on"):
			said = append(said, "on")
		}
	}
	return strings.Join(said, ", ")
}

// One kind of round that takes long keeps no other waiting, and the end waits for both.
func TestRoundsAreMadeBesideEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		ended := false
		slow := Round{Name: "slow", Every: time.Second, Do: func(ctx context.Context) (bool, error) {
			<-ctx.Done()
			time.Sleep(time.Second) // what it has begun
			ended = true
			return false, ctx.Err()
		}}
		n := 0
		quick := Round{Name: "quick", Every: time.Second, Do: func(context.Context) (bool, error) {
			if n++; n == 5 {
				stop()
			}
			return false, nil
		}}
		MakeRounds(ctx, slog.New(slog.DiscardHandler), slow, quick)
		if !ended || n != 5 {
			t.Errorf("the slow one ended: %v, the quick one was made %d times", ended, n)
		}
	})
}
