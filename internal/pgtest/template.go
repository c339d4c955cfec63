package pgtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/url"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/paysaga/paysaga/internal/postgres"
)

// migrated names the template that test databases are copied from. Its name
// holds a hash of the schema, so that one server can keep several, and the
// first test that needs it makes it.
func migrated(ctx context.Context, server string) (string, error) {
	templates.Lock()
	defer templates.Unlock()
	if templates.ready[server] != "" {
		return templates.ready[server], nil
	}
	name, err := templateName()
	if err != nil {
		return "", err
	}
	if err := makeTemplate(ctx, server, name); err != nil {
		return "", err
	}
	templates.ready[server] = name
	return name, nil
}

var templates = struct {
	sync.Mutex
	ready map[string]string // by server
}{ready: map[string]string{}}

func templateName() (string, error) {
	hash := sha256.New()
	err := fs.WalkDir(postgres.Migrations, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(postgres.Migrations, path)
		hash.Write(text)
		return err
	})
	return "template_" + hex.EncodeToString(hash.Sum(nil)[:8]), err
}

// The advisory lock under which one test binary at a time looks for a template.
const templateLock = 7243_1984

// makeTemplate migrates under another name and renames at the end, so that a
// template that exists is complete, and nobody is connected to it: Postgres
// copies only what nobody uses.
func makeTemplate(ctx context.Context, server, name string) error {
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx)) // and with it the lock
	if _, err := conn.Exec(ctx, `select pg_advisory_lock($1)`, templateLock); err != nil {
		return err
	}
	var exists bool
	err = conn.QueryRow(ctx, `select exists (select from pg_database where datname = $1)`, name).Scan(&exists)
	if err != nil || exists {
		return err
	}
	building := name + "_building"
	for _, sql := range []string{
		fmt.Sprintf(`drop database if exists %q with (force)`, building),
		fmt.Sprintf(`create database %q template template0`, building),
	} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return err
		}
	}
	at, err := named(server, building)
	if err != nil {
		return err
	}
	if err := postgres.Migrate(ctx, at); err != nil {
		return err
	}
	_, err = conn.Exec(ctx, fmt.Sprintf(`alter database %q rename to %q`, building, name))
	return err
}

// named is the address of another database on the same server.
func named(server, name string) (string, error) {
	u, err := url.Parse(server)
	if err != nil {
		return "", err
	}
	u.Path = "/" + name
	return u.String(), nil
}
