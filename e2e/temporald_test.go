package e2e

import (
	"crypto/rand"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/paysaga/paysaga/dev/stack"
	"github.com/paysaga/paysaga/internal/fleet"
)

// temporald is a Temporal server of the test's own, to be killed, emptied, and
// restored from what it was.
type temporald struct {
	t       *testing.T
	program string
	server  *url.URL
	store   string // its database; visibility has another beside it
	port    int
	process *fleet.Process
}

func newTemporald(t *testing.T) *temporald {
	t.Helper()
	place, err := stack.FindPlace()
	if err != nil {
		t.Fatal(err)
	}
	d := &temporald{t: t, store: "temporal_" + strings.ToLower(rand.Text()[:12])}
	if d.program, err = place.BuildTemporal(t.Context(), t.Logf); err != nil {
		t.Fatal(err)
	}
	if d.server, err = url.Parse(os.Getenv("DATABASE_URL")); err != nil {
		t.Fatal(err)
	}
	if d.port, err = fleet.FreePort(0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		d.kill()
		d.drop(d.store)
		d.drop(d.store + "_yesterday")
	})
	d.start()
	return d
}

// serves makes a fleet live on this server.
func (d *temporald) serves(o *fleet.Options) { o.TemporalAddress = fleet.Loopback(d.port) }

func (d *temporald) start() {
	d.t.Helper()
	var err error
	d.process, err = stack.StartTemporal(d.t.Context(), d.program, d.t.TempDir(), d.server, d.store, d.port, 0, "")
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d *temporald) kill() {
	if d.process != nil {
		d.process.Kill()
	}
}

func (d *temporald) drop(store string) {
	onServer(d.t, "drop database if exists "+store+" with (force)", "drop database if exists "+store+"_visibility with (force)")
}

// empty starts it anew with nothing in it, not even a namespace.
func (d *temporald) empty() {
	d.t.Helper()
	d.kill()
	d.drop(d.store)
	d.start()
}

// backUp keeps what it knows now.
func (d *temporald) backUp() {
	d.t.Helper()
	d.kill()
	d.copy(d.store, d.store+"_yesterday")
	d.start()
}

// restore makes it know what it knew at the last backUp, and nothing since.
func (d *temporald) restore() {
	d.t.Helper()
	d.kill()
	d.drop(d.store)
	d.copy(d.store+"_yesterday", d.store)
	d.start()
}

func (d *temporald) copy(from, to string) {
	d.t.Helper()
	for _, kind := range []string{"", "_visibility"} {
		onServer(d.t, evict(from+kind), "create database "+to+kind+" template "+from+kind)
	}
}

// evict ends what a killed process left connected: Postgres copies no database
// that is in use.
func evict(database string) string {
	return "select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = '" + database + "'"
}
