package postgres_test

import (
	"strings"
	"testing"
	"time"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

// The bills' days: lines of much older ones are removed.
var (
	billDay   = payment.BillDay(time.Now().Add(-48 * time.Hour))
	dayBefore = payment.BillDay(time.Now().Add(-72 * time.Hour))
	dayAfter  = payment.BillDay(time.Now().Add(-24 * time.Hour))
	weekAgo   = payment.BillDay(time.Now().Add(-7 * 24 * time.Hour))
)

// at is a moment of the bill's day, or of another, in Beijing.
func at(clock string) time.Time {
	if len(clock) == len("15:04:05") {
		clock = billDay + " " + clock
	}
	t, err := time.ParseInLocation(time.DateTime, clock, payment.Beijing)
	if err != nil {
		panic(err)
	}
	return t
}

// billed is a payment as WeChat's bill names it.
func billed(id string, change ...func(*activities.BillLine)) activities.BillLine {
	line := activities.BillLine{
		At: at("12:00:00"), AppID: "wx1", MchID: mchID, SubMchID: "0", TransactionID: id, OutTradeNo: orderNo, TradeType: "NATIVE",
		State: activities.BillPaid, Currency: "CNY", TotalFen: fen, SettlementFen: fen, FeeMilliFen: 77000, Rate: "0.60%",
	}
	for _, change := range change {
		change(&line)
	}
	return line
}

// sentBack is a refund as WeChat's bill names it.
func sentBack(number string, amountFen int64, change ...func(*activities.BillLine)) activities.BillLine {
	line := billed(txn)
	line.State, line.TotalFen, line.SettlementFen, line.FeeMilliFen = activities.BillRefunded, 0, 0, 0
	line.RefundID, line.OutRefundNo, line.RefundState, line.RefundFen = "50"+number, number, "SUCCESS", amountFen
	for _, change := range change {
		change(&line)
	}
	return line
}

// receives has a day's bill read into the books.
func (w *world) receives(day string, lines ...activities.BillLine) {
	w.Helper()
	fetch, err := w.BeginBill(w.Context(), day)
	w.ok(err)
	for i, line := range lines { // in pieces, as it comes
		w.ok(w.AddBillLines(w.Context(), fetch, lines[i:i+1]))
		_, fetch.Lines = line, fetch.Lines+1
	}
	w.ok(w.BelieveBill(w.Context(), fetch))
}

// compares returns what differs, kind and subject, in one line.
func (w *world) compares(day string) (string, payment.Report) {
	w.Helper()
	found, err := w.CompareBill(w.Context(), day, 100)
	w.ok(err)
	var all []string
	for _, d := range found.Differences {
		all = append(all, string(d.Kind)+" "+d.Subject)
	}
	return strings.Join(all, ", "), found.Report
}

func (w *world) settles(day string) payment.Report {
	w.Helper()
	for {
		n, err := w.SettleBill(w.Context(), day, 2)
		w.ok(err)
		if n == 0 {
			left, err := w.CloseBill(w.Context(), day, 1)
			w.ok(err)
			return left.Report
		}
	}
}

// paidAt has an order paid at a moment by WeChat's clock, and accepted.
func (w *world) paidAt(moment time.Time) {
	w.Helper()
	w.paid()
	w.db.Exec(w, `update payments set paid_at = $1`, moment)
}

// took has WeChat know a refund of ours since a moment.
func (w *world) took(state payment.RefundState, moment time.Time) {
	w.Helper()
	w.db.Exec(w, `
		insert into refunds (out_refund_no, transaction_id, amount_fen, total_fen, state, ready_at, asked_at, taken_at, finished_at)
		values ('R1', $1, 50, 12850, $2::text, $3::timestamptz, $3, $3, case when $2::text in ('success', 'closed', 'withdrawn') then $3 end)`, txn, state, moment)
}

func TestABillIsHeldAgainstTheBooks(t *testing.T) {
	noon := func(w *world) { w.paidAt(at("12:00:00")) }
	refunded := func(state payment.RefundState) func(*world) {
		return func(w *world) { noon(w); w.took(state, at("13:00:00")) }
	}
	for name, row := range map[string]struct {
		before func(*world)
		bill   []activities.BillLine
		want   string
	}{
		"both know it": {noon, []activities.BillLine{billed(txn)}, ""},
		"nothing was traded, and nothing is in the books": {func(*world) {}, nil, ""},
		"WeChat was paid and we were not told":            {func(*world) {}, []activities.BillLine{billed(txn)}, "bill_unknown_payment " + txn},
		"only the inbox knows it": {func(w *world) {
			_, err := w.Keep(w.Context(), payment.News{Key: "k", Kind: payment.NewsPayment, Verdict: payment.Accepted, Payment: news(txn)}, payment.Delivery{})
			w.ok(err)
		}, []activities.BillLine{billed(txn)}, ""},
		"another amount":       {noon, []activities.BillLine{billed(txn, func(l *activities.BillLine) { l.TotalFen = fen - 1 })}, "bill_amount_mismatch " + txn},
		"another order":        {noon, []activities.BillLine{billed(txn, func(l *activities.BillLine) { l.OutTradeNo = "ORDER-2" })}, "bill_amount_mismatch " + txn},
		"another app":          {noon, []activities.BillLine{billed(txn, func(l *activities.BillLine) { l.AppID = "wx2" })}, "bill_amount_mismatch " + txn},
		"another merchant":     {noon, []activities.BillLine{billed(txn, func(l *activities.BillLine) { l.MchID = "1" })}, "bill_amount_mismatch " + txn},
		"another currency":     {noon, []activities.BillLine{billed(txn, func(l *activities.BillLine) { l.Currency = "HKD" })}, "bill_amount_mismatch " + txn},
		"ours is not in it":    {noon, nil, "bill_missing_payment " + txn},
		"ours is of yesterday": {func(w *world) { w.paidAt(at(dayBefore + " 23:00:00")) }, nil, ""},
		"ours is of tomorrow":  {func(w *world) { w.paidAt(at(dayAfter + " 00:00:00")) }, nil, ""},
		"ours is not paid, WeChat said": {func(w *world) {
			noon(w)
			w.db.Exec(w, `update payments set wechat_says = 'NOTPAY'`)
		}, nil, ""},
		"ours was closed as never paid, and it was": {func(w *world) {
			w.paidAt(at("12:00:00"))
			w.db.Exec(w, `update payments set stage = 'holding', hold_reason = 'not_paid', hold_direction = 'forward', wechat_says = 'NOTPAY'`)
			w.closedAs(payment.Refunded, activities.Proof{NeverPaid: true, Detail: "nothing to refund"})
		}, []activities.BillLine{billed(txn)}, "bill_amount_mismatch " + txn},
		"ours was closed as shipped": {func(w *world) {
			w.paidAt(at("12:00:00"))
			w.db.Exec(w, `update payments set stage = 'holding', hold_reason = 'ship_unknown', hold_direction = 'forward'`)
			w.closedAs(payment.Shipped, activities.Proof{Shipment: activities.Dispatch{State: payment.ShipDispatched, ShipmentID: "S1"}})
		}, []activities.BillLine{billed(txn)}, ""},
		"ours was paid to somebody else":                 {func(w *world) { noon(w); w.db.Exec(w, `update payments set mchid = '1'`) }, nil, ""},
		"paid as the day ends: its bill may be the next": {func(w *world) { w.paidAt(at("23:55:00")) }, nil, ""},
		"paid as the day before ended, and in neither bill": {func(w *world) {
			w.paidAt(at(dayBefore + " 23:55:00"))
			w.receives(dayBefore)
		}, nil, "bill_missing_payment " + txn},
		"paid as the day before ended, and nobody has that day's bill": {func(w *world) { w.paidAt(at(dayBefore + " 23:55:00")) }, nil, ""},
		"paid as the day before ended, and in its bill": {func(w *world) {
			w.paidAt(at(dayBefore + " 23:55:00"))
			w.receives(dayBefore, billed(txn, func(l *activities.BillLine) { l.At = at(dayBefore + " 23:55:00") }))
		}, nil, ""},
		"paid as the day began, and in the bill before": {func(w *world) {
			w.paidAt(at("00:01:00"))
			w.receives(dayBefore, billed(txn, func(l *activities.BillLine) { l.At = at(dayBefore + " 23:59:30") }))
		}, nil, ""},
		"paid as the day before ended, and in this bill": {func(w *world) { w.paidAt(at(dayBefore + " 23:55:00")) }, []activities.BillLine{billed(txn)}, ""},
		"the same payment twice":                         {noon, []activities.BillLine{billed(txn), billed(txn)}, "bill_odd_line " + txn},
		"a state that nobody knows":                      {noon, []activities.BillLine{billed(txn), billed("42", func(l *activities.BillLine) { l.State = "EVIL" })}, "bill_odd_line 42"},
		"a number that is none":                          {func(*world) {}, []activities.BillLine{billed("=1+1")}, "bill_odd_line =1+1"},
		"an amount that is none":                         {func(*world) {}, []activities.BillLine{billed("42", func(l *activities.BillLine) { l.TotalFen = 0 })}, "bill_odd_line 42"},
		"taken back":                                     {noon, []activities.BillLine{billed(txn, func(l *activities.BillLine) { l.State = activities.BillRevoked })}, "bill_revoked " + txn},
		"a sub-merchant's":                               {func(*world) {}, []activities.BillLine{billed("42", func(l *activities.BillLine) { l.SubMchID = "19" })}, "unsupported_variant 42"},
		"both know the refund":                           {refunded(payment.RefundSuccess), []activities.BillLine{billed(txn), sentBack("R1", 50)}, ""},
		"a refund that is not done":                      {refunded(payment.RefundProcessing), []activities.BillLine{billed(txn), sentBack("R1", 50)}, ""},
		"a refund from elsewhere":                        {noon, []activities.BillLine{billed(txn), sentBack("CONSOLE1", 50)}, "bill_unknown_refund CONSOLE1"},
		"a refund that we gave up":                       {refunded(payment.RefundWithdrawn), []activities.BillLine{billed(txn), sentBack("R1", 50)}, "bill_unknown_refund R1"},
		"another sum of a refund":                        {refunded(payment.RefundSuccess), []activities.BillLine{billed(txn), sentBack("R1", 51)}, "bill_refund_mismatch R1"},
		"another payment's refund":                       {refunded(payment.RefundSuccess), []activities.BillLine{billed(txn), sentBack("R1", 50, func(l *activities.BillLine) { l.TransactionID = "42" })}, "bill_refund_mismatch R1"},
		"a refund we call closed":                        {refunded(payment.RefundClosed), []activities.BillLine{billed(txn), sentBack("R1", 50)}, "bill_refund_mismatch R1"},
		"a refund both call closed":                      {refunded(payment.RefundClosed), []activities.BillLine{billed(txn), sentBack("R1", 50, func(l *activities.BillLine) { l.RefundState = "FAIL" })}, ""},
		"our refund is not in it":                        {refunded(payment.RefundSuccess), []activities.BillLine{billed(txn)}, "bill_missing_refund R1"},
		"nor while it is processing":                     {refunded(payment.RefundProcessing), []activities.BillLine{billed(txn)}, "bill_missing_refund R1"},
		"nor where a card is dead":                       {refunded(payment.RefundAbnormal), []activities.BillLine{billed(txn)}, "bill_missing_refund R1"},
		"our refund was not taken":                       {refunded(payment.RefundRequested), []activities.BillLine{billed(txn)}, ""},
		"our refund was closed":                          {refunded(payment.RefundClosed), []activities.BillLine{billed(txn)}, ""},
		"our refund was in an earlier bill": {func(w *world) {
			refunded(payment.RefundSuccess)(w)
			w.receives(weekAgo, sentBack("R1", 50))
		}, []activities.BillLine{billed(txn)}, ""},
		"a fee of half a fen more":        {noon, []activities.BillLine{billed(txn, func(l *activities.BillLine) { l.FeeMilliFen = 77600 })}, ""},
		"a fee too high":                  {noon, []activities.BillLine{billed(txn, func(l *activities.BillLine) { l.FeeMilliFen = 78000 })}, "bill_fee " + txn},
		"a fee too low":                   {noon, []activities.BillLine{billed(txn, func(l *activities.BillLine) { l.FeeMilliFen = 0 })}, "bill_fee " + txn},
		"a fee by a rate that is no rate": {noon, []activities.BillLine{billed(txn, func(l *activities.BillLine) { l.Rate = "low" })}, "bill_fee " + txn},
		"a fee of what is settled": {noon, []activities.BillLine{billed(txn, func(l *activities.BillLine) {
			l.SettlementFen, l.FeeMilliFen = 10000, 60000
		})}, ""},
		"a fee that comes back with a refund": {refunded(payment.RefundSuccess), []activities.BillLine{billed(txn), sentBack("R1", 50, func(l *activities.BillLine) { l.FeeMilliFen = -1000 })}, ""},
		"a fee on a refund":                   {refunded(payment.RefundSuccess), []activities.BillLine{billed(txn), sentBack("R1", 50, func(l *activities.BillLine) { l.FeeMilliFen = 1000 })}, "bill_fee R1"},
		"more fee back than was taken":        {refunded(payment.RefundSuccess), []activities.BillLine{billed(txn), sentBack("R1", 50, func(l *activities.BillLine) { l.FeeMilliFen = -2000 })}, "bill_fee R1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			row.before(w)
			w.receives(billDay, row.bill...)
			if got, _ := w.compares(billDay); got != row.want {
				t.Errorf("differs %q, want %q", got, row.want)
			}
			if n := w.db.Int(t, `select count(*) from cases`); n != 0 {
				t.Errorf("a comparison alone opened %d cases", n)
			}
		})
	}
}
