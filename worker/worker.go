// Package worker is the engine room: it runs the sagas and their acts, and
// prepares Temporal for them.
package worker

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/workflows"
)

// Acts are the parties a saga deals with.
type Acts struct {
	Books    *activities.Books
	Shop     *activities.Shop
	WeChat   *activities.WeChat
	Evidence *activities.Evidence
	Orders   *activities.Orders
	Upkeep   *activities.Upkeep
	Bills    *activities.Bills
}

// How much one process does at once. What bounds it is the pool of database
// connections, and WeChat's 150 refunds a second for each merchant.
const (
	concurrentActs       = 100
	wechatCallsPerSecond = 100
	stopTimeout          = 30 * time.Second // longer than any call to the shop or WeChat
	deadlockSuspicion    = 10 * time.Second // a busy machine is no deadlock
	pollersAtFirst       = 2
	pollersAtMost        = 20
	heartbeatEvery       = time.Second // somebody may watch how a bill is read
)

// Run works both task queues until ctx ends, then lets running acts finish. It
// counts alarms; see NewAlarmCounter.
func Run(ctx context.Context, temporal client.Client, acts Acts, alarms *prometheus.CounterVec) error {
	fatal := make(chan error, 2)
	opts := options(fatal, alarms)

	payments := worker.New(temporal, workflows.QueuePayments, opts)
	payments.RegisterWorkflowWithOptions(workflows.PaymentSaga, workflow.RegisterOptions{Name: workflows.Type})
	payments.RegisterWorkflowWithOptions(workflows.CloseOrder, workflow.RegisterOptions{Name: workflows.TypeCloseOrder})
	payments.RegisterWorkflowWithOptions(workflows.Housekeeping, workflow.RegisterOptions{Name: workflows.TypeHousekeeping})
	payments.RegisterWorkflowWithOptions(workflows.Reconcile, workflow.RegisterOptions{Name: workflows.TypeReconcile})
	payments.RegisterActivity(acts.Books)
	payments.RegisterActivity(acts.Orders) // MarkClosed
	payments.RegisterActivity(acts.Shop)
	payments.RegisterActivity(acts.Upkeep)
	payments.RegisterActivity(acts.Bills) // CompareBill, SettleBill, MissedDays

	opts.TaskQueueActivitiesPerSecond = wechatCallsPerSecond
	wechat := worker.New(temporal, workflows.QueueWeChat, opts)
	wechat.RegisterActivity(acts.WeChat)
	wechat.RegisterActivity(acts.Evidence)
	wechat.RegisterActivity(acts.Orders)
	wechat.RegisterActivity(acts.Bills)

	for _, w := range []worker.Worker{payments, wechat} {
		if err := w.Start(); err != nil {
			return err
		}
		defer w.Stop()
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-fatal:
		return fmt.Errorf("worker stopped by itself: %w", err)
	}
}

func options(fatal chan<- error, alarms *prometheus.CounterVec) worker.Options {
	pollers := worker.NewPollerBehaviorAutoscaling(worker.PollerBehaviorAutoscalingOptions{
		InitialNumberOfPollers: pollersAtFirst, MaximumNumberOfPollers: pollersAtMost,
	})
	return worker.Options{
		MaxConcurrentActivityExecutionSize: concurrentActs,
		WorkflowTaskPollerBehavior:         pollers,
		ActivityTaskPollerBehavior:         pollers,
		WorkerStopTimeout:                  stopTimeout,
		DeadlockDetectionTimeout:           deadlockSuspicion,
		DisableRegistrationAliasing:        true,
		MaxHeartbeatThrottleInterval:       heartbeatEvery,
		OnFatalError:                       func(err error) { fatal <- err },
		Interceptors:                       []interceptor.WorkerInterceptor{&alarm{log: slog.Default(), count: alarms}},
	}
}
