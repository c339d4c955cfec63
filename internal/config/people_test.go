package config_test

import (
	"strings"
	"testing"

	"github.com/paysaga/paysaga/internal/config"
)

func TestWhoMaySignInAndWhereTheUIIs(t *testing.T) {
	on := config.SignOn{Issuer: "https://id.example.com", ClientID: "paysaga", ClientSecret: "s", RoleClaim: "role"}
	with := func(change func(*config.SignOn)) config.SignOn {
		changed := on
		change(&changed)
		return changed
	}
	for name, row := range map[string]struct {
		signOn  config.SignOn
		origin  string
		mistake string // the setting that is reported, if any
	}{
		"nothing":                             {config.SignOn{RoleClaim: "role"}, "", ""},
		"all of it":                           {on, "https://temporal.example.com", ""},
		"a provider on this machine":          {with(func(s *config.SignOn) { s.Issuer = "http://127.0.0.1:5556/dex" }), "http://127.0.0.1:8233", ""},
		"a provider without TLS":              {with(func(s *config.SignOn) { s.Issuer = "http://id.example.com" }), "", "OIDC_ISSUER"},
		"a provider that is no address":       {with(func(s *config.SignOn) { s.Issuer = "id.example.com" }), "", "OIDC_ISSUER"},
		"a client without a provider":         {with(func(s *config.SignOn) { s.Issuer = "" }), "", "OIDC_ISSUER"},
		"a provider without a client":         {with(func(s *config.SignOn) { s.ClientID = "" }), "", "OIDC_CLIENT_ID"},
		"a provider without a secret":         {with(func(s *config.SignOn) { s.ClientSecret = "" }), "", "OIDC_CLIENT_SECRET"},
		"a provider that names no role":       {with(func(s *config.SignOn) { s.RoleClaim = " " }), "", "OIDC_ROLE_CLAIM"},
		"a UI with a path":                    {on, "https://example.com/temporal", "TEMPORAL_UI_ORIGIN"},
		"a UI with a slash, which no one has": {on, "https://example.com/", "TEMPORAL_UI_ORIGIN"},
		"a UI that is anybody":                {on, "*", "TEMPORAL_UI_ORIGIN"},
	} {
		t.Run(name, func(t *testing.T) {
			mistakes := &config.Mistakes{}
			row.signOn.Check(mistakes)
			got := config.TemporalUI{URL: row.origin}.Origin(mistakes)
			err := mistakes.Err()
			if row.mistake == "" && (err != nil || got != row.origin) {
				t.Errorf("%q, %v", got, err)
			}
			if row.mistake != "" && (err == nil || !strings.HasPrefix(err.Error(), row.mistake+": ")) {
				t.Errorf("reported %v, want %q", err, row.mistake)
			}
		})
	}
}
