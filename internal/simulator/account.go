package simulator

import (
	"cmp"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// papers is all there is to know about the pretend WeChat and its one merchant,
// as kept in account.json. PEM inside, so that one rename makes it whole.
type papers struct {
	MchID            string    `json:"mch_id"`
	AppID            string    `json:"app_id"`
	MchSerial        string    `json:"mch_serial"`
	MchKeyPEM        string    `json:"mch_key_pem"`
	APIv3Key         string    `json:"api_v3_key"` // 32 characters
	PublicKeyID      string    `json:"public_key_id"`
	APIv2Key         string    `json:"api_v2_key"` // 32 characters
	MessageToken     string    `json:"message_token"`
	MiniAppSecret    string    `json:"mini_app_secret"` // of AppID
	Template         string    `json:"subscribe_template"`
	PlatformKeyPEM   string    `json:"platform_key_pem"`
	PlatformCertPEM  string    `json:"platform_cert_pem"`
	CertKeyPEM       string    `json:"cert_key_pem"`
	FulfilmentSecret string    `json:"fulfilment_secret"`
	WebhookSecret    string    `json:"webhook_secret"`
	Since            time.Time `json:"since"`
}

// account is the papers, read. WeChat signs with two keys of its own: the newer
// public key, known by an id, and the older certificate, known by its serial.
type account struct {
	papers
	merchant *rsa.PrivateKey
	public   signer
	cert     signer
	x509     *x509.Certificate
}

// loadAccount reads account.json in dir, or makes it the first time.
func loadAccount(dir string) (*account, error) {
	path := filepath.Join(dir, "account.json")
	var p papers
	raw, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if p, err = newPapers(); err != nil {
			return nil, fmt.Errorf("simulator: making keys: %w", err)
		}
	case err != nil:
		return nil, fmt.Errorf("simulator: %w", err)
	default:
		if err := json.Unmarshal(raw, &p); err != nil {
			return nil, fmt.Errorf("simulator: %s: %w", path, err)
		}
	}
	known := p
	if p.complete(); p != known || raw == nil {
		if raw, err = json.MarshalIndent(p, "", "  "); err != nil {
			return nil, fmt.Errorf("simulator: making keys: %w", err)
		}
		if err := writeWhole(path, raw); err != nil {
			return nil, err
		}
	}
	return p.read()
}

// complete invents what an account made by an earlier version lacks.
func (p *papers) complete() {
	p.APIv2Key = cmp.Or(p.APIv2Key, hexText(16))
	p.MessageToken = cmp.Or(p.MessageToken, hexText(16))
	p.MiniAppSecret = cmp.Or(p.MiniAppSecret, hexText(16))
	p.Template = cmp.Or(p.Template, base64.RawURLEncoding.EncodeToString(random(32)))
}

func (p papers) read() (*account, error) {
	a := &account{papers: p}
	var err error
	if a.merchant, err = parseKey(p.MchKeyPEM); err != nil {
		return nil, err
	}
	platform, err := parseKey(p.PlatformKeyPEM)
	if err != nil {
		return nil, err
	}
	certKey, err := parseKey(p.CertKeyPEM)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode([]byte(p.PlatformCertPEM))
	if block == nil {
		return nil, errors.New("simulator: account.json: no certificate")
	}
	if a.x509, err = x509.ParseCertificate(block.Bytes); err != nil {
		return nil, fmt.Errorf("simulator: account.json: %w", err)
	}
	a.public = signer{serial: p.PublicKeyID, key: platform}
	a.cert = signer{serial: strings.ToUpper(hex.EncodeToString(a.x509.SerialNumber.Bytes())), key: certKey}
	return a, nil
}

