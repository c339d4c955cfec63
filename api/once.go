package api

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"time"

	"github.com/paysaga/paysaga/internal/payment"
)

// keepIn is how long the books may take to keep an answer.
const keepIn = 3 * time.Second

// once makes a call that asks for something repeatable: the same Idempotency-Key
// and request get the same answer, from any api, for two days. The answer is kept
// before it is sent. A call that was cut off in between is begun again under the
// same id, and finds what it made. What went wrong on our side is not kept.
func (s *Server) once(w http.ResponseWriter, r *http.Request, by Caller, h handler) error {
	secret, err := idempotencyKey(r)
	if err != nil {
		return err
	}
	body, err := readBody(w, r)
	if err != nil {
		return err
	}
	key := sha256.Sum256([]byte(by.scope() + "\n" + secret))
	request := sha256.Sum256([]byte(r.Method + " " + r.URL.RequestURI() + "\n" + string(body)))
	call, err := s.Desk.BeginCall(r.Context(), payment.Call{Key: key[:], Request: request[:], ID: rand.Text()})
	if payment.CodeOf(err) == payment.CodeKeyInUse {
		w.Header().Set("Retry-After", "2")
	}
	if err != nil {
		return err
	}
	seal, err := sealOf(r, secret)
	if err != nil {
		return err
	}
	if call.Answer != nil {
		kept, err := open(seal, call.Answer)
		if err != nil {
			return err
		}
		w.Header().Set("Idempotency-Replayed", "true")
		kept.send(w)
		return nil
	}

	actor := payment.ActorOf(r.Context())
	hash := sha256.Sum256([]byte(secret))
	actor.Call, actor.KeyHash = call.ID, hex.EncodeToString(hash[:])
	r = r.WithContext(payment.WithActor(r.Context(), actor))
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	answer := &answered{Headers: http.Header{}, Status: http.StatusOK}
	if err := h(answer, r, by); err != nil {
		s.answer(answer, r, s.denied(r, err))
	}
	if answer.Status < http.StatusInternalServerError && answer.Status != http.StatusTooManyRequests {
		call.Answer = answer.sealed(seal)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), keepIn)
	defer cancel()
	if err := s.Desk.EndCall(ctx, call); err != nil { // asked again, it finds what it made
		s.Log.Warn("an answer was not kept", "route", routeOf(r), "code", payment.CodeOf(err))
	}
	answer.send(w)
	return nil
}

var visible = regexp.MustCompile(`^[!-~]{1,255}$`)

func idempotencyKey(r *http.Request) (string, error) {
	switch keys := r.Header.Values("Idempotency-Key"); {
	case len(keys) == 0 || len(keys) == 1 && keys[0] == "":
		return "", fail(http.StatusBadRequest, "idempotency_key_missing", "a POST needs an Idempotency-Key header: one for each thing you want done")
	case len(keys) > 1 || !visible.MatchString(keys[0]):
		return "", fail(http.StatusBadRequest, "idempotency_key_invalid", "an Idempotency-Key is 1-255 visible ASCII characters, once")
	default:
		return keys[0], nil
	}
}

// scope is whose keys a caller's are: each token, and each sign-in, has its own.
func (c Caller) scope() string { return string(c.Role) + ":" + c.Name + ":" + c.Session }

// answered is an answer that is kept before it is sent. It is a ResponseWriter.
type answered struct {
	Status  int
	Headers http.Header
	Body    []byte
}

func (a *answered) Header() http.Header    { return a.Headers }
func (a *answered) WriteHeader(status int) { a.Status = status }
func (a *answered) Write(text []byte) (int, error) {
	a.Body = append(a.Body, text...)
	return len(text), nil
}

func (a *answered) send(w http.ResponseWriter) {
	for name, values := range a.Headers {
		w.Header()[name] = values
	}
	w.WriteHeader(a.Status)
	_, _ = w.Write(a.Body) // the client is gone, and may ask again
}

// sealOf is what an answer is sealed with. It is made of the token, which the console
// has none of, and the key that the caller shows, and neither is in the books: an
// answer can hold what lets a payer pay, and is nobody else's to read.
func sealOf(r *http.Request, secret string) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, []byte(bearer(r)+"\n"+secret), nil, "paysaga: an answer", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

func (a *answered) sealed(seal cipher.AEAD) []byte {
	text, err := json.Marshal(a)
	if err != nil { // numbers, texts and bytes
		panic(fmt.Sprintf("an answer cannot be kept: %v", err))
	}
	return seal.Seal(nil, nil, text, nil)
}

func open(seal cipher.AEAD, sealed []byte) (*answered, error) {
	text, err := seal.Open(nil, nil, sealed, nil)
	if err != nil {
		return nil, payment.Fail(payment.Internal, "answer_unreadable", "the answer that was kept cannot be opened", err)
	}
	kept := &answered{}
	if err := json.Unmarshal(text, kept); err != nil {
		return nil, payment.Fail(payment.Internal, "answer_unreadable", "the answer that was kept cannot be read", err)
	}
	return kept, nil
}
