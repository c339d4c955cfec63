package simulator

import "time"

// BillPlan says how the bills of one day, trade and fund flow, differ from what
// happened; an empty one ends a plan. Without a plan a bill is what happened, and is
// made from nine on the next morning: a bill of today needs Early, or a clock that
// was moved.
//
// A payment whose callback was lost, or a refund made by hand, is in the bill without
// any plan.
type BillPlan struct {
	// State is what the next asking meets: creating (400 STATEMENT_CREATING), none
	// (400 NO_STATEMENT_EXIST), fail (500) or limited (429).
	State string `json:"state,omitempty"`

	// Spoil is what is wrong with the bill: hash (of other bytes), truncate (its gzip
	// is cut), summary (of one fen more), expired (the download has run out).
	Spoil string `json:"spoil,omitempty"`

	// Times is how often State and Spoil hold, over both bills; 0 is always.
	Times int `json:"times,omitempty"`

	Early            bool             `json:"early,omitempty"`             // there is a bill before its time
	DropTransactions []string         `json:"drop_transactions,omitempty"` // payments whose own line is missing
	DropRefunds      []string         `json:"drop_refunds,omitempty"`      // out_refund_nos whose line is missing
	ChangeAmounts    map[string]int64 `json:"change_amounts,omitempty"`    // fen, by transaction_id or out_refund_no
	ChangeFees       map[string]int64 `json:"change_fees,omitempty"`       // 1/1000 fen, likewise
	ExtraLines       []ExtraLine      `json:"extra_lines,omitempty"`       // of what never happened
}

// ExtraLine is a payment, or with an OutRefundNo a refund of it, that is only in the
// bill.
type ExtraLine struct {
	At            time.Time `json:"at"`
	TransactionID string    `json:"transaction_id"`
	OutTradeNo    string    `json:"out_trade_no,omitempty"`  // default: EXTRA- and the transaction_id
	OutRefundNo   string    `json:"out_refund_no,omitempty"` // of a refund
	AmountFen     int64     `json:"amount_fen"`              // of the payment or of the refund
}
