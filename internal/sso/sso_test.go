package sso_test

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/paysaga/paysaga/internal/payment"
	"github.com/paysaga/paysaga/internal/sso"
	"github.com/paysaga/paysaga/internal/ssotest"
)

func provider(idp *ssotest.Provider, change func(*sso.Config)) *sso.Provider {
	config := sso.Config{
		Issuer: idp.Issuer, ClientID: ssotest.ClientID, ClientSecret: ssotest.ClientSecret,
		RoleClaim: "role", CallbackURL: "https://pay.test/console/oidc/callback",
	}
	if change != nil {
		change(&config)
	}
	return sso.New(config)
}

// visit goes to the identity provider as a browser does, and returns the query that
// it is sent back with.
func visit(t *testing.T, address string) url.Values {
	t.Helper()
	browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := browser.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	back, err := response.Location()
	if err != nil {
		t.Fatalf("%s sends nobody back: %s", address, response.Status)
	}
	if got := back.Scheme + "://" + back.Host + back.Path; got != "https://pay.test/console/oidc/callback" {
		t.Errorf("sent back to %s", got)
	}
	return back.Query()
}

func unsigned(claims []byte) string {
	return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString(claims) + "."
}

func signedWithTheSecret(claims []byte) string {
	text := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","kid":"1"}`)) + "." + base64.RawURLEncoding.EncodeToString(claims)
	mac := hmac.New(sha256.New, []byte(ssotest.ClientSecret))
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func signedByAStranger(t *testing.T) func([]byte) string {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return func(claims []byte) string { return ssotest.RS256(key, claims) }
}

type claims = map[string]any

func TestWhoTheProviderSaysSomebodyIs(t *testing.T) {
	for name, row := range map[string]struct {
		says ssotest.Says
		want payment.Session // nobody: refused with code
		code string
	}{
		"an approver with a verified address": {
			says: ssotest.Says{Claims: claims{"role": "approver", "email": "Ann@Shop.test", "email_verified": true}},
			want: payment.Session{Role: "approver", Name: "ann@shop.test"},
		},
		"an address that nobody verified is no name": {
			says: ssotest.Says{Claims: claims{"role": "support", "email": "boss@shop.test", "email_verified": false}},
			want: payment.Session{Role: "support", Name: "subject-1"},
		},
		"nor is a name of one's own choice": {
			says: ssotest.Says{Claims: claims{"role": "support", "preferred_username": "boss", "name": "boss"}},
			want: payment.Session{Role: "support", Name: "subject-1"},
		},
		"one role among other words":          {says: ssotest.Says{Claims: claims{"role": []string{"staff", "operator"}}}, want: payment.Session{Role: "operator", Name: "subject-1"}},
		"an approver is support as well":      {says: ssotest.Says{Claims: claims{"role": []string{"support", "approver"}}}, want: payment.Session{Role: "approver", Name: "subject-1"}},
		"an operator is nothing beside":       {says: ssotest.Says{Claims: claims{"role": []string{"operator", "approver"}}}, code: "sso_role"},
		"nobody is a merchant here":           {says: ssotest.Says{Claims: claims{"role": "merchant"}}, code: "sso_role"},
		"a role that we do not have":          {says: ssotest.Says{Claims: claims{"role": "Approver"}}, code: "sso_role"},
		"no role":                             {says: ssotest.Says{}, code: "sso_role"},
		"a role that is a number":             {says: ssotest.Says{Claims: claims{"role": 1}}, code: "sso_role"},
		"a name with room for more":           {says: ssotest.Says{Claims: claims{"role": "support", "sub": "ann\nbo"}}, code: "sso_name"},
		"a name that marks what nobody knows": {says: ssotest.Says{Claims: claims{"role": "support", "sub": "unverified:ann"}}, code: "sso_name"},
		"our own name":                        {says: ssotest.Says{Claims: claims{"role": "support", "sub": "Paysaga"}}, code: "sso_name"},

		"nobody is let in":                     {says: ssotest.Says{Refuses: true}, code: "sso_denied"},
		"no token comes":                       {says: ssotest.Says{NoToken: true}, code: "sso_token"},
		"a token for another client":           {says: ssotest.Says{Claims: claims{"role": "support", "aud": "shop"}}, code: "sso_token"},
		"a token of another provider":          {says: ssotest.Says{Claims: claims{"role": "support", "iss": "https://id.test"}}, code: "sso_token"},
		"a token that has run out":             {says: ssotest.Says{Claims: claims{"role": "support"}, Skew: -10 * time.Minute}, code: "sso_token"},
		"a token without an end":               {says: ssotest.Says{Claims: claims{"role": "support", "exp": nil}}, code: "sso_token"},
		"a token of another sign-in":           {says: ssotest.Says{Claims: claims{"role": "support", "nonce": "other"}}, code: "sso_nonce"},
		"a token of no sign-in":                {says: ssotest.Says{Claims: claims{"role": "support", "nonce": nil}}, code: "sso_nonce"},
		"a token that nobody signed":           {says: ssotest.Says{Claims: claims{"role": "support"}, Sign: unsigned}, code: "sso_token"},
		"a token signed with our own secret":   {says: ssotest.Says{Claims: claims{"role": "support"}, Sign: signedWithTheSecret}, code: "sso_token"},
		"a token signed with a stranger's key": {says: ssotest.Says{Claims: claims{"role": "support"}, Sign: signedByAStranger(t)}, code: "sso_token"},
		"a token that is none":                 {says: ssotest.Says{Sign: func([]byte) string { return "eyJ" }}, code: "sso_token"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			idp := ssotest.New(t)
			idp.Say(row.says)
			p := provider(idp, nil)
			address, memo, err := p.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got, err := p.Finish(t.Context(), memo, visit(t, address))
			if diff := cmp.Diff(row.want, got); diff != "" || payment.CodeOf(err) != row.code || (row.code != "" && payment.KindOf(err) != payment.Refused) {
				t.Errorf("%v, %v, want code %q", got, err, row.code)
			}
		})
	}
}

