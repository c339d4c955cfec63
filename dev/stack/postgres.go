package stack

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/paysaga/paysaga/internal/fleet"
)

// role is the superuser of our clusters; they listen on 127.0.0.1 only and ask for no password.
const role = "paysaga"

// durability is how much a cluster may lose when the machine crashes, and how it stops.
type durability struct {
	settings []string // arguments of postgres
	initdb   []string
	stop     syscall.Signal
}

var (
	// durable keeps Postgres' own defaults and stops with a checkpoint.
	durable = durability{stop: syscall.SIGINT}
	// throwaway never waits for a disk: nobody will read these data again.
	throwaway = durability{
		settings: []string{"-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"},
		initdb:   []string{"--no-sync"},
		stop:     syscall.SIGQUIT,
	}
)

// startCluster runs a Postgres cluster in dir, made first if there is none, and returns the URL of its maintenance
// database. Port 0 takes a free one.
func (p Place) startCluster(ctx context.Context, programs Programs, dir string, port int, care durability) (*fleet.Process, *url.URL, error) {
	data := filepath.Join(dir, "pgdata")
	if err := p.initCluster(ctx, programs, data, care); err != nil {
		return nil, nil, err
	}
	var failed error
	for range 3 { // a free port may be taken again before Postgres binds it
		chosen, err := fleet.FreePort(port)
		if err != nil {
			return nil, nil, err
		}
		server := postgresURL(chosen)
		process, err := fleet.Start(ctx, fleet.Spec{
			Name:   "postgres",
			Binary: filepath.Join(programs.Dir, "postgres"),
			Args: append([]string{"-D", data, "-p", strconv.Itoa(chosen),
				"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=",
				"-c", "max_connections=300", "-c", "timezone=UTC", "-c", "log_timezone=UTC"}, care.settings...),
			Env:        programs.environment(),
			Dir:        dir,
			Ready:      func(ctx context.Context) error { return ping(ctx, server) },
			StopSignal: care.stop,
			User:       p.User,
		})
		if err == nil {
			return process, server, nil
		}
		failed = err
	}
	return nil, nil, failed
}

func postgresURL(port int) *url.URL {
	return &url.URL{Scheme: "postgres", User: url.User(role), Host: fleet.Loopback(port), Path: "/postgres", RawQuery: "sslmode=disable"}
}

// initCluster makes the cluster under another name first, so that an initdb cut short is never taken for a cluster.
func (p Place) initCluster(ctx context.Context, programs Programs, data string, care durability) error {
	text, err := os.ReadFile(filepath.Join(data, "PG_VERSION"))
	if err == nil {
		if major := strings.TrimSpace(string(text)); major != strconv.Itoa(programs.Major) {
			return fmt.Errorf("the data in %s are of Postgres %s, and %s is what was found; install that one, or drop the data: go run ./dev reset", data, major, programs.Version)
		}
		return nil
	}
	half := data + ".half"
	if err := os.RemoveAll(half); err != nil {
		return err
	}
	if err := os.Mkdir(half, 0o700); err != nil {
		return err
	}
	if err := p.give(half); err != nil {
		return err
	}
	args := append([]string{"-D", half, "-U", role, "-A", "trust", "-E", "UTF8", "--locale=" + locale}, care.initdb...)
	if out, err := p.command(ctx, programs, "initdb", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return os.Rename(half, data)
}

// ping returns nil when a query goes through.
func ping(ctx context.Context, server *url.URL) error {
	conn, err := pgx.Connect(ctx, server.String())
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	return conn.Ping(ctx)
}

// ensureDatabase makes a database if it is missing and returns its URL.
func ensureDatabase(ctx context.Context, server *url.URL, name string) (*url.URL, error) {
	made := *server
	made.Path = "/" + name
	return &made, maintain(ctx, server, func(conn *pgx.Conn) error {
		var exists bool
		if err := conn.QueryRow(ctx, `select exists (select from pg_database where datname = $1)`, name).Scan(&exists); err != nil || exists {
			return err
		}
		_, err := conn.Exec(ctx, `create database `+pgx.Identifier{name}.Sanitize()+` template template0 encoding 'UTF8'`)
		return err
	})
}

// dropDatabases removes databases of ours from a server that is not ours.
func dropDatabases(ctx context.Context, server *url.URL, names ...string) error {
	return maintain(ctx, server, func(conn *pgx.Conn) error {
		var failed error
		for _, name := range names {
			_, err := conn.Exec(ctx, `drop database if exists `+pgx.Identifier{name}.Sanitize()+` with (force)`)
			failed = errors.Join(failed, err)
		}
		return failed
	})
}

func maintain(ctx context.Context, server *url.URL, work func(*pgx.Conn) error) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, server.String())
	if err != nil {
		return fmt.Errorf("connect to Postgres at %s: %w", server.Host, err)
	}
	defer conn.Close(ctx)
	return work(conn)
}
