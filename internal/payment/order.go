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
	CreatedAt   time.Time

	OpenID        Private // jsapi: who pays
	PayerClientIP Private // h5: where from
	H5Type        string  // h5: Wap, iOS or Android

	// Offer is what WeChat answered the prepay: a code_url (native), an h5_url
	// (h5) or a prepay_id (jsapi, app); empty until then. It is good for two
	// hours, an h5_url for five minutes.
	Offer string
}

// Private is a payer's own. It is never printed: string(…) of it is the only way
// to the text.
type Private string

// String hides it from logs, errors and %v.
func (p Private) String() string {
	if p == "" {
		return ""
	}
	return "***"
}

// GoString hides it from %#v as well.
func (p Private) GoString() string { return p.String() }

// MarshalText hides it from JSON, so that it reaches neither Temporal nor an answer.
func (p Private) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

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

// The ways. Native orders are paid by scanning a QR code, the others from where
// the payer already is.
const (
	Native TradeType = "native" // a QR code
	JSAPI  TradeType = "jsapi"  // a page or mini-program inside WeChat, by one known payer
	H5     TradeType = "h5"     // a browser's page, by a link into WeChat
	App    TradeType = "app"    // the merchant's own app
)

// Offering is how an order stands at WeChat.
type Offering string

// The ways an order may stand there. Only an Offered one can still be paid.
const (
	Offered   Offering = "offered"
	OfferPaid Offering = "paid"      // its payment is in the inbox
	Withdrawn Offering = "withdrawn" // closed there
	Unoffered Offering = "unoffered" // no prepay ever reached WeChat
)

// Closing is somebody's wish that an order be closed.
type Closing struct {
	OutTradeNo string `json:"out_trade_no"`
	Actor      string `json:"actor"`
}

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
