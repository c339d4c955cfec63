package payment

import "time"

// Page is the part of a list that is wanted: at most Limit items behind the one
// whose key is After, or from the start if that is nil. K holds the columns the
// list is ordered by, the last of them unique, so that a page begins where the
// one before ended whatever was added meanwhile. Its JSON is the list's cursor.
type Page[K any] struct {
	After *K
	Limit int
}

// CaseFilter says which cases are listed; a zero field leaves out nobody.
type CaseFilter struct {
	State   string // open or closed
	Kind    CaseKind
	Owner   string
	Overdue *bool
	Number  string // or its beginning: of the case, its payment, order, refund or callback
}

// CasePlace orders cases: open before closed, overdue before due.
type CasePlace struct {
	Closed bool      `json:"closed"`
	DueAt  time.Time `json:"due_at"`
	ID     string    `json:"id"`
}

// Place is the case's place in a list.
func (c Case) Place() CasePlace { return CasePlace{c.State == "closed", c.DueAt, c.ID} }

// PaymentFilter says which payments are listed; a zero field leaves out nobody.
type PaymentFilter struct {
	Owner          string // the merchant of their orders
	Stage          Stage
	NeedsAttention *bool
	// Number, or its beginning: a transaction_id, out_trade_no, out_refund_no,
	// refund_id, shipment_id, tracking_no or request id.
	Number string
}

// PaymentPlace orders payments: the newest first.
type PaymentPlace struct {
	PaidAt        time.Time `json:"paid_at"`
	TransactionID string    `json:"transaction_id"`
}

// FoundPayment is a payment in a list. One whose saga has not begun is received.
type FoundPayment struct {
	TransactionID  string    `json:"transaction_id"`
	OutTradeNo     string    `json:"out_trade_no"`
	AmountFen      int64     `json:"amount_fen"`
	RefundedFen    int64     `json:"refunded_fen"`
	Stage          Stage     `json:"stage"`
	NeedsAttention bool      `json:"needs_attention"` // it waits for a person, or has an open case
	PaidAt         time.Time `json:"paid_at"`         // by WeChat's clock
}

// Place is the payment's place in a list.
func (p FoundPayment) Place() PaymentPlace { return PaymentPlace{p.PaidAt, p.TransactionID} }

// RequestPlace orders requests: the oldest first.
type RequestPlace struct {
	CreatedAt time.Time `json:"created_at"`
	ID        string    `json:"id"`
}

// Place is the request's place in a list.
func (r Request) Place() RequestPlace { return RequestPlace{r.CreatedAt, r.ID} }

// ReportPlace orders reports: the newest day first.
type ReportPlace struct {
	Day string `json:"date"`
}

// Place is the report's place in a list.
func (r Report) Place() ReportPlace { return ReportPlace{r.Day} }

// DifferencePlace orders a day's differences: by what they are about.
type DifferencePlace struct {
	Kind    DifferenceKind `json:"kind"`
	Subject string         `json:"subject"`
}

// Place is the difference's place in a list.
func (d Difference) Place() DifferencePlace { return DifferencePlace{d.Kind, d.Subject} }
