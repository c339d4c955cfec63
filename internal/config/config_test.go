package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"

	"github.com/paysaga/paysaga/internal/config"
)

type everything struct {
	Database config.Database  `embed:""`
	Saga     config.Saga      `embed:""`
	Unpaid   config.Unpaid    `embed:""`
	Desk     config.Desk      `embed:""`
	Called   config.Callbacks `embed:""`
	WeChat   config.WeChatPay `embed:""`
	Public   config.Public    `embed:""`
	Shop     config.Shop      `embed:""`
	Kept     config.Histories `embed:""`
}

func read(t *testing.T, env map[string]string) (everything, *config.Mistakes) {
	t.Helper()
	var all everything
	mistakes := &config.Mistakes{}
	parser, err := kong.New(&all, kong.Resolvers(mistakes.Files()), kong.Exit(func(int) {}))
	if err != nil {
		t.Fatal(err)
	}
	for _, flag := range parser.Model.Flags { // what the developer's own shell says is not asked
		for _, name := range flag.Envs {
			t.Setenv(name, "")
			os.Unsetenv(name)
		}
	}
	for name, value := range env {
		t.Setenv(name, value)
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
	asked := all.Unpaid.Parse(mistakes)
	if err := mistakes.Err(); err != nil {
		t.Fatal(err)
	}
	if terms.ShipGiveUpAfter != 2*time.Hour || terms.HoldFor != 72*time.Hour || len(terms.RefundPoll) != 5 {
		t.Errorf("defaults: %+v", terms)
	}
	if len(asked) != 7 || asked[0] != 5*time.Second || asked[6] != 30*time.Minute {
		t.Errorf("unpaid orders are asked about at %v", asked)
	}
}

func TestWhenUnpaidOrdersAreAskedAbout(t *testing.T) {
	for name, row := range map[string]struct{ at, mistake string }{
		"twice":                {"1s, 90s", ""},
		"never":                {"", "ORDER_QUERY_AT: must be a positive duration such as 90s, 5m or 2h"},
		"at once":              {"0s,5s", "ORDER_QUERY_AT: must be a positive duration such as 90s, 5m or 2h"},
		"twice at a moment":    {"5s,5s", "ORDER_QUERY_AT: each must be later than the one before it"},
		"later and then early": {"5s,1m,30s,10s", "ORDER_QUERY_AT: each must be later than the one before it"},
	} {
		t.Run(name, func(t *testing.T) {
			all, mistakes := read(t, map[string]string{"ORDER_QUERY_AT": row.at})
			asked := all.Unpaid.Parse(mistakes)
			var said string
			if err := mistakes.Err(); err != nil {
				said = err.Error()
			}
			if said != row.mistake {
				t.Errorf("%v: %q, want %q", asked, said, row.mistake)
			}
		})
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
		"PAYLOAD_KEYS":              "one:" + secret,
		"WECHATPAY_MCH_PRIVATE_KEY": secret,
	})
	all.Database.Check(mistakes)
	all.Saga.Parse(mistakes)
	all.Desk.Check(mistakes)
	all.Desk.ApprovalAboveFen(mistakes)
	all.Called.CallbackBytes(mistakes)
	all.Desk.Late(mistakes)
	all.WeChat.Check(mistakes)
	all.Public.Parse(mistakes)
	all.Shop.Check(mistakes)
	all.Kept.Keys(mistakes)
	err := mistakes.Err()
	if err == nil {
		t.Fatal("no mistake was found")
	}
	for _, name := range []string{
		"DATABASE_URL", "HOLD_FOR", "PUBLIC_URL", "API_TOKENS", "WECHATPAY_API_V3_KEY", "WECHATPAY_MCH_ID_FILE",
		"WECHATPAY_PUBLIC_KEY", "APPROVAL_ABOVE_FEN", "CALLBACK_MAX_BYTES", "LATE_PAYMENT", "FULFILMENT_SECRET",
		"PAYLOAD_KEYS",
	} {
		if !strings.Contains(err.Error(), name+": ") {
			t.Errorf("%s is not reported", name)
		}
	}
	if strings.Contains(err.Error(), secret) || strings.Contains(all.WeChat.PrivateKey.String(), secret) {
		t.Error("a secret is shown")
	}
}

func TestWhereWeChatIsAskedAgain(t *testing.T) {
	const pretend, own = "http://127.0.0.1:9090", "https://wechat-proxy.test"
	for name, row := range map[string]struct {
		env  map[string]string
		want string
	}{
		"WeChat Pay itself":                             {nil, "https://api2.mch.weixin.qq.com"},
		"WeChat Pay itself, and no backup wanted":       {map[string]string{"WECHATPAY_BACKUP_URL": ""}, "nowhere"},
		"a pretend WeChat has none":                     {map[string]string{"WECHATPAY_BASE_URL": pretend}, "nowhere"},
		"a pretend WeChat is not backed up by WeChat":   {map[string]string{"WECHATPAY_BASE_URL": pretend, "WECHATPAY_BACKUP_URL": "https://api2.mch.weixin.qq.com/"}, "nowhere"},
		"a pretend WeChat with a backup of its own":     {map[string]string{"WECHATPAY_BASE_URL": pretend, "WECHATPAY_BACKUP_URL": own}, own},
		"WeChat Pay itself, by a way of the merchant's": {map[string]string{"WECHATPAY_BASE_URL": "https://api.mch.weixin.qq.com/", "WECHATPAY_BACKUP_URL": own}, own},
	} {
		t.Run(name, func(t *testing.T) {
			all, _ := read(t, row.env)
			got := "nowhere"
			if backup := all.WeChat.Backup(); backup != nil {
				got = backup.String()
			}
			if got != row.want {
				t.Errorf("asked again at %q, want %q", got, row.want)
			}
		})
	}
	all, mistakes := read(t, map[string]string{"WECHATPAY_BACKUP_URL": "api2.mch.weixin.qq.com"})
	all.WeChat.Check(mistakes)
	if err := mistakes.Err(); err == nil || !strings.Contains(err.Error(), "WECHATPAY_BACKUP_URL: ") {
		t.Errorf("a backup without a scheme: %v", err)
	}
}

func TestKeysAreReadAgainFromTheirFiles(t *testing.T) {
	dir := t.TempDir()
	env := map[string]string{"WECHATPAY_PUBLIC_KEY_ID": "PUB_KEY_ID_1"}
	write := func(name, text string) {
		env[name+"_FILE"] = filepath.Join(dir, name)
		if err := os.WriteFile(env[name+"_FILE"], []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	inFiles := []string{"WECHATPAY_API_V3_KEY", "WECHATPAY_API_V3_KEY_PREVIOUS", "WECHATPAY_PUBLIC_KEY", "WECHATPAY_PLATFORM_CERTS"}
	for _, name := range inFiles {
		write(name, "old "+name+"\n")
	}
	all, mistakes := read(t, env)
	if err := mistakes.Err(); err != nil {
		t.Fatal(err)
	}
	texts := func(w config.WeChatPay) []string {
		return []string{w.PublicKeyID, string(w.APIv3Key), string(w.APIv3KeyBefore), w.PublicKey, w.PlatformCerts}
	}
	want := func(got config.WeChatPay, err error, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, texts(got)); diff != "" || err != nil {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
	}
	got, err := all.WeChat.KeysNow()
	want(got, err, texts(all.WeChat)...)

	for _, name := range inFiles {
		write(name, "new "+name+"\r\n")
	}
	write("WECHATPAY_API_V3_KEY_PREVIOUS", "") // the change is over
	got, err = all.WeChat.KeysNow()
	want(got, err, "PUB_KEY_ID_1", "new WECHATPAY_API_V3_KEY", "", "new WECHATPAY_PUBLIC_KEY", "new WECHATPAY_PLATFORM_CERTS")

	if err := os.Remove(env["WECHATPAY_PUBLIC_KEY_FILE"]); err != nil {
		t.Fatal(err)
	}
	if _, err := all.WeChat.KeysNow(); err == nil || err.Error() != "WECHATPAY_PUBLIC_KEY_FILE: cannot be read" {
		t.Errorf("a file that is away: %v", err)
	}
}

func TestAboveWhatAmountWeChatIsAsked(t *testing.T) {
	for name, row := range map[string]struct {
		value string
		want  *int64
		wrong bool
	}{
		"off unless somebody says so": {"", nil, false},
		"off":                         {"off", nil, false},
		"above an amount":             {"50000", new(int64(50000)), false},
		"of every payment":            {"0", new(int64(0)), false},
		"of nothing sensible":         {"lots", nil, true},
		"below nothing":               {"-1", nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			env := map[string]string{}
			if row.value != "" {
				env["QUERY_BEFORE_SHIP_ABOVE_FEN"] = row.value
			}
			all, mistakes := read(t, env)
			got := all.Saga.AskAboveFen(mistakes)
			if err := mistakes.Err(); (err != nil) != row.wrong {
				t.Fatalf("mistakes: %v", err)
			}
			if diff := cmp.Diff(row.want, got); diff != "" && !row.wrong {
				t.Error(diff)
			}
		})
	}
}
