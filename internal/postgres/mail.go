package postgres

import (
	"context"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

const fromCases = `
  from (select id, event, 'shop' as whom, payload #>> '{data,transaction_id}' as transaction_id, case_id,
               state, attempts, last_error, created_at, delivered_at
          from outbox) m`

const fromPayments = `
  from (select id, event, whom, transaction_id, '' as case_id, state, attempts, last_error, created_at, delivered_at
          from webhooks) m`

const foundMessage = `
select m.*, coalesce((select out_trade_no from payments where transaction_id = m.transaction_id),
                     (select out_trade_no from cases where id = m.case_id)) as out_trade_no`

const messagesWanted = `
 where (@state = '' or state = @state)
   and (@event = '' or event = @event)
   and (@first or (created_at, id) < (@created_at, @id))`

const newestMessages = `
 order by created_at desc, id desc
 limit @limit`

// Each arm is one index over a number, as in a search for payments.
const messagesWithNumber = `
   and id in (
  (select id from webhooks where id collate "C" between @number and @last limit 1000)
  union all
  (select id from outbox where id collate "C" between @number and @last limit 1000)
  union all
  (select id from webhooks where transaction_id in (
     (select transaction_id from payments where transaction_id collate "C" between @number and @last limit 1000)
     union all
     (select transaction_id from payments where out_trade_no collate "C" between @number and @last limit 1000)))
  union all
  (select id from outbox where case_id in (
     select @number
     union all
     select id from cases where transaction_id = @number and transaction_id <> ''
     union all
     select id from cases where out_trade_no = @number and out_trade_no <> '')))`

func messagesQuery(wanted payment.WebhookFilter, page payment.Page[payment.WebhookPlace]) (string, pgx.NamedArgs) {
	var after payment.WebhookPlace
	if page.After != nil {
		after = *page.After
	}
	wantedOnly := messagesWanted
	if wanted.Number != "" {
		wantedOnly += messagesWithNumber
	}
	sql := `select to_json(found) from ((` + foundMessage + fromPayments + wantedOnly + newestMessages + `) union all (` +
		foundMessage + fromCases + wantedOnly + newestMessages + `)` + newestMessages + `) found`
	return sql, pgx.NamedArgs{
		"state": wanted.State, "event": wanted.Event, "number": wanted.Number, "last": wanted.Number + afterAll,
		"first": page.After == nil, "created_at": after.CreatedAt, "id": after.ID,
		"limit": page.Limit,
	}
}

// Webhooks is one page of what others are told, the newest first.
func (s *Store) Webhooks(ctx context.Context, wanted payment.WebhookFilter, page payment.Page[payment.WebhookPlace]) ([]payment.Webhook, error) {
	sql, args := messagesQuery(wanted, page)
	return listed[payment.Webhook](ctx, s, sql, args)
}

// Resend has a message that ended told again, under the id it had. A payment's is
// its saga's to tell: the sweep starts one at once, which ends as soon as nobody is
// left to tell. A case's is the outbox's. Conflict for a message that is still
// being told, and for one that may not go out again; NotFound if there is none.
func (s *Store) Resend(ctx context.Context, wish payment.Resend) error {
	act := payment.Act{Action: "webhook.resend", Object: wish.ID, Reason: wish.Reason, By: wish.By, Became: "pending"}
	return s.byHand(ctx, act, func(tx pgx.Tx, row *payment.Act) error {
		err := s.resendOfPayment(ctx, tx, wish, row)
		if errors.Is(err, pgx.ErrNoRows) {
			err = resendOfCase(ctx, tx, wish, row)
		}
		return missing("webhook", fault(err))
	})
}

const tellAgainSQL = `
with again as (
  update webhooks set state = 'pending', attempts = 0, last_error = '', try_at = now(), delivered_at = null
   where id = @id returning transaction_id
)
update payments p set sweep_at = now() from again where p.transaction_id = again.transaction_id`

const messageStateSQL = `select state from webhooks where id = @id`

// The payment's row is locked first, as whoever tells does.
func (s *Store) resendOfPayment(ctx context.Context, tx pgx.Tx, wish payment.Resend, row *payment.Act) error {
	var transactionID string
	var whom activities.Whom
	if err := tx.QueryRow(ctx, messageOfSQL, pgx.NamedArgs{"id": wish.ID}).Scan(&transactionID, &whom); err != nil {
		return err
	}
	a, err := s.lock(ctx, tx, transactionID)
	if err != nil {
		return err
	}
	a.actor = wish.By
	row.TransactionID, row.OutTradeNo = transactionID, a.paid.OutTradeNo
	if err := tx.QueryRow(ctx, messageStateSQL, pgx.NamedArgs{"id": wish.ID}).Scan(&row.Was); err != nil {
		return err
	}
	if err := a.mayTellAgain(whom, row.Was); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, tellAgainSQL, pgx.NamedArgs{"id": wish.ID}); err != nil {
		return err
	}
	return a.note(ctx, "to be told again: "+wish.ID+": "+wish.Reason)
}

// mayTellAgain keeps a payer from reading the same message twice, and from hearing
// of a parcel that will not come. The shop drops what it has seen.
func (a *account) mayTellAgain(whom activities.Whom, state string) error {
	switch {
	case state == "pending":
		return stillTold()
	case whom == activities.ToShop:
		return nil
	case !slices.Contains([]payment.Stage{payment.Shipped, payment.Completed}, a.stage):
		return payment.Failf(payment.Conflict, payment.CodeNothingToTell, "the payment is %s: nobody is told of its shipment any more", a.stage)
	case whom == activities.ToPayer && (state == string(activities.Taken) || state == string(activities.Unsure)):
		return payment.Failf(payment.Conflict, payment.CodePayerWasTold, "the payer has read it, or may have")
	}
	return nil
}

func stillTold() error {
	return payment.Failf(payment.Conflict, payment.CodeStillTold, "it is still being told, and will be again by itself")
}

const lockPostSQL = `
select o.state, c.transaction_id, c.out_trade_no
  from outbox o join cases c on c.id = o.case_id
 where o.id = @id for update of o`

const postAgainSQL = `
with again as (
  update outbox set state = 'pending', attempts = 0, last_error = '', tried_at = null, try_at = now(), delivered_at = null
   where id = @id returning case_id
)
insert into case_events (case_id, what, actor, text) select case_id, 'noted', @by, @note from again`

func resendOfCase(ctx context.Context, tx pgx.Tx, wish payment.Resend, row *payment.Act) error {
	err := tx.QueryRow(ctx, lockPostSQL, pgx.NamedArgs{"id": wish.ID}).Scan(&row.Was, &row.TransactionID, &row.OutTradeNo)
	if err != nil {
		return err
	}
	if row.Was == "pending" {
		return stillTold()
	}
	_, err = tx.Exec(ctx, postAgainSQL, pgx.NamedArgs{
		"id": wish.ID, "by": wish.By, "note": "to be told again: " + wish.ID + ": " + wish.Reason,
	})
	return err
}
