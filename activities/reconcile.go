package activities

import (
	"context"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/paysaga/paysaga/internal/payment"
)

// BillLedger is what reconciliation needs of the books. A day is YYYY-MM-DD in
// Beijing.
type BillLedger interface {
	// BeginBill opens a fetch of a day's bill, and guesses by our own books how
	// many lines it will have. What an earlier fetch left unfinished is removed.
	BeginBill(ctx context.Context, day string) (fetch BillFetch, err error)
	// AddBillLines keeps lines that nobody believes yet; they come in order.
	AddBillLines(ctx context.Context, fetch BillFetch, lines []BillLine) error
	// BelieveBill makes a fetch the bill of its day: it was whole.
	BelieveBill(ctx context.Context, fetch BillFetch) error
	// KeepFundFlow keeps how the balance moved on a day whose bill is believed.
	KeepFundFlow(ctx context.Context, day string, flow payment.FundFlow) error

	// CompareBill holds a believed bill against the books, both ways, and keeps
	// every difference once. It acts on none. It returns the first atMost.
	CompareBill(ctx context.Context, day string, atMost int) (payment.Comparison, error)
	// SettleBill acts on the next atMost differences of a day that nobody acted
	// on, and tells how many it found. Repeats act on nothing twice.
	SettleBill(ctx context.Context, day string, atMost int) (settled int, err error)
	// CloseBill notes that a day is settled, and returns what the last comparison
	// found with what became of it, at most the first atMost.
	CloseBill(ctx context.Context, day string, atMost int) (payment.Comparison, error)
	// MissedDays are the days from one to the one before another that were never
	// settled, though a schedule was there to do it; the oldest first.
	MissedDays(ctx context.Context, schedule, from, before string) ([]string, error)
}

// BillFetch is one reading of a bill.
type BillFetch struct {
	ID       int64
	Day      string
	Lines    int64 // kept so far
	Expected int64 // by our own books; the bill may have more or less
}

// Bills holds WeChat's daily bills against the books.
type Bills struct {
	Ledger   BillLedger
	Gateway  BillGateway
	FundFlow bool // fetch the fund-flow bill as well
}

// Fetched says that a bill is in the books.
type Fetched struct {
	Lines    int64 `json:"lines"`
	FundFlow bool  `json:"fund_flow"` // the fund-flow bill is wanted, too
}

// Progress is an act's heartbeat: how many of how many lines or differences.
type Progress struct {
	Done     int64 `json:"done"`
	Expected int64 `json:"expected"` // a guess
}

// How much goes to the database at once, and how many differences a person is
// shown before deciding: a workflow's history is no place for a hundred thousand.
const (
	linesABeat        = 500
	linesAtOnce       = 5000
	settledAtOnce     = 100
	DifferencesAtMost = 200
)

// billsHandedOut is how far back WeChat has bills, for certain. Of an older day it
// may say that nothing was traded, and that is not to be believed.
const billsHandedOut = 89 * 24 * time.Hour

// FetchBill reads a day's trade bill into the books. A day on which nothing was
// traded has an empty bill, and is compared like any other. Idempotent by day: the
// last whole reading counts.
func (b *Bills) FetchBill(ctx context.Context, day string) (Fetched, error) {
	if day < payment.BillDay(time.Now().Add(-billsHandedOut)) {
		return Fetched{}, fault(payment.Failf(payment.Invalid, "bill_too_old", "WeChat hands a bill out for three months"))
	}
	fetch, err := b.Ledger.BeginBill(ctx, day)
	if err != nil {
		return Fetched{}, fault(err)
	}
	batch := make([]BillLine, 0, linesAtOnce)
	keep := func() error {
		err := b.Ledger.AddBillLines(ctx, fetch, batch)
		fetch.Lines += int64(len(batch))
		batch = batch[:0]
		return err
	}
	_, err = b.Gateway.TradeBill(ctx, day, func(line BillLine) error {
		batch = append(batch, line)
		if len(batch)%linesABeat == 0 {
			activity.RecordHeartbeat(ctx, Progress{Done: fetch.Lines + int64(len(batch)), Expected: fetch.Expected})
		}
		if len(batch) < linesAtOnce {
			return nil
		}
		return keep()
	})
	if payment.CodeOf(err) == CodeNoStatement {
		batch, fetch.Lines, err = nil, 0, nil
	}
	if err == nil {
		err = keep()
	}
	if err == nil {
		err = b.Ledger.BelieveBill(ctx, fetch)
	}
	if err != nil {
		return Fetched{}, fault(stubborn(err))
	}
	return Fetched{Lines: fetch.Lines, FundFlow: b.FundFlow}, nil
}

