// Package postgres is the books: every order, payment, refund, shipment, case
// and request, and the only code that speaks to Postgres.
//
// One row decides: whoever moves a payment holds its row (select … for update)
// from the first question to the commit, and nobody holds it over a call to
// somebody else. The schema is the second proof of every rule kept here, so a
// statement that breaks one fails with the rule's name.
package postgres

import (
	"context"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

// Settings is what the books must know of the house.
type Settings struct {
	MchID  string   // payments of any other merchant are quarantined
	AppIDs []string // and those of any other app
	Terms  payment.Terms
	// CaseOwners names who owns a kind of case; the kind "*" stands for all
	// others, and support owns what nobody else does.
	CaseOwners map[payment.CaseKind]string
	// CaseDueAfter is how long the owner of a case has; zero means a day.
	CaseDueAfter time.Duration
	// SweepEvery is how often the sweep looks for payments without a run. Each
	// move gives a payment six such intervals of peace.
	SweepEvery time.Duration
	// QueryAt is when, after an order's creation, WeChat is asked what became of
	// it; increasing, and never empty where due orders are leased.
	QueryAt []time.Duration
	// AskAboveFen is the amount above which WeChat is asked before a payment is
	// accepted; nil asks for none.
	AskAboveFen *int64
	Mini        Mini
}

// Mini is the mini-program whose payers are told of shipments.
type Mini struct {
	AppID string            // orders of any other are nobody's to tell
	Tells []activities.Whom // besides the shop; empty for none
}

// Store is the books in one Postgres database. It is safe for concurrent use.
type Store struct {
	pool     *pgxpool.Pool
	settings Settings
}

var _ interface {
	activities.ShopLedger
	activities.RefundLedger
	activities.EvidenceLedger
	activities.OrderLedger
	activities.UpkeepLedger
	activities.BillLedger
} = (*Store)(nil)

// connections is how many one process uses at most, unless the URL says otherwise
// (pool_max_conns): an api and a few workers fit into Postgres's default of 100.
const connections = 20

// Open connects to the books at url, a Postgres connection string. It does not
// migrate them: see Migrate and Ready.
func Open(ctx context.Context, url string, settings Settings) (*Store, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, payment.Fail(payment.Invalid, "database_url", "DATABASE_URL is no Postgres connection string", err)
	}
	if !strings.Contains(url, "pool_max_conns") {
		config.MaxConns = connections
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fault(err)
	}
	return &Store{pool: pool, settings: settings}, nil
}

// Close waits for running transactions and closes every connection.
func (s *Store) Close() { s.pool.Close() }

// rollbackWithin bounds the goodbye to a database that may be gone.
const rollbackWithin = 2 * time.Second

// tx runs do in one transaction, read committed. An error of do rolls it back
// and comes back translated. An error of the commit is Unknown: the server may
// have done it and died before it said so.
func (s *Store) tx(ctx context.Context, do func(pgx.Tx) error) error {
	tx, err := s.pool.Begin(ctx)
	if err != nil {
		return fault(err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackWithin)
		defer cancel()
		_ = tx.Rollback(ctx) // after a commit it does nothing, and what never commits never happened
	}()
	if err := do(tx); err != nil {
		return fault(err)
	}
	if err := tx.Commit(ctx); err != nil {
		return payment.Fail(payment.Unknown, "commit_unknown", "the database did not say whether it committed", err)
	}
	return nil
}
