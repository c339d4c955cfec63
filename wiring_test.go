package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/paysaga/paysaga/internal/config"
	"github.com/paysaga/paysaga/internal/fleet"
	"github.com/paysaga/paysaga/internal/sealed"
)

// What the listener refuses before any handler runs.
func TestTheListenerRefusesBeforeAnyHandlerRuns(t *testing.T) {
	for name, tc := range map[string]struct {
		header string
		want   int
	}{
		"headers of 2 MiB":         {"X-Long: " + strings.Repeat("a", 2<<20), http.StatusRequestHeaderFieldsTooLarge},
		"a bare NUL in a header":   {"Wechatpay-Nonce: a\x00b", http.StatusBadRequest},
		"a header without a colon": {"Wechatpay-Nonce", http.StatusBadRequest},
		"ordinary headers":         {"X-Short: a", http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			entered := false
			addr := listen(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { entered = true }))
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			go fmt.Fprintf(conn, "POST /callbacks/wechatpay HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n%s\r\n\r\n", tc.header)
			answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			if answer.StatusCode != tc.want || entered != (tc.want == http.StatusOK) {
				t.Errorf("answered %d, want %d; handler entered: %t", answer.StatusCode, tc.want, entered)
			}
		})
	}
}

// listen serves a handler as api and worker do, until the test ends.
func listen(t *testing.T, handler http.Handler) string {
	t.Helper()
	port, err := fleet.FreePort(0)
	if err != nil {
		t.Fatal(err)
	}
	addr := fleet.Loopback(port)
	ctx, cancel := context.WithCancel(t.Context())
	group, ctx := errgroup.WithContext(ctx)
	if err := serve(ctx, group, addr, handler); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		if err := group.Wait(); err != nil {
			t.Error(err)
		}
	})
	return addr
}

// What the processes give Temporal is sealed as soon as there is a key.
func TestTemporalIsGivenWhatItCannotRead(t *testing.T) {
	const secret = "the shop said no"
	key := "one:" + base64.StdEncoding.EncodeToString(make([]byte, 32))
	for name, row := range map[string]struct {
		keys   config.Secret
		hidden bool
	}{"without keys": {"", false}, "with a key": {config.Secret(key), true}} {
		t.Run(name, func(t *testing.T) {
			mistakes := &config.Mistakes{}
			opts, _ := temporalOptions(config.Histories{PayloadKeys: row.keys}, mistakes)
			if err := mistakes.Err(); err != nil {
				t.Fatal(err)
			}
			payload, err := opts.DataConverter.ToPayload(secret)
			if err != nil {
				t.Fatal(err)
			}
			if hidden := string(payload.Metadata["encoding"]) == sealed.Encoding; hidden != row.hidden {
				t.Errorf("a payload is hidden: %t", hidden)
			}
			if hidden := opts.FailureConverter.ErrorToFailure(errors.New(secret)).Message != secret; hidden != row.hidden {
				t.Errorf("a failure is hidden: %t", hidden)
			}
		})
	}
	mistakes := &config.Mistakes{}
	temporalOptions(config.Histories{PayloadKeys: "no key"}, mistakes)
	if err := mistakes.Err(); err == nil || !strings.HasPrefix(err.Error(), "PAYLOAD_KEYS: line 1: ") {
		t.Errorf("a bad key is reported as %v", err)
	}
}
