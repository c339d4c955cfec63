package worker

import (
	"context"
	"log/slog"
	"reflect"

	"github.com/prometheus/client_golang/prometheus"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"

	"github.com/paysaga/paysaga/activities"
)

// alarming is the attempt from which on somebody should look. Our own database is
// asked for as long as it takes, so nothing else would ever say so.
const alarming = 10

// alarm tells operators of acts on our own books that fail again and again.
type alarm struct {
	interceptor.WorkerInterceptorBase
	log   *slog.Logger
	count *prometheus.CounterVec
}

// NewAlarmCounter makes the counter of alarms, and registers it.
func NewAlarmCounter(registry prometheus.Registerer) *prometheus.CounterVec {
	count := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "paysaga_alarms_total",
		Help: "Attempts at our own books that failed, from the tenth on, by act.",
	}, []string{"step"})
	registry.MustRegister(count)
	return count
}

func (a *alarm) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	in := &alarmed{alarm: a}
	in.Next = next
	return in
}

type alarmed struct {
	interceptor.ActivityInboundInterceptorBase
	alarm *alarm
}

// ExecuteActivity does the act. Its error is ours, and free of secrets.
func (a *alarmed) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	out, err := a.Next.ExecuteActivity(ctx, in)
	if info := activity.GetInfo(ctx); err != nil && info.Attempt >= alarming && onOurBooks(info.ActivityType.Name) {
		a.alarm.count.WithLabelValues(info.ActivityType.Name).Inc()
		a.alarm.log.Warn("our own books will not do it", "step", info.ActivityType.Name,
			"transaction_id", info.WorkflowExecution.ID, "attempt", info.Attempt, "why", err)
	}
	return out, err
}

func onOurBooks(act string) bool {
	_, ours := reflect.TypeFor[*activities.Books]().MethodByName(act)
	return ours
}
