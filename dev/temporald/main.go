// Command temporald is Temporal's server and its web UI as one program, for development and tests.
//
// It keeps its state in Postgres, creates and updates its own schema there, listens on 127.0.0.1 only, and prints the
// one line "ready" on standard output when it serves; its log goes to standard error. A server's two hundred modules
// are the reason why it is a module of its own. It has no authentication: production runs Temporal's own images.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	uiserver "github.com/temporalio/ui-server/v2/server"
	uiconfig "github.com/temporalio/ui-server/v2/server/config"
	"github.com/temporalio/ui-server/v2/server/server_options"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/temporal"
)

// settings are the flags. Ports are numbers on 127.0.0.1; a UI port of 0 means no UI.
type settings struct {
	databaseURL *url.URL // any database of the Postgres server; the stores are made beside it
	store       string   // name of the database for histories; visibility adds "_visibility"
	port        int
	uiPort      int
	codec       string // payload codec that the UI's pages ask, with the person's cookie of its host, or ""
	logLevel    string
}

func main() {
	set, err := parse(os.Args[1:])
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		err = run(ctx, set)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "temporald:", err)
		os.Exit(1)
	}
}

func parse(args []string) (settings, error) {
	var set settings
	flags := flag.NewFlagSet("temporald", flag.ContinueOnError)
	database := flags.String("database-url", "", "Postgres server, postgres://user[:password]@host:port/any; its role may create databases")
	flags.StringVar(&set.store, "store", "temporal", "database for histories; visibility goes to <store>_visibility")
	flags.IntVar(&set.port, "port", 7233, "gRPC port")
	flags.IntVar(&set.uiPort, "ui-port", 0, "web UI port; 0 starts no UI")
	flags.StringVar(&set.codec, "codec-endpoint", "", "URL of a payload codec for the UI")
	flags.StringVar(&set.logLevel, "log-level", "warn", "debug, info, warn or error")
	if err := flags.Parse(args); err != nil {
		return settings{}, err
	}
	parsed, err := url.Parse(*database)
	if err != nil || parsed.Host == "" {
		// The parse error would print the URL, and with it a password.
		return settings{}, errors.New("--database-url is not a postgres:// URL")
	}
	set.databaseURL = parsed
	return set, nil
}

func run(ctx context.Context, set settings) error {
	logger := log.NewZapLogger(log.BuildZapLogger(log.Config{Level: set.logLevel, Format: "console"}))
	if err := createStores(set, logger); err != nil {
		return err
	}
	config, err := serverConfig(set)
	if err != nil {
		return err
	}
	server, err := temporal.NewServer(
		temporal.WithConfig(config),
		temporal.ForServices(temporal.DefaultServices),
		temporal.WithStaticHosts(hosts(config)),
		temporal.WithDynamicConfigClient(dynamic),
		temporal.WithLogger(logger),
	)
	if err != nil {
		return fmt.Errorf("new server: %w", err)
	}
	if err := server.Start(); err != nil {
		return fmt.Errorf("start server: %w", err)
	}
	if set.uiPort != 0 {
		ui := newUI(set)
		go func() { _ = ui.Start() }() // ends the process itself if its port is taken
		defer ui.Stop()
	}
	if err := awaitServing(ctx, set); err != nil {
		return err
	}
	fmt.Println("ready")

	<-ctx.Done()
	return stop(server)
}

// stop lets the services hand over what they hold, and does not wait for ever: the state is in Postgres anyway.
func stop(server temporal.Server) error {
	stopped := make(chan error, 1)
	go func() { stopped <- server.Stop() }()
	select {
	case err := <-stopped:
		return err
	case <-time.After(5 * time.Second):
		return nil
	}
}

func newUI(set settings) *uiserver.Server {
	signIn, _ := url.JoinPath(set.codec, "../console/") // beside the codec; a link to nowhere hurts nobody
	return uiserver.NewServer(server_options.WithConfigProvider(&uiconfig.Config{
		TemporalGRPCAddress: address(set.port),
		Host:                loopback,
		Port:                set.uiPort,
		EnableUI:            true,
		DefaultNamespace:    "payments",
		DisableNewsFetch:    true, // asks nobody on the internet
		HideLogs:            true,
		CORS:                uiconfig.CORS{CookieInsecure: true}, // plain http, and only here
		Codec: uiconfig.Codec{
			Endpoint: set.codec, IncludeCredentials: true,
			DefaultErrorMessage: "Payloads are shown to operators who are signed in to paysaga's console.",
			DefaultErrorLink:    signIn,
		},
	}))
}
