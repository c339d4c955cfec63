package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

// The row of an earlier claim wins over what a later run was told.
const claimSQL = `
insert into payments (transaction_id, out_trade_no, appid, mchid, amount_fen, currency, trade_state, paid_at, via, sweep_at)
select @transaction_id, @out_trade_no, @appid, @mchid, @amount_fen, @currency, @trade_state, @paid_at, @via, now() + @peace
  from (select set_config('paysaga.cause', @why, true), set_config('paysaga.actor', '', true)) as said
on conflict (transaction_id) do nothing`

// Claim writes a payment down once and judges it against its order. Its own
// transaction_id is the key, whatever else a repeat may say.
func (s *Store) Claim(ctx context.Context, paid payment.Payment) (payment.Books, error) {
	var books payment.Books
	err := s.tx(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, claimSQL, pgx.NamedArgs{
			"transaction_id": paid.TransactionID, "out_trade_no": paid.OutTradeNo,
			"appid": paid.AppID, "mchid": paid.MchID, "amount_fen": paid.AmountFen, "currency": paid.Currency,
			"trade_state": paid.TradeState, "paid_at": paid.PaidAt, "via": paid.Via,
			"why":   "WeChat says it was paid; told by " + string(paid.Via),
			"peace": s.peace(),
		})
		if err == nil && paid.Via == payment.ViaTemporal {
			err = s.keepLate(ctx, tx, paid)
		}
		if err != nil {
			return err
		}
		books, err = s.changeIn(ctx, tx, paid.TransactionID, func(a *account) error { return a.judge(ctx) })
		return err
	})
	if err != nil {
		return payment.Books{}, err
	}
	return books, nil
}

const wechatSaidSQL = `
update payments set wechat_says = @wechat_says, updated_at = now() where transaction_id = @transaction_id`

// WeChatSaid keeps WeChat's own word on a payment and judges it again. A payment
// that was judged meanwhile is only read.
func (s *Store) WeChatSaid(ctx context.Context, transactionID string, word activities.Transaction) (payment.Books, error) {
	if word.TradeState == "" {
		return payment.Books{}, payment.Failf(payment.Unknown, "no_trade_state", "WeChat's answer names no trade_state")
	}
	return s.change(ctx, transactionID, func(a *account) error {
		if a.stage != payment.Received {
			return nil
		}
		if err := a.wechatSaid(ctx, word.TradeState); err != nil {
			return err
		}
		if err := a.weigh(ctx, word); err != nil || a.stage == payment.Holding {
			return err
		}
		// Somebody may wait for this answer, with a case and without a hold.
		return closeCase(ctx, a.tx, a.id(), "WeChat says "+word.TradeState, payment.CaseNotPaid)
	})
}

func (a *account) weigh(ctx context.Context, word activities.Transaction) error {
	if kind, why := contradiction(a.paid, word); kind != "" {
		return a.quarantine(ctx, kind, why)
	}
	return a.judge(ctx)
}

func (a *account) wechatSaid(ctx context.Context, tradeState string) error {
	_, err := a.tx.Exec(ctx, wechatSaidSQL, pgx.NamedArgs{"transaction_id": a.id(), "wechat_says": tradeState})
	a.wechatSays = tradeState
	return err
}

// contradiction compares what we were told with what WeChat says when asked.
func contradiction(told payment.Payment, word activities.Transaction) (payment.CaseKind, string) {
	switch {
	case !word.Paid():
		return "", ""
	case word.MchID != told.MchID || word.AppID != told.AppID:
		return payment.CaseForeignMerchant, "WeChat, when asked, names another merchant or app"
	case word.OutTradeNo != told.OutTradeNo || word.AmountFen != told.AmountFen || word.Currency != told.Currency:
		return payment.CaseAmountMismatch, "WeChat, when asked, names another order or amount"
	}
	return "", ""
}

const lockOrderSQL = `
select out_trade_no, appid, amount_fen, currency, state, late_payment, expires_at, coalesce(paid_by, '') as paid_by
  from orders where out_trade_no = @out_trade_no for update`

// sold is the order a payment names, under its row's lock: the second payment of
// an order waits here until the first has decided.
type sold struct {
	payment.Order
	paidBy string
}

func (a *account) lockOrder(ctx context.Context) (o sold, known bool, err error) {
	err = a.tx.QueryRow(ctx, lockOrderSQL, pgx.NamedArgs{"out_trade_no": a.paid.OutTradeNo}).Scan(
		&o.OutTradeNo, &o.AppID, &o.AmountFen, &o.Currency, &o.State, &o.LatePayment, &o.ExpiresAt, &o.paidBy)
	if errors.Is(err, pgx.ErrNoRows) {
		return o, false, nil
	}
	return o, err == nil, err
}

