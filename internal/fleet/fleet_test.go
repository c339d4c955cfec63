package fleet

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func launch(t *testing.T, options Options) *Fleet {
	t.Helper()
	options.Binary, options.Dir = os.Args[0], t.TempDir()
	options.DatabaseURL, options.TemporalAddress, options.Namespace = "postgres://books", "127.0.0.1:7233", "payments"
	options.Env = append(options.Env, "PART=paysaga")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	f, err := Launch(ctx, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		if left, _ := filepath.Glob(filepath.Join(options.Dir, "*.pid")); len(left) > 0 {
			t.Errorf("still there: %v", left)
		}
	})
	return f
}

// settings are what a member was started with.
func settings(t *testing.T, m *Member) []string {
	t.Helper()
	response, err := http.Get(m.AdminURL + "/env")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(text), "\x00")
}

func TestAFleetIsMigratedAndReady(t *testing.T) {
	f := launch(t, Options{APIs: 2, Workers: 3})
	if len(f.APIs) != 2 || len(f.Workers) != 3 {
		t.Fatalf("%d apis and %d workers; want 2 and 3", len(f.APIs), len(f.Workers))
	}
	if _, err := os.Stat(filepath.Join(f.options.Dir, "migrated")); err != nil {
		t.Error("migrate did not run")
	}
	addresses := map[string]bool{}
	for _, member := range append(append([]*Member{f.Simulator}, f.APIs...), f.Workers...) {
		if err := Answers(member.AdminURL + "/readyz")(t.Context()); err != nil {
			t.Error(err)
		}
		if addresses[member.AdminURL] {
			t.Errorf("%s is used twice", member.AdminURL)
		}
		addresses[member.AdminURL] = true
	}
	env := settings(t, f.APIs[1])
	if got := lookup(env, "PUBLIC_URL"); got != f.APIs[0].URL {
		t.Errorf("PUBLIC_URL = %q; want the first api's, %q", got, f.APIs[0].URL)
	}
	if got := lookup(env, "WECHATPAY_MCH_ID"); got != "1900000001" {
		t.Errorf("WECHATPAY_MCH_ID = %q; want the simulator's merchant", got)
	}
}

func TestAProcessComesBackWhereItWas(t *testing.T) {
	f := launch(t, Options{APIs: 2})
	victim, url, pid := f.APIs[1], f.APIs[1].AdminURL, f.APIs[1].Process().Pid()
	victim.Kill()
	if victim.Running() || Answers(url+"/readyz")(t.Context()) == nil {
		t.Fatal("it survived")
	}
	if !f.APIs[0].Running() || !f.Workers[0].Running() {
		t.Error("others died with it")
	}
	if err := victim.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if victim.Process().Pid() == pid || Answers(url+"/readyz")(t.Context()) != nil {
		t.Error("it is not back under its address")
	}
	if err := victim.Restart(t.Context()); err == nil {
		t.Error("a second one was started beside it")
	}
}

func TestTheSettingsOfARealMerchantStayOut(t *testing.T) {
	t.Setenv("WECHATPAY_API_V3_KEY", "a real one")
	t.Setenv("WECHATPAY_MCH_ID", "1700000000")
	f := launch(t, Options{}) // the fake simulator refuses a real key, as the true one does
	if got := lookup(settings(t, f.Workers[0]), "WECHATPAY_MCH_ID"); got != "1900000001" {
		t.Errorf("WECHATPAY_MCH_ID = %q", got)
	}
}

func TestTheCallersSettingsWin(t *testing.T) {
	f := launch(t, Options{PublicURL: "http://pay.example", Env: []string{"SWEEP_EVERY=50ms"}})
	for _, member := range []*Member{f.APIs[0], f.Workers[0]} {
		env := settings(t, member)
		if lookup(env, "SWEEP_EVERY") != "50ms" || lookup(env, "PUBLIC_URL") != "http://pay.example" {
			t.Errorf("%s runs with %v", member.spec.Name, env)
		}
	}
}

func TestOnlyHashesOfTokensAreHandedOver(t *testing.T) {
	f := launch(t, Options{})
	lines := strings.Split(lookup(settings(t, f.APIs[0]), "API_TOKENS"), "\n")
	if len(lines) != 5 {
		t.Fatalf("%d tokens; want 5", len(lines))
	}
	for _, token := range []string{f.Tokens.Merchant, f.Tokens.Support, f.Tokens.Approver, f.Tokens.SecondApprover, f.Tokens.Operator} {
		sum := sha256.Sum256([]byte(token))
		found := 0
		for _, line := range lines {
			if strings.Contains(line, token) {
				t.Error("a token itself is in API_TOKENS")
			}
			if strings.HasSuffix(line, ":"+hex.EncodeToString(sum[:])) {
				found++
			}
		}
		if len(token) < 32 || found != 1 {
			t.Errorf("a token of %d characters is known %d times", len(token), found)
		}
	}
}

func TestTokensOutliveARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens.env")
	first, err := loadTokens(path)
	if err != nil {
		t.Fatal(err)
	}
	second, err := loadTokens(path)
	if err != nil || first != second {
		t.Errorf("tokens changed: %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
	}
}

func TestNothingIsLeftOfAFleetThatDoesNotStart(t *testing.T) {
	dir := t.TempDir()
	_, err := Launch(t.Context(), Options{Binary: os.Args[0], Dir: dir, Env: []string{"PART=paysaga"}, TemporalAddress: "x", Namespace: "y"})
	if err == nil || !strings.Contains(err.Error(), "DATABASE_URL is missing") {
		t.Errorf("error = %v; want what migrate said", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.pid")); len(left) > 0 {
		t.Errorf("still there: %v", left)
	}
}
