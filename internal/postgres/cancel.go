package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

// ClaimCancel sets the tombstone of a payment that is being undone, so that no
// late attempt ships any more, and returns its parcel. What was never asked for
// is cancelled on the spot; what is known to be dispatched stays so, for there
// is nothing left to bar. A payment that is not being undone, or whose goods are
// not to be stopped, has nothing to cancel: State is ShipNone.
func (s *Store) ClaimCancel(ctx context.Context, transactionID string) (activities.Parcel, error) {
	var parcel activities.Parcel
	_, err := s.change(ctx, transactionID, func(a *account) error {
		if a.stage != payment.Compensating || loose(a.goods) {
			return nil
		}
		_, err := a.shipmentMoves(ctx, payment.ShipCancelling,
			payment.ShipRequested, payment.ShipAccepted, payment.ShipRefused)
		if err != nil {
			return err
		}
		parcel, err = a.parcel(ctx, payment.ShipCancelled)
		return err
	})
	if err != nil {
		return activities.Parcel{}, err
	}
	return parcel, nil
}

const forgottenSQL = `
update shipments set forgotten_at = coalesce(forgotten_at, now()), updated_at = now()
 where transaction_id = @transaction_id and state <> 'cancelled'`

// Forgotten notes the shop's first 404 to a cancel; later ones change nothing.
func (s *Store) Forgotten(ctx context.Context, transactionID string) error {
	_, err := s.change(ctx, transactionID, func(a *account) error {
		_, err := a.tx.Exec(ctx, forgottenSQL, pgx.NamedArgs{"transaction_id": a.id()})
		return err
	})
	return err
}

// Cancelled writes down that the shop will never ship this.
func (s *Store) Cancelled(ctx context.Context, transactionID string) (payment.Books, error) {
	return s.change(ctx, transactionID, func(a *account) error {
		cancelled, err := a.shipmentMoves(ctx, payment.ShipCancelled,
			payment.ShipCancelling, payment.ShipDispatched, payment.ShipRefused)
		if err != nil || !cancelled {
			return err
		}
		if err := a.step(ctx, "cancel_shipment", "done"); err != nil {
			return err
		}
		if err := a.stepBecame(ctx, "ship", "undone"); err != nil {
			return err
		}
		return a.note(ctx, "the shop will not ship it")
	})
}
