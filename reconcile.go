package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/paysaga/paysaga/internal/config"
	"github.com/paysaga/paysaga/internal/payment"
	"github.com/paysaga/paysaga/workflows"
)

type reconcileCmd struct {
	config.Histories
	Date string `required:"" placeholder:"YYYY-MM-DD" help:"The bill's day, in Beijing."`
	Yes  bool   `help:"Act on what differs without asking."`
	JSON bool   `name:"json" help:"Print the comparison as JSON. Without --yes nothing is asked, and nothing is done."`
}

// lookEvery is how often is looked how far a reconciliation has come.
const lookEvery = 300 * time.Millisecond

// Run has a worker hold that day's bill against the books, shows what differs, and
// has it acted on where a person wants that. It speaks to Temporal alone.
func (c *reconcileCmd) Run(ctx context.Context, m *config.Mistakes) error {
	if _, _, err := payment.DayBounds(c.Date); err != nil {
		m.Add("--date", "%v", err)
	}
	opts, _ := temporalOptions(c.Histories, m)
	if err := m.Err(); err != nil {
		return err
	}
	temporal, err := client.DialContext(ctx, opts)
	if err != nil {
		return err
	}
	defer temporal.Close()
	run, err := temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID:                       workflows.ReconcilingID(c.Date),
		TaskQueue:                workflows.QueuePayments,
		WorkflowIDReusePolicy:    enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING, // somebody else's eyes on the same day
		StaticSummary:            "hold the bill of " + c.Date + " against the books, by hand",
	}, workflows.TypeReconcile, workflows.ReconcileInput{Day: c.Date, Preview: true})
	if err != nil {
		return err
	}
	watched := &watch{Client: temporal, run: run, options: opts, out: newMeter(os.Stderr)}
	found, err := watched.until(ctx, workflows.Asking)
	if err != nil {
		return err
	}
	if found.Doing == workflows.Asking {
		if found, err = c.decide(ctx, watched, found); err != nil {
			return err
		}
	}
	return c.show(found)
}

// decide asks the person, tells the run, and waits for its end.
func (c *reconcileCmd) decide(ctx context.Context, watched *watch, found workflows.Reconciling) (workflows.Reconciling, error) {
	settle := c.Yes
	if !c.JSON && !c.Yes {
		writeComparison(os.Stdout, found)
		settle = found.Comparison.Report.Differences == 0 || confirmed(ctx)
	}
	signal := workflows.SignalDrop
	if settle {
		signal = workflows.SignalSettle
	}
	if err := watched.SignalWorkflow(ctx, watched.run.GetID(), watched.run.GetRunID(), signal, nil); err != nil {
		return found, err
	}
	return watched.until(ctx, "")
}

func (c *reconcileCmd) show(found workflows.Reconciling) error {
	switch {
	case c.JSON:
		out := json.NewEncoder(os.Stdout)
		out.SetIndent("", "  ")
		return out.Encode(found.Comparison)
	case found.Doing == workflows.Settled:
		writeComparison(os.Stdout, found)
	default:
		fmt.Println("nothing was done")
	}
	return nil
}

// confirmed asks at the terminal. No answer is a no.
func confirmed(ctx context.Context) bool {
	fmt.Print("do that? [y/N] ")
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(os.Stdin).ReadString('\n') // the end of the input is an empty answer
		answer <- line
	}()
	select {
	case <-ctx.Done():
		return false
	case line := <-answer:
		word := strings.ToLower(strings.TrimSpace(line))
		return word == "y" || word == "yes"
	}
}
