package payment_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/paysaga/paysaga/internal/payment"
)

// A person may ask for exactly what a lawful move could bring about.
func TestWhatMayBeAskedIsWhatMayHappen(t *testing.T) {
	for kind, end := range map[payment.RequestKind]payment.Stage{
		payment.Compensate: payment.Compensating,
		payment.Resolve:    payment.Resolved,
	} {
		var from []payment.Stage
		for stage, moves := range payment.Moves {
			if slices.Contains(moves, end) {
				from = append(from, stage)
			}
		}
		slices.Sort(from)
		if diff := cmp.Diff(from, slices.Sorted(slices.Values(payment.Askable[kind]))); diff != "" {
			t.Errorf("%s: %s", kind, diff)
		}
	}
	for _, stage := range payment.Askable[payment.Retry] {
		if stage.Final() || stage == payment.Quarantined {
			t.Errorf("nothing is tried again while a payment is %s", stage)
		}
	}
}

func TestAnApprovalExpiresToTheSecond(t *testing.T) {
	end := time.Date(2026, 8, 7, 10, 0, 0, 0, time.UTC)
	for name, row := range map[string]struct {
		state payment.RequestState
		now   time.Time
		want  payment.RequestState
	}{
		"waiting, just before":  {payment.PendingApproval, end.Add(-time.Nanosecond), payment.PendingApproval},
		"waiting, at the end":   {payment.PendingApproval, end, payment.RequestExpired},
		"approved, long before": {payment.Queued, end.Add(time.Hour), payment.Queued},
	} {
		t.Run(name, func(t *testing.T) {
			request := payment.Request{State: row.state, ExpiresAt: end}
			if got := request.StateAt(row.now); got != row.want {
				t.Errorf("%s, want %s", got, row.want)
			}
		})
	}
}
