package api_test

import (
	"cmp"
	"context"
	"errors"
	"os"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/paysaga/paysaga/api"
	"github.com/paysaga/paysaga/internal/payment"
	"github.com/paysaga/paysaga/workflows"
)

// newTemporal is a client of the real thing, with the namespace and the search
// attributes that sagas need. Nothing runs them: only starts are looked at.
func newTemporal(t *testing.T) (*api.Temporal, client.Client) {
	t.Helper()
	address := os.Getenv("TEMPORAL_ADDRESS")
	if address == "" {
		t.Fatal("TEMPORAL_ADDRESS is not set: run this as `go run ./dev test`")
	}
	namespace := cmp.Or(os.Getenv("TEMPORAL_NAMESPACE"), "payments")
	c, err := client.Dial(client.Options{HostPort: address, Namespace: namespace})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	_, err = c.WorkflowService().RegisterNamespace(t.Context(), &workflowservice.RegisterNamespaceRequest{
		Namespace: namespace, WorkflowExecutionRetentionPeriod: durationpb.New(72 * time.Hour),
	})
	if _, there := errors.AsType[*serviceerror.NamespaceAlreadyExists](err); err != nil && !there {
		t.Fatal(err)
	}
	attributes := map[string]enums.IndexedValueType{
		"OutTradeNo": enums.INDEXED_VALUE_TYPE_KEYWORD, "SagaStage": enums.INDEXED_VALUE_TYPE_KEYWORD,
		"FailedStep": enums.INDEXED_VALUE_TYPE_KEYWORD, "NeedsAttention": enums.INDEXED_VALUE_TYPE_BOOL,
		"AmountFen": enums.INDEXED_VALUE_TYPE_INT, "PaidAt": enums.INDEXED_VALUE_TYPE_DATETIME,
	}
	eventually(t, "the search attributes are known", func() bool {
		_, err := c.OperatorService().AddSearchAttributes(t.Context(), &operatorservice.AddSearchAttributesRequest{
			Namespace: namespace, SearchAttributes: attributes})
		_, there := errors.AsType[*serviceerror.AlreadyExists](err)
		return err == nil || there
	})
	temporal := &api.Temporal{Client: c}
	eventually(t, "a saga can be started", func() bool {
		return payment.KindOf(temporal.Restart(t.Context(), saga("4200probe"))) == ""
	})
	return temporal, c
}

func saga(number string) payment.Payment {
	return payment.Payment{
		TransactionID: number, OutTradeNo: "ORDER1", AppID: "wx1", MchID: "1", AmountFen: 12805, Currency: "CNY",
		TradeState: "SUCCESS", PaidAt: now, Via: payment.ViaCallback,
	}
}

// run is the latest run of a payment.
func run(t *testing.T, c client.Client, number string) string {
	t.Helper()
	d, err := c.DescribeWorkflow(t.Context(), number, "")
	if err != nil {
		t.Fatal(err)
	}
	return d.WorkflowExecution.RunID
}

func TestOnePaymentHasOneRun(t *testing.T) {
	temporal, c := newTemporal(t)
	number := freshNumber()
	paid := saga(number)
	end := func() {
		if err := c.TerminateWorkflow(t.Context(), number, "", "test"); err != nil {
			t.Fatal(err)
		}
	}
	other := paid
	other.AmountFen = 1

	var last string
	for _, step := range []struct {
		what   string
		do     func(context.Context) error
		code   string // of the error, if there is to be one
		newRun bool
	}{
		{"a first start", func(ctx context.Context) error { return temporal.Start(ctx, paid) }, "", true},
		{"a start while it runs", func(ctx context.Context) error { return temporal.Start(ctx, paid) }, "already_started", false},
		{"a sweep while it runs", func(ctx context.Context) error { return temporal.Restart(ctx, paid) }, "", false},
		{"the last resort, same story", func(ctx context.Context) error { return temporal.StartDurably(ctx, paid) }, "", false},
		{"the last resort, another story", func(ctx context.Context) error { return temporal.StartDurably(ctx, other) }, "conflicting_news", false},
		{"a person's word while it runs", func(ctx context.Context) error {
			return temporal.Tell(ctx, paid, workflows.SignalRetry, workflows.Word{RequestID: "req-1"})
		}, "", false},
		{"it is terminated, and WeChat repeats itself", func(ctx context.Context) error { end(); return temporal.Start(ctx, paid) }, "already_started", false},
		{"the last resort after its end, another story", func(ctx context.Context) error { return temporal.StartDurably(ctx, other) }, "conflicting_news", false},
		{"the last resort after its end", func(ctx context.Context) error { return temporal.StartDurably(ctx, paid) }, "", true},
		{"the sweep after its end", func(ctx context.Context) error { end(); return temporal.Restart(ctx, paid) }, "", true},
		{"a person's word after its end", func(ctx context.Context) error {
			end()
			return temporal.Tell(ctx, paid, workflows.SignalCompensate, workflows.Word{RequestID: "req-2"})
		}, "", true},
		{"news of a refund after its end", func(ctx context.Context) error {
			end()
			return temporal.TellRefund(ctx, paid, workflows.RefundResult{OutRefundNo: "R1"})
		}, "", true},
	} {
		err := step.do(t.Context())
		if payment.CodeOf(err) != step.code || (err == nil) != (step.code == "") {
			t.Errorf("%s: %v, want %q", step.what, err, step.code)
		}
		id := run(t, c, number)
		if (id != last) != step.newRun {
			t.Errorf("%s: a new run is %v, want %v", step.what, id != last, step.newRun)
		}
		last = id
	}
}

