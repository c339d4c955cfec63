package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"github.com/paysaga/paysaga/internal/payment"
)

// CallbackPath is where WeChat Pay calls: notify_url is PUBLIC_URL and this.
const CallbackPath = "/callbacks/wechatpay"

// Callbacks takes WeChat Pay's notifications. A 2xx means that the news is on
// disk, and no other answer ever says 2xx.
type Callbacks struct {
	Keys       Opener
	V2         V2Opener // nil without an APIv2 key: nobody answers there
	Messages   Messages // nil without a token: likewise
	Inbox      Inbox
	LastResort LastResort
	Wake       func()   // tells the relay that there may be something to start
	Public     *url.URL // PUBLIC_URL: the only host served
	MaxBytes   int64
	Count      *Counters
	Log        *slog.Logger
	Refusals   rate.Sometimes // how often a refusal is logged: anybody can cause them
	Now        func() time.Time
}

// ServeHTTP answers everything under /callbacks/. It is mounted without any
// middleware that reads a body, trusts a forwarded address or redirects.
func (c *Callbacks) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	to := c.door(r.URL.Path)
	body, verdict := c.admit(w, r, to)
	if verdict == "" {
		verdict = to.take(r, body)
	}
	c.Count.verdicts.WithLabelValues(string(verdict)).Inc()
	answers[verdict].write(w, r, to.words)
	if verdict == payment.Accepted {
		c.Wake()
	}
}

// door is one address under /callbacks/: which methods it takes, how, and in
// which words it answers.
type door struct {
	methods []string
	take    func(r *http.Request, body []byte) payment.Verdict
	words   func(r *http.Request, a answer) (contentType, body string)
}

// door is where a path leads: exactly so, or nowhere. A redirected POST would be
// a lost callback.
func (c *Callbacks) door(path string) door {
	switch {
	case path == CallbackPath:
		return door{[]string{http.MethodPost}, c.take, inJSON}
	case path == V2CallbackPath && c.V2 != nil:
		return door{[]string{http.MethodPost}, c.takeV2, inXML}
	case path == MessagesPath && c.Messages != nil:
		return door{[]string{http.MethodGet, http.MethodPost}, c.takeMessage, inText}
	}
	return door{words: inJSON}
}

// take verifies and keeps. Nothing is asked of the database before the
// signature is good.
func (c *Callbacks) take(r *http.Request, body []byte) payment.Verdict {
	ctx, cancel := context.WithTimeout(r.Context(), durableWithin)
	defer cancel()
	toldAt := c.Now()
	notice, err := c.Keys.Open(ctx, r.Header, body)
	if payment.KindOf(err) == payment.Refused {
		return c.refused(r, payment.CodeOf(err))
	}
	came := delivery(r, notice.ID, body)
	came.Serial = r.Header.Get("Wechatpay-Serial")
	verdict := payment.Malformed
	switch payment.KindOf(err) {
	case "":
		verdict, err = c.keep(ctx, judge(notice, toldAt), came, toldAt)
	case payment.Invalid:
		err = c.Inbox.KeepRaw(ctx, verdict, came)
	default:
		verdict = payment.CannotDecrypt
		err = c.Inbox.KeepRaw(ctx, verdict, came)
	}
	if err != nil {
		c.Log.Error("callback could not be made durable", "id", notice.ID, "why", payment.CodeOf(err))
		return busy
	}
	c.tell(verdict, notice)
	return verdict
}

// refused counts a callback that nobody has proved to be WeChat's, and forgets it.
func (c *Callbacks) refused(r *http.Request, check string) payment.Verdict {
	c.Count.rejected.WithLabelValues(check).Inc()
	if check == "signtest" {
		c.Count.signTest.Inc()
	}
	c.Refusals.Do(func() { c.Log.Warn("callback refused", "check", check, "peer", r.RemoteAddr) })
	return refused
}

// tell logs what became of a callback; loudly, where a person has to act.
func (c *Callbacks) tell(verdict payment.Verdict, notice payment.Notice) {
	level := slog.LevelInfo
	switch verdict {
	case payment.ForAPerson, payment.Malformed:
		level = slog.LevelWarn
	case payment.CannotDecrypt: // an APIv3 key is missing, and every callback waits for it
		level = slog.LevelError
	}
	c.Log.Log(context.Background(), level, "callback", "verdict", verdict, "id", notice.ID, "event", notice.EventType)
}

