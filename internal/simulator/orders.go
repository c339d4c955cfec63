package simulator

import (
	"encoding/json"
	"net/http"
)

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
