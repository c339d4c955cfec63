package wechatpay

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

const (
	// timeout bounds one call, from dialling to the last byte of the answer. It is
	// kept here and not in http.Client, whose timer runs on until a body is closed;
	// the SDK closes none.
	timeout = 10 * time.Second
	// connectTimeout bounds dialling, and the handshake after it. Both together
	// leave time for the backup.
	connectTimeout = 3 * time.Second
	// maxAnswer bounds an answer, in bytes. Real ones are a few kilobytes, and the
	// SDK would read any length.
	maxAnswer = 1 << 20
)

// transport sends what the SDK signed to the host that the configuration names:
// the SDK knows only WeChat's own. A signature covers method, path and query,
// time and body, but not the host, so it stays good.
type transport struct {
	hosts []*url.URL // in the order they are tried
	next  http.RoundTripper
}

func newTransport(base, backup *url.URL) (*transport, error) {
	if base == nil {
		base = &url.URL{Scheme: "https", Host: "api.mch.weixin.qq.com"}
	}
	next := http.DefaultTransport.(*http.Transport).Clone()
	next.DialContext = (&net.Dialer{Timeout: connectTimeout}).DialContext
	next.TLSHandshakeTimeout = connectTimeout
	next.MaxResponseHeaderBytes = 64 << 10
	t := &transport{next: next}
	for _, host := range []*url.URL{base, backup} {
		if host == nil {
			continue
		}
		if host.Host == "" || strings.Trim(host.Path, "/") != "" { // a path is signed, and WeChat's is fixed
			return nil, errors.New("wechatpay: the base and backup URLs are a scheme and a host, without a path")
		}
		t.hosts = append(t.hosts, host)
	}
	return t, nil
}

// RoundTrip tries the next host where the one before gave no answer. What asks
// for something to be done may have been done unanswered, so it goes on only if
// nothing at all was sent; a question may be asked twice, and each host gets its
// share of the time.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()
	question := r.Method == http.MethodGet
	var response *http.Response
	var err error
	for i, host := range t.hosts {
		patience := timeout
		if question {
			patience = timeout / time.Duration(len(t.hosts))
		}
		var sent bool
		response, sent, err = t.attempt(ctx, patience, r, host)
		if last := i == len(t.hosts)-1; last || err == nil || sent && !question {
			break
		}
	}
	return response, err
}

// attempt is one try at one host. Sent says that it was reached: something of the
// request may have arrived, whatever came back.
func (t *transport) attempt(ctx context.Context, patience time.Duration, r *http.Request, host *url.URL) (response *http.Response, sent bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var reached atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { reached.Store(true) }, // nothing is written before there is a connection
	})
	response, err = bounded(t.to(host, r.WithContext(ctx)))
	return response, reached.Load(), err
}

func (t *transport) to(host *url.URL, r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.Scheme, r.URL.Host, r.Host = host.Scheme, host.Host, host.Host
	if r.GetBody != nil { // an attempt consumes the body, even one that never dialled
		body, err := r.GetBody()
		if err != nil {
			return nil, err
		}
		r.Body = body
	}
	return t.next.RoundTrip(r)
}

// bounded reads an answer to its end, so that a cut or endless one is no answer
// before anybody tries to believe it.
func bounded(response *http.Response, err error) (*http.Response, error) {
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxAnswer {
		return nil, errors.New("answer is too long")
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response, nil
}
