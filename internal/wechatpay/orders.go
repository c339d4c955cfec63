package wechatpay

import (
	"context"
	"net/url"
	"time"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

// beijing is the zone WeChat writes times in. One zone for all makes the same
// order the same bytes, whatever zone its times were read in.
var beijing = time.FixedZone("CST", 8*60*60)

type amount struct {
	Total    int64  `json:"total"` // fen
	Currency string `json:"currency"`
}

type prepayBody struct {
	AppID       string `json:"appid"`
	MchID       string `json:"mchid"`
	Description string `json:"description"`
	OutTradeNo  string `json:"out_trade_no"`
	TimeExpire  string `json:"time_expire"` // RFC 3339, whole seconds
	NotifyURL   string `json:"notify_url"`
	Amount      amount `json:"amount"`
	Payer       *payer `json:"payer,omitempty"`
	SceneInfo   *scene `json:"scene_info,omitempty"`
}

type payer struct {
	OpenID string `json:"openid"`
}

type scene struct {
	PayerClientIP string `json:"payer_client_ip"`
	H5Info        h5Info `json:"h5_info"`
}

type h5Info struct {
	Type string `json:"type"` // Wap, iOS or Android
}

// Prepay offers an order for payment and returns its payment.Order.Offer. Asked
// again with the same order it offers the same; the order may not change under its
// number.
//
// Kinds: Refused, with code order_paid, order_closed, invalid_request (the number
// was used for something else) and so on; Unknown and Busy: ask again.
func (c *Client) Prepay(ctx context.Context, order payment.Order) (offer string, err error) {
	body := prepayBody{
		AppID:       order.AppID,
		MchID:       c.mchID,
		Description: order.Description,
		OutTradeNo:  order.OutTradeNo,
		TimeExpire:  order.ExpiresAt.In(beijing).Format(time.RFC3339),
		NotifyURL:   c.notifyURL,
		Amount:      amount{Total: order.AmountFen, Currency: order.Currency},
	}
	var answer struct {
		CodeURL  string `json:"code_url"`
		H5URL    string `json:"h5_url"`
		PrepayID string `json:"prepay_id"`
	}
	made := &answer.PrepayID
	switch order.TradeType {
	case payment.Native:
		made = &answer.CodeURL
	case payment.JSAPI:
		body.Payer = &payer{string(order.OpenID)}
	case payment.H5:
		made = &answer.H5URL
		body.SceneInfo = &scene{string(order.PayerClientIP), h5Info{order.H5Type}}
	case payment.App:
	default:
		return "", payment.Failf(payment.Invalid, codeNotAsked, "orders are not offered as %q", order.TradeType)
	}
	err = c.post(ctx, "prepay", "/v3/pay/transactions/"+string(order.TradeType), body, &answer)
	if err == nil && *made == "" {
		err = unusable("prepay")
	}
	return *made, err
}

// transaction is an order query's answer, as far as we care. amount.total is what
// the order cost; payer_total, which a coupon lowers, is not read.
type transaction struct {
	TransactionID string `json:"transaction_id"`
	OutTradeNo    string `json:"out_trade_no"`
	AppID         string `json:"appid"`
	MchID         string `json:"mchid"`
	TradeState    string `json:"trade_state"`
	SuccessTime   string `json:"success_time"`
	Amount        amount `json:"amount"`
}

func (t transaction) word() activities.Transaction {
	paidAt, _ := time.Parse(time.RFC3339, t.SuccessTime) // absent while unpaid
	return activities.Transaction{
		TransactionID: t.TransactionID,
		OutTradeNo:    t.OutTradeNo,
		AppID:         t.AppID,
		MchID:         t.MchID,
		TradeState:    t.TradeState,
		AmountFen:     t.Amount.Total,
		Currency:      t.Amount.Currency,
		PaidAt:        paidAt,
	}
}

// QueryOrder asks what became of an order. NotFound means that no prepay reached
// WeChat, not that nobody paid; an unpaid order has no transaction_id, and a paid
// one without is not believed.
func (c *Client) QueryOrder(ctx context.Context, outTradeNo string) (activities.Transaction, error) {
	if !payment.ValidOutTradeNo(outTradeNo) {
		return activities.Transaction{}, impossible("order")
	}
	return c.query(ctx, "out-trade-no/"+url.PathEscape(outTradeNo), func(t transaction) bool {
		whole := payment.ValidTransactionID(t.TransactionID) && t.Amount.Total > 0
		return t.OutTradeNo == outTradeNo && (whole || !t.word().Paid())
	})
}

// QueryPayment asks for WeChat's word on one payment, by its transaction_id.
func (c *Client) QueryPayment(ctx context.Context, transactionID string) (activities.Transaction, error) {
	if !payment.ValidTransactionID(transactionID) {
		return activities.Transaction{}, impossible("transaction")
	}
	return c.query(ctx, "id/"+transactionID, func(t transaction) bool {
		return t.TransactionID == transactionID
	})
}

// query believes an answer only if it is about the number asked for: a signature
// does not say which question it answers.
func (c *Client) query(ctx context.Context, which string, fits func(transaction) bool) (activities.Transaction, error) {
	var answer transaction
	err := c.get(ctx, "order query", "/v3/pay/transactions/"+which+"?mchid="+url.QueryEscape(c.mchID), &answer)
	if err == nil && (answer.TradeState == "" || !fits(answer)) {
		err = unusable("order query")
	}
	if err != nil {
		return activities.Transaction{}, err
	}
	return answer.word(), nil
}

// Close makes an unpaid order unpayable; closing twice succeeds. A payment may
// win the race, so the order is queried once more afterwards.
//
// Kinds: Refused with code order_paid if somebody has paid; NotFound if no prepay
// reached WeChat; Unknown and Busy: ask again.
func (c *Client) Close(ctx context.Context, outTradeNo string) error {
	if !payment.ValidOutTradeNo(outTradeNo) {
		return impossible("order")
	}
	body := struct {
		MchID string `json:"mchid"`
	}{c.mchID}
	return c.post(ctx, "close", "/v3/pay/transactions/out-trade-no/"+url.PathEscape(outTradeNo)+"/close", body, nil)
}

// impossible answers for WeChat where no number of that kind can look like this.
// It keeps a person's typing out of a signed path.
func impossible(what string) error {
	return payment.Failf(payment.NotFound, codeNotAsked, "no %s can have this number", what)
}
