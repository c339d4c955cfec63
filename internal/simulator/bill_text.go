package simulator

import (
	"bytes"
	"fmt"
	"strings"
	"time"
)

// The headers of both bills, each above its lines and above its summary.
const (
	tradeHeader = "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类," +
		"应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注"
	tradeSummary = "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"
	fundHeader   = "记账时间,微信支付业务单号,资金流水单号,业务名称,业务类型,收支类型,收支金额(元),账户结余(元),资金变更提交申请人,备注,业务凭证号"
	fundSummary  = "资金流水总笔数,收入笔数,收入金额,支出笔数,支出金额"
)

// inBills is what a refund's status is called there.
var inBills = map[string]string{"SUCCESS": "SUCCESS", "PROCESSING": "PROCESSING", "CLOSED": "FAIL", "ABNORMAL": "CHANGE"}

// page is a bill being written: with a mark in front, CRLF, and a backtick before
// each field of data.
type page struct{ bytes.Buffer }

func newPage(header string) *page {
	p := &page{}
	p.WriteString("\ufeff" + header + "\r\n")
	return p
}

func (p *page) row(fields ...string) {
	for i, field := range fields {
		if i > 0 {
			p.WriteByte(',')
		}
		p.WriteString("`" + oneLine.Replace(field))
	}
	p.WriteString("\r\n")
}

var oneLine = strings.NewReplacer("\r", " ", "\n", " ")

func yuan(fen int64) string {
	if fen < 0 {
		return "-" + yuan(-fen)
	}
	return fmt.Sprintf("%d.%02d", fen/100, fen%100)
}

// yuan5 writes 1/1000 fen as fees are written.
func yuan5(milliFen int64) string {
	if milliFen < 0 {
		return "-" + yuan5(-milliFen)
	}
	return fmt.Sprintf("%d.%05d", milliFen/100_000, milliFen%100_000)
}

// tradeBill writes the trade bill, of type ALL, of one day.
func tradeBill(items []billed, day time.Time, plan BillPlan) []byte {
	p := newPage(tradeHeader)
	var count, total, back, fees int64
	for _, x := range items {
		if !x.on(day) {
			continue
		}
		settled, coupon, amount, state := x.AmountFen, x.paid.AmountFen-x.PayerFen, x.AmountFen, "SUCCESS"
		refundID, refundNo, refunded, kind, refundState := "0", "0", int64(0), "", ""
		if x.refund != nil {
			settled, coupon, amount, state = 0, 0, 0, "REFUND"
			refundID, refundNo, refunded, kind, refundState = x.refund.RefundID, x.refund.OutRefundNo, x.AmountFen, "ORIGINAL", inBills[x.refund.Status]
		}
		p.row(x.At.In(beijing).Format(time.DateTime), x.AppID, x.MchID, "0", "", x.TransactionID, x.OutTradeNo, x.OpenID,
			x.TradeType, state, "OTHERS", x.Currency, yuan(settled), yuan(coupon), refundID, refundNo, yuan(refunded), "0.00", kind, refundState,
			x.Description, x.Attach, yuan5(x.FeeMilliFen), "0.60%", yuan(amount), yuan(refunded), "")
		count, total, back, fees = count+1, total+amount, back+refunded, fees+x.FeeMilliFen
	}
	if plan.Spoil == "summary" {
		total++
	}
	p.WriteString(tradeSummary + "\r\n")
	p.row(fmt.Sprint(count), yuan(total), yuan(back), "0.00", yuan5(fees), yuan(total), yuan(back))
	return p.Bytes()
}

// fundFlowBill writes what moved on the merchant's balance on one day. A payment
// comes in whole and its fee goes out; a refund goes out less the fee that comes
// back with it.
func fundFlowBill(items []billed, day time.Time, plan BillPlan) []byte {
	p := newPage(fundHeader)
	var count, moved [2]int64 // in, out
	var balance int64
	move := func(x billed, business, flow, kind, voucher, note string, fen int64, way int) {
		balance += fen - 2*fen*int64(way)
		if !x.on(day) {
			return
		}
		count[way]++
		moved[way] += fen
		p.row(x.At.In(beijing).Format(time.DateTime), business, flow, kind, kind, []string{"收入", "支出"}[way],
			yuan(fen), yuan(balance), "system", note, voucher)
	}
	for _, x := range items {
		fee := x.FeeMilliFen / 1000
		if r := x.refund; r != nil {
			note := fmt.Sprintf("退款总金额%s元;含手续费%s元", yuan(x.AmountFen), yuan(-fee))
			move(x, r.RefundID, x.TransactionID, "退款", r.OutRefundNo, note, x.AmountFen+fee, 1)
			continue
		}
		move(x, x.TransactionID, x.TransactionID, "交易", x.OutTradeNo, "结算金额", x.AmountFen, 0)
		if fee > 0 {
			move(x, x.TransactionID, x.TransactionID, "扣除交易手续费", x.OutTradeNo, "手续费", fee, 1)
		}
	}
	if plan.Spoil == "summary" {
		moved[0]++
	}
	p.WriteString(fundSummary + "\r\n")
	p.row(fmt.Sprint(count[0]+count[1]), fmt.Sprint(count[0]), yuan(moved[0]), fmt.Sprint(count[1]), yuan(moved[1]))
	return p.Bytes()
}
