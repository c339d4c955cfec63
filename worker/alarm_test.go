package worker

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// An act on our own books that fails for the tenth time is somebody's to look at;
// a silent shop is not, for that has a case in time.
func TestTheTenthFailureOfOurOwnBooksIsAnAlarm(t *testing.T) {
	for name, row := range map[string]struct {
		act   string
		fails int32
		want  int
	}{
		"our books fail nine times":   {"MarkPaid", 9, 0},
		"our books fail twelve times": {"MarkPaid", 12, 3},
		"the shop fails twelve times": {"Ship", 12, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var said bytes.Buffer
			var suite testsuite.WorkflowTestSuite
			env := suite.NewTestWorkflowEnvironment()
			metrics := prometheus.NewRegistry()
			alarm := &alarm{log: slog.New(slog.NewTextHandler(&said, nil)), count: NewAlarmCounter(metrics)}
			env.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{alarm}})
			env.RegisterActivityWithOptions(func(ctx context.Context) error {
				if activity.GetInfo(ctx).Attempt <= row.fails {
					return temporal.NewApplicationError("database_away: no connection", "busy")
				}
				return nil
			}, activity.RegisterOptions{Name: row.act})
			env.ExecuteWorkflow(func(ctx workflow.Context) error {
				return workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
					StartToCloseTimeout: time.Second, RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 20},
				}), row.act).Get(ctx, nil)
			})
			if err := env.GetWorkflowError(); err != nil {
				t.Fatal(err)
			}
			if got := strings.Count(said.String(), "step=MarkPaid transaction_id=default-test-workflow-id attempt=1"); got != row.want {
				t.Errorf("%d alarms, want %d:\n%s", got, row.want, &said)
			}
			if got := counted(t, metrics); got != row.want {
				t.Errorf("%d alarms counted, want %d", got, row.want)
			}
		})
	}
}

// counted is the sum of everything that was counted.
func counted(t *testing.T, metrics prometheus.Gatherer) (n int) {
	t.Helper()
	families, err := metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			n += int(m.GetCounter().GetValue())
		}
	}
	return n
}
