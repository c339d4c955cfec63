package payment

import "time"

// Kept is one piece of news as the inbox holds it, or one callback that could not
// be read and is kept as it came.
type Kept struct {
	ID             string    `json:"id"`   // raw- and a number for what could not be read
	Kind           string    `json:"kind"` // a NewsKind, or unreadable
	Verdict        Verdict   `json:"verdict"`
	Via            Via       `json:"via"`
	EventType      string    `json:"event_type,omitempty"`
	NotificationID string    `json:"notification_id,omitempty"`
	TransactionID  string    `json:"transaction_id,omitempty"`
	OutTradeNo     string    `json:"out_trade_no,omitempty"`
	OutRefundNo    string    `json:"out_refund_no,omitempty"`
	AmountFen      int64     `json:"amount_fen,omitempty"`
	Seen           int       `json:"seen"` // how often it was delivered
	Done           bool      `json:"done"` // nothing is left to start
	Tries          int       `json:"tries"`
	LastError      string    `json:"last_error,omitempty"`
	ReceivedAt     time.Time `json:"received_at"` // first, by our clock
}

// KeptFilter says which news is listed; a zero field leaves out nobody.
type KeptFilter struct {
	Kind    string
	Verdict Verdict
	Done    *bool
	Number  string // a transaction_id, out_trade_no, out_refund_no or notification id
}

// KeptPlace orders news: the youngest first.
type KeptPlace struct {
	ReceivedAt time.Time `json:"received_at"`
	ID         string    `json:"id"`
}

// Place is the news's place in a list.
func (k Kept) Place() KeptPlace { return KeptPlace{k.ReceivedAt, k.ID} }

// KeptDelivery is one time that it came.
type KeptDelivery struct {
	ReceivedAt time.Time         `json:"received_at"`
	Verdict    Verdict           `json:"verdict"`
	Serial     string            `json:"serial,omitempty"`
	RequestID  string            `json:"request_id,omitempty"`
	Headers    map[string]string `json:"headers"`
	SizeBytes  int               `json:"size_bytes"`
	Body       []byte            `json:"body,omitempty"` // as WeChat sent it, still encrypted; base64 in JSON
}

// KeptFile is news with its deliveries and what became of it.
type KeptFile struct {
	Kept
	Stage      Stage          `json:"stage,omitempty"` // of its payment; empty where the books have none
	Deliveries []KeptDelivery `json:"deliveries"`      // the youngest first, a hundred at most
	Run        *Run           `json:"run,omitempty"`   // of its payment's saga
}

// Run is the latest run of a payment's saga, as Temporal has it.
type Run struct {
	WorkflowID string    `json:"workflow_id"`
	RunID      string    `json:"run_id,omitempty"`
	Status     string    `json:"status"` // running, completed …; none, where Temporal knows none; unknown, where it does not answer
	StartedAt  time.Time `json:"started_at,omitzero"`
	ClosedAt   time.Time `json:"closed_at,omitzero"`
}
