package postgres

import (
	"cmp"
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/paysaga/paysaga/internal/payment"
)

// caseDueAfter is how long an owner has, unless the settings say otherwise.
const caseDueAfter = 24 * time.Hour

// caseColumns are a payment.Case, by its JSON names.
const caseColumns = `id, kind, transaction_id, out_trade_no, notification_id, detail, owner, due_at, state,
       state = 'open' and due_at <= now() as overdue, resolution, times_opened, opened_at, closed_at`

// OpenCase opens a case without moving a payment. Idempotent while it is open.
func (s *Store) OpenCase(ctx context.Context, about payment.Case) error {
	return s.tx(ctx, func(tx pgx.Tx) error { return s.openCase(ctx, tx, about) })
}

// A cause that is open already is left alone, whoever repeats it. One that comes
// back reopens its case, and keeps the owner that somebody gave it. Either way the
// history says so, and the shop is to be told, in the same statement.
const openCaseSQL = `
with c as (
  insert into cases (id, kind, subject, transaction_id, out_trade_no, notification_id, detail, owner, due_at)
  values (@id, @kind, @subject, @transaction_id, @out_trade_no, @notification_id, @detail, @owner, now() + @due_after)
  on conflict on constraint one_case_per_cause do update
     set state = 'open', detail = excluded.detail, due_at = excluded.due_at, resolution = '',
         closed_at = null, opened_at = now(), times_opened = cases.times_opened + 1
   where cases.state = 'closed'
  returning *
), noted as (
  insert into case_events (case_id, what, owner, text)
  select id, case times_opened when 1 then 'opened' else 'reopened' end, owner, detail from c
)` + postSQL

// openCase opens or reopens the case of a cause. Without a subject the cause is
// the payment, or whatever else the case names.
func (s *Store) openCase(ctx context.Context, tx pgx.Tx, about payment.Case) error {
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, openCaseSQL, pgx.NamedArgs{
		"id":              id.String(),
		"kind":            about.Kind,
		"subject":         cmp.Or(about.Subject, about.TransactionID, about.NotificationID, about.OutTradeNo),
		"transaction_id":  about.TransactionID,
		"out_trade_no":    about.OutTradeNo,
		"notification_id": about.NotificationID,
		"detail":          about.Detail,
		"owner":           cmp.Or(s.settings.CaseOwners[about.Kind], s.settings.CaseOwners["*"], "support"),
		"due_after":       cmp.Or(s.settings.CaseDueAfter, caseDueAfter),
		"event":           caseOpened,
	})
	return err
}

const closeCaseSQL = `
with c as (
  update cases set state = 'closed', resolution = @resolution, closed_at = now()
   where subject = @subject and kind = any(@kinds) and state = 'open'
  returning id
)
insert into case_events (case_id, what, text) select id, 'closed', @resolution from c`

// closeCase closes what its own cause has ended.
func closeCase(ctx context.Context, tx pgx.Tx, subject, resolution string, kinds ...payment.CaseKind) error {
	_, err := tx.Exec(ctx, closeCaseSQL, pgx.NamedArgs{"subject": subject, "resolution": resolution, "kinds": kinds})
	return err
}
