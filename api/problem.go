package api

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/paysaga/paysaga/internal/payment"
	"github.com/paysaga/paysaga/internal/strictjson"
)

// problem is an error as the outside sees it (RFC 9457). Code is stable; Detail
// is for people and may change.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Code   string `json:"code"`
	Detail string `json:"detail,omitempty"`
}

func (p *problem) Error() string { return p.Code + ": " + p.Detail }

func fail(status int, code, detail string) *problem {
	return &problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Code: code, Detail: detail}
}

// statuses are the answers to the kinds of error.
var statuses = map[payment.Kind]int{
	payment.Invalid:  http.StatusUnprocessableEntity,
	payment.NotFound: http.StatusNotFound,
	payment.Conflict: http.StatusConflict,
	payment.Refused:  http.StatusForbidden,
	payment.Busy:     http.StatusServiceUnavailable,
	payment.Unknown:  http.StatusServiceUnavailable,
}

// problemOf is the one place where a payment error becomes HTTP. Only our own
// words go out; of any other error nobody outside learns more than that there
// was no answer.
func problemOf(err error) *problem {
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	e, ok := errors.AsType[*payment.Error](err)
	switch {
	case !ok:
		return fail(http.StatusServiceUnavailable, "no_answer", "it is not known what came of this; ask again")
	case e.Kind == payment.Internal:
		return fail(http.StatusInternalServerError, "internal", "something broke on our side")
	case e.Code == payment.CodeRequestExpired:
		return fail(http.StatusGone, e.Code, e.Text)
	}
	return fail(statuses[e.Kind], e.Code, e.Text)
}

func (s *Server) answer(w http.ResponseWriter, r *http.Request, err error) {
	p := problemOf(err)
	if p.Status >= http.StatusInternalServerError {
		s.Log.Warn("no good answer", "method", r.Method, "route", routeOf(r),
			"status", p.Status, "code", cmp.Or(payment.CodeOf(err), p.Code), "detail", p.Detail)
	}
	switch p.Status {
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", `Bearer realm="paysaga"`)
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "2")
	}
	write(w, p.Status, "application/problem+json", p)
}

// reply answers with a status and a body.
func reply(w http.ResponseWriter, status int, body any) error {
	write(w, status, "application/json", body)
	return nil
}

func write(w http.ResponseWriter, status int, contentType string, body any) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	_ = out.Encode(body) // the client is gone, and the status was sent
}

// maxBody bounds what merchants and support send, in bytes.
const maxBody = 64 << 10

func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, fail(http.StatusRequestEntityTooLarge, "too_large", "the body is larger than 64 KiB")
	}
	if err != nil {
		return nil, fail(http.StatusBadRequest, "unreadable", "the body ended too early")
	}
	return body, nil
}

// read reads a request's body, strict JSON, into the struct that into points to.
func read(w http.ResponseWriter, r *http.Request, into any) error {
	body, err := readBody(w, r)
	if err != nil {
		return err
	}
	if err := strictjson.Decode(body, into); err != nil {
		return payment.Failf(payment.Invalid, "invalid_body", "%s", err)
	}
	return nil
}

func notFound(http.ResponseWriter, *http.Request) error {
	return fail(http.StatusNotFound, "no_such_route", "nothing is here")
}

// methodNotAllowed names the methods that would have been right.
func methodNotAllowed(routes chi.Routes) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		var allowed []string
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			if routes.Match(chi.NewRouteContext(), method, r.URL.EscapedPath()) {
				allowed = append(allowed, method)
			}
		}
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		return fail(http.StatusMethodNotAllowed, "wrong_method", "this takes "+strings.Join(allowed, " or "))
	}
}

// routeOf is a request's route without its numbers, for logs.
func routeOf(r *http.Request) string {
	if route := chi.RouteContext(r.Context()); route != nil {
		return route.RoutePattern()
	}
	return ""
}
