package payment

import (
	"time"
)

// Beijing is the clock of WeChat's bills. China keeps one time all year.
var Beijing = time.FixedZone("Asia/Shanghai", 8*60*60)

// BillDay is the day of a bill, as WeChat writes it: YYYY-MM-DD.
func BillDay(at time.Time) string { return at.In(Beijing).Format(time.DateOnly) }

// DayBounds is when a bill's day begins and ends in Beijing. Invalid for what is no
// date, written otherwise than YYYY-MM-DD.
func DayBounds(day string) (from, to time.Time, err error) {
	from, err = time.ParseInLocation(time.DateOnly, day, Beijing)
	if err != nil || from.Year() < 2000 {
		return from, to, Fail(Invalid, "date", "a date is written YYYY-MM-DD", err)
	}
	return from, from.AddDate(0, 0, 1), nil
}

// Report is one day's trade bill held against the books.
type Report struct {
	Day   string      `json:"date"` // in Beijing
	State ReportState `json:"state"`
	// Lines is how many the bill has, and Equal how many of them the books bear
	// out in every figure.
	Lines    int64 `json:"lines"`
	Equal    int64 `json:"equal"`
	Payments Sides `json:"payments"` // by amount.total
	Refunds  Sides `json:"refunds"`  // by what was asked for, whatever became of it
	Fees     Fees  `json:"fees"`
	// FundFlow is what the fund-flow bill says of the same day; nil where it is
	// not fetched (FUND_FLOW_BILL).
	FundFlow *FundFlow `json:"fund_flow,omitempty"`
	// Differences is how many the last comparison found, Recorded how many any
	// comparison ever found.
	Differences int64     `json:"differences"`
	Recorded    int64     `json:"recorded"`
	FetchedAt   time.Time `json:"fetched_at,omitzero"`
	ComparedAt  time.Time `json:"compared_at,omitzero"`
	SettledAt   time.Time `json:"settled_at,omitzero"`
}

// Sides is the same thing as we and as WeChat count it. Ours is what the books say
// of the bill's lines, and of what should have been among them.
type Sides struct {
	Ours      int64 `json:"ours"`
	OursFen   int64 `json:"ours_fen"`
	Theirs    int64 `json:"theirs"`
	TheirsFen int64 `json:"theirs_fen"`
}

// Fees is WeChat's commission, net of what it gave back, in 1/1000 fen.
type Fees struct {
	// ExpectedMilliFen is each payment's rate of what is settled, before rounding.
	ExpectedMilliFen  int64 `json:"expected_milli_fen"`
	ChargedMilliFen   int64 `json:"charged_milli_fen"`
	GivenBackMilliFen int64 `json:"given_back_milli_fen"`
}

// FundFlow is how the merchant's balance moved by a day's trade.
type FundFlow struct {
	PaymentsFen int64 `json:"payments_fen"` // income
	RefundsFen  int64 `json:"refunds_fen"`  // outgo, less the fees that came back with them
	FeesFen     int64 `json:"fees_fen"`     // outgo
}

// ReportState is how far a day has come.
type ReportState string

// A bill is fetched, compared, and then settled: whatever differs has led to a
// saga, a question or a case.
const (
	ReportFetched  ReportState = "fetched"
	ReportCompared ReportState = "compared"
	ReportSettled  ReportState = "settled"
)

// DifferenceKind names what differs. All but the unknown ones are kinds of case.
type DifferenceKind string

// The unknown ones: WeChat has it, and we never heard of it. Its saga is started,
// or asked.
const (
	UnknownPayment DifferenceKind = "bill_unknown_payment"
	UnknownRefund  DifferenceKind = "bill_unknown_refund"
)

// Difference is one thing that the bill and the books do not agree on.
type Difference struct {
	Kind          DifferenceKind `json:"kind"`
	Subject       string         `json:"subject"` // a transaction_id, an out_refund_no, or a sum's name
	TransactionID string         `json:"transaction_id,omitempty"`
	OutTradeNo    string         `json:"out_trade_no,omitempty"`
	OursFen       *int64         `json:"ours_fen"`   // null where we have none
	TheirsFen     *int64         `json:"theirs_fen"` // null where WeChat has none
	Detail        string         `json:"detail"`
	Became        Became         `json:"became"`
	FoundAt       time.Time      `json:"found_at"`
	// GoneAt is when a later comparison no longer found it; zero until then.
	GoneAt time.Time `json:"gone_at,omitzero"`
}

// Became is what became of a difference.
type Became string

// A difference is acted on once, however often its day is compared again.
const (
	BecameNothing Became = "nothing" // found, and nobody has decided to act
	BecameStarted Became = "started" // its saga
	BecameAsked   Became = "asked"   // WeChat, by the payment's saga, or by a case where there is none
	BecameCase    Became = "case"    // a person's
	BecameSettled Became = "settled" // a later comparison found it gone
)

// Comparison is a report with the first of its differences, for who is to decide
// on them.
type Comparison struct {
	Report      Report       `json:"report"`
	Differences []Difference `json:"differences"`
}
