package wechatpay_test

import (
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/paysaga/paysaga/internal/wechatpay"
)

func TestNewSaysWhatIsMissing(t *testing.T) {
	whole := func() wechatpay.Config {
		return wechatpay.Config{
			MchID: "1", MchSerial: "4A", PrivateKey: merchantKey(), Verifier: new(wechatpay.Keys),
			BaseURL: mustURL(t, "http://127.0.0.1:1"), PublicURL: mustURL(t, "https://pay.shop.test"),
		}
	}
	if _, err := wechatpay.New(whole()); err != nil {
		t.Fatal(err)
	}
	for missing, take := range map[string]func(*wechatpay.Config){
		"number":      func(c *wechatpay.Config) { c.MchID = "" },
		"serial":      func(c *wechatpay.Config) { c.MchSerial = "" },
		"private key": func(c *wechatpay.Config) { c.PrivateKey = nil },
		"public key":  func(c *wechatpay.Config) { c.Verifier = nil },
		"public URL":  func(c *wechatpay.Config) { c.PublicURL = nil },
		"base":        func(c *wechatpay.Config) { c.BaseURL = mustURL(t, "http://127.0.0.1:1/prefix") },
	} {
		cfg := whole()
		take(&cfg)
		if _, err := wechatpay.New(cfg); err == nil || !strings.Contains(err.Error(), missing) {
			t.Errorf("without a %s: error %v", missing, err)
		}
	}
}

func TestParsePrivateKey(t *testing.T) {
	key := merchantKey()
	pkcs1 := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
	for form, text := range map[string]string{"PKCS #8": pkcs8(t), "PKCS #1": pkcs1} {
		if got, err := wechatpay.ParsePrivateKey(text); err != nil || !got.Equal(key) {
			t.Errorf("%s: error %v, or another key", form, err)
		}
	}
	for _, bad := range []string{"", canary, "-----BEGIN PRIVATE KEY-----\nY2FuYXJ5LTlmMmI=\n-----END PRIVATE KEY-----\n"} {
		if _, err := wechatpay.ParsePrivateKey(bad); err == nil || strings.Contains(err.Error(), canary) {
			t.Errorf("%q: error %v", bad, err)
		}
	}
}

// pkcs8 is merchantKey as WeChat's own tool writes it.
func pkcs8(t *testing.T) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(merchantKey())
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}
