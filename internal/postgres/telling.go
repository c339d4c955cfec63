package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

// telling is how the timeline and the steps speak of those who are told.
var telling = map[activities.Whom]struct{ step, name string }{
	activities.ToShop:   {"notify", "the shop"},
	activities.ToPayer:  {"notify_payer", "the payer"},
	activities.ToWeChat: {"upload_shipping", "WeChat's shipping management"},
}

// What one party is told keeps its order, because later news builds on earlier.
const untoldSQL = `
select distinct on (w.whom) w.id, w.whom, w.payload, w.attempts, w.asked_at is not null,
       greatest(w.try_at - now(), '0'), w.created_at,
       p.transaction_id, p.out_trade_no, p.amount_fen, coalesce(o.description, ''),
       coalesce(s.carrier, ''), coalesce(s.tracking_no, ''),
       case when w.whom = 'shop' then '' else coalesce(o.openid, '') end
  from webhooks w
  join payments p using (transaction_id)
  left join orders o    on o.out_trade_no = p.out_trade_no
  left join shipments s on s.transaction_id = p.transaction_id
 where w.transaction_id = @transaction_id and w.state = 'pending'
 order by w.whom, w.created_at, w.id`

// Untold is the oldest message that each party is still to be told.
func (s *Store) Untold(ctx context.Context, transactionID string) ([]activities.Message, error) {
	rows, err := s.pool.Query(ctx, untoldSQL, pgx.NamedArgs{"transaction_id": transactionID})
	if err != nil {
		return nil, fault(err)
	}
	messages, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (m activities.Message, err error) {
		d := &m.Delivery
		err = row.Scan(&m.ID, &m.Whom, &m.Payload, &m.Attempts, &m.Asked, &m.Wait, &d.ShippedAt,
			&d.TransactionID, &d.OutTradeNo, &d.AmountFen, &d.Description, &d.Carrier, &d.TrackingNo, &d.OpenID)
		return m, err
	})
	return messages, fault(err)
}

const askingSQL = `
update webhooks set asked_at = now()
 where id = @id and state = 'pending' and (whom <> 'payer' or asked_at is null)`

// Asking notes that a message is about to go out. Conflict if it has ended, or,
// to the payer, if another attempt noted that before.
func (s *Store) Asking(ctx context.Context, messageID string) error {
	return s.tx(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, askingSQL, pgx.NamedArgs{"id": messageID})
		if err == nil && tag.RowsAffected() == 0 {
			err = payment.Failf(payment.Conflict, "being_told", "another attempt is telling %s", messageID)
		}
		return err
	})
}

const notToldSQL = `
update webhooks
   set attempts = attempts + 1, last_error = @error, try_at = now() + @wait,
       asked_at = case when @nothing_sent then null else asked_at end
 where id = @id and state = 'pending'
returning transaction_id, whom`

// NotTold notes an attempt that leaves a message to be tried again, and when at
// the earliest. Busy means that nothing went out. A message that ended meanwhile
// is left alone.
func (s *Store) NotTold(ctx context.Context, messageID string, failed error) error {
	var wait time.Duration
	if e, ok := errors.AsType[*payment.Error](failed); ok {
		wait = e.RetryAfter
	}
	return s.tx(ctx, func(tx pgx.Tx) error {
		var transactionID string
		var whom activities.Whom
		err := tx.QueryRow(ctx, notToldSQL, pgx.NamedArgs{
			"id": messageID, "error": oneLine(failed.Error(), 500), "wait": wait,
			"nothing_sent": payment.KindOf(failed) == payment.Busy,
		}).Scan(&transactionID, &whom)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		return tried(ctx, tx, activities.Try{TransactionID: transactionID, Step: telling[whom].step, Error: failed.Error()})
	})
}

const messageOfSQL = `select transaction_id, whom from webhooks where id = @id`

// What is known to have arrived has arrived, whatever was written before. A no
// means that nothing went out, so that a person may have it sent again.
const toldSQL = `
update webhooks
   set state = @how, attempts = attempts + 1, last_error = @why,
       asked_at = case when @how in ('stopped', 'rejected') then null else asked_at end,
       delivered_at = case when @how = 'delivered' then now() end
 where id = @id and (state = 'pending' or @how = 'delivered' and state <> 'delivered')`

