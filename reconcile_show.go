package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/paysaga/paysaga/internal/payment"
	"github.com/paysaga/paysaga/workflows"
)

// writeComparison shows people a day: what is equal, how both sides add up, and
// every difference with what became, or is to become, of it.
func writeComparison(to io.Writer, found workflows.Reconciling) {
	report := found.Comparison.Report
	fmt.Fprintf(to, "bill of %s: %d lines, %d of them equal in the books\n\n", report.Day, report.Lines, report.Equal)
	table := tabwriter.NewWriter(to, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "\tours\t\tWeChat's\t\t")
	for _, side := range []struct {
		name string
		payment.Sides
	}{{"payments", report.Payments}, {"refunds", report.Refunds}} {
		fmt.Fprintf(table, "%s\t%d\t%s\t%d\t%s\t\n", side.name, side.Ours, payment.Yuan(side.OursFen), side.Theirs, payment.Yuan(side.TheirsFen))
	}
	fmt.Fprintf(table, "fees\t\t%s\t\t%s\t\n", milli(report.Fees.ExpectedMilliFen), milli(report.Fees.ChargedMilliFen))
	if flow := report.FundFlow; flow != nil {
		fmt.Fprintf(table, "balance\t\t\t\tin %s, back %s, fees %s\t\n", payment.Yuan(flow.PaymentsFen), payment.Yuan(flow.RefundsFen), payment.Yuan(flow.FeesFen))
	}
	_ = table.Flush() // a terminal that is gone reads nothing more either

	if report.Differences == 0 {
		fmt.Fprintln(to, "\nnothing differs")
		return
	}
	fmt.Fprintf(to, "\n%d differences:\n", report.Differences)
	for _, d := range found.Comparison.Differences {
		fmt.Fprintf(to, "  %s %s (order %s): %s; ours %s, WeChat's %s\n      %s\n", d.Kind, printable(d.Subject), printable(d.OutTradeNo),
			printable(d.Detail), maybe(d.OursFen), maybe(d.TheirsFen), outcome(d, found.Doing))
	}
	if more := report.Differences - int64(len(found.Comparison.Differences)); more > 0 {
		fmt.Fprintf(to, "  and %d more: GET /v1/reports/%s has them all\n", more, report.Day)
	}
}

// outcome says what became of a difference, or what would.
func outcome(d payment.Difference, doing workflows.Doing) string {
	if d.Became == payment.BecameNothing && doing != workflows.Settled {
		switch d.Kind {
		case payment.UnknownPayment:
			return "→ its saga would be started, which asks WeChat before it ships"
		case payment.UnknownRefund:
			return "→ WeChat would be asked what it is"
		}
		return "→ a case would be opened"
	}
	return map[payment.Became]string{
		payment.BecameNothing: "nothing was done yet",
		payment.BecameStarted: "its saga was started",
		payment.BecameAsked:   "WeChat is being asked what it is",
		payment.BecameCase:    "it has a case, open or closed since",
		payment.BecameSettled: "it was settled meanwhile",
	}[d.Became]
}

// milli shows 1/1000 fen as yuan.
func milli(milliFen int64) string {
	if milliFen < 0 {
		return "-" + milli(-milliFen)
	}
	return fmt.Sprintf("¥%d.%05d", milliFen/100_000, milliFen%100_000)
}

func maybe(fen *int64) string {
	if fen == nil {
		return "none"
	}
	return payment.Yuan(*fen)
}

// printable keeps words of the outside from moving the cursor.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, text)
}
