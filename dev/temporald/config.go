package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/server/common/cluster"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/dynamicconfig"
	"go.temporal.io/server/common/membership/static"
	"go.temporal.io/server/common/persistence/sql/sqlplugin/postgresql"
	"go.temporal.io/server/common/primitives"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

const loopback = "127.0.0.1"

// dynamic are the server's knobs where development differs from its defaults.
var dynamic = fixed(map[string]any{
	// Tests make namespaces and search attributes and use them at once.
	"system.forceSearchAttributesCacheRefreshOnRead": true,
	"system.namespaceCacheRefreshInterval":           200 * time.Millisecond,
	// As a production server on SQL should be set, so that an id too long is found here.
	"limit.maxIDLength": 255,
	// One machine has no neighbours to share queues with; one partition hands a task over at once.
	"matching.numTaskqueueReadPartitions":  1,
	"matching.numTaskqueueWritePartitions": 1,
	// Quotas guard shared servers. Here they would only make parallel tests flaky.
	"frontend.rps":                     100_000,
	"frontend.namespaceRPS":            100_000,
	"frontend.namespaceRPS.visibility": 1_000,
	"frontend.namespaceRPS.namespaceReplicationInducingAPIs":       1_000,
	"frontend.globalNamespaceRPS.namespaceReplicationInducingAPIs": 1_000,
	"frontend.rps.namespaceReplicationInducingAPIs":                1_000,
	"history.rps":                100_000,
	"matching.rps":               100_000,
	"history.persistenceMaxQPS":  100_000,
	"matching.persistenceMaxQPS": 100_000,
	"frontend.persistenceMaxQPS": 100_000,
	// Asks nobody on the internet.
	"frontend.enableServerVersionCheck": false,
})

func fixed(knobs map[string]any) dynamicconfig.StaticClient {
	client := dynamicconfig.StaticClient{}
	for name, value := range knobs {
		client[dynamicconfig.MakeKey(name)] = value
	}
	return client
}

// serverConfig describes one cluster of one host: every service on a loopback port, no metrics listener, no archive.
func serverConfig(set settings) (*config.Config, error) {
	services := map[string]config.Service{}
	for _, name := range []primitives.ServiceName{primitives.FrontendService, primitives.HistoryService, primitives.MatchingService, primitives.WorkerService} {
		port := set.port
		if name != primitives.FrontendService {
			var err error
			if port, err = freePort(); err != nil {
				return nil, err
			}
		}
		services[string(name)] = config.Service{RPC: config.RPC{GRPCPort: port, BindOnLocalHost: true}}
	}
	return &config.Config{
		Persistence: config.Persistence{
			DefaultStore:     "default",
			VisibilityStore:  "visibility",
			NumHistoryShards: 4, // fixed for the life of a store
			DataStores: map[string]config.DataStore{
				"default":    {SQL: store(set, set.store, 20)},
				"visibility": {SQL: store(set, visibility(set), 10)},
			},
		},
		ClusterMetadata: &cluster.Config{
			FailoverVersionIncrement: 10,
			MasterClusterName:        "active",
			CurrentClusterName:       "active",
			ClusterInformation: map[string]cluster.ClusterInformation{
				"active": {Enabled: true, InitialFailoverVersion: 1, RPCAddress: address(set.port)},
			},
		},
		DCRedirectionPolicy: config.DCRedirectionPolicy{Policy: "noop"},
		Services:            services,
		Archival: config.Archival{
			History:    config.HistoryArchival{State: "disabled"},
			Visibility: config.VisibilityArchival{State: "disabled"},
		},
		NamespaceDefaults: config.NamespaceDefaults{Archival: config.ArchivalNamespaceDefaults{
			History:    config.HistoryArchivalNamespaceDefaults{State: "disabled"},
			Visibility: config.VisibilityArchivalNamespaceDefaults{State: "disabled"},
		}},
		PublicClient: config.PublicClient{HostPort: address(set.port)},
	}, nil
}

// store is one database on the server of --database-url.
func store(set settings, database string, connections int) *config.SQL {
	password, _ := set.databaseURL.User.Password()
	return &config.SQL{
		PluginName:      postgresql.PluginNamePGX,
		ConnectProtocol: "tcp",
		ConnectAddr:     set.databaseURL.Host,
		User:            set.databaseURL.User.Username(),
		Password:        password,
		DatabaseName:    database,
		MaxConns:        connections,
		MaxIdleConns:    connections,
		MaxConnLifetime: time.Hour,
	}
}

func visibility(set settings) string { return set.store + "_visibility" }

// hosts tells each service where the others are, in place of a gossip ring: a ring of one only costs time.
func hosts(cfg *config.Config) map[primitives.ServiceName]static.Hosts {
	found := map[primitives.ServiceName]static.Hosts{}
	for name, service := range cfg.Services {
		self := address(service.RPC.GRPCPort)
		found[primitives.ServiceName(name)] = static.Hosts{All: []string{self}, Self: self}
	}
	return found
}

// awaitServing returns when the frontend answers a read that goes through to the store.
func awaitServing(ctx context.Context, set settings) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	conn, err := grpc.NewClient(address(set.port), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return fmt.Errorf("client: %w", err)
	}
	defer conn.Close()
	frontend := workflowservice.NewWorkflowServiceClient(conn)
	for {
		_, err := frontend.DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: primitives.SystemLocalNamespace}, grpc.WaitForReady(true))
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not serving: %w", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func address(port int) string { return net.JoinHostPort(loopback, strconv.Itoa(port)) }

// freePort stays below the ports that outgoing connections take, of which this server opens dozens before it listens.
func freePort() (int, error) {
	for range 1000 {
		port := 20000 + rand.IntN(12000)
		listener, err := net.Listen("tcp", address(port))
		if err == nil {
			return port, listener.Close()
		}
	}
	return 0, errors.New("no free port between 20000 and 32000")
}
