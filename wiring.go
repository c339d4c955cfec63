package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"go.temporal.io/sdk/log"
	"golang.org/x/sync/errgroup"

	"github.com/paysaga/paysaga/internal/config"
	"github.com/paysaga/paysaga/internal/wechatpay"
)

// defaultNamespace is where the sagas live unless TEMPORAL_NAMESPACE says otherwise.
const defaultNamespace = "payments"

// temporalOptions reads Temporal's own variables (TEMPORAL_ADDRESS and the rest).
func temporalOptions() (client.Options, error) {
	opts, err := envconfig.LoadDefaultClientOptions()
	if err != nil {
		return opts, fmt.Errorf("TEMPORAL_…: %w", err)
	}
	if opts.Namespace == "" || opts.Namespace == client.DefaultNamespace {
		opts.Namespace = defaultNamespace
	}
	opts.Logger = log.NewStructuredLogger(slog.Default())
	return opts, nil
}

// wechatKeys reads what verifies and opens WeChat's messages.
func wechatKeys(c config.WeChatPay) (*wechatpay.Keys, error) {
	return wechatpay.NewKeys(wechatpay.KeyMaterial{
		PublicKeyID: c.PublicKeyID, PublicKey: c.PublicKey, PlatformCerts: c.PlatformCerts,
		APIv3Key: string(c.APIv3Key), APIv3KeyBefore: string(c.APIv3KeyBefore),
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
		BaseURL: c.Base(), PublicURL: public.Parse(m),
	})
}

// newMetrics is a registry with the process's own figures in it.
func newMetrics() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
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