// stubborn keeps asking for a bill, whatever WeChat says, but not for one of a day
// that is no day of its bills.
func stubborn(err error) error {
	switch code := payment.CodeOf(err); {
	case payment.KindOf(err) == payment.Invalid:
		return err
	case code == "invalid_request", code == "param_error":
		return payment.Fail(payment.Invalid, code, "WeChat has no bill of such a day", err)
	}
	return patience(err)
}

// What the fund-flow bill calls the movements that trade makes: 业务类型.
const (
	fundPayment = "交易"
	fundRefund  = "退款"
	fundFee     = "扣除交易手续费"
)

// FetchFundFlow adds up how the balance moved by a day's trade. What else moved it
// (withdrawals, transfers) is none of the trade bill's. Idempotent by day.
func (b *Bills) FetchFundFlow(ctx context.Context, day string) (payment.FundFlow, error) {
	var flow payment.FundFlow
	read := int64(0)
	_, err := b.Gateway.FundFlowBill(ctx, day, func(line FundLine) error {
		if read++; read%linesABeat == 0 {
			activity.RecordHeartbeat(ctx, Progress{Done: read})
		}
		incomeFen := line.AmountFen
		if line.Direction == Outgo {
			incomeFen = -incomeFen
		}
		switch line.Kind {
		case fundPayment:
			flow.PaymentsFen += incomeFen
		case fundRefund:
			flow.RefundsFen -= incomeFen
		case fundFee:
			flow.FeesFen -= incomeFen
		}
		return nil
	})
	if payment.CodeOf(err) == CodeNoStatement {
		flow, err = payment.FundFlow{}, nil
	}
	if err != nil {
		return flow, fault(stubborn(err))
	}
	return flow, fault(b.Ledger.KeepFundFlow(ctx, day, flow))
}

// Missed asks for the days before one that a schedule should have settled.
type Missed struct {
	Schedule string `json:"schedule"`
	Before   string `json:"before"` // YYYY-MM-DD in Beijing
}

// missedAtMost is how far back missed days are made up for, in days. By then
// operators have been told every day.
const missedAtMost = 30

// MissedDays are the days that should have been settled and never were, the oldest
// first.
func (b *Bills) MissedDays(ctx context.Context, in Missed) ([]string, error) {
	before, _, err := payment.DayBounds(in.Before)
	if err != nil {
		return nil, fault(err)
	}
	days, err := b.Ledger.MissedDays(ctx, in.Schedule, payment.BillDay(before.AddDate(0, 0, -missedAtMost)), in.Before)
	return days, fault(err)
}

// CompareBill holds a day's bill against the books and keeps what differs. It acts
// on nothing, so that a person may look first. Idempotent by day.
func (b *Bills) CompareBill(ctx context.Context, day string) (payment.Comparison, error) {
	found, err := b.Ledger.CompareBill(ctx, day, DifferencesAtMost)
	return found, fault(err)
}

// SettleBill acts on every difference of a day that nobody acted on: it starts a
// saga, has one ask, or opens a case. Idempotent by difference.
func (b *Bills) SettleBill(ctx context.Context, day string) (payment.Comparison, error) {
	for done := int64(0); ; {
		settled, err := b.Ledger.SettleBill(ctx, day, settledAtOnce)
		if err != nil {
			return payment.Comparison{}, fault(err)
		}
		if settled == 0 {
			left, err := b.Ledger.CloseBill(ctx, day, DifferencesAtMost)
			return left, fault(err)
		}
		done += int64(settled)
		activity.RecordHeartbeat(ctx, Progress{Done: done})
	}
}
