package stack

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/paysaga/paysaga/internal/fleet"
)

// Say tells the person at the terminal what is going on, one line at a time.
type Say func(format string, args ...any)

// Stack is a running Postgres and Temporal.
type Stack struct {
	Dir         string // for logs and whatever belongs to this run
	DatabaseURL string // of a database in which paysaga's schema lives or will live; its role may create databases
	Temporal    string // frontend, host:port
	UI          string // web UI, host:port, or "" if there is none
	Namespace   string // in Temporal; made by `paysaga migrate`, not by us

	claim   claim
	undo    []func() error // in reverse, when the stack closes
	started []*fleet.Process
	fresh   bool   // thrown away when it closes
	suffix  string // keeps fresh names apart on a server that is not ours
}

// Fresh starts an empty stack that is thrown away when it closes. It has no UI.
func Fresh(ctx context.Context, place Place, say Say) (*Stack, error) {
	held, err := place.claimFresh()
	if err != nil {
		return nil, err
	}
	s := &Stack{Dir: held.dir, claim: held, fresh: true}
	if os.Getenv("DEV_DATABASE_URL") != "" || os.Getenv("DEV_TEMPORAL_ADDRESS") != "" {
		s.suffix = "_" + strings.ToLower(rand.Text()[:8])
	}
	s.undo = append(s.undo, held.discard)
	return s.start(ctx, place, Ports{}, throwaway, say)
}

// Kept starts the checkout's own stack, whose data stay. ErrBusy if it runs already.
func Kept(ctx context.Context, place Place, ports Ports, say Say) (*Stack, error) {
	held, err := place.claimKept()
	if err != nil {
		return nil, err
	}
	s := &Stack{Dir: held.dir, claim: held}
	s.undo = append(s.undo, held.lock.Close)
	return s.start(ctx, place, ports, durable, say)
}

// start brings both up, or nothing.
func (s *Stack) start(ctx context.Context, place Place, ports Ports, care durability, say Say) (*Stack, error) {
	err := s.bringUp(ctx, place, ports, care, say)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Stack) bringUp(ctx context.Context, place Place, ports Ports, care durability, say Say) error {
	began := time.Now()
	foreign, err := loopbackSetting("DEV_TEMPORAL_ADDRESS")
	if err != nil {
		return err
	}
	var server *url.URL
	var program string
	both, bothCtx := errgroup.WithContext(ctx) // the first build of Temporal takes minutes: Postgres must not wait for it
	both.Go(func() (err error) { server, err = s.postgres(bothCtx, place, ports.Postgres, care, say); return err })
	if foreign == "" {
		both.Go(func() (err error) { program, err = place.BuildTemporal(bothCtx, say); return err })
	}
	if err := both.Wait(); err != nil {
		return err
	}

	database, err := ensureDatabase(ctx, server, "paysaga"+s.suffix)
	if err != nil {
		return err
	}
	s.DatabaseURL, s.Namespace = database.String(), "payments"
	if foreign != "" {
		say("Temporal: DEV_TEMPORAL_ADDRESS")
		s.Temporal, s.Namespace = foreign, "payments"+s.suffix
		return askTemporal(ctx, foreign)
	}
	if err := s.temporal(ctx, program, server, ports, say); err != nil {
		return err
	}
	say("Postgres at %s and Temporal at %s are ready after %s", server.Host, s.Temporal, time.Since(began).Round(100*time.Millisecond))
	return nil
}

// postgres returns the server's URL, of its maintenance database.
func (s *Stack) postgres(ctx context.Context, place Place, port int, care durability, say Say) (*url.URL, error) {
	foreign, err := loopbackSetting("DEV_DATABASE_URL")
	if err != nil {
		return nil, err
	}
	if foreign != "" {
		say("Postgres: DEV_DATABASE_URL")
		server, err := url.Parse(foreign)
		if err != nil {
			return nil, errors.New("DEV_DATABASE_URL is not a URL")
		}
		if s.fresh {
			s.undo = append(s.undo, func() error {
				name := "temporal" + s.suffix
				return dropDatabases(context.WithoutCancel(ctx), server, "paysaga"+s.suffix, name, name+"_visibility")
			})
		}
		return server, ping(ctx, server)
	}
	programs, err := place.FindPostgres(ctx, say)
	if err != nil {
		return nil, err
	}
	say("Postgres: %s, %s", programs.Version, programs.Source)
	process, server, err := place.startCluster(ctx, programs, s.Dir, port, care)
	if err != nil {
		return nil, err
	}
	s.keep(process, process.Stop)
	return server, nil
}

func (s *Stack) temporal(ctx context.Context, program string, server *url.URL, ports Ports, say Say) error {
	port, err := pick(say, "Temporal", ports.Temporal)
	if err != nil {
		return err
	}
	uiPort := ports.UI
	if uiPort != 0 {
		if uiPort, err = pick(say, "Temporal's UI", uiPort); err != nil {
			return err
		}
		s.UI = fleet.Loopback(uiPort)
	}
	process, err := StartTemporal(ctx, program, s.Dir, server, "temporal"+s.suffix, port, uiPort, ports.Codec)
	if err != nil {
		return err
	}
	stop := process.Stop
	if s.fresh {
		stop = func() error { process.Kill(); return nil } // nothing here is worth a farewell
	}
	s.keep(process, stop)
	s.Temporal = fleet.Loopback(port)
	return nil
}

func (s *Stack) keep(process *fleet.Process, stop func() error) {
	s.started = append(s.started, process)
	s.undo = append(s.undo, stop)
}

// Close stops what was started, last first, and removes what was meant to be thrown away.
func (s *Stack) Close() error {
	var failed error
	for i := len(s.undo) - 1; i >= 0; i-- {
		failed = errors.Join(failed, s.undo[i]())
	}
	s.undo = nil
	return failed
}

// Lost is told the name of a server that ended by itself, and its last words.
func (s *Stack) Lost(ctx context.Context) <-chan error {
	lost := make(chan error, len(s.started))
	for _, process := range s.started {
		go func() {
			select {
			case <-process.Done():
				lost <- fmt.Errorf("%s ended\n%s", process.Name(), process.LogTail(20))
			case <-ctx.Done():
			}
		}()
	}
	return lost
}

// mark is the variable by which a process is known to belong to a run; its value is the run's directory.
const mark = "PAYSAGA_DEV_RUN="

// Env is what a command needs to reach the stack, and the mark by which it is found should we be killed.
func (s *Stack) Env() []string {
	return []string{"DATABASE_URL=" + s.DatabaseURL, "TEMPORAL_ADDRESS=" + s.Temporal, "TEMPORAL_NAMESPACE=" + s.Namespace, mark + s.Dir}
}

// loopbackSetting reads a URL or host:port from the environment and refuses anything but this machine: tests drop
// databases, and nobody wants to learn that on a server they share.
func loopbackSetting(name string) (string, error) {
	value := os.Getenv(name)
	if value == "" {
		return "", nil
	}
	host := value
	if parsed, err := url.Parse(value); err == nil && parsed.Host != "" {
		host = parsed.Host
		if parsed.Query().Has("host") { // in a URL of Postgres it wins over the one we look at
			host = parsed.Query().Get("host")
		}
	}
	if bare, _, err := net.SplitHostPort(host); err == nil {
		host = bare
	}
	if ip := net.ParseIP(strings.Trim(host, "[]")); host == "localhost" || (ip != nil && ip.IsLoopback()) {
		return value, nil
	}
	return "", fmt.Errorf("%s must be on this machine (127.0.0.1, ::1 or localhost)", name)
}
