package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/paysaga/paysaga/internal/payment"
)

const refundOrderSQL = `
update orders set state = 'refunded' where paid_by = @transaction_id and state in ('paid', 'shipped')`

// MarkRefunded ends a compensation whose money went back: payment, order, the
// event to tell, and the request that asked for it. Conflict while some of the
// money has not gone back.
func (s *Store) MarkRefunded(ctx context.Context, transactionID string) (payment.Books, error) {
	return s.change(ctx, transactionID, func(a *account) error {
		if a.stage != payment.Compensating {
			return nil
		}
		if a.refundedFen != a.paid.AmountFen {
			return payment.Failf(payment.Conflict, "not_refunded", "%d of %d fen went back", a.refundedFen, a.paid.AmountFen)
		}
		if err := a.move(ctx, payment.Refunded, "refunded in full"); err != nil {
			return err
		}
		if err := a.orderRefunded(ctx); err != nil {
			return err
		}
		if err := a.endRunning(ctx, payment.RequestDone, "refunded in full"); err != nil {
			return err
		}
		if err := a.step(ctx, "mark_refunded", "done"); err != nil {
			return err
		}
		return a.stepBecame(ctx, "mark_paid", "undone")
	})
}

// orderRefunded takes the order along if this payment had paid it, and notes
// whom to tell what.
func (a *account) orderRefunded(ctx context.Context) error {
	tag, err := a.tx.Exec(ctx, refundOrderSQL, pgx.NamedArgs{"transaction_id": a.id()})
	if err != nil {
		return err
	}
	if tag.RowsAffected() == 1 {
		return a.tell(ctx, orderRefunded)
	}
	return a.tell(ctx, paymentRefunded)
}
