package workflows

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// caretaker is our own books, which may be busy for a while, or broken.
type caretaker struct {
	busy   int // that many times
	broken bool

	tidied []time.Time // by which clock
	done   []string
}

func (c *caretaker) TidyCallbacks(_ context.Context, now time.Time) error {
	if c.broken {
		return temporal.NewNonRetryableApplicationError("broken", "internal", nil)
	}
	if c.busy--; c.busy >= 0 {
		return errNoAnswer
	}
	c.tidied = append(c.tidied, now)
	return nil
}

func (c *caretaker) NoteSuccess(_ context.Context, schedule string) error {
	c.done = append(c.done, schedule)
	return nil
}

func TestHousekeeping(t *testing.T) {
	for name, row := range map[string]struct {
		books  caretaker
		done   []string
		failed bool
	}{
		"goes well":                          {done: []string{"housekeeping"}},
		"the table is in use for a while":    {books: caretaker{busy: 7}, done: []string{"housekeeping"}},
		"what cannot be done is not success": {books: caretaker{broken: true}, failed: true},
	} {
		t.Run(name, func(t *testing.T) {
			env := newRun(t, newWorld(t)).TestWorkflowEnvironment // for its patience
			env.RegisterActivity(&row.books)
			env.RegisterWorkflowWithOptions(Housekeeping, workflow.RegisterOptions{Name: TypeHousekeeping})
			began := env.Now()
			env.ExecuteWorkflow(TypeHousekeeping)
			if err := env.GetWorkflowError(); (err != nil) != row.failed {
				t.Errorf("it ended with %v", err)
			}
			if diff := cmp.Diff(row.done, row.books.done); diff != "" {
				t.Errorf("noted as done (-want +got):\n%s", diff)
			}
			if !row.failed && (len(row.books.tidied) != 1 || !row.books.tidied[0].Equal(began)) {
				t.Errorf("tidied by %v, want by the run's own clock, %s", row.books.tidied, began)
			}
		})
	}
}
