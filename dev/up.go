package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"go.temporal.io/sdk/client"
	"golang.org/x/sync/errgroup"

	"github.com/paysaga/paysaga/dev/stack"
	"github.com/paysaga/paysaga/internal/fleet"
)

// world is a running paysaga with all that is around it.
type world struct {
	stack    *stack.Stack
	fleet    *fleet.Fleet
	temporal client.Client
}

// brisk are settings for a person who watches: what waits minutes in production waits seconds.
var brisk = []string{"SHIP_ATTEMPT_TIMEOUT=5s", "RETRY_MAX_INTERVAL=5s", "SWEEP_EVERY=1s"}

// up runs everything until Ctrl-C.
func up(ctx context.Context, place stack.Place, _ []string) error {
	return inWorld(ctx, place, func(w *world) error {
		w.introduce()
		return w.stay(ctx)
	})
}

// inWorld starts the checkout's own stack and paysaga on it, does what is to be done, and stops everything.
func inWorld(ctx context.Context, place stack.Place, do func(*world) error) (err error) {
	w := new(world)
	defer func() { err = errors.Join(err, w.close()) }()
	if err := w.start(ctx, place); err != nil {
		return err
	}
	return do(w)
}

func (w *world) start(ctx context.Context, place stack.Place) error {
	say("starting Postgres and Temporal, and building paysaga")
	binary := filepath.Join(place.Data, "paysaga")
	api, err := fleet.FreePort(8080) // chosen first: Temporal's UI must know where its pages have payloads opened
	if err != nil {
		return err
	}
	both, bothCtx := errgroup.WithContext(ctx)
	both.Go(func() (err error) {
		w.stack, err = stack.Kept(bothCtx, place, stack.Ports{
			Temporal: 7233, UI: 8233, Codec: "http://" + fleet.Loopback(api) + "/codec",
		}, say)
		return err
	})
	both.Go(func() error {
		return stack.Build(bothCtx, say, stack.Target{Name: "paysaga", Dir: place.Root, Out: binary})
	})
	if err := both.Wait(); err != nil {
		return err
	}

	keys, err := payloadKeys(w.stack.Dir)
	if err != nil {
		return err
	}
	env := append([]string{"PAYLOAD_KEYS_FILE=" + keys}, brisk...)
	if w.stack.UI != "" {
		env = append(env, "TEMPORAL_UI_ORIGIN=http://"+w.stack.UI)
	}

	say("migrating, and starting the simulator, api and worker")
	launch, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	w.fleet, err = fleet.Launch(launch, fleet.Options{
		Binary: binary, Dir: w.stack.Dir, Env: env,
		DatabaseURL: w.stack.DatabaseURL, TemporalAddress: w.stack.Temporal, Namespace: w.stack.Namespace,
		Ports: fleet.Ports{API: api, Simulator: 9090, Control: 9091},
	})
	if err != nil {
		return err
	}
	w.temporal, err = client.DialContext(ctx, client.Options{HostPort: w.stack.Temporal, Namespace: w.stack.Namespace, Logger: quiet{}})
	if err != nil {
		return fmt.Errorf("dial Temporal: %w", err)
	}
	return nil
}

// payloadKeys is a file with the key that this checkout's histories are sealed under, made if there is none yet.
func payloadKeys(dir string) (string, error) {
	path := filepath.Join(dir, "payload-keys")
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return path, err
	}
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	return path, os.WriteFile(path, []byte("dev:"+base64.StdEncoding.EncodeToString(secret)+"\n"), 0o600)
}

func (w *world) close() error {
	var failed error
	if w.temporal != nil {
		w.temporal.Close()
	}
	if w.fleet != nil {
		say("stopping")
		failed = w.fleet.Close()
	}
	if w.stack != nil {
		failed = errors.Join(failed, w.stack.Close())
	}
	return failed
}

// introduce tells where everything is.
func (w *world) introduce() {
	rows := [][2]string{
		{"api", w.fleet.APIs[0].URL},
		{"console", w.fleet.APIs[0].URL + "/console/ (as an operator, it also lets Temporal's UI show payloads)"},
	}
	if w.stack.UI != "" {
		rows = append(rows, [2]string{"Temporal UI", "http://" + w.stack.UI + "/namespaces/" + w.stack.Namespace + "/workflows"})
	}
	rows = append(rows,
		[2]string{"WeChat Pay and shop", w.fleet.Simulator.URL + " (simulator)"},
		[2]string{"pay as a person", w.fleet.Simulator.AdminURL + "/cashier"},
		[2]string{"steer the simulator", w.fleet.Simulator.AdminURL},
		[2]string{"tokens for both", filepath.Join(w.stack.Dir, "tokens.env")},
		[2]string{"logs", w.stack.Dir},
	)
	fmt.Println()
	for _, row := range rows {
		fmt.Printf("  %-20s %s\n", row[0], row[1])
	}
	fmt.Println()
}

// stay returns when we are told to end, or a server does so by itself.
func (w *world) stay(ctx context.Context) error {
	fmt.Fprintln(os.Stderr, "dev: running until Ctrl-C")
	select {
	case <-ctx.Done():
		return nil
	case err := <-w.stack.Lost(ctx):
		return err
	}
}

// quiet drops the SDK's own log.
type quiet struct{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}
