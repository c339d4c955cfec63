package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/paysaga/paysaga/internal/payment"
)

// Read returns the books of one payment; NotFound if it was never claimed.
func (s *Store) Read(ctx context.Context, transactionID string) (payment.Books, error) {
	books, err := s.readBooks(ctx, s.pool, transactionID)
	return books, fault(err)
}

// Every join is by a unique key, so this is one row, and one statement sees one
// moment. What may be missing comes as JSON in the words of package payment.
const readBooksSQL = `
select p.transaction_id, p.out_trade_no, p.stage, p.amount_fen, p.refunded_fen,
       p.trade_state, p.via, p.wechat_says, o.out_trade_no is not null as order_known,
       p.stage = 'received' and exists (
         select from inbox i where i.transaction_id = p.transaction_id and i.kind = 'refund' and i.verdict <> 'noted'
            and not exists (select from refunds where out_refund_no = i.out_refund_no)) as refund_news,
       case when p.stage = 'holding' then
         jsonb_build_object('reason', p.hold_reason, 'direction', p.hold_direction, 'until', p.hold_until)
       end as hold,
       coalesce(s.state, '') as shipment, s.created_at as ship_asked_at, p.goods,
       case when r.out_refund_no is not null then
         jsonb_build_object('out_refund_no', r.out_refund_no, 'transaction_id', r.transaction_id,
           'amount_fen', r.amount_fen, 'total_fen', r.total_fen, 'state', r.state,
           'asked_at', r.asked_at, 'ready_at', r.ready_at, 'reason', r.reason,
           'part', exists (select from requests where out_refund_no = r.out_refund_no))
       end as refund,
       case when q.id is not null then
         jsonb_build_object('id', q.id, 'kind', q.kind, 'state', q.state)
       end as request,
       coalesce((select w.id from webhooks w
                  where w.transaction_id = p.transaction_id and w.state = 'pending'
                  order by w.created_at, w.id limit 1), '') as webhook
  from payments p
  left join orders o    on o.out_trade_no = p.out_trade_no
  left join shipments s on s.transaction_id = p.transaction_id
  left join refunds r   on r.transaction_id = p.transaction_id and not r.is_foreign
                       and r.state in ('requested', 'processing', 'abnormal')
  left join requests q  on q.transaction_id = p.transaction_id and q.state in ('queued', 'running')
 where p.transaction_id = @transaction_id`

// querier is the pool, or a transaction that reads its own changes.
type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func (s *Store) readBooks(ctx context.Context, from querier, transactionID string) (payment.Books, error) {
	books := payment.Books{Terms: s.settings.Terms}
	var known evidence
	var shipAskedAt *time.Time
	err := from.QueryRow(ctx, readBooksSQL, pgx.NamedArgs{"transaction_id": transactionID}).Scan(
		&books.TransactionID, &books.OutTradeNo, &books.Stage, &books.AmountFen, &books.RefundedFen,
		&known.tradeState, &known.via, &known.wechatSays, &known.orderKnown, &known.refundNews,
		&books.Hold,
		&books.Shipment, &shipAskedAt, &books.Goods,
		&books.Refund, &books.Request, &books.Webhook)
	if err != nil {
		return payment.Books{}, err
	}
	books.ShipAskedAt = orZero(shipAskedAt)
	if books.Stage == payment.Received {
		known.large = s.settings.large(books.AmountFen)
		books.Unsettled = known.unsettled()
	}
	return books, nil
}
