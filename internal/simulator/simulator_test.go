package simulator

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// freeAddr is a loopback address that was free a moment ago.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestRunWritesTheMerchantsSettingsAndEndsGracefully(t *testing.T) {
	cfg := Config{Addr: freeAddr(t), ControlAddr: freeAddr(t), Data: filepath.Join(t.TempDir(), "data"), Log: slog.New(slog.DiscardHandler)}
	run := func() map[string]string {
		ctx, stop := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- Run(ctx, cfg) }()
		eventually(t, "it is ready", func() bool {
			answer, err := http.Get("http://" + cfg.ControlAddr + "/readyz")
			if err != nil {
				return false
			}
			answer.Body.Close()
			return answer.StatusCode == http.StatusOK
		})
		hangOn(t, cfg) // a call that waits must not keep it from ending
		stop()
		select {
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("it does not end")
		}
		return readEnv(t, filepath.Join(cfg.Data, "merchant.env"))
	}
	env := run()
	for _, name := range []string{
		"WECHATPAY_MCH_ID", "WECHATPAY_APP_ID", "WECHATPAY_MCH_SERIAL", "WECHATPAY_MCH_PRIVATE_KEY_FILE", "WECHATPAY_API_V3_KEY",
		"WECHATPAY_PUBLIC_KEY_ID", "WECHATPAY_PUBLIC_KEY_FILE", "WECHATPAY_PLATFORM_CERTS_FILE", "WECHATPAY_BASE_URL",
		"WECHATPAY_API_V2_KEY", "WECHAT_API_BASE_URL", "WECHAT_MINI_APP_SECRET", "WECHAT_SUBSCRIBE_TEMPLATE", "WECHAT_MESSAGE_TOKEN",
		"FULFILMENT_URL", "FULFILMENT_SECRET", "WEBHOOK_URL", "WEBHOOK_SECRET",
	} {
		value := env[name]
		if value == "" {
			t.Errorf("%s is not set", name)
		}
		if strings.HasSuffix(name, "_FILE") && !strings.HasPrefix(readFile(t, value), "-----BEGIN ") {
			t.Errorf("%s names %s, which is no PEM file", name, value)
		}
	}
	if got := env["FULFILMENT_URL"]; got != "http://"+cfg.Addr+"/shop" {
		t.Errorf("FULFILMENT_URL is %s", got)
	}
	if len(env["WECHATPAY_API_V3_KEY"]) != 32 {
		t.Error("the APIv3 key has not 32 bytes")
	}
	files, err := os.ReadDir(cfg.Data)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if info, err := f.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s may be read by others: %v %v", f.Name(), info.Mode(), err)
		}
	}
	if again := run(); again["WECHATPAY_PUBLIC_KEY_ID"] != env["WECHATPAY_PUBLIC_KEY_ID"] {
		t.Error("a second start made new keys")
	}
}

func TestAccountOfAnEarlierVersionIsCompleted(t *testing.T) {
	w := start(t)
	w.end()
	old := w.account.papers
	old.APIv2Key, old.MiniAppSecret, old.Template, old.MessageToken = "", "", "", ""
	raw, err := json.Marshal(old)
	if err != nil {
		t.Fatal(err)
	}
	if err := writeWhole(filepath.Join(w.Data, "account.json"), raw); err != nil {
		t.Fatal(err)
	}
	first, err := loadAccount(w.Data)
	if err != nil {
		t.Fatal(err)
	}
	again, err := loadAccount(w.Data)
	if err != nil {
		t.Fatal(err)
	}
	if len(first.APIv2Key) != 32 || first.MiniAppSecret == "" || first.Template == "" || first.MessageToken == "" {
		t.Error("something is still missing")
	}
	if first.papers != again.papers || first.APIv3Key != old.APIv3Key {
		t.Error("the account is another one at the next start")
	}
}

// hangOn leaves a held ship call waiting at a running simulator.
func hangOn(t *testing.T, cfg Config) {
	t.Helper()
	account, err := loadAccount(cfg.Data)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{
		simulator: &simulator{account: account}, t: t,
		wechat:  &httptest.Server{URL: "http://" + cfg.Addr},
		control: &httptest.Server{URL: "http://" + cfg.ControlAddr},
	}
	w.steer("/holds", Hold{Call: "ship", OutTradeNo: "order-1"}, nil)
	w.shipsAndDies()
}

func readEnv(t *testing.T, path string) map[string]string {
	t.Helper()
	env := map[string]string{}
	for line := range strings.Lines(readFile(t, path)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		env[name] = value
	}
	return env
}

func TestRunRefuses(t *testing.T) {
	for _, name := range []string{"WECHATPAY_MCH_PRIVATE_KEY", "WECHATPAY_MCH_PRIVATE_KEY_FILE", "WECHATPAY_API_V3_KEY", "WECHATPAY_API_V3_KEY_FILE",
		"WECHATPAY_API_V2_KEY", "WECHAT_MINI_APP_SECRET_FILE"} {
		t.Run("beside a merchant's "+name, func(t *testing.T) {
			t.Setenv(name, "something real")
			err := Run(t.Context(), Config{Addr: freeAddr(t), ControlAddr: freeAddr(t), Data: t.TempDir()})
			if err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "something real") {
				t.Errorf("error %v, want one that names the variable and not its value", err)
			}
		})
	}
	for name, cfg := range map[string]Config{
		"to be reached from outside":                  {Addr: "0.0.0.0:0", ControlAddr: "127.0.0.1:0"},
		"to be steered from outside":                  {Addr: "127.0.0.1:0", ControlAddr: ":0"},
		"an address that is none":                     {Addr: "nonsense", ControlAddr: "127.0.0.1:0"},
		"a clock that is neither running nor stopped": {Addr: "127.0.0.1:0", ControlAddr: "127.0.0.1:0", Clock: "slow"},
		"a data directory that cannot be a directory": {Addr: "127.0.0.1:0", ControlAddr: "127.0.0.1:0", Data: "simulator.go"},
	} {
		t.Run(name, func(t *testing.T) {
			if cfg.Data == "" {
				cfg.Data = t.TempDir()
			}
			ctx, stop := context.WithCancel(t.Context())
			stop() // should it start after all, it ends at once, without an error
			if Run(ctx, cfg) == nil {
				t.Error("it started")
			}
		})
	}
}
