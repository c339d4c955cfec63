package main

import (
	"fmt"
	"slices"

	"go.temporal.io/server/common/log"
	"go.temporal.io/server/tools/common/schema"
	"go.temporal.io/server/tools/sql"
	"golang.org/x/sync/errgroup"
)

// createStores makes both databases if they are missing and brings their schema to this server's version. Running it
// again on live data changes nothing.
func createStores(set settings, logger log.Logger) error {
	var group errgroup.Group
	group.Go(func() error { return createStore(set, set.store, "postgresql/v12/temporal", logger) })
	group.Go(func() error { return createStore(set, visibility(set), "postgresql/v12/visibility", logger) })
	return group.Wait()
}

func createStore(set settings, database, schemaName string, logger log.Logger) error {
	if err := sql.DoCreateDatabase(store(set, database, 1), "postgres", logger); err != nil {
		return fmt.Errorf("create database %s: %w", database, err)
	}
	conn, err := sql.NewConnection(store(set, database, 1), logger)
	if err != nil {
		return fmt.Errorf("connect to %s: %w", database, err)
	}
	defer conn.Close()

	tables, err := conn.ListTables()
	if err != nil {
		return fmt.Errorf("tables of %s: %w", database, err)
	}
	// Setting up writes version 0.0, and every later update would then start from nothing: only on a virgin database.
	if !slices.Contains(tables, "schema_version") {
		setup := schema.NewSetupSchemaTask(conn, &schema.SetupConfig{InitialVersion: "0.0"}, logger)
		if err := setup.Run(); err != nil {
			return fmt.Errorf("set up schema of %s: %w", database, err)
		}
	}
	update := schema.NewUpdateSchemaTask(conn, &schema.UpdateConfig{DBName: database, SchemaName: schemaName}, logger)
	if err := update.Run(); err != nil {
		return fmt.Errorf("update schema of %s: %w", database, err)
	}
	return nil
}
