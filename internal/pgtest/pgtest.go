// Package pgtest gives each test books of its own, migrated and empty, in a
// fraction of a second, on the server that DATABASE_URL names.
package pgtest

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Database is one test's own books.
type Database struct {
	URL  string // for postgres.Open
	Pool *pgxpool.Pool
}

const patience = time.Minute

// New lends t an empty database of today's schema until t ends. It fails t
// without DATABASE_URL: a test of the books that ran without books proves
// nothing. Tests may run in parallel, in one package and in many, and may change
// even the schema: nobody gets that database again.
func New(t testing.TB) *Database {
	t.Helper()
	server := os.Getenv("DATABASE_URL")
	if server == "" {
		t.Fatal("DATABASE_URL is not set: run this as `go run ./dev test`")
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	template, err := migrated(ctx, server)
	if err != nil {
		t.Fatalf("template database: %v", err)
	}
	loan, err := borrow(ctx, server, template)
	if err != nil {
		t.Fatalf("test database: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		loan.close(ctx)
	})
	return &Database{URL: loan.url, Pool: loan.pool}
}

// Exec runs sql and fails the test if the database will not.
func (d *Database) Exec(t testing.TB, sql string, args ...any) {
	t.Helper()
	if _, err := d.Pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// Order puts a pending order into the books: for sale at amountFen, by app wx1,
// until an hour from now. Tests that want another one update it.
func (d *Database) Order(t testing.TB, outTradeNo string, amountFen int64) {
	t.Helper()
	d.Exec(t, `
		insert into orders (out_trade_no, appid, description, amount_fen, trade_type, late_payment, shipping, expires_at, created_by)
		values ($1, 'wx1', 'tea', $2, 'native', 'refund', '{"to": "Hangzhou"}', now() + interval '1 hour', 'shop')`,
		outTradeNo, amountFen)
}

// Int is the one number that sql selects.
func (d *Database) Int(t testing.TB, sql string, args ...any) int64 {
	t.Helper()
	return one[int64](t, d, sql, args)
}

// Text is the one text that sql selects.
func (d *Database) Text(t testing.TB, sql string, args ...any) string {
	t.Helper()
	return one[string](t, d, sql, args)
}

func one[T any](t testing.TB, d *Database, sql string, args []any) T {
	t.Helper()
	var value T
	if err := d.Pool.QueryRow(t.Context(), sql, args...).Scan(&value); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return value
}
