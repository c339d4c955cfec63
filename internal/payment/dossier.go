package payment

import "time"

// Dossier is all that the books know of one payment, as people read it: no
// openid, no phone, no address.
type Dossier struct {
	TransactionID  string       `json:"transaction_id"`
	OutTradeNo     string       `json:"out_trade_no"`
	AmountFen      int64        `json:"amount_fen"`
	RefundedFen    int64        `json:"refunded_fen"`
	Stage          Stage        `json:"stage"`
	NeedsAttention bool         `json:"needs_attention"` // it waits for a person, or has an open case
	Steps          []Step       `json:"steps"`           // in the order of the story
	Refunds        []RefundLine `json:"refunds"`
	Cases          []Case       `json:"cases"`
	Requests       []Request    `json:"requests"`
	Timeline       []Event      `json:"timeline"` // oldest first
}

// Step is what was tried for a payment.
type Step struct {
	Name      string `json:"name"`
	State     string `json:"state"`
	Attempts  int    `json:"attempts"`
	LastError string `json:"last_error"` // code and text, free of secrets; empty after a success
}

// RefundLine is one refund in a list.
type RefundLine struct {
	OutRefundNo string      `json:"out_refund_no"`
	AmountFen   int64       `json:"amount_fen"`
	State       RefundState `json:"state"`
}

// Event is one line of a timeline; Was and Became are empty in a note that moved
// nothing.
type Event struct {
	At            time.Time `json:"at"`
	TransactionID string    `json:"transaction_id,omitempty"` // in an order's timeline
	Was           string    `json:"was,omitempty"`
	Became        string    `json:"became,omitempty"`
	What          string    `json:"what"`
	Actor         string    `json:"actor"`
}

// OrderDossier is all that the books know of one order.
type OrderDossier struct {
	OutTradeNo string        `json:"out_trade_no"`
	State      OrderState    `json:"state"`
	AmountFen  int64         `json:"amount_fen"`
	ExpiresAt  time.Time     `json:"expires_at"`
	CodeURL    string        `json:"code_url,omitempty"` // while it can be paid
	Payments   []PaymentLine `json:"payments"`
	Refunds    []RefundLine  `json:"refunds"`
	Timeline   []Event       `json:"timeline"` // oldest first
}

// PaymentLine is one payment in a list.
type PaymentLine struct {
	TransactionID string `json:"transaction_id"`
	AmountFen     int64  `json:"amount_fen"`
	RefundedFen   int64  `json:"refunded_fen"`
	Stage         Stage  `json:"stage"`
}

// DispatchReport is a shop's own word that it dispatched what it had accepted.
type DispatchReport struct {
	ShipmentID string // the shop's number
	Carrier    string
	TrackingNo string
	By         string // the merchant who says so
}
