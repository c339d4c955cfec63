// Package payment is the language of the house: what a payment, an order, a
// refund, a request and a case are, and which moves between their states are
// lawful. It does no I/O, and every other package may speak it.
//
// Every amount is an int64 of fen, 1/100 yuan, and its name says so.
package payment

import (
	"regexp"
	"time"
)

// Payment is one WeChat transaction as WeChat told it: the input of its saga.
// It holds no openid and no secret, because Temporal keeps it.
type Payment struct {
	TransactionID string `json:"transaction_id"` // WeChat's number; also the saga's WorkflowID
	OutTradeNo    string `json:"out_trade_no"`   // the order it names, which we may not know
	AppID         string `json:"appid"`
	MchID         string `json:"mchid"`
	// AmountFen is amount.total, what the order cost; never payer_total, which
	// a coupon lowers.
	AmountFen  int64     `json:"amount_fen"`
	Currency   string    `json:"currency"`
	TradeState string    `json:"trade_state"` // WeChat's word; SUCCESS but for odd callbacks
	PaidAt     time.Time `json:"paid_at"`     // by WeChat's clock, or our receipt time where its word is unusable
	Via        Via       `json:"via"`
}

// Via says which of the nets caught a payment.
type Via string

// The ways in which news of a payment reaches us.
const (
	ViaCallback Via = "callback" // verified and kept before it was answered
	ViaTemporal Via = "temporal" // verified while Postgres was away; Temporal kept it
	ViaQuery    Via = "query"    // an active order query
	ViaBill     Via = "bill"     // the daily trade bill
)

var transactionID = regexp.MustCompile(`^[0-9A-Za-z]{1,32}$`)

// ValidTransactionID tells whether id may become a WorkflowID. Temporal takes
// almost anything, and invents a random id for the empty string; WeChat's own
// numbers are 28 digits today and at most 32 characters by contract.
func ValidTransactionID(id string) bool { return transactionID.MatchString(id) }

// Stage is how far a payment has come.
type Stage string

// The stages. Moves holds the lawful ways between them.
const (
	Received     Stage = "received"     // WeChat says it was paid; we have decided nothing
	Paid         Stage = "paid"         // accepted: the order is ours to ship
	Shipped      Stage = "shipped"      // the shop dispatched: the pivot
	Completed    Stage = "completed"    // and the shop was told
	Holding      Stage = "holding"      // waits for a person, with a case
	Compensating Stage = "compensating" // being undone: cancel, refund, tell
	Refunded     Stage = "refunded"     // all of it went back, by WeChat's word
	Quarantined  Stage = "quarantined"  // must not ship: wrong amount, currency or merchant
	Resolved     Stage = "resolved"     // closed by a person, with evidence
)

// Moves is the one table of lawful moves. The schema enforces the same table
// (lawful_moves), and a test compares the two.
var Moves = map[Stage][]Stage{
	"":           {Received},
	Received:     {Paid, Compensating, Holding, Quarantined},
	Paid:         {Shipped, Holding, Compensating},
	Shipped:      {Completed, Holding, Compensating},
	Completed:    {Compensating},
	Holding:      {Received, Paid, Shipped, Compensating, Resolved},
	Compensating: {Refunded, Holding},
	Quarantined:  {Compensating, Resolved},
}

// Final tells whether no further move is expected of the saga itself. A person
// may still ask for a completed payment to be undone.
func (s Stage) Final() bool { return s == Completed || s == Refunded || s == Resolved }

// Waiting tells whether only a person, or a hold's deadline, moves it on.
func (s Stage) Waiting() bool { return s == Holding || s == Quarantined }

// Outcome is how one run of a saga ended.
type Outcome struct {
	Stage     Stage `json:"stage"`
	Duplicate bool  `json:"duplicate,omitempty"` // the payment was done before this run began, and nobody asked for more
}
