package postgres

import (
	"cmp"
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/paysaga/paysaga/internal/payment"
)

const caseFileSQL = `
select to_json(f)
  from (select ` + caseColumns + `,
               (select coalesce(json_agg(e order by e.id), '[]') from case_events e where e.case_id = cases.id) as events
          from cases where id = @id) f`

// Case is a case with its notes and its history.
func (s *Store) Case(ctx context.Context, id string) (payment.CaseFile, error) {
	var file payment.CaseFile
	err := s.pool.QueryRow(ctx, caseFileSQL, pgx.NamedArgs{"id": id}).Scan(&file)
	return file, missing("case", fault(err))
}

// byHand has a person's act done and written into the audit log, in one
// transaction. A call that is repeated because its answer was lost is not done
// again.
func (s *Store) byHand(ctx context.Context, act payment.Act, do func(pgx.Tx, *payment.Act) error) error {
	return s.tx(ctx, func(tx pgx.Tx) error {
		if again, err := acted(ctx, tx, act.Action, act.Object); err != nil || again {
			return err
		}
		if err := do(tx, &act); err != nil {
			return err
		}
		return s.audit(ctx, tx, act)
	})
}

const assignSQL = `
with c as (
  update cases set owner = @owner where id = @id returning id
)
insert into case_events (case_id, what, actor, owner, reason) select id, 'assigned', @by, @owner, @reason from c`

// AssignCase gives an open case to somebody; Conflict if it is closed.
func (s *Store) AssignCase(ctx context.Context, act payment.CaseAct) error {
	return s.byHand(ctx, onCase("case.assign", act), func(tx pgx.Tx, row *payment.Act) error {
		open, err := lockCase(ctx, tx, act.CaseID)
		if err != nil {
			return err
		}
		if open.State == "closed" {
			return alreadyClosed()
		}
		row.TransactionID, row.OutTradeNo = open.TransactionID, open.OutTradeNo
		row.Was, row.Became = open.Owner, act.Owner
		_, err = tx.Exec(ctx, assignSQL, pgx.NamedArgs{"id": act.CaseID, "owner": act.Owner, "by": act.By, "reason": act.Reason})
		return err
	})
}

func onCase(action string, act payment.CaseAct) payment.Act {
	return payment.Act{Action: action, Object: act.CaseID, Reason: act.Reason, By: act.By}
}

const noteCaseSQL = `insert into case_events (case_id, what, actor, text) values (@id, 'noted', @by, @note)`

// NoteCase adds a person's words to a case, open or closed.
func (s *Store) NoteCase(ctx context.Context, act payment.CaseAct) error {
	return s.byHand(ctx, onCase("case.note", act), func(tx pgx.Tx, row *payment.Act) error {
		about, err := lockCase(ctx, tx, act.CaseID)
		if err != nil {
			return err
		}
		row.TransactionID, row.OutTradeNo = about.TransactionID, about.OutTradeNo
		_, err = tx.Exec(ctx, noteCaseSQL, pgx.NamedArgs{"id": act.CaseID, "by": act.By, "note": act.Note})
		return err
	})
}

// CaseQuestion is what WeChat must be asked before a case may be closed; nothing, if
// this very call has closed it. Conflict for one that is closed, or by which its
// payment waits.
func (s *Store) CaseQuestion(ctx context.Context, id string) (question payment.Question, err error) {
	err = s.tx(ctx, func(tx pgx.Tx) error {
		if again, err := acted(ctx, tx, "case.close", id); err != nil || again {
			return err
		}
		open, books, err := closable(ctx, tx, id, "")
		question = open.Asks(books.Refunds)
		return err
	})
	return question, err
}

const closeByHandSQL = `
with c as (
  update cases set state = 'closed', resolution = @resolution, closed_at = now() where id = @id returning id
)
insert into case_events (case_id, what, actor, text, reason, evidence)
select id, 'closed', @by, @resolution, @reason, @evidence from c`