func TestWhatAnOperatorSeesOfASaga(t *testing.T) {
	temporal, c := newTemporal(t)
	number := freshNumber()
	if err := temporal.Start(t.Context(), saga(number)); err != nil {
		t.Fatal(err)
	}
	d, err := c.DescribeWorkflow(t.Context(), number, "")
	if err != nil {
		t.Fatal(err)
	}
	summary, err := d.GetStaticSummary()
	if err != nil || summary != "order ORDER1, ¥128.05" {
		t.Errorf("summary %q, %v", summary, err)
	}
	if d.WorkflowType.Name != "PaymentSaga" || d.TaskQueueName != "payments" {
		t.Errorf("%s on %s", d.WorkflowType.Name, d.TaskQueueName)
	}
	attributes := map[string]any{}
	for key, value := range d.TypedSearchAttributes.GetUntypedValues() {
		attributes[key.GetName()] = value
	}
	want := map[string]any{
		"OutTradeNo": "ORDER1", "AmountFen": int64(12805), "PaidAt": now, "SagaStage": "received", "NeedsAttention": false,
	}
	if diff := gocmp.Diff(want, attributes); diff != "" {
		t.Error(diff)
	}
	history := c.GetWorkflowHistory(t.Context(), number, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	first, err := history.Next()
	if err != nil {
		t.Fatal(err)
	}
	started := first.GetWorkflowExecutionStartedEventAttributes()
	if started.GetRetryPolicy() != nil || started.GetWorkflowExecutionTimeout().AsDuration() != 0 || started.GetWorkflowRunTimeout().AsDuration() != 0 {
		t.Error("something but the saga itself may end it: a timeout or a retry policy")
	}
	if size := started.GetInput().Size(); size > 2<<10 {
		t.Errorf("the input has %d bytes, want at most 2 KiB", size)
	}
}

func TestOddNumbersNeverBecomeIDs(t *testing.T) {
	temporal := &api.Temporal{} // without a client: asking it would panic
	for _, number := range []string{"", " ", "a b", "../../etc/passwd", "x' OR WorkflowType='y", "4\n2", "4\x00", "🍵", "444444444444444444444444444444444"} {
		paid := saga(number)
		for what, err := range map[string]error{
			"Start":        temporal.Start(t.Context(), paid),
			"Restart":      temporal.Restart(t.Context(), paid),
			"StartDurably": temporal.StartDurably(t.Context(), paid),
			"Tell":         temporal.Tell(t.Context(), paid, workflows.SignalRetry, workflows.Word{}),
			"TellRefund":   temporal.TellRefund(t.Context(), paid, workflows.RefundResult{}),
		} {
			if payment.KindOf(err) != payment.Invalid {
				t.Errorf("%s(%q): %v", what, number, err)
			}
		}
	}
}

func TestNoAnswerFromTemporalIsUnknown(t *testing.T) {
	c, err := client.NewLazyClient(client.Options{HostPort: "127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	temporal := &api.Temporal{Client: c}
	if err := temporal.Start(ctx, saga(freshNumber())); payment.KindOf(err) != payment.Unknown {
		t.Errorf("Start: %v", err)
	}
}

func TestTheLatestRunIsTold(t *testing.T) {
	temporal, c := newTemporal(t)
	number := freshNumber()
	if _, err := temporal.LatestRun(t.Context(), number); payment.KindOf(err) != payment.NotFound {
		t.Errorf("a payment that never ran: %v", err)
	}
	for _, status := range []string{"running", "terminated"} {
		if err := temporal.Restart(t.Context(), saga(number)); err != nil {
			t.Fatal(err)
		}
		if status == "terminated" {
			if err := c.TerminateWorkflow(t.Context(), number, "", "test"); err != nil {
				t.Fatal(err)
			}
		}
		got, err := temporal.LatestRun(t.Context(), number)
		if err != nil || got.Status != status || got.RunID != run(t, c, number) || got.StartedAt.IsZero() || got.ClosedAt.IsZero() != (status == "running") {
			t.Errorf("%+v %v, want %s", got, err, status)
		}
	}
}
