// Paysaga stands between WeChat Pay and a merchant's own systems. This is the
// playbill: which processes there are, and the only place where concrete meets
// concrete.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/paysaga/paysaga/internal/config"
	"github.com/paysaga/paysaga/internal/simulator"
)

// playbill is flags, environment and help at once; each command holds only the
// settings that it reads.
type playbill struct {
	config.Log

	API             apiCmd         `cmd:"" name:"api" help:"Take callbacks, orders and people's requests."`
	Worker          workerCmd      `cmd:"" help:"Run the sagas: mark paid, ship, notify, compensate."`
	Migrate         migrateCmd     `cmd:"" help:"Prepare the database and Temporal; idempotent, safe beside running processes."`
	Simulator       simulatorCmd   `cmd:"" help:"Play WeChat Pay and the shop, for development and tests."`
	ExplainCallback explainCmd     `cmd:"" name:"explain-callback" help:"Say which check a callback fails, and why."`
	Healthcheck     healthcheckCmd `cmd:"" help:"Ask a running api or worker whether it is ready."`
	Reconcile       reconcileCmd   `cmd:"" help:"Hold one day's bill against the books now; shows what differs before it acts."`
	Payments        paymentsCmd    `cmd:"" help:"Show a payment, or ask for something to be done about it."`
	Cases           casesCmd       `cmd:"" help:"What needs a person."`
	Token           tokenCmd       `cmd:"" help:"Tokens of people and of merchants' systems."`
	Audit           auditCmd       `cmd:"" help:"Look after the audit log."`
	Version         versionCmd     `cmd:"" help:"Print the version."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "paysaga:", err)
		os.Exit(exitCode(err))
	}
}

// exitCode is 2 for a command line that cannot be understood, 3 for what the api
// refused, and 1 for all else.
func exitCode(err error) int {
	if _, misuse := errors.AsType[*kong.ParseError](err); misuse {
		return 2
	}
	if says, ok := errors.AsType[interface {
		error
		ExitCode() int
	}](err); ok {
		return says.ExitCode()
	}
	return 1
}

func run(ctx context.Context, args []string) error {
	var bill playbill
	mistakes := &config.Mistakes{}
	parser, err := kong.New(&bill,
		kong.Name("paysaga"),
		kong.Description("Every payment WeChat confirms ends shipped, refunded in full, or open with a named owner."),
		kong.Resolvers(mistakes.Files()),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(mistakes))
	if err != nil {
		return err
	}
	command, err := parser.Parse(args)
	if err != nil {
		return err
	}
	slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: bill.Log.Parse(mistakes)})))
	return command.Run()
}

type simulatorCmd struct {
	Addr        string          `env:"SIM_ADDR" default:"127.0.0.1:9090" help:"Where WeChat Pay and the shop are played."`
	ControlAddr string          `env:"SIM_CONTROL_ADDR" default:"127.0.0.1:9091" help:"Where the play is steered."`
	Data        string          `env:"SIM_DATA" default:".dev/simulator" help:"Keys, the merchant's account and the ledger."`
	Retry       []time.Duration `env:"SIM_RETRY" help:"Pauses between callback retries, comma-separated; WeChat's own by default."`
	RefundAfter time.Duration   `env:"SIM_REFUND_AFTER" default:"300ms" help:"How long a refund is being processed."`
	Spacing     time.Duration   `name:"refund-spacing" env:"SIM_REFUND_SPACING" help:"Refuse refunds of one payment closer together than this; off by default."`
	Clock       string          `env:"SIM_CLOCK" enum:"running,stopped" default:"running" help:"A stopped clock moves by POST /clock/advance alone."`
}

// Run plays until ctx ends.
func (c *simulatorCmd) Run(ctx context.Context) error {
	return simulator.Run(ctx, simulator.Config{
		Addr: c.Addr, ControlAddr: c.ControlAddr, Data: c.Data, Retry: c.Retry, RefundAfter: c.RefundAfter,
		Spacing: c.Spacing, Clock: c.Clock,
	})
}

type healthcheckCmd struct {
	AdminAddr string `env:"ADMIN_ADDR" default:"127.0.0.1:8081" help:"The admin listener to ask."`
}

// Run fails unless the process answers that it is ready.
func (c *healthcheckCmd) Run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.AdminAddr+"/readyz", nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("not ready: %s", response.Status)
	}
	return nil
}

type versionCmd struct{}

// version is set by the release build.
var version = "dev"

// Run prints it.
func (versionCmd) Run() error {
	_, err := fmt.Println("paysaga", version)
	return err
}
