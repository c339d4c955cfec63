package simulator

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"time"
	"unicode/utf8"
)

var tradeNo = regexp.MustCompile(`^[0-9A-Za-z_\-|*]{6,32}$`)

// prepayRequest is the body of a prepay call, as far as the simulator cares.
type prepayRequest struct {
	AppID       string    `json:"appid"`
	MchID       string    `json:"mchid"`
	Description string    `json:"description"`
	OutTradeNo  string    `json:"out_trade_no"`
	TimeExpire  time.Time `json:"time_expire"`
	Attach      string    `json:"attach"`
	NotifyURL   string    `json:"notify_url"`
	Amount      struct {
		Total    int64  `json:"total"`
		Currency string `json:"currency"`
	} `json:"amount"`
}

// check says what is wrong with the form of a prepay call, "" for nothing.
func (p prepayRequest) check(a *account) string {
	notify, err := url.Parse(p.NotifyURL)
	switch {
	case p.MchID != a.MchID:
		return "mchid is not this merchant's"
	case p.AppID != a.AppID:
		return "appid does not belong to mchid"
	case !tradeNo.MatchString(p.OutTradeNo):
		return "out_trade_no must be 6 to 32 of 0-9 A-Z a-z _ - | *"
	case p.Description == "" || utf8.RuneCountInString(p.Description) > 127:
		return "description must have 1 to 127 characters"
	case len(p.Attach) > 128:
		return "attach is longer than 128"
	case p.Amount.Total < 1:
		return "amount.total must be at least 1"
	case p.Amount.Currency != "" && p.Amount.Currency != "CNY":
		return "amount.currency must be CNY"
	case err != nil || notify.Host == "" || notify.RawQuery != "" || len(p.NotifyURL) > 255:
		return "notify_url must be a full address without query"
	}
	return ""
}

// prepayNative takes an order and answers the address of its QR code. The same
// call again is answered the same; another one under the number is refused.
func (s *simulator) prepayNative(c *call) answer {
	var p prepayRequest
	if err := json.Unmarshal(c.body, &p); err != nil {
		return refuse(http.StatusBadRequest, "PARAM_ERROR", "body is not a prepay request")
	}
	if wrong := p.check(s.account); wrong != "" {
		return refuse(http.StatusBadRequest, "PARAM_ERROR", wrong)
	}
	asked := digest(c.body)
	var a answer
	s.ledger.change(func(b *book) []fact {
		if o := b.of(p.OutTradeNo).order; o != nil {
			a = prepayAgain(o, asked)
			return nil
		}
		o := &order{
			OutTradeNo: p.OutTradeNo, AppID: p.AppID, MchID: p.MchID, Description: p.Description,
			Attach: p.Attach, AmountFen: p.Amount.Total, Currency: "CNY", NotifyURL: p.NotifyURL,
			TradeType: "NATIVE", State: "NOTPAY", Params: asked,
			CodeURL: "weixin://wxpay/bizpayurl?pr=" + hexText(6), CreatedAt: time.Now(),
		}
		if len(b.of(p.OutTradeNo).payments) > 0 {
			o.State = "SUCCESS" // paid at the control port before it was ordered
		}
		a = answer{http.StatusOK, map[string]string{"code_url": o.CodeURL}}
		return []fact{{Order: o}}
	})
	return a
}

func prepayAgain(o *order, asked string) answer {
	switch {
	case o.State == "SUCCESS":
		return refuse(http.StatusBadRequest, "ORDERPAID", "the order is paid")
	case o.State == "CLOSED":
		return refuse(http.StatusBadRequest, "ORDER_CLOSED", "the order is closed")
	case o.Params != asked:
		return refuse(http.StatusBadRequest, "INVALID_REQUEST", "out_trade_no was used with other parameters")
	}
	return answer{http.StatusOK, map[string]string{"code_url": o.CodeURL}}
}

