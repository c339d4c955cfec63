package api

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"github.com/paysaga/paysaga/internal/payment"
)

// CallbackPath is where WeChat Pay calls: notify_url is PUBLIC_URL and this.
const CallbackPath = "/callbacks/wechatpay"

// Callbacks takes WeChat Pay's notifications. A 2xx means that the news is on
// disk, and no other answer ever says 2xx (design section 5).
type Callbacks struct {
	Keys       Opener
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
	ctx, cancel := context.WithTimeout(r.Context(), durableWithin)
	defer cancel()
	body, verdict := c.admit(w, r)
	if verdict == "" {
		verdict = c.take(ctx, r, body)
	}
	c.Count.verdicts.WithLabelValues(string(verdict)).Inc()
	answers[verdict].write(w, r)
	if verdict == payment.Accepted {
		c.Wake()
	}
}

// take verifies and keeps. Nothing is asked of the database before the
// signature is good.
func (c *Callbacks) take(ctx context.Context, r *http.Request, body []byte) payment.Verdict {
	toldAt := c.Now()
	notice, err := c.Keys.Open(ctx, r.Header, body)
	if payment.KindOf(err) == payment.Refused {
		return c.refused(r, payment.CodeOf(err))
	}
	came := payment.Delivery{
		NotificationID: notice.ID, Serial: r.Header.Get("Wechatpay-Serial"), RequestID: deliveryID(r), Body: body,
	}
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
func (c *Callbacks) admit(w http.ResponseWriter, r *http.Request) ([]byte, payment.Verdict) {
	switch {
	case !sameHost(r.Host, c.Public):
		return nil, wrongHost
	case r.URL.Path != CallbackPath: // never a redirect: a redirected POST is a lost callback
		return nil, wrongPath
	case r.Method != http.MethodPost:
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

// sameHost compares a Host header with a URL's host, the scheme's own port being
// the same as none.
func sameHost(host string, public *url.URL) bool {
	port := map[string]string{"https": ":443", "http": ":80"}[public.Scheme]
	return strings.EqualFold(strings.TrimSuffix(host, port), strings.TrimSuffix(public.Host, port))
}

// deliveryID is WeChat's own name for the delivery, if it sent a plain one.
func deliveryID(r *http.Request) string {
	id := r.Header.Get("Request-Id")
	if len(id) > 128 || strings.ContainsFunc(id, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return ""
	}
	return id
}

// answer is a constant: whoever calls learns the verdict, and never the cause.
type answer struct {
	status int
	body   string
	header [2]string
}

const success = `{"code":"SUCCESS","message":"成功"}`

var answers = map[payment.Verdict]answer{
	payment.Accepted:      {status: http.StatusOK, body: success},
	payment.ForAPerson:    {status: http.StatusOK, body: success},
	payment.Noted:         {status: http.StatusOK, body: success},
	refused:               {status: http.StatusUnauthorized, body: `{"code":"FAIL","message":"signature"}`},
	payment.Malformed:     {status: http.StatusBadRequest, body: `{"code":"FAIL","message":"malformed"}`},
	payment.CannotDecrypt: {status: http.StatusInternalServerError, body: `{"code":"FAIL","message":"retry"}`},
	busy:                  {http.StatusServiceUnavailable, `{"code":"FAIL","message":"busy"}`, [2]string{"Retry-After", "5"}},

	wrongHost:   {status: http.StatusMisdirectedRequest, body: `{"code":"FAIL","message":"host"}`},
	wrongPath:   {status: http.StatusNotFound, body: `{"code":"FAIL","message":"path"}`},
	wrongMethod: {http.StatusMethodNotAllowed, `{"code":"FAIL","message":"method"}`, [2]string{"Allow", http.MethodPost}},
	tooLarge:    {http.StatusRequestEntityTooLarge, `{"code":"FAIL","message":"too large"}`, [2]string{"Connection", "close"}},
	encoded:     {http.StatusUnsupportedMediaType, `{"code":"FAIL","message":"encoding"}`, [2]string{"Connection", "close"}},
	cutShort:    {http.StatusBadRequest, `{"code":"FAIL","message":"malformed"}`, [2]string{"Connection", "close"}},
}

func (a answer) write(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	if a.header[0] != "" {
		h.Set(a.header[0], a.header[1])
	}
	if len(r.TransferEncoding) > 0 { // another request may hide where a proxy sees the body end elsewhere
		h.Set("Connection", "close")
	}
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.body) // whoever hung up asks again
}
