package config_test

import (
	"strings"
	"testing"

	"github.com/paysaga/paysaga/internal/config"
)

func TestWhatElseWeChatMayCall(t *testing.T) {
	const key = "192006250b4c09247ec02edce69f6a2d"
	for name, row := range map[string]struct {
		settings config.Callbacks
		mistake  string // the setting that is reported, if any
	}{
		"nothing":                        {config.Callbacks{}, ""},
		"all of it":                      {config.Callbacks{APIv2Key: key, V2SignType: "HMAC-SHA256", MessageToken: "abc123"}, ""},
		"either kind of sign":            {config.Callbacks{APIv2Key: key}, ""},
		"MD5 alone":                      {config.Callbacks{APIv2Key: key, V2SignType: "MD5"}, ""},
		"a key too short":                {config.Callbacks{APIv2Key: config.Secret(key[1:])}, "WECHATPAY_API_V2_KEY"},
		"a kind of sign in lower case":   {config.Callbacks{APIv2Key: key, V2SignType: "md5"}, "WECHATPAY_V2_SIGN_TYPE"},
		"a kind of sign nobody knows":    {config.Callbacks{APIv2Key: key, V2SignType: "SHA256"}, "WECHATPAY_V2_SIGN_TYPE"},
		"a token WeChat would not take":  {config.Callbacks{MessageToken: "with space"}, "WECHAT_MESSAGE_TOKEN"},
		"a token too short":              {config.Callbacks{MessageToken: "ab"}, "WECHAT_MESSAGE_TOKEN"},
		"a token longer than WeChat's":   {config.Callbacks{MessageToken: config.Secret(strings.Repeat("a", 33))}, "WECHAT_MESSAGE_TOKEN"},
		"a token of the greatest length": {config.Callbacks{MessageToken: config.Secret(strings.Repeat("a", 32))}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			mistakes := &config.Mistakes{}
			row.settings.Check(mistakes)
			err := mistakes.Err()
			if row.mistake == "" && err != nil || row.mistake != "" && (err == nil || !strings.HasPrefix(err.Error(), row.mistake+": ")) {
				t.Errorf("reported %v, want %q", err, row.mistake)
			}
		})
	}
}
