// Package ssotest plays an identity provider for tests: real HTTP, real RS256
// tokens, PKCE and client authentication checked, and lies on request. It shares
// no code with what it tests.
package ssotest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// The one client that the provider knows.
const (
	ClientID     = "paysaga"
	ClientSecret = "a-secret-of-the-client"
)

// Provider signs in everybody who asks, at once, as Says has it.
type Provider struct {
	Issuer string

	mu     sync.Mutex
	says   Says
	grants map[string]grant // by code
	key    *rsa.PrivateKey
}

// Says is what the provider says of the next person, and how it lies.
type Says struct {
	Claims  map[string]any             // over the right ones; nil takes one away
	Sign    func(claims []byte) string // in place of RS256 under the key that it publishes
	Refuses bool                       // sends people back with an error
	Mute    bool                       // answers 503 to everything
	Silent  bool                       // 503 to the token call alone
	NoToken bool                       // leaves the ID token out
	Skew    time.Duration              // of its clock
}

type grant struct{ nonce, challenge, redirect string }

// New starts a provider that ends with the test.
func New(t testing.TB) *Provider {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p := &Provider{key: key, grants: map[string]grant{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", p.discovery)
	mux.HandleFunc("GET /keys", p.keys)
	mux.HandleFunc("GET /authorize", p.authorize)
	mux.HandleFunc("POST /token", p.token)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.now().Mute {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	p.Issuer = server.URL
	return p
}

// Say sets what is said from now on.
func (p *Provider) Say(says Says) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.says = says
}

func (p *Provider) now() Says {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.says
}

func (p *Provider) discovery(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]any{
		"issuer": p.Issuer, "authorization_endpoint": p.Issuer + "/authorize", "token_endpoint": p.Issuer + "/token",
		"jwks_uri": p.Issuer + "/keys", "id_token_signing_alg_values_supported": []string{"RS256"},
	})
}

func (p *Provider) keys(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]any{"keys": []any{map[string]string{
		"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "1",
		"n": b64(p.key.N.Bytes()), "e": b64(big.NewInt(int64(p.key.E)).Bytes()),
	}}})
}

func (p *Provider) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	back, err := url.Parse(q.Get("redirect_uri"))
	if err != nil || q.Get("client_id") != ClientID || q.Get("response_type") != "code" || q.Get("code_challenge_method") != "S256" ||
		q.Get("nonce") == "" || !strings.Contains(" "+q.Get("scope")+" ", " openid ") {
		http.Error(w, "not a request for a code with PKCE", http.StatusBadRequest)
		return
	}
	sent := url.Values{"state": {q.Get("state")}}
	if p.now().Refuses {
		sent.Set("error", "access_denied")
	} else {
		code := rand.Text()
		p.mu.Lock()
		p.grants[code] = grant{nonce: q.Get("nonce"), challenge: q.Get("code_challenge"), redirect: q.Get("redirect_uri")}
		p.mu.Unlock()
		sent.Set("code", code)
	}
	back.RawQuery = sent.Encode()
	http.Redirect(w, r, back.String(), http.StatusFound)
}

func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	says := p.now()
	id, secret, basic := r.BasicAuth()
	if !basic {
		id, secret = r.FormValue("client_id"), r.FormValue("client_secret")
	}
	p.mu.Lock()
	given, known := p.grants[r.FormValue("code")]
	delete(p.grants, r.FormValue("code")) // good for once
	p.mu.Unlock()
	challenge := sha256.Sum256([]byte(r.FormValue("code_verifier")))
	switch {
	case says.Silent:
		w.WriteHeader(http.StatusServiceUnavailable)
	case id != ClientID || secret != ClientSecret:
		answer(w, http.StatusUnauthorized, map[string]string{"error": "invalid_client"})
	case !known || b64(challenge[:]) != given.challenge || r.FormValue("redirect_uri") != given.redirect:
		answer(w, http.StatusBadRequest, map[string]string{"error": "invalid_grant"})
	case says.NoToken:
		answer(w, http.StatusOK, map[string]any{"access_token": "x", "token_type": "Bearer"})
	default:
		answer(w, http.StatusOK, map[string]any{"access_token": "x", "token_type": "Bearer", "id_token": p.idToken(given.nonce, says)})
	}
}

func (p *Provider) idToken(nonce string, says Says) string {
	now := time.Now().Add(says.Skew)
	claims := map[string]any{
		"iss": p.Issuer, "aud": ClientID, "sub": "subject-1", "nonce": nonce,
		"iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
	}
	for name, value := range says.Claims {
		if claims[name] = value; value == nil {
			delete(claims, name)
		}
	}
	body, err := json.Marshal(claims)
	if err != nil {
		panic(err) // a test's own claims
	}
	if says.Sign != nil {
		return says.Sign(body)
	}
	return RS256(p.key, body)
}

// RS256 is a JWT of these claims, signed.
func RS256(key *rsa.PrivateKey, claims []byte) string {
	signed := b64([]byte(`{"alg":"RS256","kid":"1"}`)) + "." + b64(claims)
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		panic(err) // a key of 2048 bits signs a SHA-256
	}
	return signed + "." + b64(signature)
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
