package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"github.com/paysaga/paysaga/internal/config"
)

type everything struct {
	Database config.Database  `embed:""`
	Saga     config.Saga      `embed:""`
	Desk     config.Desk      `embed:""`
	WeChat   config.WeChatPay `embed:""`
	Public   config.Public    `embed:""`
	Shop     config.Shop      `embed:""`
}

func read(t *testing.T, env map[string]string) (everything, *config.Mistakes) {
	t.Helper()
	for name, value := range env {
		t.Setenv(name, value)
	}
	var all everything
	mistakes := &config.Mistakes{}
	parser, err := kong.New(&all, kong.Resolvers(mistakes.Files()), kong.Exit(func(int) {}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(nil); err != nil {
		t.Fatal(err)
	}
	return all, mistakes
}

func TestASettingMayComeFromAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "url")
	if err := os.WriteFile(file, []byte("postgres://books\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	all, mistakes := read(t, map[string]string{"DATABASE_URL_FILE": file})
	all.Database.Check(mistakes)
	if err := mistakes.Err(); err != nil {
		t.Error(err)
	}
	if got := string(all.Database.URL); got != "postgres://books" {
		t.Errorf("DATABASE_URL_FILE gave %q", got)
	}
}

func TestDefaultsAreTheDesigns(t *testing.T) {
	all, mistakes := read(t, nil)
	terms := all.Saga.Parse(mistakes)
	if err := mistakes.Err(); err != nil {
		t.Fatal(err)
	}
	if terms.ShipGiveUpAfter != 2*time.Hour || terms.HoldFor != 72*time.Hour || len(terms.RefundPoll) != 5 {
		t.Errorf("defaults: %+v", terms)
	}
}

func TestEveryMistakeIsReportedAtOnceAndNoSecretIsShown(t *testing.T) {
	const secret = "not-a-real-secret-value"
	all, mistakes := read(t, map[string]string{
		"HOLD_FOR":                  "three days",
		"PUBLIC_URL":                "ftp://example.test",
		"API_TOKENS":                "boss:ann:" + secret,
		"WECHATPAY_API_V3_KEY":      secret,
		"WECHATPAY_MCH_ID_FILE":     "/nowhere/at/all",
		"FULFILMENT_URL":            "http://shop.test",
		"WECHATPAY_PUBLIC_KEY_ID":   "PUB_KEY_ID_1",
		"APPROVAL_ABOVE_FEN":        "12.50",
		"CALLBACK_MAX_BYTES":        "1",
		"LATE_PAYMENT":              "keep",
		"WECHATPAY_MCH_PRIVATE_KEY": secret,
	})
	all.Database.Check(mistakes)
	all.Saga.Parse(mistakes)
	all.Desk.Check(mistakes)
	all.Desk.ApprovalAboveFen(mistakes)
	all.Desk.CallbackBytes(mistakes)
	all.Desk.Late(mistakes)
	all.WeChat.Check(mistakes)
	all.Public.Parse(mistakes)
	all.Shop.Check(mistakes)
	err := mistakes.Err()
	if err == nil {
		t.Fatal("no mistake was found")
	}
	for _, name := range []string{
		"DATABASE_URL", "HOLD_FOR", "PUBLIC_URL", "API_TOKENS", "WECHATPAY_API_V3_KEY", "WECHATPAY_MCH_ID_FILE",
		"WECHATPAY_PUBLIC_KEY", "APPROVAL_ABOVE_FEN", "CALLBACK_MAX_BYTES", "LATE_PAYMENT", "FULFILMENT_SECRET",
	} {
		if !strings.Contains(err.Error(), name+": ") {
			t.Errorf("%s is not reported", name)
		}
	}
	if strings.Contains(err.Error(), secret) || strings.Contains(all.WeChat.PrivateKey.String(), secret) {
		t.Error("a secret is shown")
	}
}
