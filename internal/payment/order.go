package payment

import (
	"encoding/json"
	"regexp"
	"time"
)

// Order is what the merchant sells, keyed by its out_trade_no.
type Order struct {
	OutTradeNo  string
	AppID       string
	Description string // at most 127 characters, shown to the payer
	AmountFen   int64
	Currency    string // CNY
	TradeType   TradeType
	State       OrderState
	LatePayment LatePayment
	Shipping    json.RawMessage // the shop's own; passed on, never read
	ExpiresAt   time.Time       // WeChat's time_expire: paid later is paid late
	CodeURL     string          // native: what the QR code holds; empty until WeChat answered the prepay
	CreatedAt   time.Time
}

// OrderState is how far an order has come.
type OrderState string

// The order's states: pending → paid → shipped, pending → closed, closed → paid
// (only where late payments reopen), paid or shipped → refunded.
const (
	OrderPending  OrderState = "pending"
	OrderPaid     OrderState = "paid"
	OrderShipped  OrderState = "shipped"
	OrderClosed   OrderState = "closed"
	OrderRefunded OrderState = "refunded"
)

// OrderMoves is the one table of lawful moves of an order.
var OrderMoves = map[OrderState][]OrderState{
	"":           {OrderPending},
	OrderPending: {OrderPaid, OrderClosed},
	OrderClosed:  {OrderPaid},
	OrderPaid:    {OrderShipped, OrderRefunded},
	OrderShipped: {OrderRefunded},
}

// TradeType is the way an order is offered at WeChat.
type TradeType string

// Native orders are paid by scanning a QR code.
const Native TradeType = "native"

// LatePayment says what becomes of money that comes after an order closed or expired.
type LatePayment string

// Late money goes back, or opens the order again.
const (
	LateRefund LatePayment = "refund"
	LateReopen LatePayment = "reopen"
)

var outTradeNo = regexp.MustCompile(`^[0-9A-Za-z_\-|*]{6,32}$`)

// ValidOutTradeNo holds an order's number to WeChat's rule: 6–32 of [0-9A-Za-z_-|*].
func ValidOutTradeNo(n string) bool { return outTradeNo.MatchString(n) }
