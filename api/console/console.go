// Package console is the desk for people who sit at it: the same acts as the
// API's, as pages, in Chinese and English. It has no rule of its own. Every page
// reads, and every button asks, the API in the same process and in the signed-in
// person's name; so what somebody may do here is what their role may do there,
// and it is judged, kept and audited there.
//
// Pages are made on the server and embedded in the binary. They load nothing from
// anywhere else, and work without their one script, which only keeps them fresh.
package console

import (
	"bytes"
	"embed"
	"errors"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/paysaga/paysaga/api"
)

//go:embed templates static
var files embed.FS

// Console is the pages and whom they ask.
type Console struct {
	API        http.Handler // the routes under /v1
	Sessions   Sessions
	TemporalUI *url.URL // where operators look at a run; nil for no links
	Namespace  string   // of the runs
	Plain      bool     // on this machine alone, without TLS: no cookie can be Secure
	Log        *slog.Logger
}

// Sessions knows who is signed in, and by which ways one can.
type Sessions interface {
	// Caller is who sent a request with a good session; false where nobody did.
	Caller(r *http.Request) (api.Caller, bool)
	// WasSignedIn tells whether they come from a session that has ended.
	WasSignedIn(r *http.Request) bool
	// SingleSignOn tells whether people can sign in at the merchant's own provider.
	SingleSignOn() bool
}

// server is a Console with its pages read.
type server struct {
	Console
	pages map[language]*template.Template
}

// Routes is every page, for everything under /console/ but signing in and out.
func (c Console) Routes() http.Handler {
	s := &server{Console: c, pages: parse()}
	static, err := fs.Sub(files, "static")
	if err != nil {
		panic(err) // the embedded folder is part of the program
	}
	r := chi.NewRouter()
	r.Use(guard)
	r.Get("/login", s.login)
	r.Post("/language", s.speak)
	r.Handle("/static/*", cached(http.StripPrefix("/console/static/", http.FileServerFS(static))))
	r.Group(func(r chi.Router) {
		r.Get("/", s.page(s.cases))
		r.Get("/cases/{id}", s.page(s.theCase))
		r.Post("/cases/{id}/{act}", s.page(s.actOnCase))
		r.Get("/search", s.page(s.search))
		r.Get("/payments/{id}", s.page(s.payment))
		r.Get("/payments/{id}/{act}", s.page(s.consider))
		r.Post("/payments/{id}/{act}", s.page(s.act))
		r.Get("/approvals", s.page(s.approvals))
		r.Post("/approvals/{id}/{act}", s.page(s.decide))
		r.Get("/bulk", s.page(s.bulk))
		r.Post("/bulk", s.page(s.bulk))
		r.Get("/reports", s.page(s.reports))
		r.Get("/reports/{day}", s.page(s.report))
		r.Get("/today", s.page(s.today))
	})
	r.NotFound(s.page(func(*visit) error { return &refusal{Status: http.StatusNotFound, Code: "no_such_route"} }))
	return r
}

// policy lets a page use what the binary holds, and nothing else.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// guard sets what every page answers with. Pages hold people's business: no cache
// keeps them.
func guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// cached is for files that change only with the binary.
func cached(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=300")
		next.ServeHTTP(w, r)
	})
}

// visit is one request of one person.
type visit struct {
	w    http.ResponseWriter
	r    *http.Request
	who  api.Caller
	lang language
	desk desk
	*server
}

// page lets in who is signed in, and turns what went wrong into a page.
func (s *server) page(h func(*visit) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		who, ok := s.Sessions.Caller(r)
		if !ok {
			q := url.Values{"next": {r.URL.RequestURI()}}
			if r.Method != http.MethodGet { // what was sent is not sent again
				q.Set("next", sentFrom(r))
			}
			if s.Sessions.WasSignedIn(r) {
				q.Set("why", "ended")
			}
			http.Redirect(w, r, "/console/login?"+q.Encode(), http.StatusSeeOther)
			return
		}
		v := &visit{w: w, r: r, who: who, lang: s.languageOf(r), desk: desk{api: s.API, by: who, r: r}, server: s}
		if err := h(v); err != nil {
			v.wrong(err)
		}
	}
}

// sentFrom is the page that a form was on.
func sentFrom(r *http.Request) string {
	from, err := url.Parse(r.Referer())
	if err != nil {
		return back("")
	}
	return back(from.RequestURI())
}

// frame is what every page shows around its own matter.
type frame struct {
	Lang    language
	Who     api.Caller
	Path    string // of this page, to come back to
	Section string // of the navigation
	Title   string
	Live    bool // the page waits for something: its script looks again
	Said    string
	Wrong   *refusal
	It      any // the page's own matter
	Now     time.Time
}

// show renders a page in full before it sends a byte, so that what breaks on the
// way is an error and no half page.
func (v *visit) show(status int, name string, f frame) error {
	f.Lang, f.Who, f.Now = v.lang, v.who, time.Now()
	f.Path = v.r.URL.RequestURI()
	if f.Said == "" {
		f.Said = v.said()
	}
	var out bytes.Buffer
	if err := v.pages[v.lang].ExecuteTemplate(&out, name, f); err != nil {
		return err
	}
	v.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	v.w.WriteHeader(status)
	_, _ = out.WriteTo(v.w) // the reader is gone, and the status was sent
	return nil
}

// wrong shows what the API refused, in its words, or that something broke.
func (v *visit) wrong(err error) {
	no, ok := errors.AsType[*refusal](err)
	if !ok {
		v.Log.Error("a page broke", "path", v.r.URL.Path, "err", err)
		no = &refusal{Status: http.StatusInternalServerError, Code: "internal"}
	}
	if err := v.show(no.Status, "wrong.html", frame{Title: v.t("wrong.title"), Wrong: no}); err != nil {
		v.Log.Error("a page broke", "path", v.r.URL.Path, "err", err)
		http.Error(v.w, "internal error", http.StatusInternalServerError)
	}
}

// done sends the person on after an act, to be told what came of it there. A
// reload then repeats nothing.
func (v *visit) done(to, said string) error {
	v.setCookie(v.w, saidCookie, url.QueryEscape(said), 60)
	http.Redirect(v.w, v.r, to, http.StatusSeeOther)
	return nil
}

const saidCookie = "paysaga-said"

// said is what the act before this page came to; told once.
func (v *visit) said() string {
	cookie, err := v.r.Cookie(v.cookieName(saidCookie))
	if err != nil {
		return ""
	}
	v.setCookie(v.w, saidCookie, "", -1)
	text, err := url.QueryUnescape(cookie.Value)
	if err != nil {
		return ""
	}
	return text
}

// cookieName has the prefix by which browsers keep other hosts, and pages without
// TLS, from setting the cookie: nobody else says what came of an act.
func (s *server) cookieName(name string) string {
	if s.Plain {
		return name
	}
	return "__Host-" + name
}

// setCookie sets a cookie for so many seconds; -1 takes it away.
func (s *server) setCookie(w http.ResponseWriter, name, value string, seconds int) {
	http.SetCookie(w, &http.Cookie{
		Name: s.cookieName(name), Value: value, Path: "/", MaxAge: seconds,
		HttpOnly: true, Secure: !s.Plain, SameSite: http.SameSiteLaxMode,
	})
}
