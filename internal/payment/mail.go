package payment

import "time"

// WebhookFilter says which outgoing messages are listed; a zero field leaves out
// nobody.
type WebhookFilter struct {
	State  string
	Event  string
	Number string // or its beginning: of the message, its payment, order or case
}

// WebhookPlace orders messages: the newest first.
type WebhookPlace struct {
	CreatedAt time.Time `json:"created_at"`
	ID        string    `json:"id"`
}

// Webhook is a message to the shop, or of a mini-program to its payer or to WeChat,
// and what became of it.
type Webhook struct {
	ID            string    `json:"id"` // webhook-id at the shop
	Event         string    `json:"event"`
	Whom          string    `json:"whom"` // shop, payer or wechat
	TransactionID string    `json:"transaction_id,omitempty"`
	OutTradeNo    string    `json:"out_trade_no,omitempty"`
	CaseID        string    `json:"case_id,omitempty"`
	State         string    `json:"state"`    // pending, delivered, stopped, rejected, unknown or gave_up
	Attempts      int       `json:"attempts"` // since it was written, or sent again by hand
	LastError     string    `json:"last_error"`
	CreatedAt     time.Time `json:"created_at"`
	DeliveredAt   time.Time `json:"delivered_at,omitzero"`
}

// Place is the message's place in a list.
func (w Webhook) Place() WebhookPlace { return WebhookPlace{w.CreatedAt, w.ID} }

// Resend is a person's wish that a message that ended be sent again, under the id
// it had.
type Resend struct {
	ID     string
	By     string
	Reason string
}
