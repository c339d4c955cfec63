package api

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/paysaga/paysaga/internal/payment"
)

// Role is what a token may do ; the routes say which role may do what.
type Role string

// The roles. An approver may do all that support may, and decides on what others
// asked for; an operator keeps things going and moves no money.
const (
	Merchant Role = "merchant"
	Support  Role = "support"
	Approver Role = "approver"
	Operator Role = "operator"
)

// Caller is who calls. Two tokens of one name are one person, whatever their
// roles: nobody approves what they asked for under another token.
type Caller struct {
	Role    Role
	Name    string
	Session string // which token or sign-in of theirs, for the audit log; no secret
}

// owner is whose things the caller may see: merchants their own, staff all.
func (c Caller) owner() string {
	if c.Role == Merchant {
		return c.Name
	}
	return ""
}

// Tokens are the callers we know, by the SHA-256 of their tokens.
type Tokens []token

type token struct {
	sum    [sha256.Size]byte
	caller Caller
}

// A name goes into logs, timelines and the approver's eyes; the colon is kept out
// of it because it marks names that nobody proved (unverified:…).
var callerName = regexp.MustCompile(`^[0-9A-Za-z._@-]{1,64}$`)

// minToken is the fewest characters a token may have.
const minToken = 32

// ParseTokens reads API_TOKENS, one role:name:sha256hex a line; the third is the
// lower-case hex of the whole token's SHA-256. It reports all mistakes at once,
// by line number: a line may hold a secret by mistake.
func ParseTokens(lines string) (Tokens, error) {
	var (
		tokens   Tokens
		mistakes []error
		seen     = map[[sha256.Size]byte]bool{}
	)
	for i, line := range strings.Split(lines, "\n") {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		t, err := parseToken(line)
		if err == nil && seen[t.sum] {
			err = errors.New("the same token twice")
		}
		if err != nil {
			mistakes = append(mistakes, fmt.Errorf("line %d: %w", i+1, err))
			continue
		}
		seen[t.sum] = true
		tokens = append(tokens, t)
	}
	return tokens, errors.Join(mistakes...)
}

func parseToken(line string) (token, error) {
	part := strings.Split(line, ":")
	if len(part) != 3 {
		return token{}, errors.New("must be role:name:sha256hex")
	}
	t := token{caller: Caller{Role: Role(part[0]), Name: part[1]}}
	if !slices.Contains([]Role{Merchant, Support, Approver, Operator}, t.caller.Role) {
		return token{}, errors.New("a role must be merchant, support, approver or operator")
	}
	if !callerName.MatchString(t.caller.Name) || strings.EqualFold(t.caller.Name, "paysaga") {
		return token{}, errors.New("a name must be 1-64 of [0-9A-Za-z._@-], and not our own")
	}
	sum, err := hex.DecodeString(part[2])
	if err != nil || len(sum) != sha256.Size || part[2] != strings.ToLower(part[2]) {
		return token{}, errors.New("the third part must be the lower-case hex of a SHA-256")
	}
	copy(t.sum[:], sum)
	return t, nil
}

// find looks a token up by its hash. It looks at every known one, and each
// comparison takes the same time, so that time tells nothing.
func (ts Tokens) find(secret string) (Caller, bool) {
	sum := sha256.Sum256([]byte(secret))
	var found Caller
	hits := 0
	for _, t := range ts {
		if subtle.ConstantTimeCompare(t.sum[:], sum[:]) == 1 {
			found = t.caller
			hits++
		}
	}
	return found, hits == 1 && len(secret) >= minToken
}

type callerKey struct{}

// WithCaller is for calls from within the process, whose caller was identified
// before: a person signed in to the console. No header can say it.
func WithCaller(ctx context.Context, caller Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, caller)
}

// identify lets in who shows a token we know, and nobody else.
func (s *Server) identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, known := r.Context().Value(callerKey{}).(Caller); known {
			next.ServeHTTP(w, r)
			return
		}
		caller, ok := s.Tokens.find(bearer(r))
		caller.Session = sessionOf(bearer(r))
		if !ok {
			s.answer(w, r, fail(http.StatusUnauthorized, "unauthorized", "no token, or one we do not know"))
			return
		}
		next.ServeHTTP(w, r.WithContext(WithCaller(r.Context(), caller)))
	})
}

// bearer is the token of a request that has exactly one Authorization header.
func bearer(r *http.Request) string {
	headers := r.Header.Values("Authorization")
	if len(headers) != 1 {
		return ""
	}
	scheme, secret, _ := strings.Cut(headers[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return secret
}

// handler answers a known caller, or returns why not.
type handler func(w http.ResponseWriter, r *http.Request, by Caller) error

// only lets a route's roles in. The right is read anew at each call.
func (s *Server) only(roles ...Role) func(handler) http.HandlerFunc {
	return func(h handler) http.HandlerFunc {
		return s.handle(func(w http.ResponseWriter, r *http.Request) error {
			by, _ := r.Context().Value(callerKey{}).(Caller)
			r = r.WithContext(payment.WithActor(r.Context(), actor(r, by)))
			if !slices.Contains(roles, by.Role) {
				return s.denied(r, payment.Failf(payment.Refused, "wrong_role", "not for the role %s", by.Role))
			}
			switch {
			case r.Method == http.MethodGet:
				return h(w, r, by)
			case strings.HasPrefix(r.URL.Path, "/v1/"): // whatever changes something here
				return s.denied(r, s.once(w, r, by, h))
			}
			return s.denied(r, h(w, r, by))
		})
	}
}
