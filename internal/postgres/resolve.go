package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/paysaga/paysaga/internal/payment"
)

// RefuseRequest ends a request that its evidence did not bear out.
func (s *Store) RefuseRequest(ctx context.Context, requestID, detail string) (payment.Books, error) {
	return s.changeRequest(ctx, requestID, func(a *account, request payment.Request) error {
		return a.endRequest(ctx, request.ID, payment.RequestRefused, oneLine(detail, 300))
	})
}

// Resolved closes a payment that waits for a person, by that person's word: the
// order goes the way it says, the shop is told, and the request is done. A
// payment that has moved on meanwhile is left alone, and the request refused.
func (s *Store) Resolved(ctx context.Context, requestID, detail string) (payment.Books, error) {
	return s.changeRequest(ctx, requestID, func(a *account, request payment.Request) error {
		if request.Kind != payment.Resolve || !a.stage.Waiting() {
			return a.endRequest(ctx, request.ID, payment.RequestRefused, "the payment is "+string(a.stage)+" now")
		}
		if err := a.move(ctx, payment.Resolved, "resolved as "+detail+": "+request.Reason); err != nil {
			return err
		}
		if err := a.resolvedAs(ctx, request.Outcome); err != nil {
			return err
		}
		return a.endRequest(ctx, request.ID, payment.RequestDone, detail)
	})
}

func (a *account) resolvedAs(ctx context.Context, outcome payment.Stage) error {
	if outcome == payment.Refunded {
		return a.orderRefunded(ctx)
	}
	_, err := a.shipmentMoves(ctx, payment.ShipDispatched,
		payment.ShipRequested, payment.ShipAccepted, payment.ShipRefused, payment.ShipCancelling)
	if err != nil {
		return err
	}
	tag, err := a.tx.Exec(ctx, shipOrderSQL, pgx.NamedArgs{"transaction_id": a.id()})
	if err != nil || tag.RowsAffected() == 0 {
		return err
	}
	return a.tell(ctx, orderShipped)
}
