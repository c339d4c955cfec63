package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/paysaga/paysaga/workflows"
)

// Retention is how long Temporal keeps a closed run: longer than WeChat's last
// repeat of a callback (24 h 4 m) and than a bill that is late over a weekend.
// Uniqueness after that is the books' to keep.
const Retention = 168 * time.Hour

// attributes is what the operators' list is searched by.
var attributes = map[string]enumspb.IndexedValueType{
	workflows.OutTradeNo.GetName():     enumspb.INDEXED_VALUE_TYPE_KEYWORD,
	workflows.SagaStage.GetName():      enumspb.INDEXED_VALUE_TYPE_KEYWORD,
	workflows.FailedStep.GetName():     enumspb.INDEXED_VALUE_TYPE_KEYWORD,
	workflows.NeedsAttention.GetName(): enumspb.INDEXED_VALUE_TYPE_BOOL,
	workflows.AmountFen.GetName():      enumspb.INDEXED_VALUE_TYPE_INT,
	workflows.PaidAt.GetName():         enumspb.INDEXED_VALUE_TYPE_DATETIME,
}

// Prepare makes the namespace, its search attributes and its schedules, and
// returns only when a start that uses all of them works: namespaces and attributes
// are cached by the server, and a saga started too early would be refused. Idempotent, and safe beside running
// processes.
func Prepare(ctx context.Context, c client.Client, namespace string) error {
	if err := makeNamespace(ctx, c, namespace); err != nil {
		return fmt.Errorf("namespace %s: %w", namespace, err)
	}
	if err := eventually(ctx, func() error { return makeAttributes(ctx, c, namespace) }); err != nil {
		return fmt.Errorf("search attributes: %w", err)
	}
	if err := eventually(ctx, func() error { return probe(ctx, c) }); err != nil {
		return fmt.Errorf("probe start: %w", err)
	}
	if err := eventually(ctx, func() error { return makeSchedules(ctx, c, Schedules()) }); err != nil {
		return fmt.Errorf("schedule %w", err)
	}
	return nil
}

func makeNamespace(ctx context.Context, c client.Client, namespace string) error {
	_, err := c.WorkflowService().RegisterNamespace(ctx, &workflowservice.RegisterNamespaceRequest{
		Namespace:                        namespace,
		Description:                      "paysaga: one saga a WeChat payment",
		WorkflowExecutionRetentionPeriod: durationpb.New(Retention),
	})
	if _, exists := errors.AsType[*serviceerror.NamespaceAlreadyExists](err); exists {
		return nil
	}
	return err
}

func makeAttributes(ctx context.Context, c client.Client, namespace string) error {
	known, err := c.OperatorService().ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: namespace})
	if err != nil {
		return err
	}
	missing := map[string]enumspb.IndexedValueType{}
	for name, kind := range attributes {
		switch have, ok := known.CustomAttributes[name]; {
		case !ok:
			missing[name] = kind
		case have != kind:
			return temporal.NewNonRetryableApplicationError(
				fmt.Sprintf("%s is a %s here, and must be a %s", name, have, kind), "wrong_type", nil)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	_, err = c.OperatorService().AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{
		Namespace: namespace, SearchAttributes: missing,
	})
	if _, exists := errors.AsType[*serviceerror.AlreadyExists](err); exists {
		return nil // another migrate was faster
	}
	return err
}

// probe starts a workflow that nobody runs, on a queue nobody polls, and ends it.
func probe(ctx context.Context, c client.Client) error {
	run, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID:                       "paysaga-migrate-probe",
		TaskQueue:                "paysaga-migrate-probe",
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		WorkflowExecutionTimeout: time.Minute,
		StaticSummary:            "paysaga migrate: do all search attributes work?",
		TypedSearchAttributes: temporal.NewSearchAttributes(
			workflows.OutTradeNo.ValueSet("probe"), workflows.SagaStage.ValueSet("probe"),
			workflows.FailedStep.ValueSet("probe"), workflows.NeedsAttention.ValueSet(false),
			workflows.AmountFen.ValueSet(0), workflows.PaidAt.ValueSet(time.Now())),
	}, "Probe")
	if err != nil {
		return err
	}
	return c.TerminateWorkflow(ctx, run.GetID(), run.GetRunID(), "probe done")
}

// eventually tries until it works: the server's caches take seconds to see a
// new namespace or attribute.
func eventually(ctx context.Context, try func() error) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try()
		if wrong, ok := errors.AsType[*temporal.ApplicationError](err); err == nil || (ok && wrong.NonRetryable()) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}
