package main

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"go.temporal.io/sdk/log"
	"golang.org/x/sync/errgroup"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/api"
	"github.com/paysaga/paysaga/internal/admin"
	"github.com/paysaga/paysaga/internal/config"
	"github.com/paysaga/paysaga/internal/postgres"
	"github.com/paysaga/paysaga/internal/sealed"
	"github.com/paysaga/paysaga/internal/sso"
	"github.com/paysaga/paysaga/internal/wechatmini"
	"github.com/paysaga/paysaga/internal/wechatpay"
)

// defaultNamespace is where the sagas live unless TEMPORAL_NAMESPACE says otherwise.
const defaultNamespace = "payments"

// temporalOptions reads Temporal's own variables (TEMPORAL_ADDRESS and the rest),
// and seals what Temporal is given, with the codec.
func temporalOptions(c config.Histories, m *config.Mistakes) (client.Options, *sealed.Codec) {
	opts, err := envconfig.LoadDefaultClientOptions()
	if err != nil {
		m.Add("TEMPORAL_…", "%v", err)
	}
	if opts.Namespace == "" || opts.Namespace == client.DefaultNamespace {
		opts.Namespace = defaultNamespace
	}
	opts.Logger = log.NewStructuredLogger(slog.Default())
	codec := sealed.NewCodec(c.Keys(m), opts.Namespace)
	opts.DataConverter, opts.FailureConverter = codec.DataConverter(), codec.FailureConverter()
	return opts, codec
}

// people sign in with tokens, and at the merchant's identity provider if there is one.
func people(c config.SignOn, public *url.URL, sessions api.Sessions) api.People {
	let := api.People{Sessions: sessions, Plain: public.Scheme == "http" && config.Loopback(public)}
	if c.On() {
		let.SSO = sso.New(sso.Config{
			Issuer: c.Issuer, ClientID: c.ClientID, ClientSecret: string(c.ClientSecret), RoleClaim: c.RoleClaim,
			CallbackURL: public.String() + api.CallbackOfSSO,
		})
	}
	return let
}

// keyMaterial is what verifies and opens WeChat's messages.
func keyMaterial(c config.WeChatPay) wechatpay.KeyMaterial {
	return wechatpay.KeyMaterial{
		PublicKeyID: c.PublicKeyID, PublicKey: c.PublicKey, PlatformCerts: c.PlatformCerts,
		APIv3Key: string(c.APIv3Key), APIv3KeyBefore: string(c.APIv3KeyBefore),
	}
}

// keysLookedAt is how often the files that hold keys are read again.
const keysLookedAt = 2 * time.Second

// followKeys keeps keys as their files are, looking by itself and on SIGHUP,
// until ctx ends.
func followKeys(ctx context.Context, keys *wechatpay.Keys, c config.WeChatPay) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	keys.Follow(ctx, wechatpay.Following{
		Read: func() (wechatpay.KeyMaterial, error) {
			now, err := c.KeysNow()
			return keyMaterial(now), err
		},
		Every: keysLookedAt, Hangup: hangup, Log: slog.Default(),
	})
}

// wechatClient signs with the merchant's key and believes what keys verify.
func wechatClient(c config.WeChatPay, public config.Public, keys *wechatpay.Keys, m *config.Mistakes) (*wechatpay.Client, error) {
	key, err := wechatpay.ParsePrivateKey(string(c.PrivateKey))
	if err != nil {
		return nil, err
	}
	return wechatpay.New(wechatpay.Config{
		MchID: c.MchID, MchSerial: c.MchSerial, PrivateKey: key, Verifier: keys,
		BaseURL: c.Base(), BackupURL: c.Backup(), PublicURL: public.Parse(m),
	})
}

// withOlderWays lets WeChat call where the merchant has what it takes to verify
// it: by APIv2, and by the message server.
func withOlderWays(c config.Callbacks, callbacks *api.Callbacks) *api.Callbacks {
	if c.APIv2Key != "" {
		callbacks.V2 = wechatpay.NewV2(string(c.APIv2Key), c.V2SignType)
	}
	if c.MessageToken != "" {
		callbacks.Messages = wechatpay.NewMessages(string(c.MessageToken))
	}
	return callbacks
}

// miniTells says of which mini-program's orders who is told; nobody without a secret.
func miniTells(c config.MiniProgram, appIDs []string, m *config.Mistakes) postgres.Mini {
	c.Check(m, appIDs)
	if !c.On() || len(appIDs) == 0 {
		return postgres.Mini{}
	}
	tells := postgres.Mini{AppID: cmp.Or(c.AppID, appIDs[0])}
	if template, _ := c.SubscribeTemplate(m); template != "" {
		tells.Tells = append(tells.Tells, activities.ToPayer)
	}
	if c.Upload == "on" {
		tells.Tells = append(tells.Tells, activities.ToWeChat)
	}
	return tells
}

// miniProgram is nil where none is configured.
func miniProgram(c config.MiniProgram, appID string, m *config.Mistakes) (activities.MiniProgram, error) {
	if !c.On() {
		return nil, nil
	}
	template, fields := c.SubscribeTemplate(m)
	return wechatmini.New(wechatmini.Config{
		AppID: appID, Secret: string(c.Secret), BaseURL: c.Base(), Consignor: c.Consignor,
		Template: wechatmini.Template{ID: template, Fields: fields},
	})
}

// newMetrics is a registry with the process's own figures in it, and the books'.
func newMetrics(books *postgres.Store) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(admin.NewBooks(postgres.Watched(), books.Figures), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return registry
}

// What a public listener allows a stranger: headers within five seconds and
// 64 KiB, a request within fifteen.
const (
	headerTimeout = 5 * time.Second
	readTimeout   = 15 * time.Second
	writeTimeout  = 30 * time.Second
	idleTimeout   = 2 * time.Minute
	headerBytes   = 64 << 10
	drainTimeout  = 8 * time.Second
)

// serve answers on addr until ctx ends, then lets calls in flight finish.
func serve(ctx context.Context, group *errgroup.Group, addr string, handler http.Handler) error {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout,
		WriteTimeout: writeTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: headerBytes,
		ErrorLog: slog.NewLogLogger(slog.Default().Handler(), slog.LevelDebug),
	}
	group.Go(func() error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
		defer cancel()
		return server.Shutdown(ctx)
	})
	return nil
}
