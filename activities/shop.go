package activities

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/paysaga/paysaga/internal/payment"
)

// Parcel is what the shop is asked to ship.
type Parcel struct {
	Key           string // Idempotency-Key, ship-<transaction_id>
	OutTradeNo    string
	TransactionID string
	AmountFen     int64
	Currency      string
	Shipping      json.RawMessage
	State         payment.Shipment
	ShipmentID    string    // the shop's own number, once it has accepted or dispatched
	ForgottenAt   time.Time // when cancel was first answered 404
}

// Dispatch is the shop's word on a shipment.
type Dispatch struct {
	State      payment.Shipment // accepted, dispatched or cancelled
	ShipmentID string
	Carrier    string
	TrackingNo string
}

// ShopLedger is what the shop's acts need of the books.
type ShopLedger interface {
	Ledger
	MessageLedger
	// ClaimShip writes the intent to ship, or finds it; Conflict where the
	// payment may not ship (any more).
	ClaimShip(ctx context.Context, transactionID string) (Parcel, error)
	// Dispatched writes the shop's word down. Whatever came in between, the
	// facts of the shipment are kept; the stage moves only if it still may.
	Dispatched(ctx context.Context, transactionID string, word Dispatch) (payment.Books, error)
	// Reported is the shop's own report that it dispatched; NotFound if it made none.
	Reported(ctx context.Context, transactionID string) (Dispatch, error)
	// ShipRefused writes the shop's no to our asking down and turns the payment
	// round; what the shop has said yes to is left.
	ShipRefused(ctx context.Context, transactionID, why string) (payment.Books, error)
	// CalledOff writes down that the shop cancelled what it had accepted, and
	// turns the payment round; anything else is left.
	CalledOff(ctx context.Context, transactionID string) (payment.Books, error)

	// ClaimCancel sets the tombstone, even where nothing was ever shipped, and
	// returns the parcel; its State says whether the shop must be asked.
	ClaimCancel(ctx context.Context, transactionID string) (Parcel, error)
	// Forgotten notes the shop's first 404 to a cancel.
	Forgotten(ctx context.Context, transactionID string) error
	// Cancelled writes down that the shop will never ship this.
	Cancelled(ctx context.Context, transactionID string) (payment.Books, error)
}

// Fulfilment is the merchant's shop as README's "What it asks of the shop" has it. Its errors have kinds:
// Refused for 409 and 422, NotFound for 404, Unknown for everything else.
type Fulfilment interface {
	Ship(ctx context.Context, p Parcel) (Dispatch, error)
	Find(ctx context.Context, outTradeNo string) (Dispatch, error)
	Cancel(ctx context.Context, p Parcel) error
	// Tell posts one signed webhook; Refused means 410, stop for good.
	Tell(ctx context.Context, m Message) error
}

// Shop asks the merchant's shop to ship, to cancel, and to take note.
type Shop struct {
	Ledger ShopLedger
	Shop   Fulfilment
	Mini   MiniProgram // tells payers; nil: there is none
	// AttemptTimeout is ship's StartToClose: how long an attempt we gave up may
	// still be on its way to the shop.
	AttemptTimeout time.Duration
}

// Ship asks the shop to ship, under one key however often it runs. Its no turns
// the books to compensating; no answer is an error and is asked again.
func (s *Shop) Ship(ctx context.Context, transactionID string) (payment.Books, error) {
	parcel, err := s.Ledger.ClaimShip(ctx, transactionID)
	if payment.KindOf(err) == payment.Conflict { // a person, or an earlier attempt, was faster
		return answer(s.Ledger.Read(ctx, transactionID))
	}
	if err != nil {
		return payment.Books{}, fault(err)
	}
	word, err := s.Shop.Ship(ctx, parcel)
	ctx, cancel := afterwards(ctx)
	defer cancel()
	switch payment.KindOf(err) {
	case "":
		return answer(s.Ledger.Dispatched(ctx, transactionID, word))
	case payment.Refused:
		return answer(s.Ledger.ShipRefused(ctx, transactionID, err.Error()))
	}
	return payment.Books{}, s.failed(ctx, transactionID, "ship", err)
}

