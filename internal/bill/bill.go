// Package bill reads WeChat's daily bills, as they are once unpacked: a CSV of its
// own kind, with a header, a row for each thing that happened, a second header and
// a row that sums it all up. Fields of data begin with a backtick, amounts are
// yuan, times are Beijing's (merchant pages 4012084430, and bill-download).
//
// It holds one line at a time, and does not know whether the bytes are WeChat's:
// their hash is known only at the end.
package bill

import (
	"io"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

// Trade reads a trade bill of any kind, ALL, SUCCESS or REFUND, old or new, and
// hands out its lines. An error of each or of text is returned as it is; every
// other is Unknown with code bill_unreadable.
//
// Day is the bill's own, YYYY-MM-DD; a line of another day is a fault, because a
// hash does not say which day was asked for.
func Trade(text io.Reader, day string, each func(activities.BillLine) error) (said activities.BillSums, err error) {
	t := open(text, day, "商品名称")
	var lines activities.BillSums
	for t.next() {
		line := activities.BillLine{
			At:            t.time("退款申请时间", "交易时间"),
			AppID:         t.field("公众账号ID"),
			MchID:         t.field("商户号"),
			SubMchID:      t.number("特约商户号", "子商户号"),
			TransactionID: t.field("微信订单号"),
			OutTradeNo:    t.field("商户订单号"),
			TradeType:     t.field("交易类型"),
			State:         t.field("交易状态"),
			Currency:      t.field("货币种类"),
			TotalFen:      t.figure(fen, "订单金额", "总金额"),
			SettlementFen: t.figure(fen, "应结订单金额", "总金额"),
			RefundID:      t.number("微信退款单号"),
			OutRefundNo:   t.number("商户退款单号"),
			FeeMilliFen:   t.figure(milliFen, "手续费"),
			Rate:          t.field("费率"),
		}
		if line.RefundID != "" || line.OutRefundNo != "" {
			line.RefundState = t.field("退款状态")
			line.RefundFen = t.figure(fen, "申请退款金额", "退款金额")
		}
		if !payment.ValidTransactionID(line.TransactionID) {
			t.fail("微信订单号 is no such number") // elsewhere it becomes an id
		}
		if t.fault != nil {
			break
		}
		lines.Lines++
		lines.TotalFen += line.TotalFen
		lines.SettlementFen += line.SettlementFen
		lines.RefundFen += line.RefundFen
		lines.FeeMilliFen += line.FeeMilliFen
		if err := each(line); err != nil {
			return said, err
		}
	}
	t.summary()
	said = activities.BillSums{
		Lines:         t.sum(lines.Lines, ones, "总交易单数"),
		TotalFen:      t.sum(lines.TotalFen, fen, "订单总金额", "总交易额"),
		SettlementFen: t.sum(lines.SettlementFen, fen, "应结订单总金额", "总交易额"),
		FeeMilliFen:   t.sum(lines.FeeMilliFen, milliFen, "手续费总金额"),
	}
	if lines.RefundFen != 0 || t.known("申请退款总金额", "总退款金额") != "" {
		said.RefundFen = t.sum(lines.RefundFen, fen, "申请退款总金额", "总退款金额")
	}
	return said, t.end()
}

// FundFlow reads a fund-flow bill as Trade reads a trade bill.
func FundFlow(text io.Reader, day string, each func(activities.FundLine) error) (said activities.FundSums, err error) {
	t := open(text, day, "备注")
	var lines activities.FundSums
	for t.next() {
		line := activities.FundLine{
			At:         t.time("记账时间"),
			BusinessID: t.field("微信支付业务单号"),
			FlowID:     t.field("资金流水单号"),
			Business:   t.field("业务名称"),
			Kind:       t.field("业务类型"),
			AmountFen:  t.figure(fen, "收支金额(元)"),
			BalanceFen: t.figure(fen, "账户结余(元)"),
			Note:       t.field("备注"),
			Voucher:    t.field("业务凭证号"),
		}
		lines.Lines++
		switch t.field("收支类型") {
		case "收入":
			line.Direction = activities.Income
			lines.IncomeLines++
			lines.IncomeFen += line.AmountFen
		case "支出":
			line.Direction = activities.Outgo
			lines.OutgoLines++
			lines.OutgoFen += line.AmountFen
		default:
			t.fail("收支类型 is neither income nor outgo")
		}
		if t.fault != nil {
			break
		}
		if err := each(line); err != nil {
			return said, err
		}
	}
	t.summary()
	said = activities.FundSums{
		Lines:       t.sum(lines.Lines, ones, "资金流水总笔数"),
		IncomeLines: t.sum(lines.IncomeLines, ones, "收入笔数"),
		IncomeFen:   t.sum(lines.IncomeFen, fen, "收入金额"),
		OutgoLines:  t.sum(lines.OutgoLines, ones, "支出笔数"),
		OutgoFen:    t.sum(lines.OutgoFen, fen, "支出金额"),
	}
	return said, t.end()
}
