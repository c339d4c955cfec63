package postgres_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

// left is what a settled bill left behind: what became of each difference, the
// open cases, and what is in the inbox, one line each.
type left struct{ Became, Cases, Inbox string }

func (w *world) left() left {
	w.Helper()
	return left{
		Became: w.db.Text(w, `select coalesce(string_agg(kind||' '||subject||' '||became||case when gone_at is null then '' else ' gone' end, ', ' order by kind, subject), '') from bill_differences`),
		Cases:  w.db.Text(w, `select coalesce(string_agg(kind||' '||subject||' '||times_opened, ', ' order by kind, subject), '') from cases where state = 'open'`),
		Inbox:  w.db.Text(w, `select coalesce(string_agg(via||' '||kind||' '||coalesce(nullif(out_refund_no, ''), transaction_id)||' '||verdict||' '||seen, ', ' order by id), '') from inbox`),
	}
}

func (w *world) wantLeft(want left) {
	w.Helper()
	if diff := cmp.Diff(want, w.left()); diff != "" {
		w.Errorf("what is left (-want +got):\n%s", diff)
	}
}

// One of everything, and each leads to one thing, however often the day comes again.
func TestADayThatComesAgainChangesNothing(t *testing.T) {
	w := open(t)
	w.paidAt(at("12:00:00"))
	w.took(payment.RefundSuccess, at("13:00:00"))
	w.db.Exec(t, `
		insert into payments (transaction_id, out_trade_no, appid, mchid, amount_fen, currency, trade_state, paid_at, via, sweep_at)
		select '4200000005', 'ORDER-5', appid, mchid, amount_fen, currency, trade_state, paid_at, via, sweep_at from payments`)
	bill := []activities.BillLine{
		billed(txn, func(l *activities.BillLine) { l.TotalFen++ }),
		billed("4200000007", func(l *activities.BillLine) { l.OutTradeNo, l.FeeMilliFen = "ORDER-7", 1000 }),
		billed("4200000008", func(l *activities.BillLine) { l.OutTradeNo, l.FeeMilliFen = "ORDER-8", 2000 }),
		sentBack("CONSOLE1", 60, func(l *activities.BillLine) { l.TransactionID = "4200000007" }),
	}
	want := left{
		Became: "bill_amount_mismatch 4200000001 case, bill_fee 4200000007 case, bill_fee 4200000008 case, " +
			"bill_missing_payment 4200000005 case, bill_missing_refund R1 case, " +
			"bill_unknown_payment 4200000007 started, bill_unknown_payment 4200000008 started, bill_unknown_refund CONSOLE1 asked",
		Cases: "bill_amount_mismatch 4200000001 1, bill_fee " + billDay + " 1, bill_missing_payment 4200000005 1, bill_missing_refund R1 1",
		Inbox: "bill payment 4200000007 accepted 1, bill payment 4200000008 accepted 1, bill refund CONSOLE1 accepted 1",
	}
	w.receives(billDay, bill...)
	w.compares(billDay)
	report := w.settles(billDay)
	w.wantLeft(want)
	if report.State != payment.ReportSettled || report.Lines != 4 || report.Equal != 0 || report.Differences != 8 || report.Recorded != 8 {
		t.Errorf("the report: %+v", report)
	}

	// A person closes a case, and the day comes again, with the same bill and the
	// same news: what is known now is no difference any more.
	w.db.Exec(t, `update cases set state = 'closed', resolution = 'seen', closed_at = now() where kind = 'bill_missing_payment'`)
	want.Became = strings.NewReplacer("started", "settled gone", "asked", "settled gone").Replace(want.Became)
	want.Cases = strings.Replace(want.Cases, "bill_missing_payment 4200000005 1, ", "", 1)
	for range 3 {
		w.receives(billDay, bill...)
		if got, _ := w.compares(billDay); strings.Contains(got, "unknown") {
			t.Errorf("differs %s", got)
		}
		w.settles(billDay)
		w.wantLeft(want)
	}

	// WeChat mends its bill: what is gone is said to be, and its cases end.
	bill[0].TotalFen, bill[1].FeeMilliFen = fen, 77000
	w.receives(billDay, append(bill, sentBack("R1", 50))...)
	w.compares(billDay)
	w.settles(billDay)
	want.Became = strings.NewReplacer("bill_amount_mismatch 4200000001 case", "bill_amount_mismatch 4200000001 settled gone",
		"bill_fee 4200000007 case", "bill_fee 4200000007 settled gone", "R1 case", "R1 settled gone").Replace(want.Became)
	want.Cases = "bill_fee " + billDay + " 1" // one wrong fee is left
	w.wantLeft(want)

	bill[2].FeeMilliFen = 77000
	w.receives(billDay, append(bill, sentBack("R1", 50))...)
	w.compares(billDay)
	report = w.settles(billDay)
	want.Became = strings.Replace(want.Became, "bill_fee 4200000008 case", "bill_fee 4200000008 settled gone", 1)
	want.Cases = ""
	w.wantLeft(want)
	if report.Differences != 1 || report.Recorded != 8 || report.Equal != 5 {
		t.Errorf("the report: %+v", report)
	}
	if got := w.db.Text(t, `select resolution from cases where kind = 'bill_fee'`); !strings.Contains(got, "compared again") {
		t.Errorf("the case of the fees was closed with %q", got)
	}
}

