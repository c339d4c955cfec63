package worker

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

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
			env.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{
				&alarm{log: slog.New(slog.NewTextHandler(&said, nil))},
			}})
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
		})
	}
}
