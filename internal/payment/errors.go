package payment

import (
	"errors"
	"fmt"
	"time"
)

// Kind says what the caller of something that failed may do next. "No" and "no
// answer" are different words.
type Kind string

// The kinds. What nobody recognised is Unknown: guessing Refused loses money,
// and asking again does not.
const (
	Invalid  Kind = "invalid"   // the request is wrong and will stay wrong
	NotFound Kind = "not_found" // no such order, payment, refund or request
	Conflict Kind = "conflict"  // the right request in the wrong state
	Refused  Kind = "refused"   // the other side said no: nothing moved
	Unknown  Kind = "unknown"   // no answer: it may have happened, so ask before acting
	Busy     Kind = "busy"      // the other side said later: nothing moved
	Internal Kind = "internal"  // ours to fix
)

// Error is an error with a kind. Its text is ours: short, and free of secrets,
// requests and payers.
type Error struct {
	Kind Kind
	Code string // stable, for people and programs: shop_refused, amount_mismatch …
	Text string
	// RetryAfter is how long to wait before asking again; zero leaves it to
	// the caller.
	RetryAfter time.Duration
	cause      error
}

// Fail makes an Error; cause may be nil and is found by errors.Is and As, but
// never printed.
func Fail(kind Kind, code, text string, cause error) *Error {
	return &Error{Kind: kind, Code: code, Text: text, cause: cause}
}

// Failf is Fail without a cause and with a formatted text.
func Failf(kind Kind, code, format string, args ...any) *Error {
	return &Error{Kind: kind, Code: code, Text: fmt.Sprintf(format, args...)}
}

func (e *Error) Error() string { return e.Code + ": " + e.Text }

// Unwrap gives the cause to errors.Is and errors.As.
func (e *Error) Unwrap() error { return e.cause }

// KindOf is the kind of err: "" for nil, Unknown for what carries none.
func KindOf(err error) Kind {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Unknown
}

// CodeOf is the stable code of err, or "" where it has none.
func CodeOf(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return ""
}

// CodeRefundsPending is Busy: what is left is promised to refunds that somebody
// else made, and WeChat may know better how they stand.
const CodeRefundsPending = "refunds_pending"