// FindShipment looks whether the shop dispatched what it accepted: it may have
// reported so itself, and else it is asked.
func (s *Shop) FindShipment(ctx context.Context, transactionID string) (payment.Books, error) {
	reported, err := s.Ledger.Reported(ctx, transactionID)
	if err == nil {
		return answer(s.Ledger.Dispatched(ctx, transactionID, reported))
	}
	if payment.KindOf(err) != payment.NotFound {
		return payment.Books{}, fault(err)
	}
	books, err := s.Ledger.Read(ctx, transactionID)
	if err != nil {
		return books, fault(err)
	}
	word, err := s.Shop.Find(ctx, books.OutTradeNo)
	if err != nil {
		return books, s.failed(ctx, transactionID, "ship", retryable(err))
	}
	switch word.State {
	case payment.ShipDispatched:
		return answer(s.Ledger.Dispatched(ctx, transactionID, word))
	case payment.ShipCancelled:
		return answer(s.Ledger.CalledOff(ctx, transactionID))
	}
	return books, nil
}

// CancelShipment stops the shipment before money goes back. The tombstone comes
// first, so that no late attempt ships afterwards. Already dispatched means a
// hold; no answer is an error, and never a refund.
func (s *Shop) CancelShipment(ctx context.Context, transactionID string) (payment.Books, error) {
	parcel, err := s.Ledger.ClaimCancel(ctx, transactionID)
	if err != nil {
		return payment.Books{}, fault(err)
	}
	if !parcel.State.ToCancel() {
		return answer(s.Ledger.Read(ctx, transactionID))
	}
	if wait := s.stillForgetful(parcel); wait > 0 {
		return payment.Books{}, fault(forgetful(wait))
	}
	err = s.Shop.Cancel(ctx, parcel)
	ctx, cancel := afterwards(ctx)
	defer cancel()
	switch payment.KindOf(err) {
	case "":
		return answer(s.Ledger.Cancelled(ctx, transactionID))
	case payment.Refused:
		return answer(s.Ledger.Hold(ctx, Stop{
			TransactionID: transactionID,
			Hold:          payment.Hold{Reason: payment.CaseCancelRefused, Direction: payment.Backward},
			Detail:        err.Error(),
		}))
	case payment.NotFound:
		return s.forgotten(ctx, parcel)
	}
	return payment.Books{}, s.failed(ctx, transactionID, "cancel_shipment", err)
}

// forgotten handles a shop that keeps no memory of cancelled keys: an attempt of
// ours may still be on its way, so only a second 404, after it must have
// arrived and with nothing to be found, permits the refund. A shop that has given
// us a number for the shipment cannot have forgotten it: its 404 is an answer
// about something else, and no leave to refund.
func (s *Shop) forgotten(ctx context.Context, parcel Parcel) (payment.Books, error) {
	if parcel.ForgottenAt.IsZero() {
		if err := s.Ledger.Forgotten(ctx, parcel.TransactionID); err != nil {
			return payment.Books{}, fault(err)
		}
		return payment.Books{}, fault(forgetful(2 * s.AttemptTimeout))
	}
	word, err := s.Shop.Find(ctx, parcel.OutTradeNo)
	unknown := payment.KindOf(err) == payment.NotFound
	switch {
	case unknown && parcel.ShipmentID == "", err == nil && word.cancels(parcel):
		return answer(s.Ledger.Cancelled(ctx, parcel.TransactionID))
	case unknown:
		err = payment.Failf(payment.Unknown, "cancel_contradicted", "the shop had a shipment, and knows none now")
	case err == nil:
		err = payment.Failf(payment.Unknown, "cancel_contradicted", "the shop knows no shipment to cancel, and yet shows one")
	}
	return payment.Books{}, s.failed(ctx, parcel.TransactionID, "cancel_shipment", err)
}

// cancels tells whether the shop shows this very shipment as cancelled.
func (d Dispatch) cancels(p Parcel) bool {
	return d.State == payment.ShipCancelled && (p.ShipmentID == "" || p.ShipmentID == d.ShipmentID)
}

func (s *Shop) stillForgetful(p Parcel) time.Duration {
	if p.ForgottenAt.IsZero() {
		return 0
	}
	return time.Until(p.ForgottenAt.Add(2 * s.AttemptTimeout))
}

func forgetful(wait time.Duration) error {
	err := payment.Failf(payment.Busy, "shop_forgets", "the shop knows no such shipment; asked again in %s, when a late attempt must have arrived", wait.Round(time.Second))
	err.RetryAfter = wait
	return err
}

// failed notes an attempt without an answer and passes its error on.
func (s *Shop) failed(ctx context.Context, transactionID, step string, err error) error {
	noted := s.Ledger.Tried(ctx, Try{TransactionID: transactionID, Step: step, Error: err.Error()})
	return fault(errors.Join(err, noted))
}

// retryable turns a "no" that decides nothing here into "ask again".
func retryable(err error) error {
	return payment.Fail(payment.Unknown, payment.CodeOf(err), "the shop does not show the shipment", err)
}
