package wechatpay

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
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
