// Package explain tells a merchant what the desk makes of a callback, and why. It
// has no judgement of its own: the desk's own handler judges, on an inbox that
// keeps nothing, and what the handler heard on the way is told.
package explain

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"github.com/paysaga/paysaga/api"
	"github.com/paysaga/paysaga/internal/payment"
)

// Desk is what the desk judges by: the merchant's own keys and settings.
type Desk struct {
	Keys     api.Opener   // with At as its clock
	V2       api.V2Opener // nil without an APIv2 key
	Messages api.Messages // nil without a token
	Public   *url.URL     // PUBLIC_URL
	MaxBytes int64
	At       time.Time // when the callback came, or is taken to have come
	Serials  []string  // of the keys that may have signed it
}

// Account is what became of one callback. It names no payer, and repeats neither
// keys nor the body.
type Account struct {
	Status int
	Answer string  // as the desk would answer it
	Phases []Phase // in the order in which the desk works
	Failed string  // the check that failed; empty if none did
	Why    string  // in words
	Hint   string  // what to look at; may be empty
	Facts  []Fact  // what it says, as far as it could be read
	Note   string  // what else the reader should know; may be empty
}

// Phase is a group of checks. One of them may have failed, and what comes after it
// was not tried.
type Phase struct {
	Checks string
	State  string // ok, FAILED or not tried
}

// Fact is one thing that a callback says.
type Fact struct{ Name, Value string }

// passed counts the phases that went well.
func (a Account) passed() int {
	n := 0
	for _, phase := range a.Phases {
		if phase.State == passed {
			n++
		}
	}
	return n
}

// Accepted tells whether WeChat would be content with the answer.
func (a Account) Accepted() bool { return a.Status == http.StatusOK }

// Of judges one request and its body. Pasting adds a line break at the end, which
// no signature fits: if the body fits without, it is judged without.
func (d Desk) Of(r *http.Request, body []byte) Account {
	as := d.judge(r, body)
	bare := bytes.TrimRight(body, "\r\n")
	if as.Accepted() || len(bare) == len(body) {
		return as
	}
	if without := d.judge(r, bare); without.passed() > as.passed() {
		without.Note = "judged without the line break at the end, which is not part of the body"
		return without
	}
	return as
}

func (d Desk) judge(r *http.Request, body []byte) Account {
	heard := &ear{keys: d.Keys, v2: d.V2, messages: d.Messages}
	desk := &api.Callbacks{
		Keys: heard, Inbox: heard, LastResort: heard, Wake: func() {}, Public: d.Public, MaxBytes: d.MaxBytes,
		Count: api.NewCounters(prometheus.NewRegistry()), Log: slog.New(slog.DiscardHandler),
		Refusals: rate.Sometimes{}, Now: func() time.Time { return d.At },
	}
	if d.V2 != nil {
		desk.V2 = v2Ear{heard}
	}
	if d.Messages != nil {
		desk.Messages = messagesEar{heard}
	}
	again := r.Clone(context.WithoutCancel(r.Context()))
	again.Body, again.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	said := &answer{header: http.Header{}}
	desk.ServeHTTP(said, again)
	return d.tell(r, heard, said)
}

// answer keeps what the desk answers.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header is what it answers with besides.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader keeps the status.
func (a *answer) WriteHeader(status int) { a.status = status }

func (a *answer) Write(text []byte) (int, error) { return a.body.Write(text) }

// ear stands where the desk's helpers stand, and remembers what they said.
type ear struct {
	keys     api.Opener
	v2       api.V2Opener
	messages api.Messages

	asked bool // the body came as far as being verified
	err   error
	news  *payment.News
}

func (e *ear) hear(err error) {
	e.asked = true
	if e.err == nil {
		e.err = err
	}
}

// Open passes on to the keys.
func (e *ear) Open(ctx context.Context, header http.Header, body []byte) (payment.Notice, error) {
	notice, err := e.keys.Open(ctx, header, body)
	e.hear(err)
	return notice, err
}

// Keep keeps nothing; the news is new.
func (e *ear) Keep(_ context.Context, news payment.News, _ payment.Delivery) (payment.Verdict, error) {
	e.news = &news
	return news.Verdict, nil
}

// KeepRaw keeps nothing.
func (e *ear) KeepRaw(context.Context, payment.Verdict, payment.Delivery) error { return nil }

// StartDurably starts nothing.
func (e *ear) StartDurably(context.Context, payment.Payment) error { return nil }

type v2Ear struct{ *ear }

// Open passes on to the APIv2 key.
func (e v2Ear) Open(body []byte) (payment.Notice, error) {
	notice, err := e.v2.Open(body)
	e.hear(err)
	return notice, err
}

type messagesEar struct{ *ear }

// Verify passes on to the token.
func (e messagesEar) Verify(query url.Values) error {
	err := e.messages.Verify(query)
	e.hear(err)
	return err
}

// Read passes on too.
func (e messagesEar) Read(body []byte) (map[string]string, error) {
	push, err := e.messages.Read(body)
	e.hear(err)
	return push, err
}