// While somebody looked at the report, the callback came after all.
func TestWhatBecomesKnownMeanwhileIsNotStarted(t *testing.T) {
	w := open(t)
	w.receives(billDay, billed(txn))
	w.compares(billDay)
	w.paid()
	w.settles(billDay)
	w.wantLeft(left{Became: "bill_unknown_payment " + txn + " settled"})
}

// The bill names a refund that somebody made elsewhere, and nobody asked the shop to
// ship yet: nobody does before the payment's saga knows what it is, nor after that.
func TestARefundThatOnlyTheBillNamesHoldsTheGoods(t *testing.T) {
	w := open(t)
	w.paidAt(at("12:00:00"))
	w.receives(billDay, billed(txn), sentBack("CONSOLE1", 850))
	w.compares(billDay)
	w.settles(billDay)
	w.wantLeft(left{Became: "bill_unknown_refund CONSOLE1 asked", Inbox: "bill refund CONSOLE1 accepted 1"})
	if _, err := w.ClaimShip(t.Context(), txn); payment.CodeOf(err) != "refund_unheard" {
		t.Errorf("it ships, and nobody has asked what went back: %v", err)
	}
	w.want(w.elsewhere(payment.RefundSuccess, 850), payment.Holding)
	w.wantCases(txn, "foreign_refund")
}

// A callback that could not be used is no story of the payment; the bill's is.
func TestTheBillStartsWhatAnOddCallbackDidNot(t *testing.T) {
	w := open(t)
	odd := payment.News{Key: "notice:1", Kind: payment.NewsOther, Verdict: payment.Noted, Payment: payment.Payment{TransactionID: txn, Via: payment.ViaCallback}}
	_, err := w.Keep(w.Context(), odd, payment.Delivery{})
	w.ok(err)
	w.receives(billDay, billed(txn))
	w.compares(billDay)
	w.settles(billDay)
	if got := w.left().Became; got != "bill_unknown_payment "+txn+" started" {
		t.Error(got)
	}
	var paid payment.Payment
	errands, err := w.LeaseNews(w.Context(), 10)
	w.ok(err)
	for _, e := range errands {
		paid = e.Payment
	}
	if want := news(txn); paid.Via != payment.ViaBill || paid.AmountFen != want.AmountFen || paid.Story() != want.Story() || !paid.PaidAt.Equal(at("12:00:00")) {
		t.Errorf("the saga is told %+v", paid)
	}
	if books := w.must(w.Claim(w.Context(), paid)); books.Unsettled != payment.AskWeChat {
		t.Errorf("a bill's word alone ships nothing: %+v", books)
	}
}

func TestTheReportCountsBothSides(t *testing.T) {
	w := open(t)
	w.paidAt(at("12:00:00"))
	w.took(payment.RefundSuccess, at("13:00:00"))
	w.receives(billDay,
		billed(txn, func(l *activities.BillLine) { l.TotalFen, l.SettlementFen = 20000, 10000; l.FeeMilliFen = 60000 }),
		billed("42"), sentBack("R1", 50, func(l *activities.BillLine) { l.FeeMilliFen = -300 }), sentBack("CONSOLE1", 7))
	_, report := w.compares(billDay)
	report.FetchedAt, report.ComparedAt = at("00:00:00"), at("00:00:00")
	want := payment.Report{
		Day: billDay, State: payment.ReportCompared, Lines: 4, Equal: 1, Differences: 3, Recorded: 3,
		Payments:  payment.Sides{Ours: 1, OursFen: fen, Theirs: 2, TheirsFen: 20000 + fen},
		Refunds:   payment.Sides{Ours: 1, OursFen: 50, Theirs: 2, TheirsFen: 57},
		Fees:      payment.Fees{ExpectedMilliFen: 60000 + 77100, ChargedMilliFen: 60000 + 77000, GivenBackMilliFen: 300},
		FetchedAt: report.FetchedAt, ComparedAt: report.ComparedAt,
	}
	if diff := cmp.Diff(want, report); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if report, err := w.Report(t.Context(), dayBefore); payment.KindOf(err) != payment.NotFound {
		t.Errorf("a day that never was: %+v, %v", report, err)
	}
}

