package wechatmini

import (
	"context"
	"time"

	"github.com/paysaga/paysaga/internal/payment"
)

// early is how long before its end a token is fetched anew; for so long WeChat
// takes the old one beside the new.
const early = 5 * time.Minute

// token is an access_token, and until when it is used.
type token struct {
	text  string
	until time.Time
}

// tokens holds the one access_token of a mini-program. Whoever needs it while it
// is being fetched waits for that, so WeChat is asked once.
type tokens struct {
	fetch func(context.Context) (token, error)
	turn  chan struct{} // holds one: its owner may look at held
	held  token
}

func newTokens(fetch func(context.Context) (token, error)) *tokens {
	t := &tokens{fetch: fetch, turn: make(chan struct{}, 1)}
	t.turn <- struct{}{}
	return t
}

// get is the token, fetched if there is none that is good. Its errors are Busy:
// without a token nothing can go out.
func (t *tokens) get(ctx context.Context) (string, error) {
	select {
	case <-t.turn:
	case <-ctx.Done():
		return "", silence("access token", false, ctx.Err())
	}
	defer func() { t.turn <- struct{}{} }()
	if time.Now().Before(t.held.until) {
		return t.held.text, nil
	}
	fetched, err := t.fetch(ctx)
	if err != nil {
		return "", payment.Fail(payment.Busy, payment.CodeOf(err), "WeChat gave no access token", err)
	}
	t.held = fetched
	return fetched.text, nil
}

// drop forgets a token that WeChat refused, unless it was replaced meanwhile.
func (t *tokens) drop(refused string) {
	<-t.turn
	defer func() { t.turn <- struct{}{} }()
	if t.held.text == refused {
		t.held = token{}
	}
}

// stableToken fetches the token in normal mode: WeChat gives the same one to all
// processes, and a new one only towards its end (POST /cgi-bin/stable_token).
func (c *Client) stableToken(ctx context.Context, appID, secret string) (token, error) {
	asked := time.Now()
	var said struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int64  `json:"expires_in"` // seconds, at most 7200
	}
	err := c.post(ctx, "access token", "/cgi-bin/stable_token", "", map[string]string{
		"grant_type": "client_credential", "appid": appID, "secret": secret,
	}, &said)
	if err == nil && said.AccessToken == "" {
		err = payment.Failf(payment.Busy, "mini_unusable_answer", "WeChat's answer holds no access token")
	}
	if err != nil {
		return token{}, err
	}
	life := time.Duration(said.ExpiresIn) * time.Second
	return token{said.AccessToken, asked.Add(life - early)}, nil
}
