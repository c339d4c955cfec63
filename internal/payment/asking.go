package payment

import (
	"slices"
	"time"
)

// Askable says in which stages a person may ask for what. What came too late is
// refused again when the saga begins the request. A retry of what is not held
// cuts the wait for the next try short.
var Askable = map[RequestKind][]Stage{
	Compensate:    {Received, Paid, Shipped, Completed, Holding, Quarantined},
	PartialRefund: {Paid, Shipped, Completed},
	Retry:         {Received, Paid, Shipped, Holding, Compensating},
	Resolve:       {Holding, Quarantined},
}

// noPart says why part of a payment cannot go back in the stages that are not
// Askable, and what can be done instead.
var noPart = map[Stage]string{
	Received:     "nothing was accepted yet; compensate gives all of it back",
	Holding:      "it waits for a person: retry, resolve or compensate it first",
	Quarantined:  "it was never accepted; compensate gives all of it back",
	Compensating: "all that is left is going back already",
	Refunded:     "all of it went back",
	Resolved:     "a person closed it",
}

// Standing is what a request is judged by: how its payment stands at that moment.
type Standing struct {
	Stage       Stage
	AmountFen   int64
	RefundedFen int64
	// LeftFen is what no refund has taken, whoever made it and however far it
	// has come, and no open request means to.
	LeftFen int64
	Refunds int  // of them, those that WeChat may count
	TooOld  bool // paid longer ago than RefundWithin
	// RefundClosed tells that our last refund came to nothing at WeChat: going
	// on would take a new number.
	RefundClosed bool
	// AskedFen is what people asked for, of this payment, in the last
	// ApprovalExpiresAfter, and were not refused. Counted together, so that
	// nobody slips under the limit in slices.
	AskedFen int64
}

// Judge freezes what a request may give back, and decides whether it runs or
// waits for a second person: above approvalAboveFen, where the goods are not
// stopped first, and where a refund that WeChat closed would get a new number.
// Conflict if nobody may ask this of such a payment, Invalid for more than is
// left and for what WeChat will not refund any more.
func (r Request) Judge(at Standing, approvalAboveFen int64) (Request, error) {
	if !slices.Contains(Askable[r.Kind], at.Stage) {
		if r.Kind == PartialRefund {
			return r, Failf(Conflict, "wrong_stage", "no part of it can go back while the payment is %s: %s", at.Stage, noPart[at.Stage])
		}
		return r, Failf(Conflict, "wrong_stage", "%s is not possible while the payment is %s", r.Kind, at.Stage)
	}
	newNumber := r.Kind != Resolve && at.RefundClosed
	if r.Kind == Compensate || r.Kind == Retry && newNumber {
		r.AmountFen = at.AmountFen - at.RefundedFen
	}
	if err := r.fits(at); err != nil {
		return r, err
	}
	r.State = Queued
	tooMuch := r.AmountFen > 0 && r.AmountFen+at.AskedFen > approvalAboveFen
	if tooMuch || newNumber || r.Goods == GoodsReturned || r.Goods == GoodsKept {
		r.State = PendingApproval
	}
	return r, nil
}

// fits holds what asks for a refund to what WeChat can still give back.
func (r Request) fits(at Standing) error {
	asksMoney := r.Kind == PartialRefund || r.Kind == Compensate && r.AmountFen > 0
	switch {
	case r.Kind == PartialRefund && r.AmountFen <= 0:
		return Failf(Invalid, "invalid_amount_fen", "amount_fen must be at least 1 fen")
	case r.Kind == PartialRefund && r.AmountFen > at.LeftFen:
		return Failf(Invalid, "more_than_left", "%d fen are left to refund", max(at.LeftFen, 0))
	case asksMoney && at.TooOld:
		return Failf(Invalid, CodeTooOld, "WeChat refunds for 365 days, and it was paid before that")
	case asksMoney && at.Refunds >= RefundsAtMost:
		return Failf(Invalid, CodeTooMany, "WeChat takes %d refunds of a payment, and it has had them", RefundsAtMost)
	}
	return nil
}

// What WeChat will not refund any more, by codes that the desk and the books share.
const (
	CodeTooOld  = "too_old_to_refund" // RefundWithin has passed
	CodeTooMany = "too_many_refunds"  // RefundsAtMost were made
)

// StateAt is the request's state at a moment: an approval that nobody gave in
// time has expired, whether or not anybody wrote that down.
func (r Request) StateAt(now time.Time) RequestState {
	if r.State == PendingApproval && !now.Before(r.ExpiresAt) {
		return RequestExpired
	}
	return r.State
}

// What a second person may be told, by codes that the desk and the books share.
const (
	CodeOwnRequest     = "own_request"     // Refused: nobody decides on what they asked for
	CodeRequestExpired = "request_expired" // Conflict: nobody decided in time
)

// Decision is a second person's word on a request.
type Decision struct {
	RequestID string
	By        string
	Reason    string
}
