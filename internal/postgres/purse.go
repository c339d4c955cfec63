package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/paysaga/paysaga/internal/payment"
)

// purse is what of a payment can still be given back.
type purse struct {
	leftFen int64 // below zero if a refund of ours is promised what somebody else's took
	refunds int   // those that may have happened
	next    int   // the number of our next refund, from 1
	tooOld  bool
}

// What is left counts every refund that may happen, whoever made it. The next
// number comes after every one of our form that was ever taken, so that none is
// used twice: books restored from yesterday may hear of theirs as somebody else's.
const purseSQL = `
select p.amount_fen - coalesce(sum(r.amount_fen), 0)::bigint,
       count(r.amount_fen),
       (select coalesce(max(coalesce(substring(number from '-([0-9]+)$'), '1')::int), 0) + 1 from (
          select out_refund_no from refunds where transaction_id = @id
          union all
          select out_refund_no from requests where transaction_id = @id) taken (number)
         where number ~ ('^R' || @id || '(-[0-9]{1,9})?$')),
       p.paid_at < now() - @refund_within::interval
  from payments p
  left join refunds r on r.transaction_id = p.transaction_id and r.state not in ('closed', 'withdrawn')
 where p.transaction_id = @id
 group by p.transaction_id`

func readPurse(ctx context.Context, from querier, transactionID string) (p purse, err error) {
	err = from.QueryRow(ctx, purseSQL, pgx.NamedArgs{"id": transactionID, "refund_within": payment.RefundWithin}).
		Scan(&p.leftFen, &p.refunds, &p.next, &p.tooOld)
	return p, err
}

func (a *account) purse(ctx context.Context) (purse, error) { return readPurse(ctx, a.tx, a.id()) }

// barred says why WeChat would not take one more refund; empty if it would.
func (p purse) barred() string {
	switch {
	case p.tooOld:
		return "WeChat refunds for 365 days, and it was paid before that"
	case p.refunds >= payment.RefundsAtMost:
		return fmt.Sprintf("WeChat takes %d refunds of a payment, and it has had them", payment.RefundsAtMost)
	}
	return ""
}
