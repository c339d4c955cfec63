package config

import (
	"net/url"
	"regexp"
	"strings"
)

// MiniProgram is the merchant's mini-program, whose payers are told what was
// shipped. Without its secret nothing of this happens.
type MiniProgram struct {
	AppID     string `name:"wechat-mini-app-id" env:"WECHAT_MINI_APP_ID" help:"The mini-program's appid, one of WECHATPAY_APP_ID; the first of them if empty."`
	Secret    Secret `name:"wechat-mini-app-secret" env:"WECHAT_MINI_APP_SECRET" help:"The mini-program's AppSecret; empty to tell its payers nothing."`
	Template  string `name:"wechat-subscribe-template" env:"WECHAT_SUBSCRIBE_TEMPLATE" help:"Id of the subscribe message's template, and what its fields show: id,field=fact,…; empty to send none."`
	Upload    string `name:"wechat-upload-shipping" env:"WECHAT_UPLOAD_SHIPPING" default:"on" help:"Whether WeChat's shipping management is told what was shipped: on or off."`
	Consignor string `name:"wechat-consignor-contact" env:"WECHAT_CONSIGNOR_CONTACT" help:"The merchant's phone as 189****1234; WeChat wants it for parcels by SF."`
	BaseURL   string `name:"wechat-api-base-url" env:"WECHAT_API_BASE_URL" default:"https://api.weixin.qq.com" help:"The mini-program's API."`
}

// usualFields is what a template shows that is named by its id alone.
const usualFields = "character_string1=out_trade_no,thing2=description,amount3=amount,thing4=carrier,character_string5=tracking_no"

// masked is a phone as WeChat wants it: no more than the last four digits.
var masked = regexp.MustCompile(`^[0-9+-]{0,4}\*+[0-9]{4}$`)

// On tells whether there is a mini-program.
func (p MiniProgram) On() bool { return p.Secret != "" }

// Check notes what is wrong; appIDs are the merchant's.
func (p MiniProgram) Check(m *Mistakes, appIDs []string) {
	if !p.On() {
		return
	}
	known := p.AppID == ""
	for _, id := range appIDs {
		known = known || id == p.AppID
	}
	if !known {
		m.Add("WECHAT_MINI_APP_ID", "must be one of WECHATPAY_APP_ID")
	}
	if p.Upload != "on" && p.Upload != "off" {
		m.Add("WECHAT_UPLOAD_SHIPPING", "must be on or off")
	}
	if p.Consignor != "" && !masked.MatchString(p.Consignor) {
		m.Add("WECHAT_CONSIGNOR_CONTACT", "must be masked but for its last four digits: 189****1234")
	}
	m.url("WECHAT_API_BASE_URL", p.BaseURL)
	p.SubscribeTemplate(m)
}

// SubscribeTemplate is the template's id, and by field the fact that it shows;
// both empty if no message is to be sent.
func (p MiniProgram) SubscribeTemplate(m *Mistakes) (id string, fields map[string]string) {
	id, rest, mapped := strings.Cut(p.Template, ",")
	if id = strings.TrimSpace(id); id == "" {
		if mapped {
			m.Add("WECHAT_SUBSCRIBE_TEMPLATE", "must begin with the template's id")
		}
		return "", nil
	}
	if !mapped {
		rest = usualFields
	}
	fields = map[string]string{}
	for pair := range strings.SplitSeq(rest, ",") {
		field, fact, ok := strings.Cut(strings.TrimSpace(pair), "=")
		if !ok || field == "" || fact == "" {
			m.Add("WECHAT_SUBSCRIBE_TEMPLATE", "must be the template's id and field=fact pairs, separated by commas")
			return "", nil
		}
		fields[field] = fact
	}
	return id, fields
}

// Base is the mini-program's API as a URL.
func (p MiniProgram) Base() *url.URL {
	u, err := url.Parse(p.BaseURL)
	if err != nil {
		return &url.URL{}
	}
	return u
}
