package payment

// Call is one call that asks for something, told from others by its caller's
// Idempotency-Key. Its id is drawn once and stays the same however often the call
// is repeated, so that what it makes is found again.
type Call struct {
	Key     []byte // SHA-256 over whose key it is, and the key
	Request []byte // SHA-256 over what is asked: method, path, body
	ID      string
	Attempt int
	Answer  []byte // to be repeated, sealed; nil while there is none
}

// What the caller of a repeated call may be told.
const (
	CodeKeyReused = "idempotency_key_reused" // Invalid: the key stands for another request
	CodeKeyInUse  = "idempotency_key_in_use" // Conflict: the call is in flight
)
