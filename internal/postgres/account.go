package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/paysaga/paysaga/internal/payment"
)

// account is one payment whose row this transaction holds: nobody else can move
// it, and what is read of it stays true until the commit.
type account struct {
	store *Store
	tx    pgx.Tx
	actor string // who is behind the next move; empty is paysaga itself

	paid        payment.Payment
	stage       payment.Stage
	wechatSays  string
	undoCause   string
	goods       payment.Goods
	hold        payment.Hold
	refundedFen int64
}

// change locks a payment, lets do change it and all that hangs on it, and
// returns the books as it left them, in one transaction.
func (s *Store) change(ctx context.Context, transactionID string, do func(*account) error) (payment.Books, error) {
	var books payment.Books
	err := s.tx(ctx, func(tx pgx.Tx) (err error) {
		books, err = s.changeIn(ctx, tx, transactionID, do)
		return err
	})
	if err != nil {
		return payment.Books{}, err
	}
	return books, nil
}

func (s *Store) changeIn(ctx context.Context, tx pgx.Tx, transactionID string, do func(*account) error) (payment.Books, error) {
	a, err := s.lock(ctx, tx, transactionID)
	if err != nil {
		return payment.Books{}, err
	}
	if err := do(a); err != nil {
		return payment.Books{}, err
	}
	return s.readBooks(ctx, tx, transactionID)
}

// The lock is as strong as an update of the row: it keeps out everybody who would
// move the payment, and lets those pass who only write a row that refers to it.
const lockSQL = `
select transaction_id, out_trade_no, appid, mchid, amount_fen, currency, trade_state, paid_at, via,
       stage, wechat_says, undo_cause, goods, hold_reason, hold_direction, hold_until, refunded_fen
  from payments where transaction_id = @transaction_id for no key update`

func (s *Store) lock(ctx context.Context, tx pgx.Tx, transactionID string) (*account, error) {
	a := &account{store: s, tx: tx}
	p := &a.paid
	var holdUntil *time.Time
	err := tx.QueryRow(ctx, lockSQL, pgx.NamedArgs{"transaction_id": transactionID}).Scan(
		&p.TransactionID, &p.OutTradeNo, &p.AppID, &p.MchID, &p.AmountFen, &p.Currency, &p.TradeState, &p.PaidAt, &p.Via,
		&a.stage, &a.wechatSays, &a.undoCause, &a.goods, &a.hold.Reason, &a.hold.Direction, &holdUntil, &a.refundedFen)
	a.hold.Until = orZero(holdUntil)
	return a, err
}

func (a *account) id() string { return a.paid.TransactionID }

// The names of cause and actor reach the timeline through the trigger that
// writes it; set_config(…, true) ends with the transaction.
const moveSQL = `
update payments
   set stage = @stage, undo_cause = @undo_cause, goods = @goods,
       hold_reason = @hold_reason, hold_direction = @hold_direction, hold_until = @hold_until,
       sweep_at = now() + @peace, updated_at = now()
  from (select set_config('paysaga.cause', @why, true), set_config('paysaga.actor', @actor, true)) as said
 where transaction_id = @transaction_id and stage = @was`

// sweepPeace is how many sweeps a payment is left alone after a move.
const sweepPeace = 6

// move takes the payment to another stage, with its undo cause and its hold as
// they stand in a, and notes why: one line for people. A case that was open
// because the payment waited is closed with it. No way forward is open to a
// payment whose money has all gone back: it turns round at once.
func (a *account) move(ctx context.Context, to payment.Stage, why string) error {
	waited, was := a.hold.Reason, a.stage
	if to != payment.Holding {
		a.hold = payment.Hold{}
	}
	tag, err := a.tx.Exec(ctx, moveSQL, pgx.NamedArgs{
		"transaction_id": a.id(), "was": was, "stage": to, "why": why, "actor": a.actor,
		"undo_cause": a.undoCause, "goods": a.goods,
		"hold_reason": a.hold.Reason, "hold_direction": a.hold.Direction, "hold_until": orNull(a.hold.Until),
		"peace": a.store.peace(),
	})
	if err != nil {
		return err
	}
	if tag.RowsAffected() != 1 {
		return payment.Failf(payment.Internal, "not_locked", "the payment moved although it was locked")
	}
	a.stage = to
	resolution := "now " + string(to) + ": " + why
	switch was {
	case payment.Holding:
		err = closeCase(ctx, a.tx, a.id(), resolution, waited)
	case payment.Quarantined:
		err = closeCase(ctx, a.tx, a.id(), resolution, payment.CaseAmountMismatch, payment.CaseForeignMerchant)
	}
	if err != nil {
		return err
	}
	return a.addsUp(ctx, refundsAddUp)
}

// undo turns the payment round.
func (a *account) undo(ctx context.Context, cause string, goods payment.Goods, why string) error {
	if err := a.dropUnsent(ctx, "the payment goes back as a whole: "+why); err != nil {
		return err
	}
	a.undoCause, a.goods = cause, goods
	if err := a.hush(ctx); err != nil {
		return err
	}
	if err := closeCase(ctx, a.tx, a.id(), why, payment.CaseDispatchOverdue); err != nil {
		return err
	}
	return a.move(ctx, payment.Compensating, why)
}

const noteSQL = `
insert into payment_events (transaction_id, what, actor)
values (@transaction_id, @what, coalesce(nullif(@actor, ''), 'paysaga'))`

// note adds a line to the timeline that is no move.
func (a *account) note(ctx context.Context, what string) error {
	_, err := a.tx.Exec(ctx, noteSQL, pgx.NamedArgs{"transaction_id": a.id(), "what": what, "actor": a.actor})
	return err
}

// openCase opens a case about this payment; its subject is the payment itself
// unless one is given.
func (a *account) openCase(ctx context.Context, kind payment.CaseKind, subject, detail string) error {
	return a.store.openCase(ctx, a.tx, payment.Case{
		Kind: kind, Subject: subject, TransactionID: a.id(), OutTradeNo: a.paid.OutTradeNo, Detail: detail,
	})
}

func orZero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
