package api

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-chi/chi/v5"

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
	Description   string              `json:"description"`
	AmountFen     int64               `json:"amount_fen"`
	TradeType     payment.TradeType   `json:"trade_type"`
	OpenID        string              `json:"openid"`
	PayerClientIP string              `json:"payer_client_ip"`
	H5Type        string              `json:"h5_type"`
	ExpiresInS    *int64              `json:"expires_in_s"`
	LatePayment   payment.LatePayment `json:"late_payment"`
	Shipping      json.RawMessage     `json:"shipping"`
}

// orderTaken is the answer: the order, and how to pay it.
type orderTaken struct {
	OutTradeNo string             `json:"out_trade_no"`
	State      payment.OrderState `json:"state"`
	CodeURL    string             `json:"code_url"`
}

// createOrder takes an order and offers it at WeChat. The row is committed before
// WeChat is called, so that no order can be paid that the books do not know; a
// crash in between leaves an order without an offer, and the same body offers it
// again.
func (s *Server) createOrder(w http.ResponseWriter, r *http.Request, by Caller) error {
	var body newOrder
	if err := read(w, r, &body); err != nil {
		return err
	}
	order, err := s.Rules.order(body, time.Now())
	if err != nil {
		return err
	}
	order, err = s.Desk.TakeOrder(r.Context(), order, by.Name)
	if err != nil {
		return err
	}
	codeURL, err := s.Till.Prepay(r.Context(), order)
	if err != nil {
		return notOffered(err)
	}
	// The offer stands, whether or not the merchant still listens.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), patience)
	defer cancel()
	order, err = s.Desk.Offered(ctx, order.OutTradeNo, codeURL)
	if err != nil {
		return err
	}
	w.Header().Set("Location", "/v1/orders/"+order.OutTradeNo)
	return reply(w, http.StatusCreated, orderTaken{order.OutTradeNo, order.State, order.CodeURL})
}

// notOffered tells WeChat's no from its silence.
func notOffered(err error) error {
	switch payment.KindOf(err) {
	case payment.Unknown, payment.Busy:
		return payment.Fail(payment.Unknown, "prepay_unknown", "WeChat did not answer; the same request offers the same order again", err)
	}
	return fail(http.StatusBadGateway, "prepay_refused", "WeChat would not take the order: "+payment.CodeOf(err))
}

// order checks a body and makes the order of it. Times are whole seconds, because
// WeChat's time_expire is.
func (rules Rules) order(body newOrder, now time.Time) (payment.Order, error) {
	expiry := defaultExpiry
	if body.ExpiresInS != nil {
		expiry = time.Duration(min(*body.ExpiresInS, int64(maxExpiry/time.Second)+1)) * time.Second
	}
	order := payment.Order{
		OutTradeNo:  or(body.OutTradeNo, rand.Text()), // 26 characters, 130 random bits
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
	}
	if len(order.Shipping) == 0 {
		order.Shipping = json.RawMessage(`{}`)
	}
	switch {
	case !slices.Contains([]payment.TradeType{payment.Native, "jsapi", "h5", "app"}, order.TradeType):
		return order, invalid("trade_type", "must be native, jsapi, h5 or app")
	case order.TradeType != payment.Native:
		return order, payment.Failf(payment.Invalid, "unsupported_trade_type", "only native orders are offered yet")
	case body.OpenID != "" || body.PayerClientIP != "" || body.H5Type != "":
		return order, invalid("trade_type", "openid, payer_client_ip and h5_type do not belong to a native order")
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
	return order, nil
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

// order shows an order: merchants their own, staff any.
func (s *Server) order(w http.ResponseWriter, r *http.Request, by Caller) error {
	number := chi.URLParam(r, "out_trade_no")
	if !payment.ValidOutTradeNo(number) {
		return noSuch("order")
	}
	dossier, err := s.Desk.OrderDossier(r.Context(), number, by.owner())
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, dossier)
}

func noSuch(what string) error {
	return payment.Failf(payment.NotFound, "no_such_"+what, "no such %s", what)
}
