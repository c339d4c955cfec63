package payment

import (
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Request is a person's act on a payment. Its row is written before the saga is
// told, and the executing activity reads the row, never a signal's word.
type Request struct {
	ID            string       `json:"id"`
	TransactionID string       `json:"transaction_id"`
	Kind          RequestKind  `json:"kind"`
	State         RequestState `json:"state"`
	Actor         string       `json:"actor"`
	Reason        string       `json:"reason"`
	Goods         Goods        `json:"goods,omitempty"`         // compensate
	Outcome       Stage        `json:"outcome,omitempty"`       // resolve: shipped or refunded
	Evidence      []string     `json:"evidence,omitempty"`      // resolve to refunded: every out_refund_no; to shipped: the shipment_id
	AmountFen     int64        `json:"amount_fen"`              // what may go back to the payer
	OutRefundNo   string       `json:"out_refund_no,omitempty"` // refund: its number, kept for it from the first
	Approver      string       `json:"approver,omitempty"`
	Detail        string       `json:"detail,omitempty"` // what came of it
	CreatedAt     time.Time    `json:"created_at"`
	ExpiresAt     time.Time    `json:"expires_at,omitzero"` // pending approvals only
}

// RequestKind is what a person asks for.
type RequestKind string

// The kinds of request, and the names of the signals that carry their ids.
const (
	Compensate    RequestKind = "compensate"
	PartialRefund RequestKind = "refund"
	Retry         RequestKind = "retry"
	Resolve       RequestKind = "resolve"
)

// RequestState is how far a request has come. At most one request of a payment
// is open: pending approval, queued or running.
type RequestState string

// The states of a request.
const (
	PendingApproval RequestState = "pending_approval"
	Queued          RequestState = "queued"
	Running         RequestState = "running"
	RequestDone     RequestState = "done"
	RequestRefused  RequestState = "refused"
	RequestExpired  RequestState = "expired"
)

// Open tells whether the request still bars another one.
func (s RequestState) Open() bool {
	return s == PendingApproval || s == Queued || s == Running
}

// ApprovalExpiresAfter is how long a second person has to approve a request.
const ApprovalExpiresAfter = 24 * time.Hour

// UnverifiedPrefix marks the name of who signed a signal sent by hand.
const UnverifiedPrefix = "unverified:"

// Unverified is an act asked for by hand in the Temporal UI or CLI. Nobody
// proved who sent it, so it becomes a request that an approver must confirm.
type Unverified struct {
	RequestID     string      `json:"request_id"` // derived from the run, so that a retry writes one row
	TransactionID string      `json:"transaction_id"`
	Kind          RequestKind `json:"kind"`
	Actor         string      `json:"actor"`
	Reason        string      `json:"reason"`
	Goods         Goods       `json:"goods,omitempty"`
	Outcome       Stage       `json:"outcome,omitempty"`
	Evidence      []string    `json:"evidence,omitempty"`
}

// TrimReason returns a reason without its margins, or false if it is not 10–500
// characters of plain text: an act on money says why, and a control character
// could forge a log line.
func TrimReason(reason string) (string, bool) {
	reason = strings.TrimSpace(reason)
	n := utf8.RuneCountInString(reason)
	if !utf8.ValidString(reason) || n < 10 || n > 500 || strings.ContainsFunc(reason, unicode.IsControl) {
		return "", false
	}
	return reason, true
}

// A number of ours, of WeChat's or of a shop's.
var evidenceNumber = regexp.MustCompile(`^[0-9A-Za-z_|*@.:-]{1,64}$`)

// ValidEvidence tells whether these may be numbers of a shipment or of refunds: 50
// at most, WeChat's own limit of refunds.
func ValidEvidence(numbers []string) bool {
	return len(numbers) <= RefundsAtMost && !slices.ContainsFunc(numbers, func(n string) bool { return !evidenceNumber.MatchString(n) })
}
