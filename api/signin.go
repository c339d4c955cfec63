package api

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/paysaga/paysaga/internal/payment"
)

// Where people sign in; the pages themselves are the console's. An identity
// provider must know PUBLIC_URL and CallbackOfSSO as the address to send people
// back to.
const (
	homePath      = "/console/"
	loginPath     = "/console/login"
	CallbackOfSSO = "/console/oidc/callback"
)

// memoSeconds is how long somebody may take at the identity provider.
const memoSeconds = 600

// consoleRoutes is signing in and out, and whatever the console answers. Only our
// own pages may post here.
func (s *Server) consoleRoutes(r chi.Router) {
	ourPages := http.NewCrossOriginProtection()
	ourPages.SetDenyHandler(s.handle(foreignPage))
	r.Use(ourPages.Handler)
	r.Post("/login", s.handle(s.login))
	r.Post("/logout", s.handle(s.logout))
	if s.SingleSignOn() {
		r.Get("/oidc", s.handle(s.beginSSO))
		r.Get("/oidc/callback", s.handle(s.finishSSO))
	}
	if s.Console != nil {
		r.Get("/login", s.Console.ServeHTTP)
		r.Mount("/", s.Console)
	}
}

func foreignPage(http.ResponseWriter, *http.Request) error {
	return payment.Failf(payment.Refused, "cross_origin", "another site's page may not ask this")
}

// login signs somebody in by an API token. Merchants' tokens belong to systems,
// which have no business in the console.
func (s *Server) login(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if err := r.ParseForm(); err != nil {
		return fail(http.StatusBadRequest, "unreadable", "this is no form, or too large a one")
	}
	next, secret := local(r.PostForm.Get("next")), strings.TrimSpace(r.PostForm.Get("token"))
	caller, ok := s.Tokens.find(secret)
	switch {
	case !ok:
		return s.notIn(w, r, next, "unknown_token")
	case caller.Role == Merchant:
		return s.notIn(w, r, next, "wrong_role")
	}
	return s.enter(w, r, next, payment.Session{
		Role: string(caller.Role), Name: caller.Name, TokenSHA256: secretSHA256(secret),
	})
}

// notIn sends somebody back to sign in. Why is in the log: a stranger learns
// nothing of whom we know.
func (s *Server) notIn(w http.ResponseWriter, r *http.Request, next, why string) error {
	s.Log.Warn("nobody was signed in", "why", why)
	http.Redirect(w, r, loginPath+"?"+url.Values{"why": {"refused"}, "next": {next}}.Encode(), http.StatusSeeOther)
	return nil
}

// logout signs out whoever is in, and is happy if nobody was.
func (s *Server) logout(w http.ResponseWriter, r *http.Request) error {
	s.leave(r)
	s.setCookie(w, sessionCookie, "", -1)
	http.Redirect(w, r, loginPath, http.StatusSeeOther)
	return nil
}

// beginSSO sends somebody to the identity provider.
func (s *Server) beginSSO(w http.ResponseWriter, r *http.Request) error {
	address, memo, err := s.People.SSO.Begin(r.Context())
	if err != nil {
		return err
	}
	kept := url.Values{"memo": {memo}, "next": {local(r.URL.Query().Get("next"))}}
	s.setCookie(w, memoCookie, kept.Encode(), memoSeconds)
	http.Redirect(w, r, address, http.StatusSeeOther)
	return nil
}

// finishSSO takes them back. The memo is good for one try.
func (s *Server) finishSSO(w http.ResponseWriter, r *http.Request) error {
	var kept url.Values
	if cookies := r.CookiesNamed(s.cookieName(memoCookie)); len(cookies) == 1 {
		kept, _ = url.ParseQuery(cookies[0].Value) // what cannot be read is no memo of ours
	}
	s.setCookie(w, memoCookie, "", -1)
	next := local(kept.Get("next"))
	person, err := s.People.SSO.Finish(r.Context(), kept.Get("memo"), r.URL.Query())
	if payment.KindOf(err) == payment.Refused {
		return s.notIn(w, r, next, payment.CodeOf(err))
	}
	if err != nil {
		return err
	}
	return s.enter(w, r, next, person)
}