// CloseCaseByHand closes a case if our books agree with what WeChat said to the
// case's question; Conflict if they do not, if somebody was faster, or if the cause
// came up again meanwhile.
func (s *Store) CloseCaseByHand(ctx context.Context, act payment.CaseAct) error {
	return s.byHand(ctx, onCase("case.close", act), func(tx pgx.Tx, row *payment.Act) error {
		open, books, err := closable(ctx, tx, act.CaseID, act.Said.TransactionID)
		if err != nil {
			return err
		}
		row.TransactionID, row.OutTradeNo, row.Was, row.Became = open.TransactionID, open.OutTradeNo, "open", "closed"
		if open.TimesOpened != act.Question.TimesOpened {
			return payment.Failf(payment.Conflict, payment.CodeCaseMovedOn, "it was closed and came up again meanwhile; look at it anew")
		}
		if why := act.Said.Contradiction(books); why != "" {
			return payment.Failf(payment.Conflict, payment.CodeContradicted, "%s", why)
		}
		var evidence *payment.WeChatWord
		if !act.Said.AskedAt.IsZero() {
			evidence = &act.Said
		}
		_, err = tx.Exec(ctx, closeByHandSQL, pgx.NamedArgs{
			"id": act.CaseID, "resolution": act.Resolution, "by": act.By, "reason": act.Reason, "evidence": evidence,
		})
		if err != nil || open.TransactionID == "" {
			return err
		}
		_, err = tx.Exec(ctx, noteEvent, pgx.NamedArgs{
			"id": open.TransactionID, "actor": act.By, "what": "closed the case " + string(open.Kind) + ": " + act.Resolution,
		})
		return err
	})
}

const lockCaseSQL = `
select id, kind, subject, transaction_id, out_trade_no, owner, state, times_opened from cases where id = @id for update`

// lockCase holds a case, so that whoever would open, assign or close it waits.
func lockCase(ctx context.Context, tx pgx.Tx, id string) (c payment.Case, err error) {
	err = tx.QueryRow(ctx, lockCaseSQL, pgx.NamedArgs{"id": id}).
		Scan(&c.ID, &c.Kind, &c.Subject, &c.TransactionID, &c.OutTradeNo, &c.Owner, &c.State, &c.TimesOpened)
	return c, missing("case", fault(err))
}

func alreadyClosed() error {
	return payment.Failf(payment.Conflict, payment.CodeCaseClosed, "it is closed already")
}

const knownSQL = `
select stage, hold_reason, amount_fen,
       (select coalesce(json_agg(r order by r.created_at, r.out_refund_no), '[]')
          from (select out_refund_no, amount_fen, state, created_at from refunds where transaction_id = @id) r)
  from payments where transaction_id = @id`

// closable locks a case that a person may close, and reads what our books hold of
// its payment. A payment that is about to wait opens its case first, and so is
// seen here, or waits for us and opens it again. Of a case that names an order alone
// the payment is the one that WeChat named when it was asked about the order.
func closable(ctx context.Context, tx pgx.Tx, id, named string) (open payment.Case, books payment.Known, err error) {
	open, err = lockCase(ctx, tx, id)
	if err != nil {
		return open, books, err
	}
	if open.State == "closed" {
		return open, books, alreadyClosed()
	}
	var hold payment.CaseKind
	err = tx.QueryRow(ctx, knownSQL, pgx.NamedArgs{"id": cmp.Or(open.TransactionID, named)}).Scan(&books.Stage, &hold, &books.AmountFen, &books.Refunds)
	if errors.Is(err, pgx.ErrNoRows) {
		return open, books, nil
	}
	if err == nil && open.Holds(books.Stage, hold) {
		err = payment.Failf(payment.Conflict, payment.CodePaymentWaits,
			"the payment is %s by this case, which closes when it moves: retry, resolve or compensate it", books.Stage)
	}
	return open, books, err
}
