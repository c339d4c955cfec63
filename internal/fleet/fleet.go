package fleet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// Options say which fleet to start. The database and the namespace may be empty or in use: migrate is run first.
type Options struct {
	Binary string // the paysaga program
	Dir    string // logs, pid files, tokens, the simulator's data; kept over restarts by whoever keeps it

	DatabaseURL     string
	TemporalAddress string
	Namespace       string

	APIs, Workers int   // how many of each; 1 if 0
	Ports         Ports // wanted ones, where a person is to find them

	// PublicURL is where WeChat reaches us; the first api's address if "".
	PublicURL string
	// Env is added to every process and wins: short durations, for one.
	Env []string
	// APIEnv is added to the apis' alone: a database behind a link that is cut, for one.
	APIEnv []string
}

// Ports are wanted ports; 0 and ports in use mean any free one.
type Ports struct{ API, Simulator, Control int }

// Fleet is a running paysaga with a pretend WeChat Pay and shop.
type Fleet struct {
	Simulator *Member // URL is WeChat Pay and the shop, AdminURL the control port
	APIs      []*Member
	Workers   []*Member // these have an AdminURL only
	Tokens    Tokens

	options Options
	env     []string // of api, worker and every other command but the simulator
}

// Member is one process of the fleet under its fixed addresses. Kill, Stop and Restart may race with each other.
type Member struct {
	URL      string // http://127.0.0.1:port, without a slash
	AdminURL string // health and metrics; of the simulator its control port

	spec    Spec
	mu      sync.Mutex
	process *Process // the last one started
}

// Launch runs migrate, then starts the simulator, the apis and the workers, and returns when all are ready, or nothing
// is left of them. ctx bounds the start only.
func Launch(ctx context.Context, options Options) (*Fleet, error) {
	options.APIs, options.Workers = max(1, options.APIs), max(1, options.Workers)
	f := &Fleet{options: options}
	if err := f.launch(ctx); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (f *Fleet) launch(ctx context.Context) (err error) {
	if f.Tokens, err = loadTokens(filepath.Join(f.options.Dir, "tokens.env")); err != nil {
		return err
	}
	if err := f.plan(); err != nil {
		return err
	}
	// migrate needs no merchant, so it may run while the simulator makes one up.
	f.env = f.productEnv(nil)
	first, firstCtx := errgroup.WithContext(ctx)
	first.Go(func() error { return f.Simulator.start(firstCtx) })
	first.Go(func() error {
		out, err := f.Run(firstCtx, "migrate")
		if err != nil {
			return fmt.Errorf("paysaga migrate: %w\n%s", err, out)
		}
		return nil
	})
	if err := first.Wait(); err != nil {
		return err
	}

	merchant, err := readEnv(filepath.Join(f.options.Dir, "simulator", "merchant.env"))
	if err != nil {
		return fmt.Errorf("the simulator's merchant: %w", err)
	}
	f.env = f.productEnv(merchant)
	rest, restCtx := errgroup.WithContext(ctx)
	for _, member := range append(f.APIs[:len(f.APIs):len(f.APIs)], f.Workers...) {
		member.spec.Env = merge(f.env, member.spec.Env)
		rest.Go(func() error { return member.start(restCtx) })
	}
	return rest.Wait()
}

// plan gives every member its name and addresses.
func (f *Fleet) plan() error {
	simulator, err := f.member("simulator", f.options.Ports.Simulator, f.options.Ports.Control)
	if err != nil {
		return err
	}
	data := filepath.Join(f.options.Dir, "simulator")
	if err := os.MkdirAll(data, 0o700); err != nil {
		return fmt.Errorf("the simulator's data: %w", err)
	}
	simulator.spec.Args = []string{"simulator"}
	simulator.spec.Env = merge(f.plainEnv(), []string{
		"SIM_ADDR=" + host(simulator.URL), "SIM_CONTROL_ADDR=" + host(simulator.AdminURL), "SIM_DATA=" + data,
	})
	f.Simulator = simulator

	for i := range f.options.APIs {
		wanted := 0
		if i == 0 {
			wanted = f.options.Ports.API
		}
		api, err := f.member(fmt.Sprintf("api-%d", i), wanted, 0)
		if err != nil {
			return err
		}
		api.spec.Args = []string{"api"}
		api.spec.Env = []string{"API_ADDR=" + host(api.URL), "ADMIN_ADDR=" + host(api.AdminURL)}
		api.spec.Env = merge(api.spec.Env, f.options.APIEnv)
		f.APIs = append(f.APIs, api)
	}
	for i := range f.options.Workers {
		worker, err := f.member(fmt.Sprintf("worker-%d", i), 0, 0)
		if err != nil {
			return err
		}
		worker.URL = "" // a worker calls, and is not called
		worker.spec.Args = []string{"worker"}
		worker.spec.Env = []string{"ADMIN_ADDR=" + host(worker.AdminURL)}
		f.Workers = append(f.Workers, worker)
	}
	return nil
}

func (f *Fleet) member(name string, port, adminPort int) (*Member, error) {
	public, err := FreePort(port)
	if err != nil {
		return nil, err
	}
	admin, err := FreePort(adminPort)
	for err == nil && admin == public {
		admin, err = FreePort(0)
	}
	if err != nil {
		return nil, err
	}
	m := &Member{URL: "http://" + Loopback(public), AdminURL: "http://" + Loopback(admin)}
	m.spec = Spec{Name: name, Binary: f.options.Binary, Dir: f.options.Dir, Ready: Answers(m.AdminURL + "/readyz")}
	return m, nil
}

// PublicURL is where WeChat calls us.
func (f *Fleet) PublicURL() string {
	if f.options.PublicURL != "" {
		return f.options.PublicURL
	}
	return f.APIs[0].URL
}

// Run runs a paysaga command that ends by itself, such as `reconcile`, with the fleet's settings, and returns what it
// printed, standard error included. A non-zero exit is an *exec.ExitError.
func (f *Fleet) Run(ctx context.Context, args ...string) (string, error) {
	return f.Answer(ctx, "", args...)
}

// Answer is Run for a command that asks: stdin is all that somebody types.
func (f *Fleet) Answer(ctx context.Context, stdin string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, f.options.Binary, args...)
	cmd.Env, cmd.Dir, cmd.Stdin = f.env, f.options.Dir, strings.NewReader(stdin)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// Close stops every member: workers first, so that nobody waits for an api or a WeChat that is gone.
func (f *Fleet) Close() error {
	var failed error
	for _, rank := range [][]*Member{f.Workers, f.APIs, {f.Simulator}} {
		var group errgroup.Group
		for _, member := range rank {
			if member != nil {
				group.Go(member.Stop)
			}
		}
		failed = errors.Join(failed, group.Wait())
	}
	return failed
}

// Logs are the last n lines of every member's log.
func (f *Fleet) Logs(n int) string {
	var all []string
	for _, member := range append(append([]*Member{f.Simulator}, f.APIs...), f.Workers...) {
		all = append(all, tail(member.spec.logPath(), n))
	}
	return strings.Join(all, "\n")
}