// What comes back is good for the browser that began, once.
func TestASignInIsItsOwn(t *testing.T) {
	idp := ssotest.New(t)
	idp.Say(ssotest.Says{Claims: claims{"role": "support"}})
	p := provider(idp, nil)
	begin := func() (memo string, back url.Values) {
		t.Helper()
		address, memo, err := p.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return memo, visit(t, address)
	}
	wants := func(what, memo string, back url.Values, code string) {
		t.Helper()
		if _, err := p.Finish(t.Context(), memo, back); payment.CodeOf(err) != code {
			t.Errorf("%s: %v, want code %q", what, err, code)
		}
	}
	mine, back := begin()
	others, _ := begin()
	wants("another browser's memo", others, back, "sso_state")
	wants("no memo", "", back, "sso_state")
	wants("no memo and no state", "", url.Values{"code": back["code"]}, "sso_state")
	wants("an empty memo and an empty state", "..", url.Values{"code": back["code"], "state": {""}}, "sso_state")
	part := strings.Split(mine, ".")
	wants("another's verifier", part[0]+"."+part[1]+"."+strings.Split(others, ".")[2], back, "sso_code")

	mine, back = begin()
	wants("as it should be", mine, back, "")
	wants("once more", mine, back, "sso_code")
}

func TestAProviderThatIsAway(t *testing.T) {
	idp := ssotest.New(t)
	p := provider(idp, nil)
	idp.Say(ssotest.Says{Mute: true})
	if _, _, err := p.Begin(t.Context()); payment.KindOf(err) != payment.Unknown {
		t.Errorf("away from the start: %v", err)
	}
	idp.Say(ssotest.Says{Silent: true})
	address, memo, err := p.Begin(t.Context()) // it is back, and found
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Finish(t.Context(), memo, visit(t, address)); payment.KindOf(err) != payment.Unknown {
		t.Errorf("away in the middle: %v", err)
	}
}

func TestAProviderThatDoesNotKnowUs(t *testing.T) {
	idp := ssotest.New(t)
	p := provider(idp, func(c *sso.Config) { c.ClientSecret = "an older secret" })
	address, memo, err := p.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.Finish(t.Context(), memo, visit(t, address))
	if payment.KindOf(err) != payment.Internal || payment.CodeOf(err) != "sso_client" {
		t.Errorf("%v", err)
	}
	elsewhere := provider(idp, func(c *sso.Config) { c.Issuer += "/" }) // not as the provider spells itself
	if _, _, err := elsewhere.Begin(t.Context()); err == nil {
		t.Error("an issuer by another name is believed")
	}
}