func TestTheBalanceIsHeldAgainstTheBill(t *testing.T) {
	right := payment.FundFlow{PaymentsFen: 10000, RefundsFen: 49, FeesFen: 77}
	for name, row := range map[string]struct {
		change func(*payment.FundFlow)
		want   string
	}{
		"it agrees":                {func(*payment.FundFlow) {}, ""},
		"other income":             {func(f *payment.FundFlow) { f.PaymentsFen++ }, "bill_fund_flow " + billDay + " payments"},
		"other refunds":            {func(f *payment.FundFlow) { f.RefundsFen-- }, "bill_fund_flow " + billDay + " refunds"},
		"other fees":               {func(f *payment.FundFlow) { f.FeesFen++ }, "bill_fund_flow " + billDay + " fees"},
		"nothing moved: all of it": {func(f *payment.FundFlow) { *f = payment.FundFlow{} }, "bill_fund_flow " + billDay + " fees, bill_fund_flow " + billDay + " payments, bill_fund_flow " + billDay + " refunds"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			w.paidAt(at("12:00:00"))
			w.took(payment.RefundSuccess, at("13:00:00"))
			w.receives(billDay, billed(txn, func(l *activities.BillLine) { l.SettlementFen, l.Rate = 10000, "0.77%" }),
				sentBack("R1", 50, func(l *activities.BillLine) { l.FeeMilliFen = -1000 }))
			flow := right
			row.change(&flow)
			w.ok(w.KeepFundFlow(t.Context(), billDay, flow))
			got, report := w.compares(billDay)
			if got != row.want || *report.FundFlow != flow {
				t.Errorf("differs %q, want %q; the report says %+v", got, row.want, report.FundFlow)
			}
		})
	}
}

// Two readings of one bill at a time: half of one is never believed.
func TestABillIsBelievedWholeOrNotAtAll(t *testing.T) {
	w := open(t)
	first, err := w.BeginBill(t.Context(), billDay)
	w.ok(err)
	w.ok(w.AddBillLines(t.Context(), first, []activities.BillLine{billed(txn)}))
	first.Lines++
	w.receives(billDay, billed("42"), billed("43"))
	w.ok(w.AddBillLines(t.Context(), first, []activities.BillLine{billed("44")}))
	first.Lines++
	if err := w.BelieveBill(t.Context(), first); payment.KindOf(err) != payment.Busy {
		t.Errorf("half a bill is believed: %v", err)
	}
	if got, report := w.compares(billDay); got != "bill_unknown_payment 42, bill_unknown_payment 43" || report.Lines != 2 {
		t.Errorf("differs %s", got)
	}
	w.receives(billDay, billed("45"))
	if n := w.db.Int(t, `select count(*) from bill_lines`); n != 1 {
		t.Errorf("%d lines are kept, want those of the last bill", n)
	}
	if _, err := w.CompareBill(t.Context(), dayBefore, 1); payment.KindOf(err) != payment.NotFound {
		t.Errorf("a day without a bill: %v", err)
	}
}

func TestDaysThatNobodySettledAreMissed(t *testing.T) {
	w := open(t)
	wantMissed := func(want ...string) {
		t.Helper()
		days, err := w.MissedDays(t.Context(), "bill", weekAgo, dayAfter)
		w.ok(err)
		if !slices.Equal(days, want) {
			t.Errorf("missed: %v, want %v", days, want)
		}
	}
	wantMissed() // nothing is on a schedule
	w.ok(w.ExpectRuns(t.Context(), map[string]time.Duration{"bill": 24 * time.Hour}))
	wantMissed() // and the first bill is that of today
	since := func(moment time.Time) {
		w.db.Exec(t, `update schedule_runs set expected_since = $1`, moment)
	}
	since(at(dayBefore + " 00:00:00"))
	wantMissed(dayBefore, billDay)
	since(at(dayBefore + " 00:00:00").Add(-time.Second))
	w.receives(dayBefore)
	w.compares(dayBefore)
	wantMissed(payment.BillDay(at(dayBefore+" 00:00:00").Add(-time.Second)), dayBefore, billDay)
	since(at(dayBefore + " 00:00:00"))
	w.settles(dayBefore)
	w.compares(dayBefore) // somebody looks at it again
	wantMissed(billDay)
	since(at(billDay+" 12:00:00").AddDate(-1, 0, 0))
	if days, err := w.MissedDays(t.Context(), "bill", weekAgo, dayAfter); err != nil || len(days) != 5 || days[0] != weekAgo {
		t.Errorf("missed within a week: %v %v", days, err)
	}
}
