package config

import "regexp"

// Callbacks is what WeChat may call. APIv3's notifications apart, each is off, and
// its address answers 404, until its secret is set.
type Callbacks struct {
	MaxBytes     string `name:"callback-max-bytes" env:"CALLBACK_MAX_BYTES" default:"65536" help:"Largest callback read."`
	APIv2Key     Secret `name:"wechatpay-api-v2-key" env:"WECHATPAY_API_V2_KEY" help:"32 characters; verifies APIv2's notifications. Empty to take none."`
	V2SignType   string `name:"wechatpay-v2-sign-type" env:"WECHATPAY_V2_SIGN_TYPE" help:"The one kind of sign that APIv2's notifications may have, MD5 or HMAC-SHA256; either if empty."`
	MessageToken Secret `name:"wechat-message-token" env:"WECHAT_MESSAGE_TOKEN" help:"Token of WeChat's message server, which reminds of shipments. Empty to take no pushes."`
}

// messageToken is what WeChat's console takes.
var messageToken = regexp.MustCompile(`^[0-9A-Za-z]{3,32}$`)

// Check notes what is wrong.
func (c Callbacks) Check(m *Mistakes) {
	if c.APIv2Key != "" && len(c.APIv2Key) != 32 {
		m.Add("WECHATPAY_API_V2_KEY", "must be 32 bytes")
	}
	if c.V2SignType != "" && c.V2SignType != "MD5" && c.V2SignType != "HMAC-SHA256" {
		m.Add("WECHATPAY_V2_SIGN_TYPE", "must be MD5, HMAC-SHA256 or empty")
	}
	if c.MessageToken != "" && !messageToken.MatchString(string(c.MessageToken)) {
		m.Add("WECHAT_MESSAGE_TOKEN", "must be 3 to 32 letters and digits")
	}
}

// CallbackBytes returns the bound on a callback's body, in bytes.
func (c Callbacks) CallbackBytes(m *Mistakes) int64 {
	n := m.fen("CALLBACK_MAX_BYTES", c.MaxBytes)
	if n < 4096 || n > 4<<20 {
		m.Add("CALLBACK_MAX_BYTES", "must be between 4096 and 4194304 bytes")
	}
	return n
}
