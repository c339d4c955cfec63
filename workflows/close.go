package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

var orders *activities.Orders // names the acts, and stays nil

// CloseOrder withdraws an order, and returns the state it leaves. At WeChat first:
// ask, close, and ask again, because somebody may pay in that very moment, until
// WeChat says that nobody can pay any more. Only then is it closed here.
//
// A payment that wins the race is kept, and its saga handles it; the order is then
// not closed here either, unless that payment was turned down before. Where WeChat
// gives no such word for a day, a person is told, and the order stays as it is: a
// payment that comes after all is handled like any other.
func CloseOrder(ctx workflow.Context, asked payment.Closing) (payment.OrderState, error) {
	if err := withdraw(ctx, asked.OutTradeNo); err != nil {
		_ = inTheBooks(ctx, "ask for a person", books.OpenCase, stuck(asked)).Get(ctx, nil) // not if it was cancelled: somebody knows
		return "", err
	}
	var left payment.OrderState
	err := inTheBooks(ctx, "close it in the books", orders.MarkClosed, asked).Get(ctx, &left)
	return left, err
}

// withdraw returns once nobody can pay the order at WeChat any more.
func withdraw(ctx workflow.Context, outTradeNo string) error {
	began := workflow.Now(ctx)
	for n := 0; workflow.Now(ctx).Sub(began) < aDay; n++ {
		if n > 1 { // once closed it may take WeChat a moment to say so
			if err := workflow.Sleep(ctx, backoff(lookAgainAfter, n-2)); err != nil {
				return err
			}
		}
		var stands payment.Offering
		err := atTheTill(ctx, "ask WeChat what became of it", orders.AskOrder, outTradeNo).Get(ctx, &stands)
		if err != nil || stands != payment.Offered {
			return err
		}
		if err := atTheTill(ctx, "close it at WeChat", orders.WithdrawOffer, outTradeNo).Get(ctx, nil); err != nil {
			return err
		}
	}
	return temporal.NewApplicationError("WeChat took the closing and did not close", string(payment.Unknown))
}

func stuck(asked payment.Closing) payment.Case {
	return payment.Case{
		Kind: payment.CaseCloseStuck, OutTradeNo: asked.OutTradeNo,
		Detail: "WeChat would not say for a day that nobody can pay it any more; ask again to close it",
	}
}

// inTheBooks has our own books do something; they do not give up.
func inTheBooks(ctx workflow.Context, summary string, act, in any) workflow.Future {
	how := quick(payment.Terms{}, summary)
	return workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, how), act, in)
}

// atTheTill asks WeChat for up to a day.
func atTheTill(ctx workflow.Context, summary string, act, in any) workflow.Future {
	how := asking(payment.Terms{RetryMaxInterval: time.Minute}, aDay)
	how.Summary = summary
	return workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, how), act, in)
}
