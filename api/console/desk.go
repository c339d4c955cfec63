package console

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/paysaga/paysaga/api"
	"github.com/paysaga/paysaga/internal/payment"
)

// desk asks the API in one person's name, without leaving the process.
type desk struct {
	api http.Handler
	by  api.Caller
	r   *http.Request // whose context and address the calls have
}

// refusal is the API's no, or its "no answer", as problem+json says it (RFC 9457).
type refusal struct {
	Status int    `json:"status"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

func (r *refusal) Error() string { return fmt.Sprintf("%d %s: %s", r.Status, r.Code, r.Detail) }

// get reads what path names into the value that into points to.
func (d desk) get(path string, into any) error { return d.call(http.MethodGet, path, "", nil, into) }

// How long a form that was sent twice waits for what the first one is answered.
const (
	firstAnswerIn = 10 * time.Second
	lookAgain     = 200 * time.Millisecond
)

// post asks for an act. The key comes with the form, so that a form sent twice, as
// by a double click, asks once, and is answered as the first was.
func (d desk) post(path, key string, body, into any) error {
	for until := time.Now().Add(firstAnswerIn); ; {
		err := d.call(http.MethodPost, path, key, body, into)
		no, _ := refused(err)
		if no == nil || no.Code != payment.CodeKeyInUse || time.Now().After(until) {
			return err
		}
		select {
		case <-d.r.Context().Done():
			return err
		case <-time.After(lookAgain):
		}
	}
}

// pass hands the API's own answer on, as it is written.
func (d desk) pass(w http.ResponseWriter, path string) error {
	r, err := d.request(http.MethodGet, path, nil)
	if err == nil {
		d.api.ServeHTTP(w, r)
	}
	return err
}

func (d desk) request(method, path string, body io.Reader) (*http.Request, error) {
	ctx := context.WithValue(context.WithoutCancel(d.r.Context()), chi.RouteCtxKey, nil) // the page's own route is not the API's
	r, err := http.NewRequestWithContext(api.WithCaller(ctx, d.by), method, path, body)
	if err == nil {
		r.RemoteAddr = d.r.RemoteAddr
	}
	return r, err
}

func (d desk) call(method, path, key string, body, into any) error {
	var sent io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		sent = bytes.NewReader(text)
	}
	r, err := d.request(method, path, sent)
	if err != nil {
		return err
	}
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	answer := &answer{header: http.Header{}, status: http.StatusOK}
	d.api.ServeHTTP(answer, r)
	if answer.status >= http.StatusMultipleChoices {
		no := &refusal{}
		if err := json.Unmarshal(answer.body.Bytes(), no); err != nil {
			return fmt.Errorf("the API answered %s %s with %d: %w", method, path, answer.status, err)
		}
		no.Status = answer.status
		return no
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(answer.body.Bytes(), into)
}

// answer keeps what a handler writes.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header            { return a.header }
func (a *answer) WriteHeader(status int)         { a.status = status }
func (a *answer) Write(text []byte) (int, error) { return a.body.Write(text) }
