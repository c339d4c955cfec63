package main

import (
	"context"
	"log/slog"
	"time"

	"go.temporal.io/sdk/client"
	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/api"
	"github.com/paysaga/paysaga/api/console"
	"github.com/paysaga/paysaga/internal/admin"
	"github.com/paysaga/paysaga/internal/config"
	"github.com/paysaga/paysaga/internal/postgres"
	"github.com/paysaga/paysaga/internal/shop"
	"github.com/paysaga/paysaga/internal/wechatpay"
	"github.com/paysaga/paysaga/worker"
)

// startsAtOnce bounds the starts in flight: Temporal answers some hundred a
// second, and a burst of callbacks waits in the inbox, where it is safe.
const startsAtOnce = 16

type apiCmd struct {
	config.Desk
	config.Public
	config.Database
	config.Histories
	config.Sweeping
	config.Cases
	config.WeChatPay
	config.Callbacks
	config.SignOn
	config.TemporalUI
}

// Run takes callbacks, orders and requests until ctx ends.
func (c *apiCmd) Run(ctx context.Context, m *config.Mistakes) error {
	c.Desk.Check(m)
	c.Database.Check(m)
	c.WeChatPay.Check(m)
	c.Callbacks.Check(m)
	settings := postgres.Settings{
		MchID: c.MchID, AppIDs: c.AppIDList(), CaseOwners: c.Cases.Parse(m), CaseDueAfter: c.Cases.Due(m),
		SweepEvery: c.Sweeping.Parse(m),
	}
	rules := api.Rules{AppIDs: c.AppIDList(), LatePayment: c.Late(m), ApprovalAboveFen: c.ApprovalAboveFen(m)}
	public, maxBytes := c.Public.Parse(m), c.CallbackBytes(m)
	opts, codec := temporalOptions(c.Histories, m)
	c.SignOn.Check(m)
	forUI := api.Codec{Payloads: codec, UIOrigin: c.Origin(m)}
	tokens, err := api.ParseTokens(string(c.Tokens))
	if err != nil {
		m.Add("API_TOKENS", "%v", err)
	}
	if err := m.Err(); err != nil {
		return err
	}
	keys, err := wechatpay.NewKeys(keyMaterial(c.WeChatPay))
	if err != nil {
		return err
	}
	till, err := wechatClient(c.WeChatPay, c.Public, keys, m)
	if err != nil {
		return err
	}

	store, err := postgres.Open(ctx, string(c.Database.URL), settings)
	if err != nil {
		return err
	}
	defer store.Close()
	temporal, err := client.NewLazyClient(opts) // callbacks are kept while Temporal is away
	if err != nil {
		return err
	}
	defer temporal.Close()

	metrics := newMetrics(store)
	sagas := &api.Temporal{Client: temporal}
	relay := api.NewRelay(api.Relay{
		Backlog: store, Engine: sagas, Refunds: till, Every: settings.SweepEvery, AtOnce: startsAtOnce, Log: slog.Default(),
	})
	server := &api.Server{
		Desk: store, Till: till, Sagas: sagas, Closings: sagas, Runs: sagas, Tokens: tokens, Rules: rules, Log: slog.Default(),
		People: people(c.SignOn, public, store), Codec: forUI,
		Callbacks: withOlderWays(c.Callbacks, &api.Callbacks{
			Keys: keys, Inbox: store, LastResort: sagas, Wake: relay.Wake, Public: public, MaxBytes: maxBytes,
			Count: api.NewCounters(metrics), Log: slog.Default(), Refusals: rate.Sometimes{Interval: time.Second}, Now: time.Now,
		}),
	}
	server.Console = console.Console{ // it asks the routes as they are without it
		API: server.Routes(), Sessions: server, TemporalUI: c.TemporalUI.Address(), Namespace: opts.Namespace,
		Plain: server.People.Plain, Log: slog.Default(),
	}.Routes()
	group, ctx := errgroup.WithContext(ctx)
	if err := serve(ctx, group, c.Desk.Addr, server.Routes()); err != nil {
		return err
	}
	if err := serve(ctx, group, c.Desk.AdminAddr, admin.Handler(metrics, store.Ready)); err != nil {
		return err
	}
	group.Go(func() error { return relay.Run(ctx) })
	group.Go(func() error { followKeys(ctx, keys, c.WeChatPay); return nil })
	slog.Info("the desk is open", "addr", c.Desk.Addr, "admin", c.Desk.AdminAddr)
	return group.Wait()
}

type workerCmd struct {
	config.Engine
	config.Public
	config.Database
	config.Histories
	config.Sweeping
	config.Unpaid
	config.Cases
	config.WeChatPay
	config.MiniProgram
	config.Shop
	config.Saga
	config.Bills
}

