package simulator

import (
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"time"
	"unicode/utf8"
)

var tradeNo = regexp.MustCompile(`^[0-9A-Za-z_\-|*]{6,32}$`)

// tradeTypes tells, for the last word of a prepay call's path, the trade_type of
// what is paid by it.
var tradeTypes = map[string]string{"native": "NATIVE", "jsapi": "JSAPI", "app": "APP", "h5": "MWEB"}

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
	Payer struct {
		OpenID string `json:"openid"`
	} `json:"payer"`
	SceneInfo struct {
		PayerClientIP string `json:"payer_client_ip"`
		H5Info        struct {
			Type string `json:"type"`
		} `json:"h5_info"`
	} `json:"scene_info"`
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

// checkPayer says what a trade type misses of its own: who pays, or from where.
func (p prepayRequest) checkPayer(tradeType string) string {
	switch tradeType {
	case "JSAPI":
		if p.Payer.OpenID == "" || len(p.Payer.OpenID) > 128 {
			return "payer.openid must have 1 to 128 characters"
		}
	case "MWEB":
		if ip := net.ParseIP(p.SceneInfo.PayerClientIP); ip == nil || ip.IsLoopback() {
			return "scene_info.payer_client_ip must be the payer's address"
		}
		if !slices.Contains([]string{"Wap", "iOS", "Android"}, p.SceneInfo.H5Info.Type) {
			return "scene_info.h5_info.type must be Wap, iOS or Android"
		}
	}
	return ""
}

// prepay takes an order of one trade type and answers by what it can be paid. The
// same call again is answered the same; another one under the number is refused.
func (s *simulator) prepay(tradeType string) func(*call) answer {
	return func(c *call) (a answer) {
		var p prepayRequest
		if err := json.Unmarshal(c.body, &p); err != nil {
			return refuse(http.StatusBadRequest, "PARAM_ERROR", "body is not a prepay request")
		}
		if wrong := p.check(s.account); wrong != "" {
			return refuse(http.StatusBadRequest, "PARAM_ERROR", wrong)
		}
		if wrong := p.checkPayer(tradeType); wrong != "" {
			return refuse(http.StatusBadRequest, "PARAM_ERROR", wrong)
		}
		asked := digest(c.body)
		s.ledger.change(func(b *book) []fact {
			if o := b.of(p.OutTradeNo).order; o != nil {
				a = s.prepayAgain(o, tradeType, asked)
				return nil
			}
			o := newOrder(p, tradeType, s.clock.now())
			o.Params = asked
			if o.expired(o.CreatedAt) {
				a = refuse(http.StatusBadRequest, "PARAM_ERROR", "time_expire has passed")
				return nil
			}
			if len(b.of(p.OutTradeNo).payments) > 0 {
				o.State = "SUCCESS" // paid at the control port before it was ordered
			}
			a = s.offer(o)
			return []fact{{Order: o}}
		})
		return a
	}
}

// newOrder is an order as a good prepay call makes it. The text of the QR code
// ends in the order's number, by which the cashier's page is found.
func newOrder(p prepayRequest, tradeType string, now time.Time) *order {
	o := &order{
		OutTradeNo: p.OutTradeNo, AppID: p.AppID, MchID: p.MchID, Description: p.Description,
		Attach: p.Attach, AmountFen: p.Amount.Total, Currency: "CNY", NotifyURL: p.NotifyURL,
		TradeType: tradeType, State: "NOTPAY", Expires: p.TimeExpire, CreatedAt: now,
	}
	if tradeType == "NATIVE" {
		o.CodeURL = "weixin://wxpay/bizpayurl?pr=" + url.QueryEscape(p.OutTradeNo)
		return o
	}
	o.PrepayID = "wx" + now.In(beijing).Format("20060102150405") + hexText(10)
	if tradeType == "JSAPI" {
		o.OpenID = p.Payer.OpenID
	}
	return o
}

func (s *simulator) prepayAgain(o *order, tradeType, asked string) answer {
	switch {
	case o.State == "SUCCESS":
		return refuse(http.StatusBadRequest, "ORDERPAID", "the order is paid")
	case o.State == "CLOSED":
		return refuse(http.StatusBadRequest, "ORDER_CLOSED", "the order is closed")
	case o.TradeType != tradeType || o.Params != asked:
		return refuse(http.StatusBadRequest, "INVALID_REQUEST", "out_trade_no was used with other parameters")
	}
	return s.offer(o)
}

// offer is what a prepay call is told: the means to pay the order.
func (s *simulator) offer(o *order) answer {
	switch o.TradeType {
	case "NATIVE":
		return answer{http.StatusOK, map[string]string{"code_url": o.CodeURL}}
	case "MWEB":
		return answer{http.StatusOK, map[string]string{"h5_url": s.cashierURL(o)}}
	}
	return answer{http.StatusOK, map[string]string{"prepay_id": o.PrepayID}}
}
