package sso

import (
	"regexp"
	"slices"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/paysaga/paysaga/internal/payment"
)

// A name stands in timelines and before an approver's eyes; API_TOKENS allows the
// same characters.
var name = regexp.MustCompile(`^[0-9A-Za-z._@-]{1,64}$`)

// person reads who somebody is. A verified address is the name people are known
// by; without one it is the subject, which never changes. What a person may
// choose themselves is not asked: nobody approves their own request under
// another name.
func (p *Provider) person(token *oidc.IDToken) (payment.Session, error) {
	var said struct {
		Email    string `json:"email"`
		Verified bool   `json:"email_verified"`
	}
	var claims map[string]any
	if token.Claims(&claims) != nil || token.Claims(&said) != nil {
		return payment.Session{}, refused("sso_token", "the identity provider's word cannot be read")
	}
	role, ok := roleIn(claims[p.config.RoleClaim])
	if !ok {
		return payment.Session{}, refused("sso_role", "the identity provider names no role here for this person, or more than one")
	}
	called := token.Subject
	if said.Verified && said.Email != "" {
		called = strings.ToLower(said.Email)
	}
	if !name.MatchString(called) || strings.EqualFold(called, "paysaga") {
		return payment.Session{}, refused("sso_name", "the identity provider gives this person no usable name")
	}
	return payment.Session{Role: role, Name: called}, nil
}

// roleIn finds the one role in a claim, a word or a list of words. Support is part
// of approver; an operator moves no money and is nothing else beside.
func roleIn(claim any) (string, bool) {
	words, isList := claim.([]any)
	if !isList {
		words = []any{claim}
	}
	has := func(role string) bool { return slices.Contains(words, any(role)) }
	switch {
	case has("operator"):
		return "operator", !has("approver") && !has("support")
	case has("approver"):
		return "approver", true
	}
	return "support", has("support")
}
