package simulator

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// clock is the time of the pretend world: the machine's, plus however far somebody
// has moved it ahead. It decides when a callback is repeated, a refund ends and an
// order expires, and is the time that WeChat tells of all these. Signatures bear
// the machine's own time, for those who check them know no other.
type clock struct {
	mu     sync.Mutex
	stood  time.Time // the machine's time when the clock was stopped; zero if it runs
	ahead  time.Duration
	moving chan struct{} // closed when the clock is moved, then made anew
}

// newClock makes a clock that agrees with the machine's, running or stopped.
func newClock(mode string) (*clock, error) {
	c := &clock{moving: make(chan struct{})}
	switch mode {
	case "", "running":
	case "stopped":
		c.stood = time.Now()
	default:
		return nil, fmt.Errorf("simulator: clock is %q; it can be running or stopped", mode)
	}
	return c, nil
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.read()
}

func (c *clock) read() time.Time { return c.ticked().Add(c.ahead) }

// ticked is the time without the moves: what lies between two readings went by
// itself.
func (c *clock) ticked() time.Time {
	if c.stood.IsZero() {
		return time.Now()
	}
	return c.stood
}

// advance moves the clock and wakes everybody whose time has come. It returns how
// far the clock is ahead now.
func (c *clock) advance(by time.Duration) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += by
	close(c.moving)
	c.moving = make(chan struct{})
	return c.ahead
}

// until waits for a time to come and reports whether it came before ctx ended.
func (c *clock) until(ctx context.Context, due time.Time) bool {
	for {
		c.mu.Lock()
		left, moving, runs := due.Sub(c.read()), c.moving, c.stood.IsZero()
		c.mu.Unlock()
		if left <= 0 {
			return ctx.Err() == nil
		}
		var rung <-chan time.Time // never, if the clock stands
		if runs {
			rung = time.After(left)
		}
		select {
		case <-rung:
		case <-moving:
		case <-ctx.Done():
			return false
		}
	}
}

// moved is how far the clock has been moved in all, kept so that a world started
// again does not go back in time.
type moved struct {
	Ahead time.Duration `json:"ahead_ns"`
}

// moveClock is the control port's way to make time pass.
func (s *simulator) moveClock(_ *http.Request, in ClockAdvance) (ClockTime, error) {
	by, err := duration("by", in.By)
	if err != nil {
		return ClockTime{}, err
	}
	if by <= 0 {
		return ClockTime{}, invalid("by must be more than nothing: time does not go back")
	}
	s.ledger.change(func(*book) []fact {
		return []fact{{Clock: &moved{s.clock.advance(by)}}}
	})
	return s.clock.tell(), nil
}

func (c *clock) tell() ClockTime {
	c.mu.Lock()
	defer c.mu.Unlock()
	return ClockTime{Now: c.read(), Ahead: c.ahead.String()}
}