// Told ends a message, and with the last one a shipped payment's saga. A message
// rejected opens a case; taken later after all, it closes its case.
func (s *Store) Told(ctx context.Context, messageID string, how activities.Telling, why string) (payment.Books, error) {
	var transactionID string
	var whom activities.Whom
	err := s.pool.QueryRow(ctx, messageOfSQL, pgx.NamedArgs{"id": messageID}).Scan(&transactionID, &whom)
	if err != nil {
		return payment.Books{}, fault(err)
	}
	return s.change(ctx, transactionID, func(a *account) error {
		tag, err := a.tx.Exec(ctx, toldSQL, pgx.NamedArgs{"id": messageID, "how": how, "why": oneLine(why, 500)})
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 1 {
			if err := a.heard(ctx, ended{messageID, whom, how, oneLine(why, 500)}); err != nil {
				return err
			}
		}
		return a.complete(ctx)
	})
}

// ended is a message that has just ended, and how.
type ended struct {
	id   string
	whom activities.Whom
	how  activities.Telling
	why  string
}

// heard notes for people how a message ended.
func (a *account) heard(ctx context.Context, m ended) error {
	party := telling[m.whom]
	what := "told " + party.name + " " + m.id + ": " + string(m.how)
	var err error
	switch m.how {
	case activities.Taken:
		err = errors.Join(a.step(ctx, party.step, "done"),
			closeCase(ctx, a.tx, m.id, "it was taken", payment.CaseNotifyFailed))
	case activities.Stopped:
		err = a.stepFailed(ctx, party.step, "refused", m.why)
	case activities.Unsure:
		what = "it is not known whether " + party.name + " was told " + m.id + "; it is not sent again"
		err = a.stepFailed(ctx, party.step, "gave_up", m.why)
	case activities.Rejected:
		err = errors.Join(a.stepFailed(ctx, party.step, "refused", m.why),
			a.openCase(ctx, payment.CaseNotifyFailed, m.id, party.name+" rejects "+m.id+": "+m.why))
	case activities.GaveUp:
		err = errors.Join(a.stepBecame(ctx, party.step, "gave_up"),
			a.openCase(ctx, payment.CaseNotifyFailed, m.id, party.name+" did not take "+m.id))
	}
	if err != nil {
		return err
	}
	return a.note(ctx, what)
}

// What nobody tried yet is not given up.
const giveUpSQL = `
update webhooks set state = 'gave_up'
 where transaction_id = @transaction_id and state = 'pending' and attempts > 0
returning id, whom`

// GiveUp ends whatever was tried in vain, each message with a case.
func (s *Store) GiveUp(ctx context.Context, transactionID string) (payment.Books, error) {
	return s.change(ctx, transactionID, func(a *account) error {
		rows, err := a.tx.Query(ctx, giveUpSQL, pgx.NamedArgs{"transaction_id": transactionID})
		if err != nil {
			return err
		}
		gaveUp, err := pgx.CollectRows(rows, pgx.RowToStructByPos[struct {
			ID   string
			Whom activities.Whom
		}])
		if err != nil {
			return err
		}
		for _, m := range gaveUp {
			if err := a.heard(ctx, ended{id: m.ID, whom: m.Whom, how: activities.GaveUp}); err != nil {
				return err
			}
		}
		return a.complete(ctx)
	})
}

// Complete moves a shipped payment with nobody left to tell to completed.
func (s *Store) Complete(ctx context.Context, transactionID string) (payment.Books, error) {
	return s.change(ctx, transactionID, func(a *account) error { return a.complete(ctx) })
}

const pendingSQL = `
select exists (select from webhooks where transaction_id = @transaction_id and state = 'pending')`

func (a *account) complete(ctx context.Context) error {
	if a.stage != payment.Shipped {
		return nil
	}
	var pending bool
	err := a.tx.QueryRow(ctx, pendingSQL, pgx.NamedArgs{"transaction_id": a.id()}).Scan(&pending)
	if err != nil || pending {
		return err
	}
	return a.move(ctx, payment.Completed, "nobody is left to tell")
}
