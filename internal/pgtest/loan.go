package pgtest

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// loan is a database that is ours while conn holds its advisory lock. To make
// one takes half a second on a busy machine, and to empty one a few
// milliseconds, so they are kept and lent again, from one process to the next.
// There are never more of them than tests that ran at once.
type loan struct {
	url  string
	pool *pgxpool.Pool
	conn *pgx.Conn
}

// The shelf has more places than tests run at once. Each place is locked by two
// numbers: the template's hash and its own.
const takeSQL = `
select n from generate_series(1, 1000) n where pg_try_advisory_lock(hashtext($1), n) limit 1`

func borrow(ctx context.Context, server, template string) (*loan, error) {
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		return nil, err
	}
	l := &loan{conn: conn}
	var place int
	if err := conn.QueryRow(ctx, takeSQL, template).Scan(&place); err != nil {
		l.close(ctx)
		return nil, err
	}
	name := fmt.Sprintf("%s_%d", template, place)
	if err := l.prepare(ctx, server, name, template); err != nil {
		l.close(ctx)
		return nil, err
	}
	return l, nil
}

func (l *loan) close(ctx context.Context) {
	if l.pool != nil {
		l.pool.Close()
	}
	_ = l.conn.Close(ctx) // and with it the lock
}

// prepare hands out the database of that name, emptied, or a new one if there is
// none or its last borrower changed the schema.
func (l *loan) prepare(ctx context.Context, server, name, template string) (err error) {
	if l.url, err = named(server, name); err != nil {
		return err
	}
	clean, err := l.reuse(ctx, name)
	if err != nil || clean {
		return err
	}
	for _, sql := range []string{
		fmt.Sprintf(`drop database if exists %q with (force)`, name),
		fmt.Sprintf(`create database %q template %q`, name, template),
	} {
		if _, err := l.conn.Exec(ctx, sql); err != nil {
			return err
		}
	}
	if err := l.open(ctx); err != nil {
		return err
	}
	shape, err := l.shape(ctx)
	if err != nil {
		return err
	}
	_, err = l.conn.Exec(ctx, fmt.Sprintf(`comment on database %q is '%s'`, name, shape))
	return err
}

const foundSQL = `select coalesce(shobj_description(oid, 'pg_database'), '') from pg_database where datname = $1`

// Whoever is connected still belongs to a test that is over.
const evictSQL = `select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = $1`

// What has no rows in a fresh schema is emptied; the lawful moves are part of it.
const emptySQL = `
do $$
declare name text;
begin
  set local session_replication_role = replica; -- in any order, without triggers
  for name in select tablename from pg_tables
               where schemaname = 'public' and tablename not like 'lawful%' and tablename <> 'goose_db_version' loop
    execute format('delete from %I', name);
  end loop;
  perform setval(oid::regclass, 1, false) from pg_class where relkind = 'S' and relname not like 'goose%';
end $$`

func (l *loan) reuse(ctx context.Context, name string) (clean bool, err error) {
	var shape string
	err = l.conn.QueryRow(ctx, foundSQL, name).Scan(&shape)
	if err == pgx.ErrNoRows || (err == nil && shape == "") {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if _, err := l.conn.Exec(ctx, evictSQL, name); err != nil {
		return false, err
	}
	if err := l.open(ctx); err != nil {
		return false, err
	}
	now, err := l.shape(ctx)
	if err != nil || now != shape {
		l.pool.Close()
		l.pool = nil
		return false, err
	}
	_, err = l.pool.Exec(ctx, emptySQL)
	return err == nil, err
}

func (l *loan) open(ctx context.Context) (err error) {
	l.pool, err = pgxpool.New(ctx, l.url)
	return err
}

const shapeSQL = `
select md5(concat(
  (select string_agg(concat(tgrelid::regclass, tgname, tgenabled), ',' order by tgrelid, tgname) from pg_trigger),
  (select string_agg(concat(proname, md5(prosrc)), ',' order by oid) from pg_proc where pronamespace = 'public'::regnamespace),
  (select string_agg(concat(conname, convalidated), ',' order by oid) from pg_constraint where connamespace = 'public'::regnamespace),
  (select string_agg(concat(attrelid::regclass, attname, atttypid, attisdropped), ',' order by attrelid, attnum)
     from pg_attribute join pg_class c on c.oid = attrelid where c.relnamespace = 'public'::regnamespace)))`

// shape is a fingerprint of the schema.
func (l *loan) shape(ctx context.Context) (shape string, err error) {
	err = l.pool.QueryRow(ctx, shapeSQL).Scan(&shape)
	return shape, err
}
