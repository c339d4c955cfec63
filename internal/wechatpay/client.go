// Package wechatpay is the border to WeChat Pay: it speaks APIv3 through the
// official SDK, which nobody else imports, and translates its answers, errors and
// notifications into our words once. What APIv2 and the message server still send
// it reads itself, because the SDK does not. The SDK signs and verifies; this package
// bounds, checks and decides what to believe.
package wechatpay

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/wechatpay-apiv3/wechatpay-go/core"
	"github.com/wechatpay-apiv3/wechatpay-go/core/auth"
	"github.com/wechatpay-apiv3/wechatpay-go/core/consts"
	"github.com/wechatpay-apiv3/wechatpay-go/core/option"

	"github.com/paysaga/paysaga/activities"
)

// Config is the merchant's account, and where WeChat Pay is.
type Config struct {
	MchID      string
	MchSerial  string // of the merchant's certificate
	PrivateKey *rsa.PrivateKey
	Verifier   auth.Verifier // knows WeChat Pay's own keys, by serial
	BaseURL    *url.URL      // scheme and host; nil is WeChat Pay itself
	BackupURL  *url.URL      // asked where BaseURL does not answer and asking again is safe; nil for none
	PublicURL  *url.URL      // ours: callbacks come to PublicURL/callbacks/wechatpay
}

// Client calls WeChat Pay. Every error it returns is a payment.Error with a
// kind; see errors.go for which. It is safe for concurrent use.
type Client struct {
	mchID     string
	notifyURL string
	api       *core.Client
	files     *core.Client // signs as api does; what it fetches is not signed
	hosts     []*url.URL   // where WeChat is
}

var (
	_ activities.Gateway      = (*Client)(nil)
	_ activities.OrderGateway = (*Client)(nil)
	_ activities.BillGateway  = (*Client)(nil)
)

// New makes a client without calling anybody. The error says what of the
// configuration is missing.
func New(cfg Config) (*Client, error) {
	switch {
	case cfg.MchID == "" || cfg.MchSerial == "":
		return nil, errors.New("wechatpay: the merchant's number and certificate serial are needed")
	case cfg.PrivateKey == nil:
		return nil, errors.New("wechatpay: the merchant's private key is needed")
	case cfg.Verifier == nil:
		return nil, errors.New("wechatpay: WeChat Pay's public key or certificates are needed")
	case cfg.PublicURL == nil || cfg.PublicURL.Host == "":
		return nil, errors.New("wechatpay: the public URL, where callbacks arrive, is needed")
	}
	wire, err := newTransport(cfg.BaseURL, cfg.BackupURL)
	if err != nil {
		return nil, err
	}
	return newClient(cfg, wire)
}

func newClient(cfg Config, wire *transport) (*Client, error) {
	sdk := func(wire http.RoundTripper, believe core.ClientOption) (*core.Client, error) {
		return core.NewClient(context.Background(), // the SDK takes a context and does not use it
			option.WithMerchantCredential(cfg.MchID, cfg.MchSerial, cfg.PrivateKey),
			believe,
			option.WithHTTPClient(&http.Client{
				Transport:     wire,
				CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			}),
		)
	}
	api, err := sdk(wire, option.WithVerifier(cfg.Verifier))
	files, filesErr := sdk(downloads{wire}, option.WithoutValidator())
	if err := errors.Join(err, filesErr); err != nil {
		return nil, fmt.Errorf("wechatpay: %w", err) // about our options: nothing was called yet
	}
	return &Client{
		mchID:     cfg.MchID,
		notifyURL: cfg.PublicURL.JoinPath("callbacks", "wechatpay").String(),
		api:       api,
		files:     files,
		hosts:     wire.hosts,
	}, nil
}

// get asks a question. what names it in errors.
func (c *Client) get(ctx context.Context, what, path string, answer any) error {
	result, err := c.api.Get(ctx, consts.WechatPayAPIServer+path)
	return read(ctx, what, result, err, answer)
}

// post asks for something to be done. what names it in errors.
func (c *Client) post(ctx context.Context, what, path string, body, answer any) error {
	result, err := c.api.Post(ctx, consts.WechatPayAPIServer+path, body)
	return read(ctx, what, result, err, answer)
}

// read takes a verified answer apart; a nil answer expects none (204).
func read(ctx context.Context, what string, result *core.APIResult, err error, answer any) error {
	switch {
	case err != nil:
		return translate(ctx, what, result, err)
	case answer == nil && result.Response.StatusCode == http.StatusNoContent:
		return nil
	case answer == nil, core.UnMarshalResponse(result.Response, answer) != nil:
		return unusable(what)
	}
	return nil
}

// ParsePrivateKey reads the merchant's RSA key from PEM, PKCS #8 as WeChat's tool
// writes it or PKCS #1 as openssl may. The error never quotes the key.
func ParsePrivateKey(text string) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("wechatpay: the private key is not PEM")
	}
	if block.Type == "RSA PRIVATE KEY" {
		key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
		if err != nil {
			return nil, errors.New("wechatpay: the private key is not PKCS #1")
		}
		return key, nil
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	key, ok := parsed.(*rsa.PrivateKey)
	if err != nil || !ok {
		return nil, errors.New("wechatpay: the private key is not an RSA key in PKCS #8")
	}
	return key, nil
}
