package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/paysaga/paysaga/internal/payment"
)

const (
	// callLease is how long a call is in flight at most: an api that died over it
	// answers nobody, and the call may be begun again.
	callLease = 30 * time.Second
	// callsKept is how long answers are repeated; at least a day is promised.
	callsKept = 48 * time.Hour
)

// Who comes takes out what is too old: two for each one that is added.
const forgetCallsSQL = `
delete from idempotency_keys
 where key in (select key from idempotency_keys where created_at < now() - @kept::interval
                order by created_at limit 2 for update skip locked)`

const beginCallSQL = `
insert into idempotency_keys as known (key, request, call, leased_until)
values (@key, @request, @call, now() + @lease::interval)
on conflict (key) do update set attempt = known.attempt + 1, leased_until = excluded.leased_until
 where known.request = excluded.request and known.answer is null and known.leased_until <= now()
returning call, attempt`

const knownCallSQL = `select request = @request, call, attempt, answer from idempotency_keys where key = @key`

// BeginCall leases a call for thirty seconds, under the id it was given first, or
// returns it with the answer that is to be repeated. Invalid (CodeKeyReused) where
// the key stands for another request, Conflict (CodeKeyInUse) while it is in flight.
func (s *Store) BeginCall(ctx context.Context, call payment.Call) (payment.Call, error) {
	args := pgx.NamedArgs{"key": call.Key, "request": call.Request, "call": call.ID, "lease": callLease, "kept": callsKept}
	if _, err := s.pool.Exec(ctx, forgetCallsSQL, args); err != nil {
		return call, fault(err)
	}
	err := s.pool.QueryRow(ctx, beginCallSQL, args).Scan(&call.ID, &call.Attempt)
	if !errors.Is(err, pgx.ErrNoRows) {
		return call, fault(err)
	}
	var same bool
	if err := s.pool.QueryRow(ctx, knownCallSQL, args).Scan(&same, &call.ID, &call.Attempt, &call.Answer); err != nil {
		return call, fault(err)
	}
	switch {
	case !same:
		return call, payment.Failf(payment.Invalid, payment.CodeKeyReused, "this Idempotency-Key was used for another request")
	case call.Answer == nil:
		return call, payment.Failf(payment.Conflict, payment.CodeKeyInUse, "the first request with this Idempotency-Key is not answered yet")
	}
	return call, nil
}

const endCallSQL = `
update idempotency_keys set answer = @answer, leased_until = now()
 where key = @key and attempt = @attempt and answer is null`

// EndCall keeps the answer of a call; with none, the call may be begun again at
// once. An attempt that lost its lease to a later one changes nothing.
func (s *Store) EndCall(ctx context.Context, call payment.Call) error {
	_, err := s.pool.Exec(ctx, endCallSQL, pgx.NamedArgs{"key": call.Key, "attempt": call.Attempt, "answer": call.Answer})
	return fault(err)
}
