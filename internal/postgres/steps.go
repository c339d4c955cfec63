package postgres

import (
	"context"
	"strings"
	"unicode"

	"github.com/jackc/pgx/v5"

	"github.com/paysaga/paysaga/activities"
)

const stepSQL = `
insert into steps (transaction_id, step, state, attempts)
values (@transaction_id, @step, @state, 1)
on conflict (transaction_id, step) do update
   set state = excluded.state, attempts = steps.attempts + 1, last_error = '', updated_at = now()`

// step notes an attempt that was answered, and the state it left the step in.
func (a *account) step(ctx context.Context, step, state string) error {
	_, err := a.tx.Exec(ctx, stepSQL, pgx.NamedArgs{"transaction_id": a.id(), "step": step, "state": state})
	return err
}

const stepBecameSQL = `
update steps set state = @state, updated_at = now()
 where transaction_id = @transaction_id and step = @step and state <> 'refused'`

// stepBecame marks a step that was taken back, or given up: no attempt of its own.
func (a *account) stepBecame(ctx context.Context, step, state string) error {
	_, err := a.tx.Exec(ctx, stepBecameSQL, pgx.NamedArgs{"transaction_id": a.id(), "step": step, "state": state})
	return err
}

// A straggler's failure is counted, but does not reopen a step that has ended.
const triedSQL = `
insert into steps (transaction_id, step, state, attempts, last_error)
values (@transaction_id, @step, 'running', 1, @error)
on conflict (transaction_id, step) do update
   set attempts = steps.attempts + 1, last_error = excluded.last_error, updated_at = now()`

const triedMessageSQL = `
update webhooks set attempts = attempts + 1, last_error = @error
 where id = (select id from webhooks where transaction_id = @transaction_id and state = 'pending'
              order by created_at, id limit 1)`

// Tried notes a failed attempt at a step, for people; a failed notify counts
// with its message too.
func (s *Store) Tried(ctx context.Context, try activities.Try) error {
	args := pgx.NamedArgs{"transaction_id": try.TransactionID, "step": try.Step, "error": oneLine(try.Error, 500)}
	return s.tx(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, triedSQL, args); err != nil {
			return err
		}
		if try.Step != "notify" {
			return nil
		}
		_, err := tx.Exec(ctx, triedMessageSQL, args)
		return err
	})
}

// oneLine makes text fit to be shown: no control characters, which could forge
// a line or be refused by the database, and at most max characters.
func oneLine(text string, max int) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	if runes := []rune(text); len(runes) > max {
		return string(runes[:max-1]) + "…"
	}
	return text
}
