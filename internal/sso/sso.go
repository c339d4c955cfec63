// Package sso asks the merchant's identity provider who somebody is, by OpenID
// Connect's code flow with PKCE (openid.net/specs/openid-connect-core-1_0.html
// section 3.1, RFC 7636).
package sso

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/paysaga/paysaga/internal/payment"
)

// Config says which provider, and who we are to it.
type Config struct {
	Issuer       string // https, as the provider's own discovery document spells it
	ClientID     string
	ClientSecret string
	RoleClaim    string // claim of the ID token that holds a role, or a list with one among others
	CallbackURL  string // where the provider sends people back to
}

// Provider is the identity provider. It is asked for its addresses when somebody
// first signs in, so that its absence keeps no callback of WeChat's waiting.
type Provider struct {
	config Config
	client *http.Client

	mu     sync.Mutex
	oauth  *oauth2.Config // nil until it was found
	tokens *oidc.IDTokenVerifier
}

// patience is how long the provider may take to answer a call.
const patience = 5 * time.Second

// New makes a provider; it asks nobody.
func New(config Config) *Provider {
	return &Provider{config: config, client: &http.Client{Timeout: patience}}
}

// Begin returns where to send somebody to sign in, and the memo that Finish wants
// back. Whoever has the memo can finish this one sign-in, so it goes into the
// person's own cookie. Unknown if the provider is silent.
func (p *Provider) Begin(ctx context.Context) (address, memo string, err error) {
	oauth, _, err := p.discover(ctx)
	if err != nil {
		return "", "", err
	}
	state, nonce, verifier := rand.Text(), rand.Text(), oauth2.GenerateVerifier()
	address = oauth.AuthCodeURL(state, oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier))
	return address, strings.Join([]string{state, nonce, verifier}, "."), nil
}

// Finish makes a person out of what the provider sent them back with.
//
// Kinds: Refused for whatever is not a good answer to this sign-in, or names no
// one role of ours, with a code that says which check failed; Unknown if the
// provider is silent; Internal if it does not know us.
func (p *Provider) Finish(ctx context.Context, memo string, answer url.Values) (payment.Session, error) {
	part := strings.Split(memo, ".")
	if len(part) != 3 || part[0] == "" || subtle.ConstantTimeCompare([]byte(part[0]), []byte(answer.Get("state"))) != 1 {
		return payment.Session{}, refused("sso_state", "this sign-in was not begun in this browser, or long ago")
	}
	nonce, verifier := part[1], part[2]
	if answer.Has("error") { // its words may hold anything
		return payment.Session{}, refused("sso_denied", "the identity provider let nobody in")
	}
	oauth, tokens, err := p.discover(ctx)
	if err != nil {
		return payment.Session{}, err
	}
	ctx = oidc.ClientContext(ctx, p.client)
	got, err := oauth.Exchange(ctx, answer.Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		return payment.Session{}, exchange(err)
	}
	raw, _ := got.Extra("id_token").(string)
	token, err := tokens.Verify(ctx, raw)
	if err != nil {
		return payment.Session{}, refused("sso_token", "the identity provider's word cannot be verified")
	}
	if subtle.ConstantTimeCompare([]byte(token.Nonce), []byte(nonce)) != 1 {
		return payment.Session{}, refused("sso_nonce", "the identity provider's word is about another sign-in")
	}
	return p.person(token)
}

// discover returns how to speak to the provider. What was found stays.
func (p *Provider) discover(ctx context.Context) (*oauth2.Config, *oidc.IDTokenVerifier, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.oauth != nil {
		return p.oauth, p.tokens, nil
	}
	found, err := oidc.NewProvider(oidc.ClientContext(ctx, p.client), p.config.Issuer)
	if err != nil {
		return nil, nil, silent(err)
	}
	p.oauth = &oauth2.Config{
		ClientID: p.config.ClientID, ClientSecret: p.config.ClientSecret, Endpoint: found.Endpoint(),
		RedirectURL: p.config.CallbackURL, Scopes: []string{oidc.ScopeOpenID, "email", "profile"},
	}
	p.tokens = found.Verifier(&oidc.Config{ClientID: p.config.ClientID})
	return p.oauth, p.tokens, nil
}

// exchange tells a code that the provider does not take (RFC 6749 section 5.2) from
// a client that it does not take, which is for us to mend, and from silence.
func exchange(err error) error {
	said, answered := errors.AsType[*oauth2.RetrieveError](err)
	switch {
	case answered && said.ErrorCode == "invalid_grant":
		return refused("sso_code", "the identity provider does not know this sign-in")
	case answered && said.Response.StatusCode < http.StatusInternalServerError:
		return payment.Fail(payment.Internal, "sso_client", "the identity provider does not take OIDC_CLIENT_ID and its secret", err)
	}
	return silent(err)
}

func refused(code, text string) error { return payment.Failf(payment.Refused, code, "%s", text) }

func silent(err error) error {
	return payment.Fail(payment.Unknown, "sso_silent", "no good answer from the identity provider", err)
}
