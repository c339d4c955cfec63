package api

import (
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
	p := problemOf(err)
	switch p.Status {
	case http.StatusForbidden, http.StatusNotFound, http.StatusConflict, http.StatusGone, http.StatusUnprocessableEntity:
	default:
		return err
	}
	route := chi.RouteContext(r.Context())
	act := payment.Act{Action: actionOf(r.Method, route.RoutePattern()), Decision: payment.Deny, Code: p.Code}
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
	if failed := s.Desk.Record(r.Context(), act); failed != nil {
		s.Log.Error("a denied act is not in the audit log", "action", act.Action, "code", payment.CodeOf(failed))
	}
	return err
}

// actionOf names what a route does, noun.verb: /v1/payments/{transaction_id}/refunds
// is payment.refund, and /v1/orders is order.create, as nothing else is made without
// an id. To look at something is to read it.
func actionOf(method, route string) string {
	parts := strings.Split(strings.TrimPrefix(route, "/v1/"), "/")
	noun, verb := strings.TrimSuffix(parts[0], "s"), "create"
	switch {
	case method == http.MethodGet:
		verb = "read"
	case len(parts) > 2:
		verb = strings.TrimSuffix(parts[2], "s")
	}
	return noun + "." + verb
}
