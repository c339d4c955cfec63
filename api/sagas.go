package api

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/paysaga/paysaga/internal/payment"
	"github.com/paysaga/paysaga/workflows"
)

// Temporal starts and signals sagas, and is the only thing here that speaks to
// Temporal. A saga's WorkflowID is its payment's transaction_id, which makes a
// start idempotent for as long as Temporal remembers the run; for ever it is the
// books that do.
type Temporal struct{ Client client.Client }

// storyMemo holds payment.Story, so that a repeat can be told from a contradiction.
const storyMemo = "story"

// Start starts a payment's first saga. Kinds: Conflict "already_started" if
// there was one before, open or closed; Unknown without an answer.
func (t *Temporal) Start(ctx context.Context, paid payment.Payment) error {
	return t.execute(ctx, paid, enums.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE)
}

// Restart starts a saga where none is running, whatever became of earlier ones:
// nil means that one is running now.
func (t *Temporal) Restart(ctx context.Context, paid payment.Payment) error {
	err := t.execute(ctx, paid, enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE)
	if payment.KindOf(err) == payment.Conflict {
		return nil
	}
	return err
}

// StartDurably makes Temporal keep what the inbox cannot: it returns nil once a
// saga of exactly this news was acknowledged, and Conflict "conflicting_news" if
// the one that Temporal knows was told another story. A run that was ended from
// outside promises nothing, so another is started in its place.
func (t *Temporal) StartDurably(ctx context.Context, paid payment.Payment) error {
	err := t.Start(ctx, paid)
	if payment.KindOf(err) != payment.Conflict {
		return err
	}
	known, err := t.Client.DescribeWorkflow(ctx, paid.TransactionID, "")
	if err != nil {
		return silent(err)
	}
	var story string
	if err := known.GetMemoValue(storyMemo, &story); err != nil {
		return silent(err)
	}
	if story != paid.Story() {
		return payment.Failf(payment.Conflict, string(payment.CaseConflictingNews), "the saga was started with another story")
	}
	switch known.Status {
	case enums.WORKFLOW_EXECUTION_STATUS_RUNNING, enums.WORKFLOW_EXECUTION_STATUS_COMPLETED,
		enums.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW:
		return nil
	}
	return t.execute(ctx, paid, enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE)
}

// LatestRun is the latest run of a payment's saga, as Temporal has it; NotFound if
// it knows none.
func (t *Temporal) LatestRun(ctx context.Context, transactionID string) (payment.Run, error) {
	known, err := t.Client.DescribeWorkflow(ctx, transactionID, "")
	if _, none := errors.AsType[*serviceerror.NotFound](err); none {
		return payment.Run{}, payment.Fail(payment.NotFound, "no_run", "Temporal knows no run of this payment", err)
	}
	if err != nil {
		return payment.Run{}, silent(err)
	}
	run := payment.Run{
		RunID: known.WorkflowExecution.RunID, Status: strings.ToLower(known.Status.String()),
		StartedAt: known.WorkflowStartTime,
	}
	if known.WorkflowCloseTime != nil {
		run.ClosedAt = *known.WorkflowCloseTime
	}
	return run, nil
}

// Tell sends a person's word to a payment's saga, and starts the saga if none is
// running.
func (t *Temporal) Tell(ctx context.Context, paid payment.Payment, signal string, word workflows.Word) error {
	return t.signal(ctx, paid, signal, word)
}

// TellRefund tells a payment's saga that WeChat has news of one of its refunds.
func (t *Temporal) TellRefund(ctx context.Context, paid payment.Payment, news workflows.RefundResult) error {
	return t.signal(ctx, paid, workflows.SignalRefundResult, news)
}

// TellDispatched tells a payment's saga that the shop reported a dispatch.
func (t *Temporal) TellDispatched(ctx context.Context, paid payment.Payment, report workflows.DispatchReport) error {
	return t.signal(ctx, paid, workflows.SignalDispatched, report)
}

// CloseOrder has an order closed: nil means that somebody is at it now. What was
// asked for before, and ended, is asked for anew.
func (t *Temporal) CloseOrder(ctx context.Context, asked payment.Closing) error {
	_, err := t.Client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID:                       workflows.ClosingID(asked.OutTradeNo),
		TaskQueue:                workflows.QueuePayments,
		WorkflowIDReusePolicy:    enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		StaticSummary:            "close order " + asked.OutTradeNo,
		TypedSearchAttributes:    temporal.NewSearchAttributes(workflows.OutTradeNo.ValueSet(asked.OutTradeNo)),
	}, workflows.TypeCloseOrder, asked)
	return silent(err)
}

func (t *Temporal) execute(ctx context.Context, paid payment.Payment, reuse enums.WorkflowIdReusePolicy) error {
	if !payment.ValidTransactionID(paid.TransactionID) {
		return invalidID()
	}
	o := options(paid)
	o.WorkflowIDReusePolicy = reuse
	o.WorkflowIDConflictPolicy = enums.WORKFLOW_ID_CONFLICT_POLICY_FAIL
	o.WorkflowExecutionErrorWhenAlreadyStarted = true // else the SDK hands out the old run as if it were new
	_, err := t.Client.ExecuteWorkflow(ctx, o, workflows.Type, paid)
	if temporal.IsWorkflowExecutionAlreadyStartedError(err) {
		return payment.Fail(payment.Conflict, "already_started", "Temporal knows a run of this payment", err)
	}
	return silent(err)
}

func (t *Temporal) signal(ctx context.Context, paid payment.Payment, name string, word any) error {
	if !payment.ValidTransactionID(paid.TransactionID) {
		return invalidID()
	}
	o := options(paid)
	o.WorkflowIDReusePolicy = enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE
	_, err := t.Client.SignalWithStartWorkflow(ctx, paid.TransactionID, name, word, o, workflows.Type, paid)
	return silent(err)
}

// options are those of every start. There is no timeout and no retry policy on
// purpose: nothing but the saga itself may end it.
func options(paid payment.Payment) client.StartWorkflowOptions {
	return client.StartWorkflowOptions{
		ID:            paid.TransactionID,
		TaskQueue:     workflows.QueuePayments,
		Memo:          map[string]any{storyMemo: paid.Story()},
		StaticSummary: fmt.Sprintf("order %s, %s", paid.OutTradeNo, payment.Yuan(paid.AmountFen)),
		TypedSearchAttributes: temporal.NewSearchAttributes(
			workflows.OutTradeNo.ValueSet(paid.OutTradeNo),
			workflows.AmountFen.ValueSet(paid.AmountFen),
			workflows.PaidAt.ValueSet(paid.PaidAt),
			workflows.SagaStage.ValueSet(string(payment.Received)),
			workflows.NeedsAttention.ValueSet(false),
		),
	}
}

// invalidID keeps odd ids from Temporal: it takes almost anything, and invents
// an id for the empty string.
func invalidID() error {
	return payment.Failf(payment.Invalid, "transaction_id", "this cannot be the id of a saga")
}

func silent(err error) error {
	if err == nil {
		return nil
	}
	return payment.Fail(payment.Unknown, "temporal_silent", "no good answer from Temporal", err)
}