// queryOrder answers by the merchant's number: the first payment, or that there
// is none. Only a prepay call makes an order known.
func (s *simulator) queryOrder(c *call) answer {
	if c.URL.Query().Get("mchid") != s.account.MchID {
		return refuse(http.StatusBadRequest, "PARAM_ERROR", "mchid is missing or not this merchant's")
	}
	a := refuse(http.StatusNotFound, "ORDER_NOT_EXIST", "no such order")
	s.ledger.read(func(b *book) {
		d := b.of(c.outTradeNo)
		switch {
		case len(d.payments) > 0:
			a = answer{http.StatusOK, transaction(b.payments[d.payments[0]], b.payments[d.payments[0]].state())}
		case d.order != nil:
			a = answer{http.StatusOK, unpaid(d.order)}
		}
	})
	return a
}

// queryTransaction answers by WeChat's number.
func (s *simulator) queryTransaction(c *call) answer {
	if c.URL.Query().Get("mchid") != s.account.MchID {
		return refuse(http.StatusBadRequest, "PARAM_ERROR", "mchid is missing or not this merchant's")
	}
	a := refuse(http.StatusNotFound, "ORDER_NOT_EXIST", "no such transaction")
	s.ledger.read(func(b *book) {
		if p := b.payments[c.PathValue("transaction_id")]; p != nil {
			a = answer{http.StatusOK, transaction(p, p.state())}
		}
	})
	return a
}

// closeOrder makes an unpaid order unpayable. Closing twice succeeds.
func (s *simulator) closeOrder(c *call) answer {
	var body struct {
		MchID string `json:"mchid"`
	}
	if json.Unmarshal(c.body, &body) != nil || body.MchID != s.account.MchID {
		return refuse(http.StatusBadRequest, "PARAM_ERROR", "mchid is missing or not this merchant's")
	}
	a := answer{status: http.StatusNoContent}
	s.ledger.change(func(b *book) []fact {
		o := b.of(c.outTradeNo).order
		switch {
		case o == nil:
			a = refuse(http.StatusNotFound, "ORDER_NOT_EXIST", "no such order")
		case o.State == "SUCCESS":
			a = refuse(http.StatusBadRequest, "ORDERPAID", "the order is paid")
		case o.State == "NOTPAY":
			closed := *o
			closed.State = "CLOSED"
			return []fact{{Order: &closed}}
		}
		return nil
	})
	return a
}

// stateWords are WeChat's own words for a trade_state.
var stateWords = map[string]string{
	"SUCCESS": "支付成功", "REFUND": "转入退款", "NOTPAY": "订单未支付", "CLOSED": "订单已关闭",
	"REVOKED": "订单已撤销", "USERPAYING": "用户支付中", "PAYERROR": "支付失败",
}

// transaction is a payment as queries and callbacks tell it; empty groups are left
// out, as in real ones.
func transaction(p *paid, state string) map[string]any {
	t := map[string]any{
		"mchid": p.MchID, "appid": p.AppID,
		"out_trade_no": p.OutTradeNo, "transaction_id": p.TransactionID,
		"trade_type": p.TradeType, "trade_state": state, "trade_state_desc": stateWords[state],
		"bank_type": "OTHERS", "attach": p.Attach, "success_time": wechatTime(p.SuccessTime),
		"payer": map[string]string{"openid": p.OpenID},
		"amount": map[string]any{
			"total": p.AmountFen, "payer_total": p.PayerFen, "currency": p.Currency, "payer_currency": p.Currency,
		},
	}
	if coupon := p.AmountFen - p.PayerFen; coupon > 0 {
		t["promotion_detail"] = []any{map[string]any{
			"coupon_id": "109519", "name": "coupon", "scope": "GLOBAL", "type": "CASH",
			"amount": coupon, "wechatpay_contribute": coupon, "currency": p.Currency,
		}}
	}
	return t
}

func unpaid(o *order) map[string]any {
	return map[string]any{
		"mchid": o.MchID, "appid": o.AppID, "out_trade_no": o.OutTradeNo, "attach": o.Attach,
		"trade_state": o.State, "trade_state_desc": stateWords[o.State],
		"amount": map[string]any{"total": o.AmountFen, "currency": o.Currency},
	}
}
