package postgres

import (
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/paysaga/paysaga/internal/payment"
)

// Classes of SQLSTATE, the first two characters
// (postgresql.org/docs/current/errcodes-appendix.html).
const (
	dataException      = "22"
	constraintBroken   = "23"
	rolledBack         = "40" // deadlock, serialization
	outOfResources     = "53"
	wrongMoment        = "55" // lock not available
	operatorIntervened = "57" // shutting down, or our own cancel
	systemError        = "58"
)

// fault turns the database's errors into ours, once, at the border. Its texts
// never hold SQL or values: both may name payers.
func fault(err error) error {
	if err == nil {
		return nil
	}
	if _, ours := errors.AsType[*payment.Error](err); ours {
		return err
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return payment.Fail(payment.NotFound, "not_found", "the books hold no such thing", err)
	}
	if said, ok := errors.AsType[*pgconn.PgError](err); ok {
		return answered(said)
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return payment.Fail(payment.Busy, "database_away", "no connection to the database", err)
	}
	return payment.Fail(payment.Unknown, "database_silent", "no answer from the database", err)
}

// answered translates an error that the server itself reported: the statement
// had no effect.
func answered(said *pgconn.PgError) error {
	switch class(said.Code) {
	case constraintBroken:
		code := said.ConstraintName
		if code == "" { // not null has none
			code = said.ColumnName + "_missing"
		}
		return payment.Fail(payment.Conflict, code, "the books do not allow it", said)
	case dataException:
		return payment.Fail(payment.Invalid, "unstorable", "a value cannot be stored", said)
	case rolledBack, outOfResources, wrongMoment, operatorIntervened, systemError:
		return payment.Fail(payment.Busy, "database_busy", "the database asks to try again", said)
	}
	return payment.Fail(payment.Internal, "database_"+said.Code, "the database could not do what it was told", said)
}

func class(sqlstate string) string {
	if len(sqlstate) < 2 {
		return ""
	}
	return sqlstate[:2]
}
