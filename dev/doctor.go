package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/paysaga/paysaga/dev/stack"
	"github.com/paysaga/paysaga/internal/fleet"
)

// doctor tells what a start would find on this machine and what it would do about what is missing. It starts and
// fetches nothing. The error says that something needed cannot be had.
func doctor(ctx context.Context, place stack.Place, _ []string) error {
	fmt.Printf("checkout    %s\n", place.Root)
	fmt.Printf("data        %s, %s free\n", place.Data, freeSpace(place.Data))
	fmt.Printf("cache       %s, %s free\n", place.Cache, freeSpace(place.Cache))
	if version, err := exec.CommandContext(ctx, "go", "version").Output(); err == nil {
		fmt.Printf("go          %s\n", strings.TrimSpace(string(version)))
	} else {
		fmt.Println("go          none on the PATH; see https://go.dev/dl")
		return errors.New("no go command")
	}
	for _, port := range []struct {
		number int
		what   string
	}{{8080, "api"}, {7233, "Temporal"}, {8233, "Temporal's UI"}, {9090, "simulator"}, {9091, "simulator's control"}} {
		if got, err := fleet.FreePort(port.number); err == nil && got == port.number {
			fmt.Printf("port %-6d free, for %s\n", port.number, port.what)
		} else {
			fmt.Printf("port %-6d taken: %s will be on another one\n", port.number, port.what)
		}
	}
	temporal, err := place.TemporalReport()
	fmt.Printf("Temporal    %s\n", temporal)
	postgres, missing := place.PostgresReport(ctx)
	fmt.Printf("Postgres    %s\n", postgres)
	fmt.Printf("Chromium    %s\n", place.BrowserReport(ctx)) // a demo needs none
	return errors.Join(err, missing)
}

func freeSpace(dir string) string {
	var disk syscall.Statfs_t
	if err := syscall.Statfs(dir, &disk); err != nil {
		return "unknown"
	}
	return fmt.Sprintf("%.1f GB", float64(disk.Bavail)*float64(disk.Bsize)/1e9)
}

// reset removes the checkout's data, and with --cache the programs that were built and fetched, for all checkouts.
func reset(_ context.Context, place stack.Place, args []string) error {
	if err := place.RemoveData(); err != nil {
		return err
	}
	say("removed %s", place.Data)
	if len(args) == 0 {
		return nil
	}
	if args[0] != "--cache" {
		return fmt.Errorf("reset: unknown argument %q; the only one is --cache", args[0])
	}
	built, err := filepath.Glob(filepath.Join(place.Cache, "temporald*"))
	if err != nil {
		return err
	}
	for _, path := range append(built, place.Postgres, place.Browser()) {
		if err := os.RemoveAll(path); err != nil {
			return err
		}
		say("removed %s", path)
	}
	return nil
}
