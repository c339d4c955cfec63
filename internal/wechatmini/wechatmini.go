// Package wechatmini is the border to the merchant's mini-program at WeChat: it
// tells payers by subscribe messages that their order was shipped, and WeChat's
// shipping management what was shipped, without which WeChat keeps a
// mini-program's money frozen (wxa/sec/order of the mini-program pages).
//
// Neither call has a key of ours, so the caller must know whether to repeat one.
// Hence the care with kinds here: Busy says that nothing went out, Unknown that
// something may have.
package wechatmini

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

const (
	timeout   = 5 * time.Second // of one call, from dialling to the last byte
	maxAnswer = 64 << 10        // bytes; real answers are a few hundred
	// idleAtMost keeps us from sending on a connection that WeChat is about to
	// close: such a call's outcome is unknown, and its message lost.
	idleAtMost = 15 * time.Second
)

// Config is the mini-program, and what its payers are told.
type Config struct {
	AppID     string
	Secret    string   // AppSecret, from the mini-program's console
	BaseURL   *url.URL // scheme and host of its API; nil is WeChat itself
	Template  Template // of the subscribe message
	Consignor string   // the merchant's phone, masked but for its last four digits; the carrier SF wants it
}

// Client is the mini-program as activities see it. It is safe for concurrent use.
type Client struct {
	base      *url.URL
	template  Template
	consignor string
	http      *http.Client
	tokens    *tokens
}

var _ activities.MiniProgram = (*Client)(nil)

// New makes a client without calling anybody. The error says what of the
// configuration is wrong, and quotes no secret.
func New(cfg Config) (*Client, error) {
	if cfg.BaseURL == nil {
		cfg.BaseURL = &url.URL{Scheme: "https", Host: "api.weixin.qq.com"}
	}
	if cfg.AppID == "" || cfg.Secret == "" || cfg.BaseURL.Host == "" {
		return nil, errors.New("wechatmini: appid, secret and the API's URL are needed")
	}
	if err := cfg.Template.check(); err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxResponseHeaderBytes = maxAnswer
	transport.IdleConnTimeout = idleAtMost
	c := &Client{
		base:      cfg.BaseURL,
		template:  cfg.Template,
		consignor: cfg.Consignor,
		http: &http.Client{
			Transport:     transport,
			Timeout:       timeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	c.tokens = newTokens(func(ctx context.Context) (token, error) { return c.stableToken(ctx, cfg.AppID, cfg.Secret) })
	return c, nil
}

// ask makes one call with the token. A token that WeChat refuses is fetched again
// once: it may have been taken back early.
func (c *Client) ask(ctx context.Context, what, path string, body, answer any) error {
	held, err := c.tokens.get(ctx)
	if err != nil {
		return err
	}
	err = c.post(ctx, what, path, held, body, answer)
	if payment.CodeOf(err) != codeToken {
		return err
	}
	c.tokens.drop(held)
	if held, err = c.tokens.get(ctx); err != nil {
		return err
	}
	return c.post(ctx, what, path, held, body, answer)
}

// post sends one call and reads what WeChat answered. No error of it holds the
// URL, which has the token in it.
func (c *Client) post(ctx context.Context, what, path, token string, body, answer any) error {
	var sent atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { sent.Store(true) }, // nothing is written before there is a connection
	})
	target := c.base.JoinPath(path)
	if token != "" {
		target.RawQuery = url.Values{"access_token": {token}}.Encode()
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // not all of WeChat's readers undo it, and payers read what is in here
	if err := encoder.Encode(body); err != nil {
		return payment.Fail(payment.Internal, "mini_not_asked", "the "+what+" could not be made", nil)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), &text)
	if err != nil {
		return payment.Fail(payment.Internal, "mini_not_asked", "the "+what+" could not be made", nil)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "paysaga")
	response, err := c.http.Do(request)
	if err != nil {
		return silence(what, sent.Load(), ctx.Err())
	}
	defer response.Body.Close()
	said, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer)) // one cut short makes no sense any more
	if err != nil {
		return silence(what, true, ctx.Err())
	}
	return read(what, response.StatusCode, said, answer)
}

// read takes an answer apart: errcode 0, or none, is a yes.
func read(what string, status int, said []byte, answer any) error {
	var verdict struct {
		ErrCode *int64 `json:"errcode"`
	}
	if status != http.StatusOK || json.Unmarshal(said, &verdict) != nil {
		return payment.Failf(payment.Unknown, "mini_unusable_answer", "WeChat's answer (%d) to the %s makes no sense", status, what)
	}
	if verdict.ErrCode != nil && *verdict.ErrCode != 0 {
		return refusal(what, *verdict.ErrCode)
	}
	if answer != nil && json.Unmarshal(said, answer) != nil {
		return payment.Failf(payment.Unknown, "mini_unusable_answer", "WeChat's yes to the %s makes no sense", what)
	}
	return nil
}
