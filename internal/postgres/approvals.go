package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/paysaga/paysaga/internal/payment"
)

const approvalsSQL = `
select to_json(q)
  from (select id, transaction_id, kind, state, actor, reason, goods, outcome, evidence, amount_fen,
               out_refund_no, approver, detail, created_at, expires_at
          from requests
         where state = 'pending_approval' and expires_at > now()
           and (@first or (created_at, id) > (@created_at, @id))
         order by created_at, id
         limit @limit) q`

// Approvals is one page of what waits for a second person, the oldest first. What
// nobody decided in time is not there any more.
func (s *Store) Approvals(ctx context.Context, page payment.Page[payment.RequestPlace]) ([]payment.Request, error) {
	var after payment.RequestPlace
	if page.After != nil {
		after = *page.After
	}
	return listed[payment.Request](ctx, s, approvalsSQL, pgx.NamedArgs{
		"first": page.After == nil, "created_at": after.CreatedAt, "id": after.ID, "limit": page.Limit,
	})
}

const openRequestSQL = `
select exists (select from requests where transaction_id = @id and state in ('pending_approval', 'queued', 'running'))`

// Consider judges what Ask would write down, and writes nothing. Its errors are
// those of Ask; what it says may have changed a moment later.
func (s *Store) Consider(ctx context.Context, asked payment.Request, approvalAboveFen int64) (payment.Request, error) {
	args := pgx.NamedArgs{"id": asked.TransactionID, "transaction_id": asked.TransactionID, "window": payment.ApprovalExpiresAfter}
	err := s.tx(ctx, func(tx pgx.Tx) error {
		at, _, err := stands(ctx, tx, args)
		if err != nil {
			return err
		}
		var open bool
		if err := tx.QueryRow(ctx, openRequestSQL, args).Scan(&open); err != nil {
			return err
		}
		if open {
			return payment.Failf(payment.Conflict, "one_open_request", "another request of this payment is open")
		}
		asked, err = asked.Judge(at, approvalAboveFen)
		return err
	})
	return asked, missing("payment", err)
}
