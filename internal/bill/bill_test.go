package bill

import (
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

func testdata(t testing.TB, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// published is the text of a vector that keeps a bill in JSON.
func published(t testing.TB, name string) string {
	t.Helper()
	var vector struct {
		Trade string `json:"text_lf_no_bom"`
		Funds string `json:"text_lf"`
	}
	if err := json.Unmarshal(testdata(t, name), &vector); err != nil {
		t.Fatal(err)
	}
	return vector.Trade + vector.Funds
}

func trade(text, day string) (lines []activities.BillLine, sums activities.BillSums, err error) {
	sums, err = Trade(strings.NewReader(text), day, func(line activities.BillLine) error {
		lines = append(lines, line)
		return nil
	})
	return lines, sums, err
}

func funds(text, day string) (lines []activities.FundLine, sums activities.FundSums, err error) {
	sums, err = FundFlow(strings.NewReader(text), day, func(line activities.FundLine) error {
		lines = append(lines, line)
		return nil
	})
	return lines, sums, err
}

func beijingTime(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse("2006-01-02 15:04:05 -0700", text+" +0800")
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestTheBillOfThreePayments(t *testing.T) {
	paid := func(at, transactionID, outTradeNo string) activities.BillLine {
		return activities.BillLine{
			At: beijingTime(t, at), AppID: "wx81be3101902f7cb2", MchID: "1601959334",
			TransactionID: transactionID, OutTradeNo: outTradeNo,
			TradeType: "NATIVE", State: activities.BillPaid, Currency: "CNY", TotalFen: 1, SettlementFen: 1, Rate: "1.00%",
		}
	}
	wantLines := []activities.BillLine{
		paid("2021-01-28 17:07:11", "4200000925202101284997714292", "S20210128170702357723"),
		paid("2021-01-28 15:35:18", "4200000910202101282955148400", "S20210128153505214586"),
		paid("2021-01-28 16:59:46", "4200000926202101281412639609", "S20210128165824499930"),
	}
	text := published(t, "08_gunsluo_tradebill.json")
	for form, text := range map[string]string{
		"as published":                       text,
		"as sent, with a mark and CRLF":      "\ufeff" + strings.ReplaceAll(text, "\n", "\r\n"),
		"without an end of the last line":    strings.TrimSuffix(text, "\n"),
		"with empty lines between and after": strings.ReplaceAll(text, "\n", "\n\r\n"),
	} {
		lines, sums, err := trade(text, "2021-01-28")
		if err != nil {
			t.Errorf("%s: %v", form, err)
		}
		if diff := cmp.Diff(wantLines, lines); diff != "" {
			t.Errorf("%s: %s", form, diff)
		}
		if want := (activities.BillSums{Lines: 3, TotalFen: 3, SettlementFen: 3}); sums != want {
			t.Errorf("%s: sums %+v", form, sums)
		}
	}
}

func TestARealDayOfPaymentsAndRefunds(t *testing.T) {
	lines, sums, err := trade(string(testdata(t, "19_axios_bill.ALL.csv")), "2019-02-19")
	if err != nil {
		t.Fatal(err)
	}
	if want := (activities.BillSums{Lines: 45, TotalFen: 47, SettlementFen: 47, RefundFen: 14, FeeMilliFen: 8000}); sums != want {
		t.Errorf("sums %+v, want %+v", sums, want)
	}
	want := activities.BillLine{
		At: beijingTime(t, "2019-02-19 05:01:46"), AppID: "wxab8acd895ab1638a", MchID: "1921000401",
		TransactionID: "4200000263201902167700134212", OutTradeNo: "autotest_20190216081946_82335",
		TradeType: "JSAPI", State: activities.BillRefunded, Currency: "CNY",
		RefundID: "50000709672019011908420787722", OutRefundNo: "REF4200000263201902167700963919", RefundState: "SUCCESS", RefundFen: 1,
		Rate: "39.00%",
	}
	if diff := cmp.Diff(want, lines[0]); diff != "" {
		t.Error(diff)
	}
	want = activities.BillLine{
		At: beijingTime(t, "2019-02-19 01:52:32"), AppID: "wxab8acd895ab1638a", MchID: "1921000401",
		TransactionID: "4200000263201902167700134902", OutTradeNo: "autotest_20190219015232_89201",
		TradeType: "NATIVE", State: activities.BillPaid, Currency: "CNY", TotalFen: 3, SettlementFen: 3, FeeMilliFen: 1000, Rate: "39.00%",
	}
	if diff := cmp.Diff(want, lines[2]); diff != "" {
		t.Error(diff)
	}
	count := map[string]int{}
	for _, line := range lines {
		count[line.State+line.RefundState]++
	}
	if diff := cmp.Diff(map[string]int{"SUCCESS": 31, "REFUNDSUCCESS": 14}, count); diff != "" {
		t.Error(diff)
	}
}

// The published fund-flow bill lacks a line that its summary counts, so it is not
// believed; with a line in its place it is.
func TestTheFundFlowBill(t *testing.T) {
	text := published(t, "09_gunsluo_fundflowbill.json")
	back := activities.FundLine{
		At: beijingTime(t, "2021-02-01 13:54:01"), BusinessID: "50300806962021020105978994968", FlowID: "4200000920202101197964319284",
		Business: "退款", Kind: "退款", Direction: activities.Outgo, AmountFen: 1, BalanceFen: 22,
		Note: "退款总金额0.01元;含手续费0.00元", Voucher: "S20210201135356381941",
	}
	again := back
	again.At, again.BusinessID, again.FlowID = beijingTime(t, "2021-02-01 14:00:45"), "50300907032021020105978998710", "4200000846202101197461830397"
	again.BalanceFen, again.Voucher = 21, "S20210201140044552846"
	lines, _, err := funds(text, "2021-02-01")
	if diff := cmp.Diff([]activities.FundLine{back, again}, lines); diff != "" {
		t.Error(diff)
	}
	if payment.CodeOf(err) != activities.CodeBillUnreadable || !strings.Contains(err.Error(), "资金流水总笔数 is 3, and the lines add up to 2") {
		t.Errorf("error %v", err)
	}

	in := activities.FundLine{
		At: beijingTime(t, "2021-02-01 09:00:00"), BusinessID: "4200000001", FlowID: "F1", Business: "交易", Kind: "交易",
		Direction: activities.Income, AmountFen: 5, BalanceFen: 23, Note: "tea,`cake", Voucher: "S1",
	}
	text = strings.Replace(text, "\n", "\n`2021-02-01 09:00:00,`4200000001,`F1,`交易,`交易,`收入,`0.05,`0.23,`me,`tea,`S1\n", 1)
	text = strings.Replace(text, "`3,`1,`0.01,", "`3,`1,`0.05,", 1)
	in.Note = "tea"
	lines, sums, err := funds(text, "2021-02-01")
	if diff := cmp.Diff([]activities.FundLine{in, back, again}, lines); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if want := (activities.FundSums{Lines: 3, IncomeLines: 1, IncomeFen: 5, OutgoLines: 2, OutgoFen: 2}); sums != want {
		t.Errorf("sums %+v", sums)
	}
}

const (
	oldHeader = "交易时间,公众账号ID,商户号,子商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,总金额,代金券或立减优惠金额," +
		"微信退款单号,商户退款单号,退款金额,代金券或立减优惠退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率\n"
	oldSummary = "总交易单数,总交易额,总退款金额,总代金券或立减优惠退款金额,手续费总金额\n"

	successHeader = "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,应结订单金额,代金券金额," +
		"商品名称,商户数据包,手续费,费率,订单金额,费率备注\n"
	successSummary = "总交易单数,应结订单总金额,手续费总金额,订单总金额\n"

	refundHeader = "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,应结订单金额,代金券金额," +
		"退款申请时间,退款成功时间,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注\n"
	summary = "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额\n"
)

func TestBillsOfOtherKindsAndYears(t *testing.T) {
	for kind, tc := range map[string]struct {
		text string
		line activities.BillLine
		sums activities.BillSums
	}{
		"payments only": {
			text: successHeader +
				"`2026-03-01 00:00:00,`wx1,`1900000001,`19,`,`4200000001,`S1,`o,`JSAPI,`SUCCESS,`CFT,`CNY,`5.50,`0.50,`tea,`,`0.03300,`0.60%,`6.00,`\n" +
				successSummary + "`1,`5.50,`0.03300,`6.00\n",
			line: activities.BillLine{
				At: beijingTime(t, "2026-03-01 00:00:00"), SubMchID: "19", State: "SUCCESS", TotalFen: 600, SettlementFen: 550, FeeMilliFen: 3300,
			},
			sums: activities.BillSums{Lines: 1, TotalFen: 600, SettlementFen: 550, FeeMilliFen: 3300},
		},
		"refunds only, of a payment of another day": {
			text: refundHeader +
				"`2026-02-20 10:00:00,`wx1,`1900000001,`0,`,`4200000001,`S1,`o,`JSAPI,`REFUND,`CFT,`CNY,`0.00,`0.00,`2026-03-01 23:59:59,`,`50,`R1,`5.50,`0.00,`ORIGINAL,`PROCESSING,`tea,`,`-0.03600,`0.60%,`0.00,`6.00,`\n" +
				summary + "`1,`0.00,`5.50,`0.00,`-0.03600,`0.00,`6.00\n",
			line: activities.BillLine{
				At: beijingTime(t, "2026-03-01 23:59:59"), State: "REFUND", FeeMilliFen: -3600,
				RefundID: "50", OutRefundNo: "R1", RefundState: "PROCESSING", RefundFen: 600,
			},
			sums: activities.BillSums{Lines: 1, RefundFen: 600, FeeMilliFen: -3600},
		},
		"an old merchant's": {
			text: oldHeader +
				"`2026-03-01 16:33:45,`wx1,`1900000001,`0,`1000,`4200000001,`S1,`o,`JSAPI,`SUCCESS,`OTHERS,`CNY,`0.01,`0.0,`0,`0,`0,`0,`,`,`tea,`,`0,`0.60%\n" +
				oldSummary + "`1,`0.01,`0.0,`0.0,`0\n",
			line: activities.BillLine{At: beijingTime(t, "2026-03-01 16:33:45"), State: "SUCCESS", TotalFen: 1, SettlementFen: 1},
			sums: activities.BillSums{Lines: 1, TotalFen: 1, SettlementFen: 1},
		},
		"an old merchant's, with a refund": {
			text: oldHeader +
				"`2026-03-01 16:33:45,`wx1,`1900000001,`0,`1000,`4200000001,`S1,`o,`JSAPI,`REFUND,`OTHERS,`CNY,`0.00,`0.0,`50,`R1,`0.02,`0,`ORIGINAL,`SUCCESS,`tea,`,`0,`0.60%\n" +
				oldSummary + "`1,`0.00,`0.02,`0.0,`0\n",
			line: activities.BillLine{
				At: beijingTime(t, "2026-03-01 16:33:45"), State: "REFUND", RefundID: "50", OutRefundNo: "R1", RefundState: "SUCCESS", RefundFen: 2,
			},
			sums: activities.BillSums{Lines: 1, RefundFen: 2},
		},
	} {
		t.Run(kind, func(t *testing.T) {
			tc.line.AppID, tc.line.MchID, tc.line.TransactionID, tc.line.OutTradeNo = "wx1", "1900000001", "4200000001", "S1"
			tc.line.TradeType, tc.line.Currency, tc.line.Rate = "JSAPI", "CNY", "0.60%"
			lines, sums, err := trade(tc.text, "2026-03-01")
			if diff := cmp.Diff([]activities.BillLine{tc.line}, lines); diff != "" || err != nil {
				t.Error(diff, err)
			}
			if sums != tc.sums {
				t.Errorf("sums %+v, want %+v", sums, tc.sums)
			}
		})
	}
}

func TestGoodsMayBeNamedAnything(t *testing.T) {
	good := published(t, "08_gunsluo_tradebill.json")
	want, wantSums, err := trade(good, "2021-01-28")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		``, `tea, cake`, `tea\, cake`, `"tea"`, `"tea`, "`tea", "tea`,", "tea,`cake", "tea,`,`,`", "茶" + strings.Repeat("a", 400),
		"x,`,`0.00000,`1.00%,`99.99,`0.00,`", // a line's end of its own making
	} {
		lines, sums, err := trade(strings.Replace(good, "`for testing", "`"+name, 1), "2021-01-28")
		if diff := cmp.Diff(want, lines); diff != "" || err != nil || sums != wantSums {
			t.Errorf("%q: %v %s", name, err, diff)
		}
	}
}

func TestADayWithoutLinesIsABill(t *testing.T) {
	lines, sums, err := trade(successHeader+summary+"`0,`0.00,`0.00,`0.00,`0.00000,`0.00,`0.00\n", "2026-03-01")
	if err != nil || len(lines) != 0 || sums != (activities.BillSums{}) {
		t.Error(lines, sums, err)
	}
}

func TestWhatIsNoBill(t *testing.T) {
	good := published(t, "08_gunsluo_tradebill.json")
	replaced := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("the bill has no %q", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	without := func(column string) string {
		rows := strings.Split(good, "\n")
		names := strings.Split(rows[0], ",")
		i := slices.Index(names, column)
		for n := range rows[:4] {
			fields := strings.Split(rows[n], ",")
			rows[n] = strings.Join(slices.Delete(fields, i, i+1), ",")
		}
		return strings.Join(rows, "\n")
	}
	upTo := func(end string) string { return good[:strings.Index(good, end)] }
	for what, tc := range map[string]struct{ text, says string }{
		"nothing":                           {"", "line 1 of the bill: a header"},
		"only a mark":                       {"\ufeff", "a header"},
		"a page":                            {"<html>\n<body>\n", "summary"},
		"no header":                         {good[strings.Index(good, "`"):], "line 1 "},
		"a missing column":                  {without("订单金额"), "there is no column 订单金额"},
		"a missing number":                  {without("微信订单号"), "there is no column 微信订单号"},
		"a field too few":                   {replaced(",`CNY", ""), "line 2 of the bill: it has 26 fields, and the header 27"},
		"a number that can be no payment's": {replaced("`4200000925202101284997714292", "`../../x"), "微信订单号"},
		"an amount in words":                {replaced("`0.01", "`one"), "应结订单金额 is no figure"},
		"an amount of half a fen":           {replaced("`0.01", "`0.015"), "应结订单金额 is no figure"},
		"a fee that is none":                {replaced("`0.00000", "`"), "手续费 is no figure"},
		"a time that is none":               {replaced("17:07:11", "25:07:11"), "交易时间"},
		"another day":                       {replaced("`2021-01-28", "`2021-01-29"), "交易时间"},
		"the day before":                    {replaced("`2021-01-28", "`2021-01-27"), "交易时间"},
		"no summary":                        {upTo("总交易单数"), "a header should"},
		"only the summary's header":         {upTo("`3,"), "a summary"},
		"a summary that is cut":             {upTo(",`0.03,`0.00\n"), "fields"},
		"one line too many":                 {replaced("总交易单数", "`2021"+good[strings.Index(good, "-01-28"):strings.Index(good, "\n`2021-01-28 15")+1]+"总交易单数"), "总交易单数 is 3, and the lines add up to 4"},
		"another count":                     {replaced("\n`3,", "\n`4,"), "总交易单数 is 4, and the lines add up to 3"},
		"another total":                     {replaced("`0.03,`0.00\n", "`0.04,`0.00\n"), "订单总金额 is 4, and the lines add up to 3"},
		"another settlement":                {replaced("`3,`0.03", "`3,`0.30"), "应结订单总金额 is 30, and the lines add up to 3"},
		"another fee":                       {replaced("`0.00000,`0.03", "`0.00001,`0.03"), "手续费总金额 is 1, and the lines add up to 0"},
		"another refund":                    {replaced("`0.03,`0.00\n", "`0.03,`0.01\n"), "申请退款总金额 is 1, and the lines add up to 0"},
		"a second summary":                  {good + "`3,`0.03,`0.00,`0.00,`0.00000,`0.03,`0.00\n", "something follows"},
		"something after the summary":       {good + "x\n", "something follows"},
		"a line of ten megabytes":           {replaced("`for testing", "`"+strings.Repeat("x", 10<<20)), "line 2 of the bill: it is too long"},
		"a refund that no column of the summary counts": {
			strings.Replace(replaced("`0,`0,`0.00,`0.00,`,`,`for testing,`cipher code,`0.00000,`1.00%,`0.01,`0.00", "`50,`R1,`0.01,`0.00,`,`SUCCESS,`x,`x,`0.00000,`1.00%,`0.01,`0.01"), ",申请退款总金额\n`3,`0.03,`0.00,`0.00,`0.00000,`0.03,`0.00", "\n`3,`0.03,`0.00,`0.00,`0.00000,`0.03", 1),
			"there is no column 申请退款总金额",
		},
	} {
		t.Run(what, func(t *testing.T) {
			_, _, err := trade(tc.text, "2021-01-28")
			if payment.KindOf(err) != payment.Unknown || payment.CodeOf(err) != activities.CodeBillUnreadable || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("error %v of kind %s, want one that says %q", err, payment.KindOf(err), tc.says)
			}
			if err != nil && strings.Contains(err.Error(), "ofyak5qR") {
				t.Errorf("the error shows a payer: %v", err)
			}
		})
	}
	if _, _, err := trade(good, "28.1.2021"); payment.KindOf(err) != payment.Invalid {
		t.Errorf("a day that is none: %v", err)
	}
	flow := published(t, "09_gunsluo_fundflowbill.json")
	if _, _, err := funds(strings.Replace(flow, "`支出", "`sideways", 1), "2021-02-01"); err == nil || !strings.Contains(err.Error(), "line 2 of the bill: 收支类型") {
		t.Errorf("a movement in no direction: %v", err)
	}
}

func TestAnErrorOfWhoeverReadsEndsTheReading(t *testing.T) {
	full, handed := errors.New("no room"), 0
	_, err := Trade(strings.NewReader(published(t, "08_gunsluo_tradebill.json")), "2021-01-28", func(activities.BillLine) error {
		handed++
		return full
	})
	if err != full || handed != 1 {
		t.Errorf("error %v after %d lines", err, handed)
	}
}

// Whatever comes: no panic, every fault a kind of its own, and no bill that does not
// count its lines.
func FuzzBill(f *testing.F) {
	for _, name := range []string{"08_gunsluo_tradebill.json", "09_gunsluo_fundflowbill.json"} {
		f.Add(published(f, name))
	}
	f.Add(successHeader + successSummary + "`0,`0,`0,`0\n")
	f.Add("a,b\n`,`,`\n,\n`")
	f.Fuzz(func(t *testing.T, text string) {
		lines, sums, err := trade(text, "2021-01-28")
		if err == nil && sums.Lines != int64(len(lines)) || err != nil && payment.CodeOf(err) != activities.CodeBillUnreadable {
			t.Error(len(lines), sums, err)
		}
		moves, flow, err := funds(text, "2021-02-01")
		if err == nil && flow.Lines != int64(len(moves)) || err != nil && payment.CodeOf(err) != activities.CodeBillUnreadable {
			t.Error(len(moves), flow, err)
		}
	})
}
