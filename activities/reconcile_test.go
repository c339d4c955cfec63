package activities_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/bill"
	"github.com/paysaga/paysaga/internal/payment"
)

// fakeBills is WeChat's desk for bills: it fails so often, and breaks off once.
type fakeBills struct {
	lines    []activities.BillLine
	funds    []activities.FundLine
	fails    []error
	breakOff error // after the last line
	asked    int
}

func (g *fakeBills) fail() (err error) {
	g.asked++
	if len(g.fails) > 0 {
		err, g.fails = g.fails[0], g.fails[1:]
	}
	return err
}

func (g *fakeBills) TradeBill(_ context.Context, _ string, each func(activities.BillLine) error) (sums activities.BillSums, err error) {
	if err := g.fail(); err != nil {
		return sums, err
	}
	for _, line := range g.lines {
		if err := each(line); err != nil {
			return sums, err
		}
	}
	err, g.breakOff = g.breakOff, nil
	return sums, err
}

func (g *fakeBills) FundFlowBill(_ context.Context, _ string, each func(activities.FundLine) error) (sums activities.FundSums, err error) {
	if err := g.fail(); err != nil {
		return sums, err
	}
	for _, line := range g.funds {
		if err := each(line); err != nil {
			return sums, err
		}
	}
	return sums, nil
}

// fetches runs the act as a worker does, heartbeats and all.
func (w *world) fetches(g *fakeBills, day string) (fetched activities.Fetched, err error) {
	w.Helper()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	bills := &activities.Bills{Ledger: w.store, Gateway: g, FundFlow: true}
	env.RegisterActivity(bills)
	answer, err := env.ExecuteActivity(bills.FetchBill, day)
	if err == nil {
		err = answer.Get(&fetched)
	}
	return fetched, err
}

var yesterday = payment.BillDay(time.Now().Add(-24 * time.Hour))

func theBill(numbers ...string) *fakeBills {
	g := &fakeBills{}
	for _, number := range numbers {
		g.lines = append(g.lines, activities.BillLine{
			At: time.Now(), TransactionID: number, OutTradeNo: orderNo, AppID: "wx1", MchID: mchID, State: activities.BillPaid,
			Currency: "CNY", TotalFen: fen, SettlementFen: fen,
		})
	}
	return g
}

func TestFetchBill(t *testing.T) {
	creating := payment.Failf(payment.Busy, activities.CodeStatementCreating, "not yet")
	creating.RetryAfter = 30 * time.Minute
	for name, row := range map[string]struct {
		day   string
		fails error
		lines int64
		again time.Duration // asked again after that
		never bool          // or not at all
		is    bool          // believed
	}{
		"there is one":                   {lines: 3, is: true},
		"nothing was traded":             {fails: payment.Failf(payment.NotFound, activities.CodeNoStatement, "none"), is: true},
		"it is being made":               {fails: creating, again: 30 * time.Minute},
		"it is damaged":                  {fails: payment.Failf(payment.Unknown, activities.CodeBillHash, "other bytes")},
		"our key is wrong, until mended": {fails: payment.Failf(payment.Refused, "sign_error", "no")},
		"WeChat calls the day wrong":     {fails: payment.Failf(payment.Refused, "invalid_request", "no"), never: true},
		"it is no day":                   {day: "2026-99-99", never: true},
		"it was long ago":                {day: "2020-01-01", never: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			g := theBill("1", "2", "3")
			if row.fails != nil {
				g.fails = []error{row.fails}
			}
			day := row.day
			if day == "" {
				day = yesterday
			}
			fetched, err := w.fetches(g, day)
			if believed := w.db.Int(t, `select count(*) from bill_reports where state = 'fetched'`) == 1; (err == nil) != row.is || believed != row.is {
				t.Fatalf("believed: %v, %v", believed, err)
			}
			if fetched.Lines != row.lines || fetched.FundFlow != row.is {
				t.Errorf("fetched %+v", fetched)
			}
			if n := w.db.Int(t, `select count(*) from bill_lines`); n != row.lines {
				t.Errorf("%d lines are kept", n)
			}
			if row.is {
				return
			}
			fault, ok := errors.AsType[*temporal.ApplicationError](err)
			if !ok || fault.NonRetryable() != row.never || fault.NextRetryDelay() != row.again {
				t.Errorf("%v: asked again after %s", err, fault.NextRetryDelay())
			}
		})
	}
}

// What came before a bill broke off was never believed, and does not stay.
func TestABillThatBreaksOffIsReadAnew(t *testing.T) {
	w := open(t)
	g := theBill("1", "2", "3")
	g.breakOff = payment.Failf(payment.Unknown, activities.CodeBillHash, "other bytes")
	if _, err := w.fetches(g, yesterday); err == nil {
		t.Fatal("a broken bill was believed")
	}
	if n := w.db.Int(t, `select count(*) from bill_reports`); n != 0 {
		t.Error("it has a report")
	}
	g.lines = g.lines[:2]
	if fetched, err := w.fetches(g, yesterday); err != nil || fetched.Lines != 2 {
		t.Errorf("%+v, %v", fetched, err)
	}
	if n := w.db.Int(t, `select count(*) from bill_lines`); n != 2 {
		t.Errorf("%d lines are kept", n)
	}
}

