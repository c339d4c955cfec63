package api

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net"
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/paysaga/paysaga/internal/payment"
)

// sessionDigits of a SHA-256 tell one token from another, and are not
// enough to look for it.
const sessionDigits = 16

// actor is a caller as the audit log names them. The address is the one that
// connected: nothing here believes a header about it.
func actor(r *http.Request, by Caller) payment.Actor {
	peer, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		peer = ""
	}
	return payment.Actor{Name: by.Name, Role: string(by.Role), Peer: peer, Call: rand.Text(), Session: by.Session}
}

// sessionOf names a token, or a cookie's value, by the beginning of its SHA-256.
func sessionOf(secret string) string {
	return hex.EncodeToString(secretSHA256(secret))[:sessionDigits]
}

// denied writes down that a caller was not allowed something, or asked for what
// cannot be, and returns err. What was not understood at all, and what found us at
// fault, asked for nothing.
func (s *Server) denied(r *http.Request, err error) error {
	if err == nil {
		return nil
	}
	route := chi.RouteContext(r.Context())
	act := payment.Act{Action: actionOf(r.Method, route.RoutePattern())}
	for i, name := range route.URLParams.Keys {
		value := route.URLParams.Values[i]
		switch {
		case !number.MatchString(value): // no number of anything
		case name == "transaction_id":
			act.TransactionID, act.Object = value, value
		case name == "out_trade_no":
			act.OutTradeNo, act.Object = value, value
		case name != "*":
			act.Object = value
		}
	}
	s.record(r.Context(), problemOf(err), act)
	return err
}

// record writes down why an act was denied, if it was.
func (s *Server) record(ctx context.Context, why *problem, act payment.Act) {
	switch why.Status {
	case http.StatusForbidden, http.StatusNotFound, http.StatusConflict, http.StatusGone, http.StatusUnprocessableEntity:
	default:
		return
	}
	if why.Code == payment.CodeKeyInUse { // who waits for the first answer is denied nothing
		return
	}
	act.Decision, act.Code = payment.Deny, why.Code
	if err := s.Desk.Record(ctx, act); err != nil {
		s.Log.Error("a denied act is not in the audit log", "action", act.Action, "code", payment.CodeOf(err))
	}
}

// actionOf names what a route does, noun.verb: /v1/payments/{transaction_id}/refunds
// is payment.refund, and /v1/orders is order.create, as nothing else is made without
// an id. To look at something is to read it.
func actionOf(method, route string) string {
	parts := strings.Split(strings.TrimPrefix(strings.TrimPrefix(route, "/v1"), "/"), "/")
	noun, verb, last := strings.TrimSuffix(parts[0], "s"), "create", parts[len(parts)-1]
	switch {
	case method == http.MethodGet:
		verb = "read"
	case len(parts) > 1 && last[:1] != "{":
		verb = strings.TrimSuffix(last, "s")
	}
	return noun + "." + verb
}

// audit shows who did what, or was not allowed to, the newest first.
func (s *Server) audit(w http.ResponseWriter, r *http.Request, _ Caller) error {
	q := queryOf(r)
	wanted := payment.AuditFilter{
		Actor:    q.text("actor"),
		Action:   q.word("action"),
		Decision: payment.Ruling(q.choice("decision", string(payment.Allow), string(payment.Deny))),
		Number:   q.text("q"),
	}
	return list(w, r, q, func(ctx context.Context, page payment.Page[payment.AuditPlace]) ([]payment.Audited, error) {
		return s.Desk.Audit(ctx, wanted, page)
	}, payment.Audited.Place)
}
