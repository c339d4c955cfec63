package config

import (
	"fmt"
	"net/url"
	"os"
	"strings"
)

// WeChatPay is the merchant's account at WeChat Pay.
type WeChatPay struct {
	MchID          string `env:"WECHATPAY_MCH_ID" help:"The merchant's number."`
	AppIDs         string `name:"wechatpay-app-id" env:"WECHATPAY_APP_ID" help:"The merchant's appids, comma-separated; the first is the default."`
	MchSerial      string `env:"WECHATPAY_MCH_SERIAL" help:"Serial number of the merchant's certificate."`
	PrivateKey     Secret `name:"wechatpay-mch-private-key" env:"WECHATPAY_MCH_PRIVATE_KEY" help:"The merchant's private key, PEM."`
	APIv3Key       Secret `name:"wechatpay-api-v3-key" env:"WECHATPAY_API_V3_KEY" help:"32 characters; opens callbacks."`
	APIv3KeyBefore Secret `name:"wechatpay-api-v3-key-previous" env:"WECHATPAY_API_V3_KEY_PREVIOUS" help:"The key before it, while it is being changed."`
	PublicKeyID    string `name:"wechatpay-public-key-id" env:"WECHATPAY_PUBLIC_KEY_ID" help:"PUB_KEY_ID_… of WeChat Pay's public key."`
	PublicKey      string `name:"wechatpay-public-key" env:"WECHATPAY_PUBLIC_KEY" help:"WeChat Pay's public key, PEM."`
	PlatformCerts  string `name:"wechatpay-platform-certs" env:"WECHATPAY_PLATFORM_CERTS" help:"Platform certificates, a PEM bundle; both kinds of key may be given at once."`
	BaseURL        string `name:"wechatpay-base-url" env:"WECHATPAY_BASE_URL" default:"https://api.mch.weixin.qq.com" help:"WeChat Pay's API."`
	BackupURL      string `name:"wechatpay-backup-url" env:"WECHATPAY_BACKUP_URL" default:"https://api2.mch.weixin.qq.com" help:"Asked where the API does not answer and asking again is safe; empty for none. The default goes with the API's own default alone."`
}

// Check notes what is wrong; whether the keys parse is for their reader to say.
func (w WeChatPay) Check(m *Mistakes) {
	m.need("WECHATPAY_MCH_ID", w.MchID)
	m.need("WECHATPAY_APP_ID", w.AppIDs)
	m.need("WECHATPAY_MCH_SERIAL", w.MchSerial)
	m.need("WECHATPAY_MCH_PRIVATE_KEY", string(w.PrivateKey))
	if m.need("WECHATPAY_API_V3_KEY", string(w.APIv3Key)) && len(w.APIv3Key) != 32 {
		m.Add("WECHATPAY_API_V3_KEY", "must be 32 bytes")
	}
	if w.APIv3KeyBefore != "" && len(w.APIv3KeyBefore) != 32 {
		m.Add("WECHATPAY_API_V3_KEY_PREVIOUS", "must be 32 bytes")
	}
	if w.PublicKey == "" && w.PlatformCerts == "" {
		m.Add("WECHATPAY_PUBLIC_KEY", "or WECHATPAY_PLATFORM_CERTS must be set, or no callback can be verified")
	}
	if (w.PublicKey == "") != (w.PublicKeyID == "") {
		m.Add("WECHATPAY_PUBLIC_KEY_ID", "and WECHATPAY_PUBLIC_KEY belong together")
	}
	m.url("WECHATPAY_BASE_URL", w.BaseURL)
	if w.BackupURL != "" {
		m.url("WECHATPAY_BACKUP_URL", w.BackupURL)
	}
}

// AppIDList is the appids, the default first.
func (w WeChatPay) AppIDList() []string {
	var ids []string
	for id := range strings.SplitSeq(w.AppIDs, ",") {
		if id = strings.TrimSpace(id); id != "" {
			ids = append(ids, id)
		}
	}
	return ids
}

// Base is WeChat Pay's API as a URL.
func (w WeChatPay) Base() *url.URL {
	u, err := url.Parse(w.BaseURL)
	if err != nil {
		return &url.URL{}
	}
	return u
}

// WeChat Pay itself, and the second way to it.
const (
	realBase   = "https://api.mch.weixin.qq.com"
	realBackup = "https://api2.mch.weixin.qq.com"
)

// Backup is where to ask if Base does not answer, or nil. WeChat's own is no
// backup of anything else: a pretend WeChat's calls do not go to the real one.
func (w WeChatPay) Backup() *url.URL {
	strange := strings.TrimRight(w.BaseURL, "/") != realBase
	if w.BackupURL == "" || strange && strings.TrimRight(w.BackupURL, "/") == realBackup {
		return nil
	}
	u, err := url.Parse(w.BackupURL)
	if err != nil {
		return nil
	}
	return u
}

// KeysNow is w with the keys that check and open WeChat's messages read again
// from their files. What came from the environment itself stays as it is. The
// error names the setting, and repeats nothing of the file.
func (w WeChatPay) KeysNow() (WeChatPay, error) {
	for name, into := range map[string]*string{
		"WECHATPAY_API_V3_KEY":          (*string)(&w.APIv3Key),
		"WECHATPAY_API_V3_KEY_PREVIOUS": (*string)(&w.APIv3KeyBefore),
		"WECHATPAY_PUBLIC_KEY_ID":       &w.PublicKeyID,
		"WECHATPAY_PUBLIC_KEY":          &w.PublicKey,
		"WECHATPAY_PLATFORM_CERTS":      &w.PlatformCerts,
	} {
		file := os.Getenv(name + "_FILE")
		if file == "" {
			continue
		}
		text, err := fromFile(file)
		if err != nil {
			return w, fmt.Errorf("%s_FILE: cannot be read", name)
		}
		*into = text
	}
	return w, nil
}
