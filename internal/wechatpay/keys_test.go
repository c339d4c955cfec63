package wechatpay_test

import (
	"strings"
	"testing"
	"time"

	"github.com/paysaga/paysaga/internal/payment"
	"github.com/paysaga/paysaga/internal/wechatpay"
	"github.com/paysaga/paysaga/internal/wechattest"
)

const (
	newKeyText = "0123456789abcdef0123456789abcdef"
	oldKeyText = "fedcba9876543210fedcba9876543210"
)

func TestWhichSignaturesAreGood(t *testing.T) {
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	year := 365 * 24 * time.Hour
	public := wechattest.NewPlatform(t, "PUB_KEY_ID_0112345678", newKeyText)
	fresh := wechattest.NewPlatform(t, "", newKeyText)
	stale := wechattest.NewPlatform(t, "", newKeyText)
	coming := wechattest.NewPlatform(t, "", newKeyText)
	stranger := wechattest.NewPlatform(t, "PUB_KEY_ID_9999", newKeyText)
	certs := fresh.Certificate(t, now.Add(-year), now.Add(year)) +
		stale.Certificate(t, now.Add(-2*year), now.Add(-time.Second)) +
		coming.Certificate(t, now.Add(time.Second), now.Add(5*year))

	keys, err := wechatpay.NewKeys(wechatpay.KeyMaterial{
		PublicKeyID: public.Serial, PublicKey: public.PublicPEM(), PlatformCerts: certs, APIv3Key: newKeyText,
	})
	if err != nil {
		t.Fatal(err)
	}
	keys.Now = func() time.Time { return now }
	serialOf := func(p *wechattest.Platform, serial string) *wechattest.Platform {
		return &wechattest.Platform{Key: p.Key, Serial: serial}
	}
	for name, row := range map[string]struct {
		by   *wechattest.Platform
		code string // of the refusal; empty for a good signature
	}{
		"by the public key":                                 {public, ""},
		"by a certificate in force":                         {fresh, ""},
		"by a certificate that ended a second ago":          {stale, "serial"},
		"by a certificate that begins in a second":          {coming, "serial"},
		"by a key we never had":                             {stranger, "serial"},
		"by a key we never had, under a serial we know":     {serialOf(stranger, public.Serial), "signature"},
		"by a certificate's key, under the public key's id": {serialOf(fresh, public.Serial), "signature"},
		"by the right key, its serial in lower case":        {serialOf(fresh, strings.ToLower(fresh.Serial)), "serial"},
	} {
		t.Run(name, func(t *testing.T) {
			header := row.by.SignAt("1", "body")
			message := "1\n" + header.Get("Wechatpay-Nonce") + "\nbody\n"
			err := keys.Verify(t.Context(), row.by.Serial, message, header.Get("Wechatpay-Signature"))
			if payment.CodeOf(err) != row.code || (row.code != "" && payment.KindOf(err) != payment.Refused) {
				t.Errorf("Verify: %v, want %q", err, row.code)
			}
		})
	}
	if serial, _ := keys.GetSerial(t.Context()); serial != public.Serial {
		t.Errorf("asks WeChat to sign with %q, want the public key", serial)
	}
	if err := keys.Replace(wechatpay.KeyMaterial{PlatformCerts: certs, APIv3Key: newKeyText}); err != nil {
		t.Fatal(err)
	}
	if serial, _ := keys.GetSerial(t.Context()); serial != fresh.Serial {
		t.Errorf("asks WeChat to sign with %q, want the certificate in force", serial)
	}
}

func TestReplaceSwapsAllKeysOrNone(t *testing.T) {
	old, next := wechattest.NewPlatform(t, "PUB_KEY_ID_OLD", oldKeyText), wechattest.NewPlatform(t, "PUB_KEY_ID_NEW", newKeyText)
	material := func(p *wechattest.Platform) wechatpay.KeyMaterial {
		return wechatpay.KeyMaterial{PublicKeyID: p.Serial, PublicKey: p.PublicPEM(), APIv3Key: p.APIv3Key}
	}
	keys, err := wechatpay.NewKeys(material(old))
	if err != nil {
		t.Fatal(err)
	}
	opens := func(p *wechattest.Platform) bool {
		body := p.Envelope("id", "SECURITY_ECHO.SUCCESS", "security", "{}").JSON()
		_, err := keys.Open(t.Context(), p.Sign(time.Now(), body), []byte(body))
		return err == nil
	}
	broken := material(next)
	broken.APIv3Key = "short"
	if err := keys.Replace(broken); payment.KindOf(err) != payment.Invalid {
		t.Fatalf("Replace with a short key: %v", err)
	}
	if !opens(old) || opens(next) {
		t.Error("a failed Replace changed the keys")
	}
	if err := keys.Replace(material(next)); err != nil {
		t.Fatal(err)
	}
	if opens(old) || !opens(next) {
		t.Error("Replace did not change the keys")
	}
}

func TestBadKeyMaterialIsRefusedWithoutRepeatingIt(t *testing.T) {
	platform := wechattest.NewPlatform(t, "PUB_KEY_ID_01", newKeyText)
	good := wechatpay.KeyMaterial{PublicKeyID: platform.Serial, PublicKey: platform.PublicPEM(), APIv3Key: newKeyText}
	for name, spoil := range map[string]func(*wechatpay.KeyMaterial){
		"no key at all":                         func(m *wechatpay.KeyMaterial) { m.PublicKey, m.PublicKeyID = "", "" },
		"a public key without its id":           func(m *wechatpay.KeyMaterial) { m.PublicKeyID = "" },
		"an id without its key":                 func(m *wechatpay.KeyMaterial) { m.PublicKey = "" },
		"a public key that is no PEM":           func(m *wechatpay.KeyMaterial) { m.PublicKey = "MIIBIjANBgkq" },
		"a private key where a public one goes": func(m *wechatpay.KeyMaterial) { m.PublicKey = strings.ReplaceAll(m.PublicKey, "PUBLIC", "PRIVATE") },
		"certificates that are none":            func(m *wechatpay.KeyMaterial) { m.PlatformCerts = "hello" },
		"a public key among the certificates":   func(m *wechatpay.KeyMaterial) { m.PlatformCerts = m.PublicKey },
		"no APIv3 key":                          func(m *wechatpay.KeyMaterial) { m.APIv3Key = "" },
		"only the APIv3 key before":             func(m *wechatpay.KeyMaterial) { m.APIv3Key, m.APIv3KeyBefore = "", newKeyText },
		"an APIv3 key of 31 bytes":              func(m *wechatpay.KeyMaterial) { m.APIv3Key = newKeyText[1:] },
		"an APIv3 key before of 16 bytes":       func(m *wechatpay.KeyMaterial) { m.APIv3KeyBefore = newKeyText[16:] },
	} {
		t.Run(name, func(t *testing.T) {
			material := good
			spoil(&material)
			keys, err := wechatpay.NewKeys(material)
			if keys != nil || payment.KindOf(err) != payment.Invalid {
				t.Fatalf("NewKeys: %v", err)
			}
			for _, secret := range []string{newKeyText[1:17], "MIIB", "hello"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error repeats key material: %v", err)
				}
			}
		})
	}
}