func TestFetchFundFlow(t *testing.T) {
	w := open(t)
	g := theBill()
	if _, err := w.fetches(g, yesterday); err != nil {
		t.Fatal(err)
	}
	g.funds = []activities.FundLine{
		{Kind: "交易", Direction: activities.Income, AmountFen: 100},
		{Kind: "交易", Direction: activities.Income, AmountFen: 50},
		{Kind: "扣除交易手续费", Direction: activities.Outgo, AmountFen: 2},
		{Kind: "退款", Direction: activities.Outgo, AmountFen: 49},
		{Kind: "退款", Direction: activities.Income, AmountFen: 9}, // one that came back
		{Kind: "提现", Direction: activities.Outgo, AmountFen: 1000},
	}
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	bills := &activities.Bills{Ledger: w.store, Gateway: g}
	env.RegisterActivity(bills)
	if _, err := env.ExecuteActivity(bills.FetchFundFlow, yesterday); err != nil {
		t.Fatal(err)
	}
	report, err := w.store.Report(t.Context(), yesterday)
	if want := (payment.FundFlow{PaymentsFen: 150, RefundsFen: 40, FeesFen: 2}); err != nil || report.FundFlow == nil || *report.FundFlow != want {
		t.Errorf("%+v, %v; want %+v", report.FundFlow, err, want)
	}
}

// Two bills that WeChat really made, held against books that know them, and
// against books that know nothing. Whoever published the longer one changed its
// numbers, and made two of them the same as others.
func TestRealBillsAreBorneOut(t *testing.T) {
	testdata := func(name string) []byte {
		text, err := os.ReadFile(filepath.Join("../internal/bill/testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	var three struct {
		Text string `json:"text_lf_no_bom"`
	}
	if err := json.Unmarshal(testdata("08_gunsluo_tradebill.json"), &three); err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct {
		day               string
		text              []byte
		repeats           int64 // lines whose number an earlier line has
		payments, refunds payment.Sides
		fees              payment.Fees
	}{
		"three payments": {"2021-01-28", []byte(three.Text), 0, payment.Sides{Ours: 3, OursFen: 3, Theirs: 3, TheirsFen: 3}, payment.Sides{}, payment.Fees{ExpectedMilliFen: 30}},
		"a day of 45 lines": {"2019-02-19", testdata("19_axios_bill.ALL.csv"), 2, payment.Sides{Ours: 29, OursFen: 43, Theirs: 31, TheirsFen: 47},
			payment.Sides{Ours: 14, OursFen: 14, Theirs: 14, TheirsFen: 14}, payment.Fees{ExpectedMilliFen: 18330, ChargedMilliFen: 8000}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			fetch, err := w.store.BeginBill(t.Context(), row.day)
			if err != nil {
				t.Fatal(err)
			}
			var lines []activities.BillLine
			if _, err := bill.Trade(bytes.NewReader(row.text), row.day, func(l activities.BillLine) error { lines = append(lines, l); return nil }); err != nil {
				t.Fatal(err)
			}
			err = w.store.AddBillLines(t.Context(), fetch, lines)
			fetch.Lines = int64(len(lines))
			if err = errors.Join(err, w.store.BelieveBill(t.Context(), fetch)); err != nil {
				t.Fatal(err)
			}
			unknown, err := w.store.CompareBill(t.Context(), row.day, 100)
			if err != nil || unknown.Report.Differences != fetch.Lines || unknown.Report.Equal != 0 {
				t.Errorf("books that know nothing: %+v, %v", unknown.Report, err)
			}
			for _, d := range unknown.Differences {
				if !strings.HasPrefix(string(d.Kind), "bill_unknown_") && d.Kind != "bill_odd_line" {
					t.Errorf("and %+v", d)
				}
			}

			// What was refunded that day was paid on an earlier one.
			w.db.Exec(t, `update bill_lines set mchid = $1`, mchID)
			w.db.Exec(t, `
				insert into payments (transaction_id, out_trade_no, appid, mchid, amount_fen, currency, trade_state, paid_at, via, sweep_at)
				select distinct on (transaction_id) transaction_id, out_trade_no, appid, mchid, greatest(total_fen, refund_fen), currency, 'SUCCESS',
				       traded_at - case reads_as when 'refund' then interval '9 days' else interval '0' end, 'callback', now()
				  from bill_lines order by transaction_id, line_no`)
			w.db.Exec(t, `
				insert into refunds (out_refund_no, transaction_id, amount_fen, total_fen, state, ready_at, taken_at, finished_at)
				select out_refund_no, transaction_id, refund_fen, refund_fen, 'success', now(), traded_at, now() from bill_lines where reads_as = 'refund'`)
			known, err := w.store.CompareBill(t.Context(), row.day, 100)
			report := known.Report
			if err != nil || report.Differences != row.repeats || report.Equal != fetch.Lines-2*row.repeats || report.Recorded != fetch.Lines {
				t.Errorf("books that know it: %+v, %v, %+v", report, err, known.Differences)
			}
			if report.Payments != row.payments || report.Refunds != row.refunds || report.Fees != row.fees {
				t.Errorf("sums: %+v %+v %+v", report.Payments, report.Refunds, report.Fees)
			}
		})
	}
}
