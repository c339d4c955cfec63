package simulator

import (
	"encoding/json"
	"net/http"
	"slices"
)

// shippingQuery is the body of get_order.
type shippingQuery struct {
	TransactionID   string `json:"transaction_id"`
	MerchantID      string `json:"merchant_id"`
	MerchantTradeNo string `json:"merchant_trade_no"`
}

func (in shippingQuery) payment(b *book, mchID string) *paid {
	if in.TransactionID != "" {
		return b.payments[in.TransactionID]
	}
	if ids := b.of(in.MerchantTradeNo).payments; in.MerchantID == mchID && len(ids) > 0 {
		return b.payments[ids[0]]
	}
	return nil
}

func (s *simulator) aboutShippingQuery(c *call) {
	var in shippingQuery
	json.Unmarshal(c.body, &in) // what cannot be read is refused later, by shippingOrder
	s.ledger.read(func(b *book) {
		if p := in.payment(b, s.account.MchID); p != nil {
			c.outTradeNo, c.number = p.OutTradeNo, p.TransactionID
		}
	})
}

// shippingOrder tells how far the goods of a payment are, by the order centre's
// knowledge.
func (s *simulator) shippingOrder(c *call) (a answer) {
	if mode := c.mode; slices.Contains([]string{modeBusy, modeInvalidToken, "too_early"}, mode) {
		return shippingFaults[mode]
	}
	var in shippingQuery
	if json.Unmarshal(c.body, &in) != nil {
		return told(47001, "data format error")
	}
	a = tooEarly
	s.ledger.read(func(b *book) {
		if p := in.payment(b, s.account.MchID); p != nil {
			a = answer{http.StatusOK, map[string]any{"errcode": 0, "errmsg": "ok", "order": shippingState(b, p)}}
		}
	})
	return a
}

func shippingState(b *book, p *paid) map[string]any {
	info := b.shippingInfos[p.TransactionID]
	if info == nil {
		info = new(shippingInfo)
	}
	state := 1 // to be shipped
	switch {
	case b.refundedWhole(p):
		state = 5
	case info.Uploads > 0:
		state = 2
	}
	list := info.Last.List
	if list == nil {
		list = []shippedItem{}
	}
	return map[string]any{
		"transaction_id": p.TransactionID, "merchant_id": p.MchID, "merchant_trade_no": p.OutTradeNo,
		"openid": p.OpenID, "paid_amount": p.PayerFen, "pay_time": p.SuccessTime.Unix(), "in_complaint": false,
		"order_state": state,
		"shipping": map[string]any{
			"logistics_type": info.Last.LogisticsType, "delivery_mode": info.Last.DeliveryMode,
			"finish_shipping": info.Uploads > 0, "finish_shipping_count": info.Uploads, "shipping_list": list,
		},
	}
}
