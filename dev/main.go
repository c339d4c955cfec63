// Command dev is the development stack without Docker: Postgres, Temporal and its UI, and paysaga itself.
//
//	go run ./dev demo              play five payments with their troubles, and show where to look
//	go run ./dev up                the same stack without the story, until Ctrl-C
//	go run ./dev test [arguments]  go test (./... if no package is named) on a fresh stack
//	go run ./dev bench [arguments] go test -bench (all benchmarks if no package is named) on a fresh stack
//	go run ./dev exec -- command   any command on a fresh, empty stack
//	go run ./dev check             formatting, vet, staticcheck, workflowcheck, import table, go.mod files
//	go run ./dev tally             counts of a `go test -json` on standard input
//	go run ./dev doctor            what was found on this machine, and why
//	go run ./dev reset [--cache]   remove this checkout's data, and the built and fetched programs too
//
// DEV_DATABASE_URL and DEV_TEMPORAL_ADDRESS, if set and on loopback, are used in place of starting one; CHROMIUM, if set,
// is the browser that tests drive.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/paysaga/paysaga/dev/stack"
)

var commands = map[string]func(context.Context, stack.Place, []string) error{
	"demo":   demo,
	"up":     up,
	"test":   test,
	"bench":  bench,
	"exec":   execute,
	"check":  check,
	"tally":  tally,
	"doctor": doctor,
	"reset":  reset,
}

const usage = "usage: go run ./dev demo | up | test [arguments] | bench [arguments] | exec -- command | check | doctor | reset [--cache]"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go watchParent(cancel)

	err := run(ctx, os.Args[1:])
	var code exitCode
	switch {
	case errors.As(err, &code):
		os.Exit(int(code))
	case err != nil:
		fmt.Fprintln(os.Stderr, "dev:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New(usage)
	}
	command, ok := commands[args[0]]
	if !ok {
		return fmt.Errorf("no command %q\n%s", args[0], usage)
	}
	place, err := stack.FindPlace()
	if err != nil {
		return err
	}
	return command(ctx, place, args[1:])
}

// say tells progress on standard error, so that the output of a command stays its own.
func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "dev: "+format+"\n", args...)
}
