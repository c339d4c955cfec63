// Package shop calls the merchant's own systems: the fulfilment endpoints that
// ship and cancel, and the webhook that is told what happened. Every call is
// signed as the Standard Webhooks specification has it, takes at most ten
// seconds, follows no redirect and reads a bounded answer.
//
// "No" and "no answer" are kept apart with care here: only a status that the
// contract gives a meaning is a no, everything else leaves the outcome unknown.
package shop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

const (
	timeout   = 10 * time.Second // of one call, from dialling to the last byte
	maxAnswer = 64 << 10         // bytes; the answers of the contract are far shorter
)

// Config says where the shop is and how calls to it are signed.
type Config struct {
	FulfilmentURL    string // base of /shipments
	FulfilmentSecret string // whsec_…
	WebhookURL       string // empty: the shop is told nothing
	WebhookSecret    string // whsec_…, needed with WebhookURL
}

// Client is the shop as activities see it. It is safe for concurrent use.
type Client struct {
	fulfilment endpoint
	webhook    *endpoint // nil: the shop is told nothing
}

var _ activities.Fulfilment = (*Client)(nil)

// endpoint is one of the shop's two doors; each has its own secret.
type endpoint struct {
	base string
	key  key
	http *http.Client
}

// New makes a client without calling anybody. The error names every setting that
// is wrong, and quotes none.
func New(cfg Config) (*Client, error) {
	fulfilment, err := newEndpoint("fulfilment", cfg.FulfilmentURL, cfg.FulfilmentSecret)
	if cfg.WebhookURL == "" {
		return &Client{fulfilment: fulfilment}, err
	}
	webhook, webhookErr := newEndpoint("webhook", cfg.WebhookURL, cfg.WebhookSecret)
	return &Client{fulfilment: fulfilment, webhook: &webhook}, errors.Join(err, webhookErr)
}

func newEndpoint(name, base, secret string) (endpoint, error) {
	key, err := parseKey(secret)
	if err != nil {
		err = fmt.Errorf("shop: %s secret: %w", name, err)
	}
	u, urlErr := url.Parse(base)
	if urlErr != nil || u.Host == "" || u.RawQuery != "" || (u.Scheme != "http" && u.Scheme != "https") {
		err = errors.Join(err, fmt.Errorf("shop: %s URL: must be http or https, without a query", name))
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxResponseHeaderBytes = maxAnswer
	return endpoint{
		base: strings.TrimRight(base, "/"),
		key:  key,
		http: &http.Client{
			Transport:     transport,
			Timeout:       timeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, err
}

// call is one call to the shop.
type call struct {
	what   string // for errors: ship, cancel …
	method string
	path   string
	id     string // webhook-id
	key    string // Idempotency-Key, where there is one
	body   []byte
}

// answer is what the shop said; body is nil if it was longer than any answer of
// the contract.
type answer struct {
	what   string
	status int
	body   []byte
}

// send makes one attempt. Its error is always of kind Unknown: the shop may have
// done what it was asked.
func (e endpoint) send(ctx context.Context, c call) (answer, error) {
	r, err := http.NewRequestWithContext(ctx, c.method, e.base+c.path, bytes.NewReader(c.body))
	if err != nil {
		return answer{}, payment.Fail(payment.Unknown, "shop_not_asked", "the "+c.what+" call could not be made", nil)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "paysaga")
	if c.key != "" {
		r.Header.Set("Idempotency-Key", c.key)
	}
	e.key.sign(r.Header, c.id, time.Now(), c.body)

	response, err := e.http.Do(r)
	if err != nil { // its text holds the URL, which may hold a password
		return answer{}, silence(ctx, c.what)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return answer{}, silence(ctx, c.what)
	}
	if len(body) > maxAnswer {
		body = nil
	}
	return answer{c.what, response.StatusCode, body}, nil
}

func silence(ctx context.Context, what string) error {
	return payment.Fail(payment.Unknown, "shop_no_answer", "the shop did not answer the "+what+" call", ctx.Err())
}
