package config

import (
	"net"
	"net/url"
)

// SignOn is the merchant's identity provider, by OpenID Connect. Without an issuer
// people sign in with tokens alone.
type SignOn struct {
	Issuer       string `name:"oidc-issuer" env:"OIDC_ISSUER" help:"The identity provider, as its own discovery document spells it; empty for none."`
	ClientID     string `name:"oidc-client-id" env:"OIDC_CLIENT_ID" help:"Our client at the identity provider."`
	ClientSecret Secret `name:"oidc-client-secret" env:"OIDC_CLIENT_SECRET" help:"The client's secret."`
	RoleClaim    string `name:"oidc-role-claim" env:"OIDC_ROLE_CLAIM" default:"paysaga_role" help:"Claim of the ID token that holds support, approver or operator, or a list with one of them."`
}

// On tells whether people may sign in there.
func (s SignOn) On() bool { return s.Issuer != "" }

// Check notes what is wrong.
func (s SignOn) Check(m *Mistakes) {
	if !s.On() {
		if s.ClientID != "" || s.ClientSecret != "" {
			m.Add("OIDC_ISSUER", "is not set, and OIDC_CLIENT_ID or OIDC_CLIENT_SECRET is")
		}
		return
	}
	if u := m.url("OIDC_ISSUER", s.Issuer); u.Scheme == "http" && !Loopback(u) {
		m.Add("OIDC_ISSUER", "must be https")
	}
	m.need("OIDC_CLIENT_ID", s.ClientID)
	m.need("OIDC_CLIENT_SECRET", string(s.ClientSecret))
	m.need("OIDC_ROLE_CLAIM", s.RoleClaim)
}

// TemporalUI is where operators look at the sagas.
type TemporalUI struct {
	URL string `name:"temporal-ui-origin" env:"TEMPORAL_UI_ORIGIN" help:"Temporal's UI as scheme://host:port: its pages may have payloads decrypted for an operator who is signed in here. Same host or parent domain as PUBLIC_URL; empty for none."`
}

// Origin returns the UI's origin, or nothing.
func (t TemporalUI) Origin(m *Mistakes) string {
	if t.URL == "" {
		return ""
	}
	u := m.url("TEMPORAL_UI_ORIGIN", t.URL)
	if u.Host != "" && t.URL != u.Scheme+"://"+u.Host {
		m.Add("TEMPORAL_UI_ORIGIN", "must be scheme://host:port and nothing else")
	}
	return t.URL
}

// Address is the UI as a URL to link to, or nil.
func (t TemporalUI) Address() *url.URL {
	u, err := url.Parse(t.URL)
	if err != nil || t.URL == "" {
		return nil
	}
	return u
}

// Loopback tells whether a URL is on this machine.
func Loopback(u *url.URL) bool {
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}
