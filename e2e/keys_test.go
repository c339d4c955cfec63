package e2e

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/paysaga/paysaga/internal/fleet"
	"github.com/paysaga/paysaga/internal/simulator"
)

// WeChat's public key is changed under a running fleet. The api needs it for
// callbacks, and both processes for every answer.
func TestKeysChangeWithoutARestart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "wechat.pem")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(strangersKey(t))
	w := newWorld(t, nil, "WECHATPAY_PUBLIC_KEY_FILE="+file, "WECHATPAY_PLATFORM_CERTS_FILE=", "WECHATPAY_PLATFORM_CERTS=")
	right := w.wechatsKey()
	works := func() {
		t.Helper()
		number := w.order(tea)
		w.plan(number, simulator.Plan{Shop: "refuse"}) // so that the worker has to believe WeChat as well
		w.endsRefunded(w.pay(number, simulator.PayRequest{}), number)
	}
	logged := func(line string, times int) {
		t.Helper()
		w.await(line, func() bool { return strings.Count(w.fleet.Logs(1000), line) == times })
	}

	if status, _ := w.sell("E"+rand.Text()[:20], nil); status != http.StatusServiceUnavailable {
		t.Fatalf("with a stranger's key, answered %d", status)
	}
	write(right)
	logged("keys were read again", 2) // by the api and the worker
	works()

	write("-----BEGIN PUBLIC KEY-----\nhalf a k")
	logged("keys stay as they were", 2)
	works()

	write(right)
	members := []*fleet.Member{w.fleet.APIs[0], w.fleet.Workers[0]}
	for _, member := range members {
		process, err := os.FindProcess(member.Process().Pid())
		if err != nil {
			t.Fatal(err)
		}
		if err := process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	logged("keys were read again", 4) // although nothing has changed since they were taken
	works()
	for _, member := range members {
		if !member.Running() {
			t.Error("a process did not survive SIGHUP")
		}
	}
}

// wechatsKey is the public key that the simulator's merchant was given.
func (w *world) wechatsKey() string {
	w.Helper()
	dir := filepath.Join(w.options.Dir, "simulator")
	settings, err := os.ReadFile(filepath.Join(dir, "merchant.env"))
	if err != nil {
		w.Fatal(err)
	}
	for line := range strings.Lines(string(settings)) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(line), "WECHATPAY_PUBLIC_KEY_FILE="); ok {
			text, err := os.ReadFile(path)
			if err != nil {
				w.Fatal(err)
			}
			return string(text)
		}
	}
	w.Fatal("the simulator's merchant has no public key")
	return ""
}

// strangersKey is a public key, and not WeChat's.
func strangersKey(t *testing.T) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}
