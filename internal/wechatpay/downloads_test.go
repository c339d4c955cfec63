package wechatpay

import (
	"io"
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

// trickle is a body that gives one byte each pause, so many times, and then what
// comes last: an end, or silence.
type trickle struct {
	request *http.Request
	pause   time.Duration
	left    int
	silent  bool
}

func (b *trickle) Read(p []byte) (int, error) {
	if b.left == 0 && !b.silent {
		return 0, io.EOF
	}
	wait := b.pause
	if b.left == 0 {
		wait = time.Hour
	}
	select {
	case <-b.request.Context().Done():
		return 0, b.request.Context().Err()
	case <-time.After(wait):
	}
	b.left--
	p[0] = 'x'
	return 1, nil
}

func (*trickle) Close() error { return nil }

func TestADownloadMayTakeLongButNotStandStill(t *testing.T) {
	download := func(t *testing.T, next roundTrip) (read int, took time.Duration, err error) {
		began := time.Now()
		wire := downloads{&transport{hosts: []*url.URL{{Scheme: "http", Host: "wechat.test"}}, next: next}}
		r, err := http.NewRequestWithContext(t.Context(), "GET", "https://api.mch.weixin.qq.com/v3/billdownload/file", nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := wire.RoundTrip(r)
		if err == nil {
			defer response.Body.Close()
			var body []byte
			body, err = io.ReadAll(response.Body)
			read = len(body)
		}
		return read, time.Since(began), err
	}
	for ending, tc := range map[string]struct {
		body trickle
		read int
		took time.Duration
		code string
	}{
		"an hour, a byte each 29 seconds": {trickle{pause: 29 * time.Second, left: 124}, 124, 124 * 29 * time.Second, ""},
		"silence after a while":           {trickle{pause: time.Second, left: 10, silent: true}, 10, 40 * time.Second, codeNoAnswer},
	} {
		t.Run(ending, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				read, took, err := download(t, func(r *http.Request) (*http.Response, error) {
					body := tc.body
					body.request = r
					return &http.Response{StatusCode: http.StatusOK, Body: &body}, nil
				})
				if read != tc.read || took != tc.took || payment.CodeOf(err) != tc.code {
					t.Errorf("read %d bytes in %s: %v", read, took, err)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		_, took, err := download(t, func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		if took != 30*time.Second || err == nil {
			t.Errorf("no answer at all: %v after %s", err, took)
		}
	})
}

func TestABillHasAnEnd(t *testing.T) {
	for _, tc := range []struct {
		most int64
		code string
	}{{100, ""}, {99, activities.CodeBillUnreadable}} {
		text, err := unpack(io.LimitReader(zeros{}, 100), tc.most)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(text); payment.CodeOf(err) != tc.code {
			t.Errorf("100 bytes where %d may come: %v", tc.most, err)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }
