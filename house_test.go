package main

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/paysaga/paysaga"

// house is the import table: what each room may reach of ours, directly. A room
// that is not named may not be imported by accident either: it fails the test
// until somebody says here what it is for.
var house = map[string][]string{
	"internal/payment":     {},
	"activities":           {"internal/payment"},
	"workflows":            {"activities", "internal/payment"},
	"worker":               {"activities", "workflows", "internal/payment"},
	"api/console":          {"api", "internal/payment"},
	"api":                  {"activities", "workflows", "internal/payment", "internal/strictjson"},
	"internal/admin":       {"internal/payment"}, // figures
	"internal/bill":        {"activities", "internal/payment"},
	"internal/config":      {"internal/payment", "internal/sealed"},
	"internal/explain":     {"api", "internal/payment"},
	"internal/fleet":       {},
	"internal/operator":    {"internal/payment"}, // asks the api over HTTP, as anybody does
	"internal/pgtest":      {"internal/postgres", "internal/payment"},
	"internal/postgres":    {"activities", "internal/payment"},
	"internal/shop":        {"activities", "internal/payment"},
	"internal/sealed":      {},
	"internal/strictjson":  {},
	"internal/wechattest":  {}, // tests only: a key and a signature as WeChat would make them
	"internal/sso":         {"internal/payment"},
	"internal/ssotest":     {}, // tests only: an identity provider
	"internal/simulator":   {}, // sharing our types would share our mistakes
	"internal/wechatmini":  {"activities", "internal/payment"},
	"internal/wechatpay":   {"activities", "internal/bill", "internal/payment", "internal/strictjson"},
	"dev":                  {"dev/stack", "internal/fleet"},
	"dev/stack":            {"internal/fleet"},
	"e2e":                  {"internal/fleet"},
	"internal/openapitest": {}, // tests only: answers held to the document that is served
}

// strangers names who may import a package that is kept in one room.
var strangers = map[string][]string{
	"github.com/jackc/pgx/v5":                 {"internal/postgres", "internal/pgtest", "dev/stack"},
	"github.com/wechatpay-apiv3/wechatpay-go": {"internal/wechatpay"},
	"github.com/go-chi/chi/v5":                {"api", "api/console"},
	"github.com/coreos/go-oidc/v3":            {"internal/sso"},
	"golang.org/x/oauth2":                     {"internal/sso"},
	"go.temporal.io/sdk/client":               {"", "api", "worker", "dev", "dev/stack", "e2e"},
	"github.com/pressly/goose/v3":             {"internal/postgres"},
	"github.com/alecthomas/kong":              {"", "internal/config"},
	"github.com/prometheus/client_golang":     {"", "api", "worker", "internal/admin", "internal/explain"},
	"github.com/standard-webhooks":            {}, // tests only: an independent verifier
	"go.temporal.io/sdk/contrib/envconfig":    {""},
	"github.com/facebookgo/clock":             {},
	"github.com/stretchr/testify":             {},
	"github.com/chromedp":                     {}, // tests only: a browser
	"github.com/invopop/jsonschema":           {}, // tests only: makes the contract
	"github.com/santhosh-tekuri/jsonschema":   {"internal/openapitest"},
}

type listed struct {
	ImportPath string
	Imports    []string
}

func packages(t *testing.T, args ...string) []listed {
	t.Helper()
	out, err := exec.Command("go", append([]string{"list", "-json=ImportPath,Imports"}, args...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []listed
	decoder := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p listed
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func TestRoomsImportWhatTheTableAllows(t *testing.T) {
	for _, p := range packages(t, "./...") {
		room := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		allowed, known := house[room]
		if !known && room != "" {
			t.Errorf("%s is not in the import table", room)
		}
		for _, imported := range p.Imports {
			if ours, ok := strings.CutPrefix(imported, module+"/"); ok && room != "" && !slices.Contains(allowed, ours) {
				t.Errorf("%s imports %s", room, ours)
			}
			for stranger, rooms := range strangers {
				if (imported == stranger || strings.HasPrefix(imported, stranger+"/")) && !slices.Contains(rooms, room) {
					t.Errorf("%s imports %s", room, imported)
				}
			}
		}
	}
}

var path = regexp.MustCompile("`((?:[a-z.]+/)+[a-zA-Z0-9_.-]*)`")

func TestREADMENamesNoPathThatIsGone(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, match := range path.FindAllStringSubmatch(string(text), -1) {
		found++
		if _, err := os.Stat(match[1]); err != nil {
			t.Errorf("README names %s, which is not here", match[1])
		}
	}
	if found == 0 {
		t.Error("README names no path at all: does the pattern still match?")
	}
}
