package postgres

import (
	"context"
	"database/sql"
	"embed"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/paysaga/paysaga/internal/payment"
)

// Migrations is the schema, one numbered file a step; a file that was released
// never changes.
//
//go:embed migrations/*.sql
var Migrations embed.FS

// A second migrate asks for the lock every second, for at most five minutes.
const (
	lockAskSeconds = 1
	lockAskTimes   = 300
)

// Migrate brings the database at url to today's schema. It may run again, beside
// itself (an advisory lock lets one at a time in) and beside running processes.
func Migrate(ctx context.Context, url string) error {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return payment.Fail(payment.Invalid, "database_url", "DATABASE_URL is no Postgres connection string", err)
	}
	db := stdlib.OpenDB(*config)
	defer db.Close()
	provider, err := provider(db)
	if err != nil {
		return payment.Fail(payment.Internal, "migrations_unreadable", "the migrations cannot be read", err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fault(err)
	}
	return nil
}

func provider(db *sql.DB) (*goose.Provider, error) {
	files, err := fs.Sub(Migrations, "migrations")
	if err != nil {
		return nil, err
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(lockAskSeconds, lockAskTimes))
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectPostgres, db, files,
		goose.WithSessionLocker(locker), goose.WithDisableGlobalRegistry(true))
}

const currentSchema = `select coalesce(max(version_id), 0) from goose_db_version where is_applied`

// Ready tells whether the books can be used: reachable, and at least of today's
// schema. A newer one is fine, for a new version may be on its way in. Busy or
// Unknown without a database, Conflict with an old schema.
func (s *Store) Ready(ctx context.Context) error {
	want, err := newestMigration()
	if err != nil {
		return payment.Fail(payment.Internal, "migrations_unreadable", "the migrations cannot be read", err)
	}
	var have int64
	err = fault(s.pool.QueryRow(ctx, currentSchema).Scan(&have))
	if payment.CodeOf(err) == "database_42P01" || (err == nil && have < want) { // 42P01: never migrated at all
		return payment.Fail(payment.Conflict, "schema_old", "the database is not migrated: run paysaga migrate", err)
	}
	return err
}

func newestMigration() (int64, error) {
	names, err := fs.Glob(Migrations, "migrations/*.sql") // sorted by name
	if err != nil || len(names) == 0 {
		return 0, fs.ErrNotExist
	}
	return goose.NumericComponent(names[len(names)-1])
}