// writeEnv leaves what the product needs to know in merchant.env, under the
// product's own variable names, with the keys it names beside it.
func (a *account) writeEnv(dir, base string) error {
	public, err := x509.MarshalPKIXPublicKey(&a.public.key.PublicKey)
	if err != nil {
		return fmt.Errorf("simulator: public key: %w", err)
	}
	file := func(name string) string { return filepath.Join(dir, name) }
	env := strings.Join([]string{
		"WECHATPAY_MCH_ID=" + a.MchID,
		"WECHATPAY_APP_ID=" + a.AppID,
		"WECHATPAY_MCH_SERIAL=" + a.MchSerial,
		"WECHATPAY_MCH_PRIVATE_KEY_FILE=" + file("merchant_key.pem"),
		"WECHATPAY_API_V3_KEY=" + a.APIv3Key,
		"WECHATPAY_API_V2_KEY=" + a.APIv2Key,
		"WECHATPAY_PUBLIC_KEY_ID=" + a.PublicKeyID,
		"WECHATPAY_PUBLIC_KEY_FILE=" + file("wechatpay_public_key.pem"),
		"WECHATPAY_PLATFORM_CERTS_FILE=" + file("wechatpay_certs.pem"),
		"WECHATPAY_BASE_URL=" + base,
		"WECHAT_API_BASE_URL=" + base,
		"WECHAT_MINI_APP_SECRET=" + a.MiniAppSecret,
		"WECHAT_SUBSCRIBE_TEMPLATE=" + a.Template,
		"WECHAT_CONSIGNOR_CONTACT=189****1234", // the shop ships by SF, of whose parcels WeChat wants one
		"WECHAT_MESSAGE_TOKEN=" + a.MessageToken,
		"FULFILMENT_URL=" + base + "/shop",
		"FULFILMENT_SECRET=" + a.FulfilmentSecret,
		"WEBHOOK_URL=" + base + "/shop/webhooks",
		"WEBHOOK_SECRET=" + a.WebhookSecret,
		"",
	}, "\n")
	// merchant.env goes last: whoever waits for it finds the files it names.
	for _, f := range []struct{ name, text string }{
		{"merchant_key.pem", a.MchKeyPEM},
		{"wechatpay_public_key.pem", encodePEM("PUBLIC KEY", public)},
		{"wechatpay_certs.pem", a.PlatformCertPEM},
		{"merchant.env", env},
	} {
		if err := writeWhole(file(f.name), []byte(f.text)); err != nil {
			return err
		}
	}
	return nil
}

// newPapers invents a merchant. Platform and certificate keys differ, as they do
// at WeChat, so that a mix-up of the two fails here too.
func newPapers() (papers, error) {
	now := time.Now().UTC().Truncate(time.Second)
	p := papers{
		MchID:            "19" + digits(8),
		AppID:            "wx" + hexText(8),
		MchSerial:        strings.ToUpper("4" + hexText(20)[1:]),
		APIv3Key:         hexText(16),
		PublicKeyID:      "PUB_KEY_ID_" + digits(34),
		FulfilmentSecret: "whsec_" + base64.StdEncoding.EncodeToString(random(24)),
		WebhookSecret:    "whsec_" + base64.StdEncoding.EncodeToString(random(24)),
		Since:            now,
	}
	p.complete()
	var certKey *rsa.PrivateKey
	for _, to := range []*string{&p.MchKeyPEM, &p.PlatformKeyPEM, &p.CertKeyPEM} {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return p, err
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return p, err
		}
		*to, certKey = encodePEM("PRIVATE KEY", der), key
	}
	serial := random(20)
	serial[0] = serial[0]&0x3f | 0x40 // positive, and 40 hex digits long
	template := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(serial),
		Subject:      pkix.Name{CommonName: "pretend WeChat Pay", Organization: []string{"paysaga simulator"}},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.AddDate(5, 0, 0),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &certKey.PublicKey, certKey)
	p.PlatformCertPEM = encodePEM("CERTIFICATE", der)
	return p, err
}

func parseKey(text string) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("simulator: account.json: no private key")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("simulator: account.json: %w", err)
	}
	private, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("simulator: account.json: not an RSA key")
	}
	return private, nil
}

func encodePEM(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// writeWhole replaces a file in one step, readable by its owner only.
func writeWhole(path string, content []byte) error {
	if err := os.WriteFile(path+".new", content, 0o600); err != nil {
		return fmt.Errorf("simulator: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("simulator: %w", err)
	}
	return nil
}
