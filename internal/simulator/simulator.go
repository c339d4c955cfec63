// Package simulator is a pretend WeChat Pay and a pretend shop in one process,
// for development and for tests that need an outside world which misbehaves on
// request and remembers everything.
//
// On Config.Addr it answers the merchant: WeChat Pay's APIv3 calls under /v3
// (it verifies each Authorization exactly, and signs each answer), the calls of a
// mini-program's server under /cgi-bin and /wxa, and the fulfilment calls and
// webhooks of a shop under /shop. On Config.ControlAddr it is steered: somebody
// pays, a call fails, hangs or is held, a callback comes five times, a day passes.
// The shapes of that port are in shapes.go; a person finds a cashier's page there.
//
// Every fact is one line of ledger.jsonl in Config.Data, and all state is rebuilt
// from there at start. It imports nothing of the product: sharing its types would
// share its mistakes.
package simulator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Config says where the simulator listens and how fast its world turns.
type Config struct {
	Addr        string          // WeChat Pay and the shop; loopback, default 127.0.0.1:9090
	ControlAddr string          // the control port; loopback, default 127.0.0.1:9091
	Data        string          // directory of keys, merchant.env and the ledger; made if missing
	Retry       []time.Duration // gaps between callback attempts; default WeChat's own
	RefundAfter time.Duration   // how long a refund is PROCESSING; default 300 ms
	Spacing     time.Duration   // how far apart refunds of one payment must be; default none, WeChat wants a minute
	Clock       string          // running (default) or stopped: time passes only when it is moved
	Log         *slog.Logger    // default slog.Default()
}

// WeChatRetry is WeChat's own schedule of callback repeats: 15 over 24 h 4 min.
var WeChatRetry = []time.Duration{
	15 * time.Second, 15 * time.Second, 30 * time.Second, 3 * time.Minute, 10 * time.Minute,
	20 * time.Minute, 30 * time.Minute, 30 * time.Minute, 30 * time.Minute, 60 * time.Minute,
	3 * time.Hour, 3 * time.Hour, 3 * time.Hour, 6 * time.Hour, 6 * time.Hour,
}

// A simulator is one pretend world.
type simulator struct {
	Config
	account  *account
	ledger   *ledger
	clock    *clock
	holds    *holds
	offers   *offers
	callback *http.Client
	cashier  string // where the control port serves payers, for h5_url

	// life ends with Run. Callbacks and refunds go on in the background, past the
	// request that began them, and obey this context instead.
	life    context.Context
	running sync.WaitGroup
}

// Run serves until ctx ends, then lets go of every waiting call and closes the
// ledger. It writes merchant.env before anything is answered. The error says why
// it could not start or had to stop; a graceful end is nil.
func Run(ctx context.Context, cfg Config) error {
	wechat, err := listen(cmp.Or(cfg.Addr, "127.0.0.1:9090"))
	if err != nil {
		return err
	}
	defer wechat.Close()
	control, err := listen(cmp.Or(cfg.ControlAddr, "127.0.0.1:9091"))
	if err != nil {
		return err
	}
	defer control.Close()

	life, end := context.WithCancel(ctx)
	defer end()
	s, err := open(life, cfg)
	if err != nil {
		return err
	}
	defer func() { // what runs in the background writes to the ledger to its end
		end()
		s.running.Wait()
		s.ledger.close()
	}()
	if err := s.account.writeEnv(s.Data, "http://"+wechat.Addr().String()); err != nil {
		return err
	}

	s.cashier = "http://" + control.Addr().String()
	failed := make(chan error, 2)
	servers := []*http.Server{s.server(s.merchantRoutes()), s.server(s.controlRoutes())}
	for i, l := range []net.Listener{wechat, control} {
		go func() { failed <- servers[i].Serve(l) }()
	}
	s.Log.Info("simulator is up", "wechat", wechat.Addr().String(), "control", control.Addr().String())

	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	end()
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	for _, server := range servers {
		err = errors.Join(err, server.Shutdown(bounded))
	}
	return err
}

// open makes a simulator from its data directory, without listening, and carries
// on with what an earlier one left undone.
func open(life context.Context, cfg Config) (*simulator, error) {
	if err := refuseRealMerchant(); err != nil {
		return nil, err
	}
	cfg.RefundAfter = cmp.Or(cfg.RefundAfter, 300*time.Millisecond)
	if cfg.Retry == nil {
		cfg.Retry = WeChatRetry
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	var err error
	if cfg.Data, err = filepath.Abs(cmp.Or(cfg.Data, "simulator-data")); err != nil {
		return nil, fmt.Errorf("simulator: data directory: %w", err)
	}
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return nil, fmt.Errorf("simulator: data directory: %w", err)
	}
	s := &simulator{Config: cfg, holds: new(holds), offers: new(offers), callback: callbackClient(), life: life}
	if s.clock, err = newClock(cfg.Clock); err != nil {
		return nil, err
	}
	if s.account, err = loadAccount(cfg.Data); err != nil {
		return nil, err
	}
	if s.ledger, err = openLedger(filepath.Join(cfg.Data, "ledger.jsonl")); err != nil {
		return nil, err
	}
	s.clock.advance(s.ledger.book.ahead)
	s.resume()
	return s, nil
}

// refuseRealMerchant keeps a pretend WeChat from running where the settings of a
// real merchant lie: whoever mixes the two up finds out here.
func refuseRealMerchant() error {
	for _, name := range []string{"WECHATPAY_MCH_PRIVATE_KEY", "WECHATPAY_API_V3_KEY", "WECHATPAY_API_V2_KEY", "WECHAT_MINI_APP_SECRET"} {
		for _, name := range []string{name, name + "_FILE"} {
			if os.Getenv(name) != "" {
				return fmt.Errorf("simulator: %s is set: a pretend WeChat Pay does not start beside a merchant's keys; unset it", name)
			}
		}
	}
	return nil
}

// listen accepts loopback addresses only: the control port lets anybody pay.
func listen(addr string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("simulator: address %q: %w", addr, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("simulator: address %q is not loopback", addr)
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("simulator: %w", err)
	}
	return l, nil
}

func (s *simulator) server(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          slog.NewLogLogger(s.Log.Handler(), slog.LevelWarn),
	}
}

// background runs do until it returns; Run waits for it.
func (s *simulator) background(do func()) {
	s.running.Go(do)
}
