package payment

import (
	"slices"
	"time"
)

// Askable says in which stages a person may ask for what. What came too late is
// refused again when the saga begins the request. A retry of what is not held
// cuts the wait for the next try short.
var Askable = map[RequestKind][]Stage{
	Compensate: {Received, Paid, Shipped, Completed, Holding, Quarantined},
	Retry:      {Received, Paid, Shipped, Holding, Compensating},
	Resolve:    {Holding, Quarantined},
}

// Standing is what a request is judged by: how its payment stands at that moment.
type Standing struct {
	Stage       Stage
	AmountFen   int64
	RefundedFen int64
	// RefundClosed tells that WeChat closed our last refund: going on would
	// take a new number.
	RefundClosed bool
	// AskedFen is what people asked for, of this payment, in the last
	// ApprovalExpiresAfter, and were not refused. Counted together, so that
	// nobody slips under the limit in slices.
	AskedFen int64
}

// Judge freezes what a request may give back, and decides whether it runs or
// waits for a second person: above approvalAboveFen, where the goods are not
// stopped first, and where a refund that WeChat closed would get a new number.
// Conflict if nobody may ask this of such a payment.
func (r Request) Judge(at Standing, approvalAboveFen int64) (Request, error) {
	if !slices.Contains(Askable[r.Kind], at.Stage) {
		return r, Failf(Conflict, "wrong_stage", "%s is not possible while the payment is %s", r.Kind, at.Stage)
	}
	newNumber := r.Kind != Resolve && at.RefundClosed
	if r.Kind == Compensate || newNumber {
		r.AmountFen = at.AmountFen - at.RefundedFen
	}
	r.State = Queued
	tooMuch := r.AmountFen > 0 && r.AmountFen+at.AskedFen > approvalAboveFen
	if tooMuch || newNumber || r.Goods == GoodsReturned || r.Goods == GoodsKept {
		r.State = PendingApproval
	}
	return r, nil
}

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
