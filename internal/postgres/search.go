package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/paysaga/paysaga/internal/payment"
)

// A payment that only the inbox knows, because its saga has not begun, is received.
const fromNews = `
  from (select transaction_id, out_trade_no, amount_fen, 0 as refunded_fen, 'received' as stage, coalesce(paid_at, received_at) as paid_at
          from inbox
         where kind = 'payment' and verdict = 'accepted' and not done
           and not exists (select from payments where transaction_id = inbox.transaction_id)) k`

const foundPayment = `
select k.transaction_id, k.out_trade_no, k.amount_fen, k.refunded_fen, k.stage, k.paid_at, ` + needsAttention + ` as needs_attention`

const needsAttention = `(k.stage in ('holding', 'quarantined')
         or exists (select from cases where transaction_id = k.transaction_id and state = 'open'))`

const thatAreWanted = `
 where (@owner = '' or exists (select from orders where out_trade_no = k.out_trade_no and created_by = @owner))
   and (@stage = '' or k.stage = @stage)
   and (@attention <> 'false' or not ` + needsAttention + `)
   and (@first or (k.paid_at, k.transaction_id) < (@paid_at, @id))`

const newestFirst = `
 order by paid_at desc, transaction_id desc
 limit @limit`

// Each arm is one small partial index: what waits is found without a look at the rest.
const thatNeedAttention = `
           and k.transaction_id in (
                 select transaction_id from payments where stage = 'holding'
                 union all select transaction_id from payments where stage = 'quarantined'
                 union all select transaction_id from cases where state = 'open' and transaction_id <> '')`

// Each arm is one index over a number, and stops at a thousand hits: a beginning
// that more numbers share is no number yet.
const withNumber = `
           and k.transaction_id in (
  (select transaction_id from payments where transaction_id collate "C" between @number and @last limit 1000)
  union all
  (select transaction_id from payments where out_trade_no collate "C" between @number and @last limit 1000)
  union all
  (select transaction_id from inbox where not done and (transaction_id collate "C" between @number and @last
                                                     or out_trade_no collate "C" between @number and @last) limit 1000)
  union all
  (select transaction_id from refunds where out_refund_no collate "C" between @number and @last limit 1000)
  union all
  (select transaction_id from refunds where refund_id <> '' and refund_id collate "C" between @number and @last limit 1000)
  union all
  (select transaction_id from shipments where shipment_id <> '' and shipment_id collate "C" between @number and @last limit 1000)
  union all
  (select transaction_id from shipments where tracking_no <> '' and tracking_no collate "C" between @number and @last limit 1000)
  union all
  (select transaction_id from requests where id collate "C" between @number and @last limit 1000))`

func paymentsQuery(wanted payment.PaymentFilter, page payment.Page[payment.PaymentPlace]) (string, pgx.NamedArgs) {
	var after payment.PaymentPlace
	if page.After != nil {
		after = *page.After
	}
	wantedOnly := thatAreWanted
	if flag(wanted.NeedsAttention) == "true" {
		wantedOnly += thatNeedAttention
	}
	if wanted.Number != "" {
		wantedOnly += withNumber
	}
	// Each source gives its own newest, so that neither is read further than that.
	sql := `select to_json(found) from ((` + foundPayment + ` from payments k` + wantedOnly + newestFirst + `) union all (` +
		foundPayment + fromNews + wantedOnly + newestFirst + `)` + newestFirst + `) found`
	return sql, pgx.NamedArgs{
		"owner": wanted.Owner, "stage": wanted.Stage, "attention": flag(wanted.NeedsAttention),
		"number": wanted.Number, "last": wanted.Number + afterAll,
		"first": page.After == nil, "paid_at": after.PaidAt, "id": after.TransactionID,
		"limit": page.Limit,
	}
}

// Payments is one page of payments, the newest first by WeChat's clock.
func (s *Store) Payments(ctx context.Context, wanted payment.PaymentFilter, page payment.Page[payment.PaymentPlace]) ([]payment.FoundPayment, error) {
	sql, args := paymentsQuery(wanted, page)
	return listed[payment.FoundPayment](ctx, s, sql, args)
}
