package activities

import (
	"context"
	"time"
)

// BillGateway is WeChat's word on a whole day, which comes the morning after.
//
// Each line is handed out as it is read, and before the bill is known to be whole:
// its hash and its sums come last. So nothing that was handed out may be acted on
// until the call has returned without an error. An error of each ends the reading
// and is returned as it is.
//
// Kinds: NotFound with code no_statement where nothing was traded that day; Busy
// with code statement_creating, and when to ask again, while the bill is being made;
// Unknown with code bill_hash or bill_unreadable where what came is not what was
// promised; and what every call knows. Asking again is safe.
type BillGateway interface {
	// TradeBill reads the payments and refunds of a day, YYYY-MM-DD in Beijing.
	TradeBill(ctx context.Context, day string, each func(BillLine) error) (BillSums, error)
	// FundFlowBill reads every movement of the merchant's own balance on that day.
	FundFlowBill(ctx context.Context, day string, each func(FundLine) error) (FundSums, error)
}

// The codes of a bill's own errors.
const (
	CodeNoStatement       = "no_statement"       // NotFound: nothing was traded that day
	CodeStatementCreating = "statement_creating" // Busy: not made yet
	CodeBillHash          = "bill_hash"          // Unknown: not the bytes that WeChat vouched for
	CodeBillUnreadable    = "bill_unreadable"    // Unknown: the right bytes perhaps, but not a bill that adds up
)

// What a line of the trade bill tells of: BillLine.State.
const (
	BillPaid     = "SUCCESS" // a payment
	BillRefunded = "REFUND"  // a refund that began that day, whatever became of it
	BillRevoked  = "REVOKED" // a payment by code that was taken back
)

// BillLine is one line of the daily trade bill. Every line names the payment; a
// refund's names the refund too.
type BillLine struct {
	At                         time.Time // 交易时间: of the payment, or of the refund's beginning
	AppID, MchID, SubMchID     string
	TransactionID, OutTradeNo  string
	TradeType, State, Currency string
	TotalFen                   int64 // 订单金额, amount.total; zero on a refund's line
	SettlementFen              int64 // 应结订单金额: without the coupons that are not settled
	RefundID, OutRefundNo      string
	RefundState                string // SUCCESS PROCESSING FAIL CHANGE, as it stood when the bill was made
	RefundFen                  int64  // 申请退款金额, amount.refund
	FeeMilliFen                int64  // 手续费 in 1/1000 fen; below zero where it was given back
	Rate                       string // 费率, e.g. 0.60%
}

// BillSums is what the trade bill says of itself in its last line. They have been
// compared with the lines.
type BillSums struct {
	Lines         int64 // 总交易单数
	TotalFen      int64 // 订单总金额
	SettlementFen int64 // 应结订单总金额
	RefundFen     int64 // 申请退款总金额
	FeeMilliFen   int64 // 手续费总金额, in 1/1000 fen
}

// The directions of a FundLine.
const (
	Income = "income" // 收入
	Outgo  = "outgo"  // 支出
)

// FundLine is one movement of the merchant's balance.
type FundLine struct {
	At         time.Time // 记账时间
	BusinessID string    // 微信支付业务单号: a payment's transaction_id, a refund's refund_id, and others
	FlowID     string    // 资金流水单号
	Business   string    // 业务名称
	Kind       string    // 业务类型, e.g. 交易 退款 扣除交易手续费
	Direction  string    // 收支类型: Income or Outgo
	AmountFen  int64     // 收支金额, never below zero
	BalanceFen int64     // 账户结余, afterwards
	Note       string    // 备注
	Voucher    string    // 业务凭证号: out_trade_no, out_refund_no and others
}

// FundSums is what the fund-flow bill says of itself in its last line. They have
// been compared with the lines.
type FundSums struct {
	Lines                  int64 // 资金流水总笔数
	IncomeLines, IncomeFen int64 // 收入笔数, 收入金额
	OutgoLines, OutgoFen   int64 // 支出笔数, 支出金额
}
