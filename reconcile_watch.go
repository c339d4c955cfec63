package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/workflows"
)

// watch follows one reconciliation.
type watch struct {
	client.Client
	run     client.WorkflowRun
	options client.Options // its converters open what may be sealed
	out     *meter
}

// nobodyAfter is how long a worker may be silent before a person is told so.
const nobodyAfter = 15 * time.Second

// until follows the run until it does what is waited for, or has ended, and returns
// what it did last. A run that failed is an error.
func (w *watch) until(ctx context.Context, doing workflows.Doing) (at workflows.Reconciling, err error) {
	defer w.out.end()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	heard := time.Now()
	for {
		seen, err := w.DescribeWorkflowExecution(ctx, w.run.GetID(), w.run.GetRunID())
		if err != nil {
			return at, err
		}
		if status := seen.GetWorkflowExecutionInfo().GetStatus(); status != enums.WORKFLOW_EXECUTION_STATUS_RUNNING {
			if err := w.run.Get(ctx, nil); err != nil {
				return at, err
			}
			return w.ask(ctx)
		}
		if now, err := w.ask(ctx); err == nil {
			at, heard = now, time.Now()
		}
		if at.Doing == doing && doing != "" {
			return at, nil
		}
		switch {
		case ctx.Err() != nil:
			return at, ctx.Err()
		case time.Since(heard) > nobodyAfter:
			w.out.show("no worker answers: is `paysaga worker` running?", activities.Progress{})
		default:
			w.out.show(w.progress(at, seen.GetPendingActivities()))
		}
		select {
		case <-ctx.Done():
			return at, ctx.Err()
		case <-tick.C:
		}
	}
}

func (w *watch) ask(ctx context.Context) (at workflows.Reconciling, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	answer, err := w.QueryWorkflow(ctx, w.run.GetID(), w.run.GetRunID(), workflows.QueryProgress)
	if err == nil {
		err = answer.Get(&at)
	}
	return at, err
}

// progress says what the run is at, and how far by the act's last heartbeat.
func (w *watch) progress(at workflows.Reconciling, pending []*workflowpb.PendingActivityInfo) (what string, far activities.Progress) {
	what = map[workflows.Doing]string{
		workflows.Fetching: "reading the bill of " + at.Day, workflows.Comparing: "holding it against the books",
		workflows.Settling: "acting on what differs",
	}[at.Doing]
	for _, act := range pending {
		if details := act.GetHeartbeatDetails(); details != nil {
			_ = w.options.DataConverter.FromPayloads(details, &far) // no word of how far it is
		}
		if act.GetLastFailure() == nil || act.GetState() != enums.PENDING_ACTIVITY_STATE_SCHEDULED {
			continue
		}
		err := w.options.FailureConverter.FailureToError(act.GetLastFailure())
		if failed, ok := errors.AsType[*temporal.ApplicationError](err); ok {
			what = fmt.Sprintf("%s: %s; asked again at %s", what, failed.Message(), act.GetScheduledTime().AsTime().Local().Format(time.TimeOnly))
		}
	}
	if at.Comparison != nil && at.Doing == workflows.Settling {
		far.Expected = at.Comparison.Report.Differences
	}
	return what, far
}

// meter is one line at a terminal that is written over, or a line for each news
// where nobody can watch it.
type meter struct {
	to       io.Writer
	terminal bool
	last     string
}

func newMeter(f *os.File) *meter {
	info, err := f.Stat()
	return &meter{to: f, terminal: err == nil && info.Mode()&os.ModeCharDevice != 0}
}

const barWidth = 30

// show draws how far something is. How much there is to do is a guess, so it is
// never shown as done.
func (m *meter) show(what string, far activities.Progress) {
	line := what
	if far.Done > 0 && m.terminal {
		filled := barWidth - 1
		if far.Expected > 0 {
			filled = min(int(far.Done*barWidth/far.Expected), filled)
		}
		line = fmt.Sprintf("[%s%s] %s: %d", strings.Repeat("#", filled), strings.Repeat(".", barWidth-filled), what, far.Done)
	} else if far.Done > 0 {
		line = fmt.Sprintf("%s: %d", what, far.Done)
	}
	if line == m.last || what == "" {
		return
	}
	m.last = line
	if m.terminal {
		fmt.Fprintf(m.to, "\r\x1b[K%s", printable(line))
		return
	}
	fmt.Fprintln(m.to, printable(line))
}

// end leaves the line for what comes after it.
func (m *meter) end() {
	if m.terminal && m.last != "" {
		fmt.Fprint(m.to, "\r\x1b[K")
	}
	m.last = ""
}