// Verdicts on what never came to be verified, or could not be kept.
const (
	refused     payment.Verdict = "refused"
	busy        payment.Verdict = "busy"
	wrongHost   payment.Verdict = "wrong_host"
	wrongPath   payment.Verdict = "wrong_path"
	wrongMethod payment.Verdict = "wrong_method"
	tooLarge    payment.Verdict = "too_large"
	encoded     payment.Verdict = "encoded"
	cutShort    payment.Verdict = "cut_short"
)

// admit reads the body of a request that may be a callback, or says what is
// wrong with it without having read more than it may.
func (c *Callbacks) admit(w http.ResponseWriter, r *http.Request, to door) ([]byte, payment.Verdict) {
	switch {
	case !sameHost(r.Host, c.Public):
		return nil, wrongHost
	case to.take == nil:
		return nil, wrongPath
	case !slices.Contains(to.methods, r.Method):
		w.Header().Set("Allow", strings.Join(to.methods, ", "))
		return nil, wrongMethod
	case r.ContentLength > c.MaxBytes:
		return nil, tooLarge
	case len(r.Header.Values("Content-Encoding")) > 0: // the signature covers raw bytes
		return nil, encoded
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, c.MaxBytes))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, tooLarge
	}
	if err != nil {
		return nil, cutShort
	}
	return body, ""
}

// sameHost compares names and leaves ports out: behind a proxy, and beside other
// instances of this api, the port is not the one that WeChat was given.
func sameHost(host string, public *url.URL) bool {
	asked := url.URL{Host: host}
	return strings.EqualFold(asked.Hostname(), public.Hostname())
}

// keptHeaders tell how a callback was sent, and when, by which key. The signature
// is not among them: with the body it would prove to anybody that WeChat sent it.
// What is not named here, a proxy's or a cookie, may be a secret.
var keptHeaders = []string{
	"Wechatpay-Timestamp", "Wechatpay-Nonce", "Wechatpay-Serial", "Wechatpay-Signature-Type",
	"Request-Id", "User-Agent", "Content-Type",
}

// delivery is what is kept of a callback besides its news.
func delivery(r *http.Request, notificationID string, body []byte) payment.Delivery {
	headers := map[string]string{}
	for _, name := range keptHeaders {
		if value := plain(r.Header.Get(name)); value != "" {
			headers[name] = value
		}
	}
	return payment.Delivery{NotificationID: notificationID, RequestID: headers["Request-Id"], Headers: headers, Body: body}
}

// plain is a header's value if it is short and printable.
func plain(value string) string {
	if len(value) > 128 || strings.ContainsFunc(value, func(c rune) bool { return c < ' ' || c > '~' }) {
		return ""
	}
	return value
}

// answer is a constant: whoever calls learns the verdict, and never the cause.
type answer struct {
	status int
	says   string
	header [2]string
}

var answers = map[payment.Verdict]answer{
	payment.Accepted:      {status: http.StatusOK},
	payment.ForAPerson:    {status: http.StatusOK},
	payment.Noted:         {status: http.StatusOK},
	refused:               {status: http.StatusUnauthorized, says: "signature"},
	payment.Malformed:     {status: http.StatusBadRequest, says: "malformed"},
	payment.CannotDecrypt: {status: http.StatusInternalServerError, says: "retry"},
	busy:                  {http.StatusServiceUnavailable, "busy", [2]string{"Retry-After", "5"}},

	wrongHost:   {status: http.StatusMisdirectedRequest, says: "host"},
	wrongPath:   {status: http.StatusNotFound, says: "path"},
	wrongMethod: {status: http.StatusMethodNotAllowed, says: "method"},
	tooLarge:    {http.StatusRequestEntityTooLarge, "too large", [2]string{"Connection", "close"}},
	encoded:     {http.StatusUnsupportedMediaType, "encoding", [2]string{"Connection", "close"}},
	cutShort:    {http.StatusBadRequest, "malformed", [2]string{"Connection", "close"}},
}

// inJSON is APIv3's way to put an answer.
func inJSON(_ *http.Request, a answer) (contentType, body string) {
	if a.status == http.StatusOK {
		return "application/json", `{"code":"SUCCESS","message":"成功"}`
	}
	return "application/json", fmt.Sprintf(`{"code":"FAIL","message":%q}`, a.says)
}

func (a answer) write(w http.ResponseWriter, r *http.Request, words func(*http.Request, answer) (contentType, body string)) {
	contentType, body := words(r, a)
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("X-Content-Type-Options", "nosniff") // an echo is a caller's own words
	if a.header[0] != "" {
		h.Set(a.header[0], a.header[1])
	}
	if len(r.TransferEncoding) > 0 { // another request may hide where a proxy sees the body end elsewhere
		h.Set("Connection", "close")
	}
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, body) // whoever hung up asks again
}
