package shop

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

const secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestASilentShopIsGivenTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := New(Config{FulfilmentURL: "http://shop.test", FulfilmentSecret: secret})
		if err != nil {
			t.Fatal(err)
		}
		c.fulfilment.http.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		began := time.Now()
		_, err = c.Ship(t.Context(), activities.Parcel{Key: "k", OutTradeNo: "ORDER1"})
		wantSilence(t, err)
		if waited := time.Since(began); waited != 10*time.Second {
			t.Errorf("waited %s, want 10s", waited)
		}
	})
}

func TestAShopThatHangsUpLeavesTheOutcomeUnknown(t *testing.T) {
	for ending, handler := range map[string]http.HandlerFunc{
		"before it says anything": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"in the middle of a success": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			w.Write([]byte(`{"shipment_id":"S1"}`))
			http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		},
		"in the middle of its headers": func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				conn.Write([]byte("HTTP/1.1 200 OK\r\nContent-"))
				conn.Close()
			}
		},
	} {
		t.Run(ending, func(t *testing.T) {
			server := httptest.NewServer(handler)
			defer server.Close()
			c, err := New(Config{FulfilmentURL: server.URL, FulfilmentSecret: secret})
			if err != nil {
				t.Fatal(err)
			}
			_, err = c.Ship(t.Context(), activities.Parcel{Key: "k", OutTradeNo: "ORDER1"})
			wantSilence(t, err)
		})
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
	c, err := New(Config{FulfilmentURL: server.URL, FulfilmentSecret: secret})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Ship(t.Context(), activities.Parcel{Key: "k", OutTradeNo: "ORDER1"})
	if payment.KindOf(err) != payment.Unknown || payment.CodeOf(err) != "shop_unusable_answer" {
		t.Errorf("error %v, want unknown shop_unusable_answer", err)
	}
	if <-gone; sent.Load() >= 64<<20 {
		t.Error("all 64 MiB were read")
	}
}

func TestAnUnreachableShopIsNoAnswer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	c, err := New(Config{FulfilmentURL: "http://user:password@" + l.Addr().String(), FulfilmentSecret: secret})
	if err != nil {
		t.Fatal(err)
	}
	wantSilence(t, c.Cancel(t.Context(), activities.Parcel{OutTradeNo: "ORDER1"}))
}

func TestACancelledCallSaysSo(t *testing.T) {
	c, err := New(Config{FulfilmentURL: "http://127.0.0.1:9", FulfilmentSecret: secret})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = c.Find(ctx, "ORDER1")
	wantSilence(t, err)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v is not a cancellation", err)
	}
}

func wantSilence(t *testing.T, err error) {
	t.Helper()
	if payment.KindOf(err) != payment.Unknown || payment.CodeOf(err) != "shop_no_answer" {
		t.Errorf("error %v of kind %q, want unknown shop_no_answer", err, payment.KindOf(err))
	}
}