// Run works the sagas until ctx ends.
func (c *workerCmd) Run(ctx context.Context, m *config.Mistakes) error {
	c.Engine.Check(m)
	c.Database.Check(m)
	c.WeChatPay.Check(m)
	c.Shop.Check(m)
	settings := postgres.Settings{
		MchID: c.MchID, AppIDs: c.AppIDList(), Terms: c.Saga.Parse(m),
		CaseOwners: c.Cases.Parse(m), CaseDueAfter: c.Cases.Due(m), SweepEvery: c.Sweeping.Parse(m),
		QueryAt: c.Unpaid.Parse(m), AskAboveFen: c.Saga.AskAboveFen(m), Mini: miniTells(c.MiniProgram, c.AppIDList(), m),
	}
	c.Public.Parse(m)
	fundFlow := c.FundFlowBill(m)
	opts, _ := temporalOptions(c.Histories, m)
	if err := m.Err(); err != nil {
		return err
	}
	keys, err := wechatpay.NewKeys(keyMaterial(c.WeChatPay))
	if err != nil {
		return err
	}
	gateway, err := wechatClient(c.WeChatPay, c.Public, keys, m)
	if err != nil {
		return err
	}
	fulfilment, err := shop.New(shop.Config{
		FulfilmentURL: c.FulfilmentURL, FulfilmentSecret: string(c.FulfilmentSecret),
		WebhookURL: c.WebhookURL, WebhookSecret: string(c.WebhookSecret),
	})
	if err != nil {
		return err
	}
	mini, err := miniProgram(c.MiniProgram, settings.Mini.AppID, m)
	if err != nil {
		return err
	}

	store, err := postgres.Open(ctx, string(c.Database.URL), settings)
	if err != nil {
		return err
	}
	defer store.Close()
	temporal, err := client.DialContext(ctx, opts)
	if err != nil {
		return err
	}
	defer temporal.Close()

	acts := worker.Acts{
		Books:    &activities.Books{Ledger: store},
		Shop:     &activities.Shop{Ledger: store, Shop: fulfilment, Mini: mini, AttemptTimeout: settings.Terms.ShipAttemptTimeout},
		WeChat:   &activities.WeChat{Ledger: store, Gateway: gateway},
		Evidence: &activities.Evidence{Ledger: store, Gateway: gateway, Shop: fulfilment},
		Orders:   &activities.Orders{Ledger: store, Gateway: gateway},
		Upkeep:   &activities.Upkeep{Ledger: store},
		Bills:    &activities.Bills{Ledger: store, Gateway: gateway, FundFlow: fundFlow},
	}
	metrics := newMetrics(store)
	unpaid := worker.DueOrders{
		Ledger: store, WeChat: gateway, Closings: &api.Temporal{Client: temporal}, Count: worker.NewDueCounter(metrics),
	}
	group, ctx := errgroup.WithContext(ctx)
	if err := serve(ctx, group, c.AdminAddr, admin.Handler(metrics, store.Ready)); err != nil {
		return err
	}
	outbox := worker.Outbox{Ledger: store, Shop: fulfilment, Every: settings.SweepEvery, Log: slog.Default()}
	group.Go(func() error { return worker.Run(ctx, temporal, acts, worker.NewAlarmCounter(metrics)) })
	rounds := append(outbox.Rounds(), auditHead(store), unpaid.Round())
	group.Go(func() error { worker.MakeRounds(ctx, slog.Default(), rounds...); return nil })
	group.Go(func() error { followKeys(ctx, keys, c.WeChatPay); return nil })
	slog.Info("the engine room works", "admin", c.AdminAddr)
	return group.Wait()
}

type migrateCmd struct {
	config.Database
	config.Histories
}

// Run prepares the database and Temporal, in this order.
func (c *migrateCmd) Run(ctx context.Context, m *config.Mistakes) error {
	c.Database.Check(m)
	opts, _ := temporalOptions(c.Histories, m)
	if err := m.Err(); err != nil {
		return err
	}
	if err := postgres.Migrate(ctx, string(c.Database.URL)); err != nil {
		return err
	}
	store, err := postgres.Open(ctx, string(c.Database.URL), postgres.Settings{})
	if err != nil {
		return err
	}
	defer store.Close()
	if err := store.ExpectRuns(ctx, worker.Intervals()); err != nil {
		return err
	}
	temporal, err := client.DialContext(ctx, opts)
	if err != nil {
		return err
	}
	defer temporal.Close()
	if err := worker.Prepare(ctx, temporal, opts.Namespace); err != nil {
		return err
	}
	slog.Info("ready", "namespace", opts.Namespace)
	return nil
}
