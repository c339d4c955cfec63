package workflows

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/paysaga/paysaga/internal/payment"
)

// counter is WeChat's desk for one order, and our books of it.
type counter struct {
	at    func() time.Time
	begun time.Time

	stands        payment.Offering // at WeChat
	paysBefore    int              // the customer pays just before that close, counted from 1
	closesAt      int              // the close that WeChat carries out; 0: none
	silentUntil   time.Duration    // WeChat gives no answer until then
	booksAwayTill time.Duration

	asked, closes int
	kept          bool // its payment is in the inbox
	here          payment.OrderState
	cases         []payment.CaseKind
}

func (c *counter) before(d time.Duration) bool { return c.at().Sub(c.begun) < d }

func (c *counter) AskOrder(_ context.Context, _ string) (payment.Offering, error) {
	if c.before(c.silentUntil) {
		return "", errNoAnswer
	}
	c.asked++
	c.kept = c.kept || c.stands == payment.OfferPaid
	return c.stands, nil
}

func (c *counter) WithdrawOffer(context.Context, string) error {
	c.closes++
	switch {
	case c.stands != payment.Offered:
	case c.closes == c.paysBefore:
		c.stands = payment.OfferPaid
	case c.closes == c.closesAt:
		c.stands = payment.Withdrawn
	}
	return nil
}

func (c *counter) MarkClosed(context.Context, payment.Closing) (payment.OrderState, error) {
	if c.before(c.booksAwayTill) {
		return "", errNoAnswer
	}
	if !c.kept {
		c.here = payment.OrderClosed
	}
	return c.here, nil
}

func (c *counter) OpenCase(_ context.Context, about payment.Case) error {
	if about.OutTradeNo != orderNo {
		return temporal.NewNonRetryableApplicationError("whose case?", "", nil)
	}
	c.cases = append(c.cases, about.Kind)
	return nil
}

func TestCloseOrder(t *testing.T) {
	type end struct {
		AtWeChat payment.Offering
		Here     payment.OrderState
		Kept     bool
		Cases    []payment.CaseKind
		Failed   bool
		Asked    int
	}
	closed := end{AtWeChat: payment.Withdrawn, Here: payment.OrderClosed, Asked: 2}
	paid := end{AtWeChat: payment.OfferPaid, Here: payment.OrderPending, Kept: true, Asked: 2}
	stuck := []payment.CaseKind{payment.CaseCloseStuck}
	for name, row := range map[string]struct {
		counter counter
		during  func(env *testsuite.TestWorkflowEnvironment)
		want    end
		within  time.Duration // of the workflow's time
	}{
		"nobody paid":                         {counter: counter{closesAt: 1}, want: closed, within: time.Second},
		"the customer pays as we close":       {counter: counter{closesAt: 1, paysBefore: 1}, want: paid, within: time.Second},
		"the customer had paid":               {counter: counter{stands: payment.OfferPaid}, want: end{payment.OfferPaid, payment.OrderPending, true, nil, false, 1}},
		"it was closed at WeChat":             {counter: counter{stands: payment.Withdrawn}, want: end{AtWeChat: payment.Withdrawn, Here: payment.OrderClosed, Asked: 1}},
		"it was never offered":                {counter: counter{stands: payment.Unoffered}, want: end{AtWeChat: payment.Unoffered, Here: payment.OrderClosed, Asked: 1}},
		"WeChat is silent for an hour":        {counter: counter{closesAt: 1, silentUntil: time.Hour}, want: closed},
		"WeChat closes it at the third try":   {counter: counter{closesAt: 3}, want: end{AtWeChat: payment.Withdrawn, Here: payment.OrderClosed, Asked: 4}, within: time.Minute},
		"the customer pays before the second": {counter: counter{closesAt: 3, paysBefore: 2}, want: end{payment.OfferPaid, payment.OrderPending, true, nil, false, 3}},
		"our books are away for a while":      {counter: counter{closesAt: 1, booksAwayTill: time.Hour}, want: closed},
		"WeChat says nothing for days": {
			counter: counter{closesAt: 1, silentUntil: 3 * aDay},
			want:    end{AtWeChat: payment.Offered, Here: payment.OrderPending, Cases: stuck, Failed: true},
		},
		"WeChat says yes and does not close": {
			counter: counter{},
			want:    end{AtWeChat: payment.Offered, Here: payment.OrderPending, Cases: stuck, Failed: true, Asked: 36},
		},
		"an operator cancels the run": {
			counter: counter{closesAt: 1, silentUntil: time.Hour},
			during: func(env *testsuite.TestWorkflowEnvironment) {
				env.RegisterDelayedCallback(env.CancelWorkflow, 30*time.Minute)
			},
			want: end{AtWeChat: payment.Offered, Here: payment.OrderPending, Failed: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := row.counter
			c.here = payment.OrderPending
			if c.stands == "" {
				c.stands = payment.Offered
			}
			env := newRun(t, newWorld(t)).TestWorkflowEnvironment // for its patience
			env.RegisterActivity(&c)
			env.RegisterWorkflowWithOptions(CloseOrder, workflow.RegisterOptions{Name: TypeCloseOrder})
			c.at, c.begun = env.Now, env.Now()
			if row.during != nil {
				row.during(env)
			}
			env.ExecuteWorkflow(TypeCloseOrder, payment.Closing{OutTradeNo: orderNo, Actor: "shop"})

			got := end{c.stands, c.here, c.kept, c.cases, env.GetWorkflowError() != nil, c.asked}
			if diff := cmp.Diff(row.want, got); diff != "" {
				t.Errorf("how it ended (-want +got):\n%s", diff)
			}
			var said payment.OrderState
			if err := env.GetWorkflowResult(&said); err == nil && said != c.here {
				t.Errorf("it says %q, the books say %q", said, c.here)
			}
			if took := env.Now().Sub(c.begun); row.within > 0 && took > row.within {
				t.Errorf("it took %s", took)
			}
		})
	}
}
