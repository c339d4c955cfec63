package api

import (
	"encoding/json"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/paysaga/paysaga/internal/payment"
)

// What an order may be. WeChat closes an unpaid order after seven days itself.
const (
	defaultExpiry = 2 * time.Hour
	minExpiry     = time.Minute
	maxExpiry     = 7 * 24 * time.Hour
	maxAmountFen  = 100_000_000_00 // ¥100 million: far above WeChat's limits, far below overflow
	maxTitle      = 127            // characters, by WeChat
)

// newOrder is the body of POST /v1/orders.
type newOrder struct {
	OutTradeNo    string              `json:"out_trade_no"`
	AppID         string              `json:"appid"`
	Description   string              `json:"description" jsonschema:"required"`
	AmountFen     int64               `json:"amount_fen" jsonschema:"required,minimum=1"`
	TradeType     payment.TradeType   `json:"trade_type" jsonschema:"required"`
	OpenID        payment.Private     `json:"openid"`
	PayerClientIP payment.Private     `json:"payer_client_ip"`
	H5Type        string              `json:"h5_type"`
	ExpiresInS    *int64              `json:"expires_in_s"`
	LatePayment   payment.LatePayment `json:"late_payment"`
	Shipping      json.RawMessage     `json:"shipping"`
}

// order checks a body and makes the order of it. Times are whole seconds, because
// WeChat's time_expire is.
func (rules Rules) order(body newOrder, now time.Time) (payment.Order, error) {
	expiry := defaultExpiry
	if body.ExpiresInS != nil {
		expiry = time.Duration(min(*body.ExpiresInS, int64(maxExpiry/time.Second)+1)) * time.Second
	}
	order := payment.Order{
		OutTradeNo:  body.OutTradeNo,
		Description: body.Description,
		AmountFen:   body.AmountFen,
		Currency:    "CNY",
		TradeType:   body.TradeType,
		State:       payment.OrderPending,
		LatePayment: or(body.LatePayment, rules.LatePayment),
		AppID:       or(body.AppID, rules.AppIDs[0]),
		Shipping:    body.Shipping,
		CreatedAt:   now.Truncate(time.Second),
		ExpiresAt:   now.Truncate(time.Second).Add(expiry),

		OpenID: body.OpenID, PayerClientIP: body.PayerClientIP, H5Type: body.H5Type,
	}
	if len(order.Shipping) == 0 {
		order.Shipping = json.RawMessage(`{}`)
	}
	switch {
	case !slices.Contains([]payment.TradeType{payment.Native, payment.JSAPI, payment.H5, payment.App}, order.TradeType):
		return order, invalid("trade_type", "must be native, jsapi, h5 or app")
	case !payment.ValidOutTradeNo(order.OutTradeNo):
		return order, invalid("out_trade_no", "must be 6-32 of [0-9A-Za-z_-|*]")
	case !slices.Contains(rules.AppIDs, order.AppID):
		return order, invalid("appid", "is not one of this merchant's")
	case order.AmountFen < 1 || order.AmountFen > maxAmountFen:
		return order, invalid("amount_fen", "must be a whole number of fen, 1 at least")
	case !validTitle(order.Description):
		return order, invalid("description", "must be 1-127 characters, without emoji or control characters")
	case expiry < minExpiry || expiry > maxExpiry:
		return order, invalid("expires_in_s", "must be 60 to 604800 seconds")
	case order.LatePayment != payment.LateRefund && order.LatePayment != payment.LateReopen:
		return order, invalid("late_payment", "must be refund or reopen")
	case order.Shipping[0] != '{':
		return order, invalid("shipping", "must be an object")
	}
	return order, payerFits(order)
}

var openID = regexp.MustCompile(`^[0-9A-Za-z_-]{1,128}$`)

// payerFits wants of the payer what WeChat does for this way of paying, and
// nothing else: what is not needed is not collected.
func payerFits(order payment.Order) error {
	jsapi, h5 := order.TradeType == payment.JSAPI, order.TradeType == payment.H5
	switch {
	case !jsapi && order.OpenID != "":
		return invalid("openid", "belongs to a jsapi order alone")
	case jsapi && !openID.MatchString(string(order.OpenID)):
		return invalid("openid", "must be the payer's, of 1-128 characters")
	case !h5 && order.PayerClientIP != "":
		return invalid("payer_client_ip", "belongs to an h5 order alone")
	case h5 && !elsewhere(string(order.PayerClientIP)):
		return invalid("payer_client_ip", "must be the payer's IPv4 or IPv6 address")
	case !h5 && order.H5Type != "":
		return invalid("h5_type", "belongs to an h5 order alone")
	case h5 && !slices.Contains([]string{"Wap", "iOS", "Android"}, order.H5Type):
		return invalid("h5_type", "must be Wap, iOS or Android")
	}
	return nil
}

// elsewhere tells whether text is an address that a payer may have. Loopback is a
// shop that sends its own; WeChat refuses that.
func elsewhere(text string) bool {
	address, err := netip.ParseAddr(text)
	return err == nil && address.Zone() == "" && !address.IsLoopback() && !address.IsUnspecified()
}

// validTitle holds a description to WeChat's rules: 127 characters, none of four
// bytes in UTF-8 (emoji), and no control characters.
func validTitle(title string) bool {
	return strings.TrimSpace(title) != "" && utf8.RuneCountInString(title) <= maxTitle &&
		!strings.ContainsFunc(title, func(c rune) bool { return c > 0xFFFF || unicode.IsControl(c) })
}

func invalid(field, text string) error {
	return payment.Failf(payment.Invalid, "invalid_"+field, "%s %s", field, text)
}

func or[T ~string](given, otherwise T) T {
	if given == "" {
		return otherwise
	}
	return given
}
