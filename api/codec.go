package api

import (
	"errors"
	"io"
	"net/http"

	"github.com/go-chi/chi/v5"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/paysaga/paysaga/internal/payment"
)

// Codec is where Temporal's UI and CLI have payloads opened for an operator, and
// sealed what an operator signals (docs.temporal.io/codec-server). The browser asks, with the
// operator's own session, so nobody else sees more than Temporal itself does.
type Codec struct {
	Payloads converter.PayloadCodec
	UIOrigin string // of Temporal's UI, scheme://host:port; empty if no browser asks
}

// codecBytes bounds a question: an event of Temporal's greatest, in base64.
const codecBytes = 4 << 20

// codecRoutes answers the two calls, and a browser's question whether it may make
// them. CORS comes first: a browser shows no answer to a page that may not see it.
func (s *Server) codecRoutes(r chi.Router) {
	operators := s.only(Operator)
	crossOrigin := http.NewCrossOriginProtection()
	crossOrigin.SetDenyHandler(s.handle(foreignPage))
	if s.Codec.UIOrigin != "" {
		if err := crossOrigin.AddTrustedOrigin(s.Codec.UIOrigin); err != nil {
			s.Log.Error("Temporal's UI is not trusted", "why", err) // config has checked it
		}
	}
	r.Use(s.sharedWithUI, crossOrigin.Handler, s.identifyEither)
	r.Post("/decode", operators(s.codec("opened", converter.PayloadCodec.Decode)))
	r.Post("/encode", operators(s.codec("sealed", converter.PayloadCodec.Encode)))
}

// codec turns the payloads of a question, and notes who did what to how many.
func (s *Server) codec(did string, turn func(converter.PayloadCodec, []*commonpb.Payload) ([]*commonpb.Payload, error)) handler {
	return func(w http.ResponseWriter, r *http.Request, by Caller) error {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, codecBytes))
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			return fail(http.StatusRequestEntityTooLarge, "too_large", "the payloads are larger than 4 MiB")
		}
		if err != nil {
			return fail(http.StatusBadRequest, "unreadable", "the body ended too early")
		}
		var asked commonpb.Payloads
		if err := protojson.Unmarshal(body, &asked); err != nil { // its text repeats the input
			return payment.Failf(payment.Invalid, "invalid_body", "this is no list of payloads")
		}
		turned, err := turn(s.Codec.Payloads, asked.Payloads)
		if err != nil { // names a key at most
			return payment.Failf(payment.Invalid, "unopenable", "%s", err)
		}
		answer, err := protojson.Marshal(&commonpb.Payloads{Payloads: turned})
		if err != nil {
			return payment.Fail(payment.Internal, "unmarshallable", "the payloads cannot be written", err)
		}
		s.Log.Info("payloads "+did, "by", by.Name, "payloads", len(turned))
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		_, _ = w.Write(answer) // whoever hung up asks again
		return nil
	}
}

// sharedWithUI lets the pages of Temporal's UI, and no others, ask with the
// person's cookie and read the answer (fetch.spec.whatwg.org, CORS protocol).
func (s *Server) sharedWithUI(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Add("Vary", "Origin")
		origin := r.Header.Get("Origin")
		if origin != "" && origin == s.Codec.UIOrigin {
			h.Set("Access-Control-Allow-Origin", origin)
			h.Set("Access-Control-Allow-Credentials", "true")
		}
		if r.Method != http.MethodOptions {
			next.ServeHTTP(w, r)
			return
		}
		if h.Get("Access-Control-Allow-Origin") != "" {
			h.Set("Access-Control-Allow-Methods", "POST")
			h.Set("Access-Control-Allow-Headers", "authorization, content-type, x-namespace")
			h.Set("Access-Control-Max-Age", "600")
		}
		w.WriteHeader(http.StatusNoContent)
	})
}
