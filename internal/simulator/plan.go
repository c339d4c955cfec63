package simulator

import (
	"fmt"
	"slices"
)

// The names of calls, in plans, holds and counts.
const (
	callPrepay        = "prepay"
	callQuery         = "query"
	callClose         = "close"
	callRefund        = "refund"
	callRefundQuery   = "refund_query"
	callCertificates  = "certificates"
	callTradeBill     = "trade_bill"
	callFundFlowBill  = "fund_flow_bill"
	callToken         = "token"
	callMessage       = "message"
	callShippingInfo  = "shipping_info"
	callShippingQuery = "shipping_query"
	callShip          = "ship"
	callShipQuery     = "ship_query"
	callCancel        = "cancel"
	callWebhook       = "webhook"
	callRefundNotify  = "refund_notify" // ours, not the merchant's: the callback of a refund
)

// The ways to misbehave that every call knows. The rest belong to one call and
// live beside it.
const (
	modeFail         = "fail"
	modeHang         = "hang"
	modeExecuteFail  = "execute_then_fail"
	modeExecuteHang  = "execute_then_hang"
	modeExecuteReset = "execute_then_reset"
	modeLimited      = "frequency_limited"
	modeExecuteLimit = "execute_then_frequency_limited"
	modeBadSignature = "bad_signature"
	modeBusy         = "busy"
	modeInvalidToken = "invalid_token"
	modeReorder      = "reorder"
)

var (
	anyCall    = []string{"normal", modeFail, modeHang, modeExecuteFail, modeExecuteHang, modeExecuteReset}
	wechatCall = slices.Concat(anyCall, []string{modeLimited, modeExecuteLimit, modeBadSignature})

	miniCall = slices.Concat(anyCall, []string{modeBusy, modeInvalidToken})

	// modes is what can be planned for each call.
	modes = map[string][]string{
		callPrepay:      wechatCall,
		callQuery:       wechatCall,
		callClose:       wechatCall,
		callRefundQuery: wechatCall,
		callRefund: slices.Concat(wechatCall, []string{"processing", "abnormal", "closed", "instant",
			"not_enough", "user_account_abnormal", "invalid_request", "system_error"}),
		callRefundNotify:  {"normal", "lose", "signtest", modeReorder},
		callMessage:       slices.Concat(miniCall, []string{"no_consent"}),
		callShippingInfo:  slices.Concat(miniCall, []string{"too_early", "not_shippable", "unchanged"}),
		callShippingQuery: slices.Concat(miniCall, []string{"too_early"}),
		callShip:          slices.Concat(anyCall, []string{"refuse", "invalid", "accept", "undispatched"}),
		callCancel:        slices.Concat(anyCall, []string{"refuse", "forget"}),
		callWebhook:       slices.Concat(anyCall, []string{"gone"}),
	}
)

// script is the planned behaviour of one call for one order.
type script struct {
	Call       string `json:"call"`
	OutTradeNo string `json:"out_trade_no"`
	Mode       string `json:"mode"`
	Times      int    `json:"times,omitempty"` // how often still; 0 is always
}

// scripts translates a plan, or says which mode does not exist.
func (p Plan) scripts(outTradeNo string) ([]fact, error) {
	var facts []fact
	for _, sc := range []script{
		{callShip, outTradeNo, p.Shop, p.ShopTimes},
		{callCancel, outTradeNo, p.Cancel, p.CancelTimes},
		{callRefund, outTradeNo, p.Refund, p.RefundTimes},
		{callRefundNotify, outTradeNo, p.RefundNotify, p.RefundNotifyTimes},
		{callRefundQuery, outTradeNo, p.RefundQuery, p.RefundQueryTimes},
		{callWebhook, outTradeNo, p.Webhook, p.WebhookTimes},
		{callMessage, outTradeNo, p.Message, p.MessageTimes},
		{callShippingInfo, outTradeNo, p.ShippingInfo, p.ShippingInfoTimes},
		{callShippingQuery, outTradeNo, p.ShippingQuery, p.ShippingQueryTimes},
		{callQuery, outTradeNo, p.Query, p.QueryTimes},
		{callPrepay, outTradeNo, p.Prepay, p.PrepayTimes},
		{callClose, outTradeNo, p.Close, p.CloseTimes},
	} {
		if sc.Mode == "" {
			continue
		}
		if !slices.Contains(modes[sc.Call], sc.Mode) {
			return nil, fmt.Errorf("%s cannot be %q; it can be %v", sc.Call, sc.Mode, modes[sc.Call])
		}
		if sc.Times < 0 {
			return nil, fmt.Errorf("%s cannot happen %d times", sc.Call, sc.Times)
		}
		facts = append(facts, fact{Script: &sc})
	}
	return facts, nil
}

// take returns how the next such call behaves ("" is as it should) and the fact
// that one of the planned times is used up, if they are counted.
func (d *dossier) take(call string) (mode string, used []fact) {
	sc, planned := d.scripts[call]
	if !planned || sc.Mode == "normal" {
		return "", nil
	}
	mode = sc.Mode
	if sc.Times > 0 {
		if sc.Times--; sc.Times == 0 {
			sc.Mode = "normal"
		}
		used = []fact{{Script: &sc}}
	}
	return mode, used
}
