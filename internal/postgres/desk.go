package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/paysaga/paysaga/internal/payment"
)

// The payment of a callback that was kept and whose saga has not begun is a
// received one. One statement sees one moment.
const dossier = `
with known as (
  select transaction_id, out_trade_no, amount_fen, refunded_fen, stage
    from payments where transaction_id = @id
  union all
  (select transaction_id, out_trade_no, amount_fen, 0, 'received'
     from inbox where transaction_id = @id and kind = 'payment' and verdict = 'accepted'
      and not exists (select from payments where transaction_id = @id)
    order by id limit 1)
)
select json_build_object(
  'transaction_id', k.transaction_id,
  'out_trade_no', k.out_trade_no,
  'amount_fen', k.amount_fen,
  'refunded_fen', k.refunded_fen,
  'stage', k.stage,
  'needs_attention', k.stage in ('holding', 'quarantined')
    or exists (select from cases where transaction_id = @id and state = 'open'),
  'steps', (
    select coalesce(json_agg(s order by s.place), '[]')
      from (select step as name, state, attempts, last_error,
                   array_position(array['mark_paid', 'ship', 'notify', 'notify_payer', 'upload_shipping', 'cancel_shipment',
                                        'refund', 'mark_refunded', 'tell_shop'], step) as place
              from steps where transaction_id = @id) s),
  'refunds', (
    select coalesce(json_agg(r order by r.created_at, r.out_refund_no), '[]')
      from (select out_refund_no, amount_fen, state, created_at
              from refunds where transaction_id = @id) r),
  'cases', (
    select coalesce(json_agg(c order by c.opened_at, c.id), '[]')
      from (select ` + caseColumns + `
              from cases where transaction_id = @id) c),
  'requests', (
    select coalesce(json_agg(q order by q.created_at, q.id), '[]')
      from (select id, transaction_id, kind, state, actor, reason, goods, outcome, evidence,
                   amount_fen, out_refund_no, approver, detail, created_at, expires_at
              from requests where transaction_id = @id) q),
  'timeline', (
    select coalesce(json_agg(e order by e.id), '[]')
      from (select id, at, was, became, what, actor
              from payment_events where transaction_id = @id) e))
  from known k
 where @owner = '' or exists (
       select from orders where out_trade_no = k.out_trade_no and created_by = @owner)`

// Dossier is all that is known of a payment, from the books or, before its saga
// began, from the inbox. An owner other than "" sees only payments of their own
// orders; another's and a missing one are the same NotFound.
func (s *Store) Dossier(ctx context.Context, transactionID, owner string) (payment.Dossier, error) {
	var found payment.Dossier
	err := s.pool.QueryRow(ctx, dossier, pgx.NamedArgs{"id": transactionID, "owner": owner}).Scan(&found)
	return found, missing("payment", fault(err))
}

const knownPayment = `
select transaction_id, out_trade_no, appid, mchid, amount_fen, currency, trade_state, paid_at, via
  from payments where transaction_id = @id
union all
(select transaction_id, out_trade_no, appid, mchid, amount_fen, currency, trade_state,
        coalesce(paid_at, received_at), via
   from inbox where transaction_id = @id and kind = 'payment' and verdict = 'accepted'
    and not exists (select from payments where transaction_id = @id)
  order by id limit 1)`

// Payment is the input of a payment's saga: the books' row, or the inbox's.
func (s *Store) Payment(ctx context.Context, transactionID string) (payment.Payment, error) {
	rows, err := s.pool.Query(ctx, knownPayment, pgx.NamedArgs{"id": transactionID})
	if err != nil {
		return payment.Payment{}, fault(err)
	}
	paid, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[payment.Payment])
	return paid, missing("payment", fault(err))
}
