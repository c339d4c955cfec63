package payment

import (
	"fmt"
	"time"
)

// What WeChat sets for refunds of one payment (merchant/4014959631).
const (
	RefundsAtMost = 50                   // refunds of a payment, counting those that may have happened
	RefundWithin  = 365 * 24 * time.Hour // after it was paid
)

// Refund is one refund under one number. Number and amounts are frozen before
// WeChat is first asked; asking again under the same number never refunds twice.
type Refund struct {
	OutRefundNo   string      `json:"out_refund_no"`
	TransactionID string      `json:"transaction_id"`
	AmountFen     int64       `json:"amount_fen"` // of this refund
	TotalFen      int64       `json:"total_fen"`  // of the payment
	State         RefundState `json:"state"`
	// Part is a refund of some of the money, asked for by a person. The payment
	// goes its own way meanwhile.
	Part bool `json:"part,omitempty"`
	// AskedAt is when WeChat was first asked; zero before that. From then on
	// the outcome may be unknown, and a query comes before every repeat.
	AskedAt time.Time `json:"asked_at,omitzero"`
	// ReadyAt is the earliest moment WeChat may be asked: refunds of one
	// payment keep RefundSpacing between them.
	ReadyAt time.Time `json:"ready_at,omitzero"`
	Reason  string    `json:"reason,omitempty"`
}

// RefundState is how far a refund has come.
type RefundState string

// WeChat's states between our own first and last one. Success and Closed are
// final; Abnormal wants a person and is asked about on.
const (
	RefundRequested  RefundState = "requested"  // row and number taken; WeChat has not said that it has it
	RefundProcessing RefundState = "processing" // accepted, not refunded
	RefundSuccess    RefundState = "success"
	RefundClosed     RefundState = "closed"
	RefundAbnormal   RefundState = "abnormal"
	// RefundWithdrawn was given up before WeChat had it: it was never asked, or
	// said no and shows none. Should WeChat have it after all, its word stands.
	RefundWithdrawn RefundState = "withdrawn"
)

// Final tells whether WeChat will not change its word any more.
func (s RefundState) Final() bool { return s == RefundSuccess || s == RefundClosed }

// RefundNumber is the n-th refund number of a payment, n counted from 1: the
// first is R+transaction_id, each later one carries its n. It is derived, never
// drawn at random, so that a retry cannot become a second refund. WeChat allows
// 64 of [0-9A-Za-z_-|*@]; this has at most 37.
func RefundNumber(transactionID string, n int) string {
	if n == 1 {
		return "R" + transactionID
	}
	return fmt.Sprintf("R%s-%d", transactionID, n)
}
