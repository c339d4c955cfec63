package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/paysaga/paysaga/internal/payment"
)

const insertOrder = `
insert into orders (out_trade_no, appid, description, amount_fen, currency, trade_type, openid, payer_client_ip, h5_type,
                    late_payment, shipping, expires_at, created_by, created_at, call)
values (@out_trade_no, @appid, @description, @amount_fen, @currency, @trade_type, @openid, @payer_client_ip, @h5_type,
        @late_payment, @shipping, @expires_at, @creator, @created_at, @call)
on conflict (out_trade_no) do nothing`

// The order just inserted, or the one that this call made before it was cut off.
const orderToOffer = `
select out_trade_no, appid, description, amount_fen, currency, trade_type, openid, payer_client_ip, h5_type, state,
       late_payment, shipping, expires_at, offer, created_at
  from orders
 where out_trade_no = @out_trade_no and created_by = @creator and call = @call and @call <> ''
   and state = 'pending' and expires_at > now()`

// TakeOrder writes an order down, or finds the one that the same call wrote, and
// returns it with the times it was first given: WeChat takes an order again only
// with the same parameters. Again tells that it was found, so that WeChat may know
// it already. Conflict if its number stands for any other.
func (s *Store) TakeOrder(ctx context.Context, order payment.Order, creator string) (taken payment.Order, again bool, err error) {
	args := pgx.NamedArgs{
		"out_trade_no":    order.OutTradeNo,
		"appid":           order.AppID,
		"description":     order.Description,
		"amount_fen":      order.AmountFen,
		"currency":        order.Currency,
		"trade_type":      order.TradeType,
		"openid":          string(order.OpenID),
		"payer_client_ip": string(order.PayerClientIP),
		"h5_type":         order.H5Type,
		"late_payment":    order.LatePayment,
		"shipping":        order.Shipping,
		"expires_at":      order.ExpiresAt,
		"creator":         creator,
		"created_at":      order.CreatedAt,
		"call":            payment.ActorOf(ctx).Call,
	}
	err = s.tx(ctx, func(tx pgx.Tx) error {
		inserted, err := tx.Exec(ctx, insertOrder, args)
		if err != nil {
			return err
		}
		again = inserted.RowsAffected() == 0
		if taken, err = scanOrder(tx.Query(ctx, orderToOffer, args)); err != nil {
			return err
		}
		return s.audit(ctx, tx, payment.Act{
			Action: "order.create", Object: taken.OutTradeNo, OutTradeNo: taken.OutTradeNo,
			Became: string(taken.State), AmountFen: taken.AmountFen, By: creator,
		})
	})
	if payment.KindOf(err) == payment.NotFound {
		err = payment.Fail(payment.Conflict, "order_exists", "this out_trade_no is taken; nothing was changed", err)
	}
	return taken, again, err
}

const offered = `
update orders set offer = case offer when '' then @offer else offer end
 where out_trade_no = @out_trade_no
returning out_trade_no, appid, description, amount_fen, currency, trade_type, openid, payer_client_ip, h5_type, state,
          late_payment, shipping, expires_at, offer, created_at`

// Offered notes what WeChat answered the prepay. Of two offers at once the first
// one stays, and both callers learn it. NotFound if there is no such order.
func (s *Store) Offered(ctx context.Context, outTradeNo, offer string) (payment.Order, error) {
	order, err := scanOrder(s.pool.Query(ctx, offered, pgx.NamedArgs{"out_trade_no": outTradeNo, "offer": offer}))
	return order, fault(err)
}

func scanOrder(rows pgx.Rows, err error) (payment.Order, error) {
	if err != nil {
		return payment.Order{}, err
	}
	return pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[payment.Order])
}

// One statement sees one moment.
const orderDossier = `
select json_build_object(
  'out_trade_no', o.out_trade_no,
  'state', o.state,
  'amount_fen', o.amount_fen,
  'expires_at', o.expires_at,
  'code_url', case when o.trade_type = 'native' and o.state = 'pending' and o.expires_at > now() then o.offer else '' end,
  'payments', (
    select coalesce(json_agg(p order by p.created_at, p.transaction_id), '[]')
      from (select transaction_id, amount_fen, refunded_fen, stage, created_at
              from payments where out_trade_no = o.out_trade_no) p),
  'refunds', (
    select coalesce(json_agg(r order by r.created_at, r.out_refund_no), '[]')
      from (select refunds.out_refund_no, refunds.amount_fen, refunds.state, refunds.created_at
              from refunds join payments using (transaction_id) where out_trade_no = o.out_trade_no) r),
  'timeline', (
    select json_agg(e order by e.at, e.id)
      from (select o.created_at as at, 0::bigint as id, '' as transaction_id, '' as was, '' as became,
                   'ordered' as what, o.created_by as actor
            union all
            select o.closed_at, 0, '', '', '', 'closed', o.closed_by where o.closed_at is not null
            union all
            select at, id, transaction_id, was, became, what, actor
              from payment_events join payments using (transaction_id) where out_trade_no = o.out_trade_no) e))
  from orders o
 where o.out_trade_no = @out_trade_no and @owner in ('', o.created_by)`

// OrderDossier is all that is known of an order. An owner other than "" sees only
// their own; another's and a missing one are the same NotFound.
func (s *Store) OrderDossier(ctx context.Context, outTradeNo, owner string) (payment.OrderDossier, error) {
	var dossier payment.OrderDossier
	err := s.pool.QueryRow(ctx, orderDossier, pgx.NamedArgs{"out_trade_no": outTradeNo, "owner": owner}).Scan(&dossier)
	return dossier, missing("order", fault(err))
}

// missing says what was not found.
func missing(what string, err error) error {
	if payment.KindOf(err) != payment.NotFound {
		return err
	}
	return payment.Fail(payment.NotFound, "no_such_"+what, "no such "+what, err)
}
