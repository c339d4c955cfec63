package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/paysaga/paysaga/internal/payment"
)

const knownPaymentSQL = `
select exists (select from payments where transaction_id = @id)
    or exists (select from inbox where transaction_id = @id and kind = 'payment' and verdict = 'accepted'),
       exists (select from payments where transaction_id = @id and wechat_says = 'REFUND')
    or exists (select from inbox where transaction_id = @id and kind = 'payment' and trade_state = 'REFUND')
    or ` + refundAtWeChat

// KeepFound writes a payment down that a query found, for the sweep to start its
// saga. What is known already stays as it is: WeChat's word on it may have changed
// since, and that is no contradiction. But money that went back without us is
// news of a refund, before the goods follow it.
func (s *Store) KeepFound(ctx context.Context, found payment.News) error {
	paid := found.Payment
	var known, heard bool
	err := s.pool.QueryRow(ctx, knownPaymentSQL, pgx.NamedArgs{"id": paid.TransactionID}).Scan(&known, &heard)
	switch {
	case err != nil:
		return fault(err)
	case known && (heard || paid.TradeState != gaveBack):
		return nil
	case known:
		found = payment.News{
			Key: payment.GoneBackKey(paid.TransactionID), Kind: payment.NewsRefund, Verdict: payment.Accepted, Payment: paid,
		}
	}
	_, err = s.keep(ctx, found, payment.Delivery{})
	if payment.CodeOf(err) == oneStory { // its callback came in this moment, and it is known now
		return s.KeepFound(ctx, found)
	}
	return err
}

// A payment that nobody has judged yet may be the one that pays the order. It is
// in the inbox before it is in the books.
const closeOrderSQL = `
update orders o set state = 'closed', closed_by = @actor, closed_at = now()
 where out_trade_no = @out_trade_no and state = 'pending'
   and not exists (
     select from payments p
      where p.out_trade_no = o.out_trade_no
        and (p.stage = 'received' or p.stage = 'holding' and p.hold_direction = 'forward'))
   and not exists (
     select from inbox i
      where not i.done and i.out_trade_no = o.out_trade_no and i.kind = 'payment' and i.verdict = 'accepted'
        and not exists (select from payments p where p.transaction_id = i.transaction_id))`

const orderStateSQL = `select state from orders where out_trade_no = @out_trade_no`

// CloseOrder closes a pending order, unless a payment of it is still to be judged,
// and returns the state it left. The caller has WeChat's word that nobody can pay
// it any more. NotFound if there is no such order.
func (s *Store) CloseOrder(ctx context.Context, asked payment.Closing) (payment.OrderState, error) {
	var state payment.OrderState
	err := s.tx(ctx, func(tx pgx.Tx) error {
		args := pgx.NamedArgs{"out_trade_no": asked.OutTradeNo, "actor": asked.Actor}
		if _, err := tx.Exec(ctx, closeOrderSQL, args); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, orderStateSQL, args).Scan(&state); err != nil {
			return err
		}
		return closeCase(ctx, tx, asked.OutTradeNo, "WeChat has said how it stands", payment.CaseCloseStuck)
	})
	return state, missing("order", err)
}
