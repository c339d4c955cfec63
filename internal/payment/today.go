package payment

import "time"

// Today is how a day in Beijing goes so far.
type Today struct {
	Day         string `json:"day"`      // YYYY-MM-DD in Beijing
	Payments    int64  `json:"payments"` // that WeChat says were paid on it
	PaidFen     int64  `json:"paid_fen"`
	RefundedFen int64  `json:"refunded_fen"` // by refunds that ended on it
	Hours       []Hour `json:"hours"`        // 24, of Beijing's clock
	Shipped     Speed  `json:"shipped"`
	Holding     []Held `json:"holding"` // now, whenever they were paid
}

// Hour is one hour of a day.
type Hour struct {
	Payments int64 `json:"payments"`
	Refunds  int64 `json:"refunds"`
}

// Speed is how long payments took from their first callback, or from whatever
// first told us, until the shop dispatched.
type Speed struct {
	Count  int64    `json:"count"`
	P50S   float64  `json:"p50_s"` // seconds
	P95S   float64  `json:"p95_s"` // seconds
	Within []Within `json:"within"`
}

// Within counts those that took at most so long, and longer than the one before.
type Within struct {
	AtMostS float64 `json:"at_most_s"` // seconds
	Count   int64   `json:"count"`
}

// Held is payments that wait for a person for one reason.
type Held struct {
	Reason string    `json:"reason"` // the kind of case it waits by; of quarantined ones quarantined
	Count  int64     `json:"count"`
	Since  time.Time `json:"since"` // the oldest one's last move
}