// judge decides what becomes of a received payment, or leaves it unsettled. It
// asks in the order of what could hurt: whether it is paid at all, whether it is
// ours, whether it is what was ordered, and only then whether it came too late.
func (a *account) judge(ctx context.Context) error {
	if a.stage != payment.Received {
		return nil
	}
	order, known, err := a.lockOrder(ctx)
	if err != nil {
		return err
	}
	refundNews, err := a.refundNews(ctx)
	if err != nil {
		return err
	}
	refundSeen, err := a.refundSeen(ctx)
	if err != nil {
		return err
	}
	says := evidence{a.paid.TradeState, a.paid.Via, a.wechatSays, known, a.store.settings.large(a.paid.AmountFen), refundNews, refundSeen}
	switch unsettled := says.unsettled(); {
	case unsettled == payment.AskWeChat:
		return nil
	case says.denied():
		return a.notPaid(ctx)
	case !a.ours():
		return a.quarantine(ctx, payment.CaseForeignMerchant, "paid to another merchant or app")
	case unsettled == payment.UnknownOrder:
		return nil
	}
	switch paid := a.paid; {
	case paid.AppID != order.AppID:
		return a.quarantine(ctx, payment.CaseForeignMerchant, "paid in another app than it was ordered in")
	case paid.AmountFen != order.AmountFen || paid.Currency != order.Currency:
		return a.quarantine(ctx, payment.CaseAmountMismatch,
			fmt.Sprintf("paid %d fen %s, ordered %d fen %s", paid.AmountFen, paid.Currency, order.AmountFen, order.Currency))
	case order.paidBy == a.id(): // accepted before
		return a.accept(ctx, order)
	case order.paidBy != "":
		return a.turnDown(ctx, secondPayment, "the order was paid by another payment")
	case order.LatePayment == payment.LateReopen:
		return a.accept(ctx, order)
	case order.State == payment.OrderClosed:
		return a.turnDown(ctx, latePayment, "paid although the order was closed")
	case paid.PaidAt.After(order.ExpiresAt):
		return a.turnDown(ctx, latePayment, "paid after the order expired at "+order.ExpiresAt.UTC().Format(time.RFC3339))
	}
	return a.accept(ctx, order)
}

func (a *account) ours() bool {
	return a.paid.MchID == a.store.settings.MchID && slices.Contains(a.store.settings.AppIDs, a.paid.AppID)
}

// Why a payment is undone without anybody asking, besides a hold that ran out.
const (
	secondPayment = "second_payment"
	latePayment   = "late_payment"
	shopRefused   = "shop_refused"
	refundsAddUp  = "refunds_add_up"
)

const payOrderSQL = `
update orders set state = 'paid', paid_by = @transaction_id
 where out_trade_no = @out_trade_no and state in ('pending', 'closed')`

func (a *account) accept(ctx context.Context, order sold) error {
	if order.paidBy == "" {
		_, err := a.tx.Exec(ctx, payOrderSQL, pgx.NamedArgs{"transaction_id": a.id(), "out_trade_no": order.OutTradeNo})
		if err != nil {
			return err
		}
	}
	if err := a.move(ctx, payment.Paid, "accepted: it pays the order"); err != nil {
		return err
	}
	return a.step(ctx, "mark_paid", "done")
}

// turnDown gives the money back and leaves the order alone.
func (a *account) turnDown(ctx context.Context, cause, why string) error {
	if err := a.undo(ctx, cause, payment.GoodsStop, why); err != nil {
		return err
	}
	return a.step(ctx, "mark_paid", "refused")
}

func (a *account) quarantine(ctx context.Context, kind payment.CaseKind, why string) error {
	if err := a.move(ctx, payment.Quarantined, why); err != nil {
		return err
	}
	if err := a.openCase(ctx, kind, "", why); err != nil {
		return err
	}
	return a.step(ctx, "mark_paid", "refused")
}

// notPaid holds what WeChat, when asked, does not call paid. REFUND there means
// that somebody gave the money back without us.
func (a *account) notPaid(ctx context.Context) error {
	hold := payment.Hold{Reason: payment.CaseNotPaid, Direction: payment.Forward}
	if a.wechatSays == gaveBack {
		hold.Reason = payment.CaseForeignRefund
	}
	return a.stop(ctx, hold, "WeChat, when asked, says "+a.wechatSays)
}
