// Package operator is a person at a terminal: it asks the api, as everybody does,
// and prints what it answers. It knows no way around the api.
package operator

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Client asks the api at URL with one person's Token.
type Client struct {
	URL   string
	Token string
	Pause time.Duration // before an unanswered call is repeated; two seconds if zero
}

// Refusal is the api's no: what was asked for was not done. It is read from
// problem+json (RFC 9457).
type Refusal struct {
	Status int    `json:"status"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

func (r *Refusal) Error() string { return "refused: " + r.Code + ": " + r.Detail }

// ExitCode tells a refusal from a failure, which is 1, and from misuse, which is 2.
func (r *Refusal) ExitCode() int { return 3 }

const (
	tries      = 4
	callWithin = 40 * time.Second
	pause      = 2 * time.Second
	answerMax  = 16 << 20 // bytes
)

// Get reads what path names.
func (c *Client) Get(ctx context.Context, path string) ([]byte, error) {
	return c.ask(ctx, http.MethodGet, path, "", nil)
}

// Post asks for an act under an Idempotency-Key, and returns the api's answer. Its
// error is a *Refusal for a no. After any other it is not known whether the act was
// done: the same call under the same key is safe and finds out.
func (c *Client) Post(ctx context.Context, path, key string, body any) ([]byte, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	return c.ask(ctx, http.MethodPost, path, key, text)
}

// ask repeats what was not answered, a few times.
func (c *Client) ask(ctx context.Context, method, path, key string, body []byte) (answer []byte, err error) {
	for n := range tries {
		if n > 0 {
			wait := c.Pause
			if wait == 0 {
				wait = pause
			}
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-time.After(wait):
			}
		}
		var again bool
		if answer, again, err = c.once(ctx, method, path, key, body); !again {
			return answer, err
		}
	}
	return nil, err
}

func (c *Client) once(ctx context.Context, method, path, key string, body []byte) (answer []byte, again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, callWithin)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, c.URL+path, bytes.NewReader(body))
	if err != nil {
		return nil, false, err
	}
	request.Header.Set("Authorization", "Bearer "+c.Token)
	if method == http.MethodPost {
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Idempotency-Key", key)
	}
	response, err := direct.Do(request)
	if err != nil {
		return nil, true, fmt.Errorf("no answer from %s: %w", c.URL, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, answerMax))
	if err != nil {
		return nil, true, fmt.Errorf("half an answer from %s: %w", c.URL, err)
	}
	if response.StatusCode/100 == 2 {
		return text, false, nil
	}
	no := &Refusal{Code: "no_problem_json", Detail: "is an api of ours at " + c.URL + "?"}
	_ = json.Unmarshal(text, no) // a proxy's answer is none of ours, and is told as such
	no.Status = response.StatusCode
	switch {
	case response.StatusCode >= http.StatusInternalServerError:
		return nil, true, fmt.Errorf("the api answered %s: %s: %s", response.Status, no.Code, no.Detail)
	case no.Code == "idempotency_key_in_use":
		return nil, true, fmt.Errorf("the first call is still in flight: %s", no.Detail)
	}
	return text, false, no
}

// direct takes no token to where a redirect points.
var direct = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
