package payment

import (
	"context"
	"encoding/json"
	"time"
)

// Act is one thing that a person or a merchant's system did, or was not allowed
// to do. It goes into the audit log in the transaction that does it: no audit, no
// action. No payer, no secret.
type Act struct {
	Action string `json:"action"`           // noun.verb, as the route has it: payment.compensate, request.approve
	Object string `json:"object,omitempty"` // what was acted on, by its own id
	// The payment and the order it is about, where there is one.
	TransactionID string `json:"transaction_id,omitempty"`
	OutTradeNo    string `json:"out_trade_no,omitempty"`
	Was           string `json:"was,omitempty"` // the state before; of a new request, its payment's stage
	Became        string `json:"became,omitempty"`
	AmountFen     int64  `json:"amount_fen,omitempty"` // what may go back to the payer, or what an order costs
	Reason        string `json:"reason,omitempty"`     // in the actor's words
	By            string `json:"-"`                    // who acts, where the context names nobody
	AskedBy       string `json:"asked_by,omitempty"`   // a decision: whose request it is about

	Decision Ruling `json:"decision"`       // Allow unless it says otherwise
	Code     string `json:"code,omitempty"` // Deny: why, as the caller was told
}

// Ruling is whether an act was done.
type Ruling string

// The rulings.
const (
	Allow Ruling = "ALLOW"
	Deny  Ruling = "DENY"
)

// Actor is who acts, as they were let in.
type Actor struct {
	Name    string `json:"actor"`
	Role    string `json:"role,omitempty"`       // at that moment; empty for one whom nobody proved
	Peer    string `json:"peer,omitempty"`       // the address that connected: the proxy's, behind a proxy
	Session string `json:"session,omitempty"`    // the beginning of the token's SHA-256, in hex
	Call    string `json:"call,omitempty"`       // one for each call that asks for something, kept when it is repeated
	KeyHash string `json:"key_sha256,omitempty"` // of its Idempotency-Key, in hex
}

type actorKey struct{}

// WithActor says who is behind all that is done with this context.
func WithActor(ctx context.Context, actor Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, actor)
}

// ActorOf is who is behind a context; nobody, if nobody was named.
func ActorOf(ctx context.Context) Actor {
	actor, _ := ctx.Value(actorKey{}).(Actor)
	return actor
}

// AuditHead is the end of the audit log. Written down elsewhere, it proves later
// that nothing was cut off or rewritten before it.
type AuditHead struct {
	Seq  int64  // of the last row, which is also their number; 0 in an empty log
	Hash string // of the last row, in hex
}

// Audited is one row of the audit log.
type Audited struct {
	Seq      int64           `json:"seq"`
	At       time.Time       `json:"at"`
	Doc      json.RawMessage `json:"doc"` // Actor and Act, with seq and at, to the byte
	PrevHash string          `json:"prev_hash"`
	Hash     string          `json:"hash"` // SHA-256 of the previous hash's bytes and the doc's, in hex
}

// AuditFilter says which rows are listed; a zero field leaves out nobody.
type AuditFilter struct {
	Actor    string
	Action   string
	Decision Ruling
	Number   string // or its beginning: of a payment, or of what was acted on
}

// AuditPlace orders the audit log: the newest row first.
type AuditPlace struct {
	Seq int64 `json:"seq"`
}

// Place is the row's place in a list.
func (a Audited) Place() AuditPlace { return AuditPlace{a.Seq} }
