package postgres

import (
	"context"
	"strings"
	"unicode"

	"github.com/jackc/pgx/v5"

	"github.com/paysaga/paysaga/activities"
)

const stepSQL = `
insert into steps (transaction_id, step, state, attempts, last_error)
values (@transaction_id, @step, @state, 1, @error)
on conflict (transaction_id, step) do update
   set state = excluded.state, attempts = steps.attempts + 1, last_error = excluded.last_error, updated_at = now()`

// step notes an attempt that was answered, and the state it left the step in.
func (a *account) step(ctx context.Context, step, state string) error {
	return a.stepFailed(ctx, step, state, "")
}

// stepFailed notes an attempt whose answer ends the step, and what the answer was.
func (a *account) stepFailed(ctx context.Context, step, state, why string) error {
	_, err := a.tx.Exec(ctx, stepSQL, pgx.NamedArgs{"transaction_id": a.id(), "step": step, "state": state, "error": why})
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

// Tried notes a failed attempt at a step, for people.
func (s *Store) Tried(ctx context.Context, try activities.Try) error {
	return s.tx(ctx, func(tx pgx.Tx) error { return tried(ctx, tx, try) })
}

func tried(ctx context.Context, tx pgx.Tx, try activities.Try) error {
	_, err := tx.Exec(ctx, triedSQL, pgx.NamedArgs{
		"transaction_id": try.TransactionID, "step": try.Step, "error": oneLine(try.Error, 500),
	})
	return err
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
