package api

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"net/url"
	"strings"

	"github.com/paysaga/paysaga/internal/payment"
)

// People is how people are let in, in place of the tokens that systems show.
type People struct {
	Sessions Sessions
	SSO      SSO  // nil unless single sign-on is configured
	Plain    bool // on this machine alone, without TLS: no cookie can be Secure
}

// Sessions are who is signed in, in books that all instances share.
type Sessions interface {
	OpenSession(ctx context.Context, secretSHA256 []byte, opened payment.Session) error
	// Session is NotFound for whoever is not signed in any more.
	Session(ctx context.Context, secretSHA256 []byte) (payment.Session, error)
	// GlanceSession is Session, and leaves how long they were idle as it is.
	GlanceSession(ctx context.Context, secretSHA256 []byte) (payment.Session, error)
	CloseSession(ctx context.Context, secretSHA256 []byte) error
}

// SSO is an identity provider. Its memo belongs into the cookie of who signs in.
type SSO interface {
	Begin(ctx context.Context) (address, memo string, err error)
	Finish(ctx context.Context, memo string, answer url.Values) (payment.Session, error)
}

// Caller is who is signed in, by the cookie of a request; false if nobody is.
func (s *Server) Caller(r *http.Request) (Caller, bool) {
	caller, err := s.visitor(r)
	if err != nil && payment.KindOf(err) != payment.NotFound {
		s.Log.Warn("nobody can be recognized", "why", payment.CodeOf(err))
	}
	return caller, err == nil
}

// WasSignedIn tells whether a request still shows the cookie of a session, however
// that has ended.
func (s *Server) WasSignedIn(r *http.Request) bool {
	return len(r.CookiesNamed(s.cookieName(sessionCookie))) > 0
}

// SingleSignOn tells whether people can sign in at an identity provider.
func (s *Server) SingleSignOn() bool { return s.People.SSO != nil }

// identifyEither lets in by token or by session, for what both people's browsers
// and tools call.
func (s *Server) identifyEither(next http.Handler) http.Handler {
	byToken := s.identify(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.Header.Values("Authorization")) > 0 {
			byToken.ServeHTTP(w, r)
			return
		}
		caller, err := s.visitor(r)
		if payment.KindOf(err) == payment.NotFound {
			err = fail(http.StatusUnauthorized, "unauthorized", "nobody is signed in")
		}
		if err != nil {
			s.answer(w, r, err)
			return
		}
		next.ServeHTTP(w, r.WithContext(WithCaller(r.Context(), caller)))
	})
}

// visitor is who a request's cookie belongs to; NotFound if to nobody. A script that
// reads a page again, or Temporal's UI that has payloads opened as a run goes on, is
// not its person doing something: a desk that was left is signed out, whatever page
// it shows. Browsers tell the two apart (W3C Fetch Metadata); whoever does not say so
// counts as the person.
func (s *Server) visitor(r *http.Request) (Caller, error) {
	cookies := r.CookiesNamed(s.cookieName(sessionCookie))
	if len(cookies) != 1 || s.People.Sessions == nil {
		return Caller{}, payment.Failf(payment.NotFound, "not_signed_in", "nobody is signed in")
	}
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	see := s.People.Sessions.Session
	if r.Header.Get("Sec-Fetch-Dest") == "empty" {
		see = s.People.Sessions.GlanceSession
	}
	found, err := see(ctx, secretSHA256(cookies[0].Value))
	if err != nil {
		return Caller{}, err
	}
	caller := Caller{Role: Role(found.Role), Name: found.Name, Session: sessionOf(cookies[0].Value)}
	if found.TokenSHA256 != nil && !s.Tokens.still(found.TokenSHA256, caller) {
		return Caller{}, payment.Failf(payment.NotFound, "token_gone", "the token was taken away")
	}
	return caller, nil
}

// still tells whether a token, by its hash, belongs to this caller today.
func (ts Tokens) still(sum []byte, caller Caller) bool {
	for _, t := range ts {
		if subtle.ConstantTimeCompare(t.sum[:], sum) == 1 {
			return t.caller.Role == caller.Role && t.caller.Name == caller.Name
		}
	}
	return false
}

// enter signs somebody in, under a secret that nobody had before, and sends them
// where they wanted to go.
func (s *Server) enter(w http.ResponseWriter, r *http.Request, next string, opened payment.Session) error {
	secret := rand.Text() + rand.Text() // 260 bits
	if err := s.People.Sessions.OpenSession(r.Context(), secretSHA256(secret), opened); err != nil {
		return err
	}
	s.leave(r)
	s.setCookie(w, sessionCookie, secret, 0)
	s.Log.Info("signed in", "name", opened.Name, "role", opened.Role)
	http.Redirect(w, r, next, http.StatusSeeOther)
	return nil
}

// leave ends the session that a request belongs to, if any. One that cannot be
// ended now ends by itself.
func (s *Server) leave(r *http.Request) {
	for _, c := range r.CookiesNamed(s.cookieName(sessionCookie)) {
		if err := s.People.Sessions.CloseSession(r.Context(), secretSHA256(c.Value)); err != nil {
			s.Log.Warn("a session could not be ended", "why", payment.CodeOf(err))
		}
	}
}

// The cookies: who is signed in, and the memo of a sign-in under way.
const (
	sessionCookie = "paysaga"
	memoCookie    = "paysaga-sso"
)

// cookieName has the prefix by which browsers promise that no other host, and no
// page without TLS, set the cookie (RFC 6265bis section 4.1.3.2).
func (s *Server) cookieName(name string) string {
	if s.People.Plain {
		return name
	}
	return "__Host-" + name
}

// setCookie sets a cookie for so many seconds; 0 until the browser closes, -1
// takes it away. It is Lax and not Strict because the way back from an identity
// provider, and a link in a mail, begin on another site.
func (s *Server) setCookie(w http.ResponseWriter, name, value string, seconds int) {
	http.SetCookie(w, &http.Cookie{
		Name: s.cookieName(name), Value: value, Path: "/", MaxAge: seconds,
		HttpOnly: true, Secure: !s.People.Plain, SameSite: http.SameSiteLaxMode,
	})
}

func secretSHA256(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// local is where to go after signing in: a page of the console, and nowhere that
// a stranger's link may name.
func local(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || !strings.HasPrefix(u.Path, homePath) || strings.Contains(next, `\`) {
		return homePath
	}
	return next
}
