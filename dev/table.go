package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
)

// compare asks the api, the simulator and Temporal about every scene, prints one table and says whether all three tell
// the end that the scene must have.
func (w *world) compare(ctx context.Context, all []*scene) (bool, error) {
	fmt.Println()
	table := tabwriter.NewWriter(os.Stdout, 2, 0, 2, ' ', 0)
	fmt.Fprintln(table, "  order\tapi: order, payment\tWeChat: paid, refunded\tshop: shipped\tTemporal\tagree")
	agreed := true
	for _, scene := range all {
		row, ok, err := w.row(ctx, scene)
		if err != nil {
			return false, fmt.Errorf("comparing %s: %w", scene.number, err)
		}
		agreed = agreed && ok
		fmt.Fprintln(table, "  "+strings.Join(append(row, map[bool]string{true: "yes", false: "NO"}[ok]), "\t"))
	}
	err := table.Flush()
	fmt.Println()
	return agreed, err
}

func (w *world) row(ctx context.Context, s *scene) ([]string, bool, error) {
	// The last activity of a saga reports to the books before the run closes.
	var run string
	if err := eventually(ctx, "the run of "+s.transactionID+" to close", func(ctx context.Context) (bool, error) {
		described, err := w.temporal.DescribeWorkflowExecution(ctx, s.transactionID, "")
		if err != nil {
			return false, err
		}
		run = described.GetWorkflowExecutionInfo().GetStatus().String()
		return run != "Running", nil
	}); err != nil {
		return nil, false, err
	}
	order, err := w.order(ctx, s.number)
	if err != nil {
		return nil, false, err
	}
	payment, err := w.payment(ctx, s.transactionID)
	if err != nil {
		return nil, false, err
	}
	truth, err := w.truth(ctx, s.number)
	if err != nil {
		return nil, false, err
	}
	paidFen, backFen := int64(s.ends.paid)*s.amountFen, int64(s.ends.back)*s.amountFen
	var ownBackFen int64 // of the scene's own payment; of an order paid twice it is the other one that goes back
	if s.ends.stage == "refunded" {
		ownBackFen = s.amountFen
	}
	ok := order.State == s.ends.order && payment.Stage == s.ends.stage && payment.RefundedFen == ownBackFen &&
		len(truth.Payments) == s.ends.paid && truth.paidFen() == paidFen && truth.refundedFen() == backFen &&
		truth.effects() == s.ends.effects && run == "Completed" &&
		(s.ends.back == 0 || truth.took("REFUND.SUCCESS"))
	return []string{
		s.number, order.State + ", " + payment.Stage, yuan(truth.paidFen()) + ", " + yuan(truth.refundedFen()),
		fmt.Sprintf("%d×", truth.effects()), run,
	}, ok, nil
}
