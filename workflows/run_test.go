package workflows

import (
	"errors"
	"io"
	"log/slog"
	"math"
	"reflect"
	"testing"
	"time"

	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/paysaga/paysaga/internal/payment"
)

// watched is how long a test watches a saga. One that is open then stays open.
const watched = 60 * 24 * time.Hour

// sagaRun is one run of a saga in a world.
type sagaRun struct {
	*testsuite.TestWorkflowEnvironment
	w          *world
	attributes temporal.SearchAttributes // as an operator sees them
	upserts    int                       // how often they changed
}

func newRun(t *testing.T, w *world) *sagaRun {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.NewTextHandler(io.Discard, nil))))
	r := &sagaRun{TestWorkflowEnvironment: suite.NewTestWorkflowEnvironment(), w: w}
	r.SetTestTimeout(20 * time.Second) // a busy machine is no failure
	r.SetWorkerOptions(worker.Options{DeadlockDetectionTimeout: 20 * time.Second, Interceptors: []interceptor.WorkerInterceptor{&patience{run: r}}})
	r.RegisterActivity(w)
	r.RegisterWorkflowWithOptions(r.watch, workflow.RegisterOptions{Name: Type})
	w.begin(r.Now)
	return r
}

// watch tells the story until it ends, or until nobody watches any more.
func (r *sagaRun) watch(ctx workflow.Context, paid payment.Payment) (out payment.Outcome, err error) {
	over, stop := workflow.NewDisconnectedContext(ctx)
	defer stop()
	timer := workflow.NewTimer(over, watched)
	ended := false
	workflow.Go(ctx, func(ctx workflow.Context) {
		out, err = PaymentSaga(ctx, paid)
		ended = true
	})
	_ = workflow.Await(over, func() bool { return ended || timer.IsReady() })
	if !ended {
		return out, errStillOpen
	}
	return out, err
}

// play runs the saga to its end; open tells that it had none.
func (r *sagaRun) play(t *testing.T) (out payment.Outcome, open bool) {
	t.Helper()
	r.ExecuteWorkflow(Type, payment.Payment{
		TransactionID: txID, OutTradeNo: orderNo, AppID: "wxapp", MchID: "1900000001",
		AmountFen: paidFen, Currency: "CNY", TradeState: "SUCCESS", Via: payment.ViaCallback,
	})
	err := r.GetWorkflowError()
	var failed *temporal.ApplicationError
	switch {
	case errors.As(err, &failed) && failed.Message() == errStillOpen.Error():
		return out, true
	case err != nil:
		t.Fatalf("the saga failed: %v", err)
	}
	if err := r.GetWorkflowResult(&out); err != nil {
		t.Fatal(err)
	}
	return out, false
}

// after has something happen d after the run began.
func (r *sagaRun) after(d time.Duration, happens func()) { r.RegisterDelayedCallback(happens, d) }

// asks has a person ask through the api: the row first, then the signal.
func (r *sagaRun) asks(d time.Duration, request payment.Request) {
	r.after(d, func() {
		r.SignalWorkflow(string(request.Kind), Word{RequestID: r.w.ask(request)})
	})
}

func (r *sagaRun) alarmed(want bool) {
	if needs, _ := r.attributes.GetBool(NeedsAttention); needs != want {
		r.w.t.Errorf("NeedsAttention is %t at that time, want %t", needs, want)
	}
}

func (r *sagaRun) state(t *testing.T) (s State) {
	t.Helper()
	value, err := r.QueryWorkflow(QueryState)
	if err != nil {
		t.Fatal(err)
	}
	if err := value.Get(&s); err != nil {
		t.Fatal(err)
	}
	return s
}

// onQueue holds an act to the queue that its party works (worker.Run): on any
// other, nobody would ever do it.
func (r *sagaRun) onQueue(act, queue string) {
	for _, party := range []any{wechat, evidence} {
		_, theirs := reflect.TypeOf(party).MethodByName(act)
		if theirs && queue != QueueWeChat {
			r.w.t.Errorf("%s is asked for on %q", act, queue)
		}
	}
}

// patience has the test environment retry as the server does: it would stop
// after ten attempts where the policy names no number. It counts upserts, too.
type patience struct {
	interceptor.WorkerInterceptorBase
	run *sagaRun
}

type patientIn struct {
	interceptor.WorkflowInboundInterceptorBase
	run *sagaRun
}

type patientOut struct {
	interceptor.WorkflowOutboundInterceptorBase
	run *sagaRun
}

func (p *patience) InterceptWorkflow(_ workflow.Context, next interceptor.WorkflowInboundInterceptor) interceptor.WorkflowInboundInterceptor {
	in := &patientIn{run: p.run}
	in.Next = next
	return in
}

func (p *patientIn) Init(next interceptor.WorkflowOutboundInterceptor) error {
	out := &patientOut{run: p.run}
	out.Next = next
	return p.Next.Init(out)
}

func (p *patientOut) ExecuteActivity(ctx workflow.Context, name string, args ...any) workflow.Future {
	p.run.onQueue(name, workflow.GetActivityOptions(ctx).TaskQueue)
	policy := *workflow.GetActivityOptions(ctx).RetryPolicy
	if policy.MaximumAttempts == 0 {
		policy.MaximumAttempts = math.MaxInt32
	}
	return p.Next.ExecuteActivity(workflow.WithRetryPolicy(ctx, policy), name, args...)
}

func (p *patientOut) UpsertTypedSearchAttributes(ctx workflow.Context, to ...temporal.SearchAttributeUpdate) error {
	p.run.upserts++
	err := p.Next.UpsertTypedSearchAttributes(ctx, to...)
	p.run.attributes = workflow.GetTypedSearchAttributes(ctx)
	return err
}
