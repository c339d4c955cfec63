package wechatpay

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTheBackupHearsAllOfTheRequest(t *testing.T) {
	var heard []string
	wire := &transport{
		hosts: []*url.URL{{Scheme: "http", Host: "base.test"}, {Scheme: "http", Host: "backup.test"}},
		next: roundTrip(func(r *http.Request) (*http.Response, error) {
			body, _ := io.ReadAll(r.Body)
			heard = append(heard, r.URL.String()+" "+string(body))
			if r.Host == "base.test" {
				return nil, &net.OpError{Op: "dial", Err: errors.New("nobody there")}
			}
			return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
		}),
	}
	r, err := http.NewRequest("POST", "https://api.mch.weixin.qq.com/v3/x?y=z", strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := wire.RoundTrip(r); err != nil {
		t.Fatal(err)
	}
	if len(heard) != 2 || heard[0] != "http://base.test/v3/x?y=z body" || heard[1] != "http://backup.test/v3/x?y=z body" {
		t.Errorf("heard %q", heard)
	}
	if r.URL.Host != "api.mch.weixin.qq.com" {
		t.Errorf("the request itself now goes to %s", r.URL.Host)
	}
}

// HTTP/2 has a way of its own to tell that it has a connection. What was sent over
// one and torn off is not sent to the backup.
func TestTheBackupHearsNothingOfWhatHTTP2MayHaveSent(t *testing.T) {
	heard := map[string]int{}
	host := func(name string) *url.URL {
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			heard[name+r.Proto]++
			panic(http.ErrAbortHandler)
		}))
		server.EnableHTTP2 = true
		server.StartTLS()
		t.Cleanup(server.Close)
		u, err := url.Parse(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	wire, err := newTransport(host("base "), host("backup "))
	if err != nil {
		t.Fatal(err)
	}
	wire.next.(*http.Transport).TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
	r, err := http.NewRequest("POST", "https://api.mch.weixin.qq.com/v3/x", strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := wire.RoundTrip(r); err == nil {
		t.Fatal("an answer came from nowhere")
	}
	if diff := cmp.Diff(map[string]int{"base HTTP/2.0": 1}, heard); diff != "" {
		t.Error(diff)
	}
}

func TestAnEndlessAnswerIsNotReadToItsEnd(t *testing.T) {
	var sent atomic.Int64
	gone := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		defer close(gone)
		for chunk := make([]byte, 1<<20); sent.Load() < 64<<20; {
			n, err := w.Write(chunk)
			if sent.Add(int64(n)); err != nil {
				return
			}
		}
	}))
	defer server.Close()
	base, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	wire, err := newTransport(base, nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequest("GET", "https://api.mch.weixin.qq.com/", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := wire.RoundTrip(r); err == nil {
		t.Error("an answer of more than 1 MiB was taken")
	}
	if <-gone; sent.Load() >= 64<<20 {
		t.Error("all 64 MiB were read")
	}
}
