package wechatpay_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
	"github.com/paysaga/paysaga/internal/simulator"
)

// A day at the pretend WeChat, which signs, packs and checks our signatures on both
// calls, and knows nothing of how we read.
func TestABillOfWhatHappened(t *testing.T) {
	w := pretend(t, func(c *simulator.Config) { c.Clock = "stopped" })
	id := w.buy(t, "order-1")
	w.pull(t, "POST", "/orders/order-1/refund", simulator.ConsoleRefund{OutRefundNo: "HAND-1", AmountFen: 5000}, new(simulator.RefundTruth))
	var clock simulator.ClockTime
	w.pull(t, "GET", "/clock", struct{}{}, &clock)
	day := clock.Now.In(time.FixedZone("CST", 8*60*60)).Format(time.DateOnly)
	plan := func(p simulator.BillPlan) {
		t.Helper()
		p.Early = true
		w.pull(t, "POST", "/bills/"+day+"/plan", p, new(simulator.BillPlan))
	}
	read := func() (lines []activities.BillLine, sums activities.BillSums, err error) {
		sums, err = w.TradeBill(t.Context(), day, func(line activities.BillLine) error {
			lines = append(lines, line)
			return nil
		})
		slices.SortFunc(lines, func(a, b activities.BillLine) int { return int(b.TotalFen - a.TotalFen) })
		return lines, sums, err
	}

	if _, _, err := read(); payment.CodeOf(err) != "invalid_request" {
		t.Errorf("a day that is not over: %v", err)
	}
	plan(simulator.BillPlan{})
	lines, sums, err := read()
	want := activities.BillLine{
		AppID: w.env["WECHATPAY_APP_ID"], MchID: w.env["WECHATPAY_MCH_ID"], TransactionID: id, OutTradeNo: "order-1",
		TradeType: "NATIVE", State: activities.BillPaid, Currency: "CNY", TotalFen: 12850, SettlementFen: 12850, FeeMilliFen: 77000, Rate: "0.60%",
	}
	back := want
	back.State, back.TotalFen, back.SettlementFen, back.FeeMilliFen = activities.BillRefunded, 0, 0, -30000
	back.OutRefundNo, back.RefundState, back.RefundFen = "HAND-1", "PROCESSING", 5000
	if diff := cmp.Diff([]activities.BillLine{want, back}, lines, cmpopts.IgnoreFields(activities.BillLine{}, "At", "RefundID")); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if want := (activities.BillSums{Lines: 2, TotalFen: 12850, SettlementFen: 12850, RefundFen: 5000, FeeMilliFen: 47000}); sums != want {
		t.Errorf("sums %+v", sums)
	}
	flow, err := w.FundFlowBill(t.Context(), day, func(activities.FundLine) error { return nil })
	if want := (activities.FundSums{Lines: 3, IncomeLines: 1, IncomeFen: 12850, OutgoLines: 2, OutgoFen: 77 + 4970}); err != nil || flow != want {
		t.Errorf("funds %+v: %v", flow, err)
	}

	for code, p := range map[string]simulator.BillPlan{
		activities.CodeNoStatement:       {State: "none"},
		activities.CodeStatementCreating: {State: "creating"},
		"frequency_limited":              {State: "limited"},
		"system_error":                   {State: "fail"},
		activities.CodeBillHash:          {Spoil: "hash"},
		activities.CodeBillUnreadable:    {Spoil: "truncate"},
		"no_auth":                        {Spoil: "expired"},
	} {
		plan(p)
		if _, _, err := read(); payment.CodeOf(err) != code {
			t.Errorf("%+v: %v", p, err)
		}
	}
	plan(simulator.BillPlan{Spoil: "summary"})
	if _, _, err := read(); payment.CodeOf(err) != activities.CodeBillUnreadable {
		t.Errorf("a summary of one fen more: %v", err)
	}
	plan(simulator.BillPlan{Spoil: "expired", Times: 1})
	if lines, _, err := read(); err != nil || len(lines) != 2 {
		t.Errorf("a download that ran out once: %v, %d lines", err, len(lines))
	}
}
