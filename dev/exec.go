package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/paysaga/paysaga/dev/stack"
)

// exitCode is the exit code of a command we ran, to be ours.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit code %d", int(c)) }

// execute runs a command on a fresh stack.
func execute(ctx context.Context, place stack.Place, args []string) error {
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		return errors.New("exec: no command; go run ./dev exec -- command")
	}
	return onFreshStack(ctx, place, args, nil)
}

// test runs go test on a fresh stack. What it is given goes to go test; without a package that is all of ours.
func test(ctx context.Context, place stack.Place, args []string) error {
	command := append([]string{"go", "test"}, args...)
	if !has(args, "-timeout") {
		command = append([]string{"go", "test", "-timeout=20m"}, args...)
	}
	if !namesPackage(args) {
		command = append(command, "./...")
	}
	var env []string
	if wantsBrowser(command) {
		browser, err := place.FindBrowser(ctx, say)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			fmt.Printf("skipped: chromium, %s\n", strings.ReplaceAll(err.Error(), "\n", "; "))
		} else {
			say("Chromium: %s, %s", browser.Version, browser.Source)
			env = append(env, "PAYSAGA_CHROMIUM="+browser.Path)
		}
	}
	return onFreshStack(ctx, place, command, env)
}

// wantsBrowser says whether the packages to be tested may hold those whose tests drive a browser.
func wantsBrowser(args []string) bool {
	return slices.ContainsFunc(args, func(arg string) bool {
		return strings.HasSuffix(arg, "...") || strings.HasSuffix(strings.TrimSuffix(arg, "/"), "/e2e")
	})
}

func has(args []string, flag string) bool {
	for _, arg := range args {
		if name, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "="); strings.HasPrefix(arg, "-") && "-"+name == flag {
			return true
		}
	}
	return false
}

// namesPackage takes an argument with a slash or a dot in front for a package, unless it is a flag; go test itself
// allows flags before and after.
func namesPackage(args []string) bool {
	for _, arg := range args {
		if strings.HasPrefix(arg, ".") || strings.HasPrefix(arg, "github.com/") {
			return true
		}
	}
	return false
}

// onFreshStack runs a command that learns from its environment where the stack is, and env.
func onFreshStack(ctx context.Context, place stack.Place, command, env []string) (err error) {
	say("starting a fresh Postgres and Temporal")
	fresh, err := stack.Fresh(ctx, place, say)
	if err != nil {
		return err
	}
	defer func() {
		if closing := fresh.Close(); closing != nil {
			say("closing: %v", closing)
		}
	}()
	return runCommand(ctx, command, slices.Concat(os.Environ(), fresh.Env(), env))
}

// runCommand runs a command with our terminal and returns its exit code as an error. With a terminal it shares our
// process group, so that Ctrl-C reaches it and it may read; without one it gets a group, which is ended as a whole.
func runCommand(ctx context.Context, command, env []string) error {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = env, os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = childAttributes()
	alone := !isTerminal(os.Stdin)
	cmd.SysProcAttr.Setpgid = alone
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", command[0], err)
	}
	target := cmd.Process.Pid
	if alone {
		target = -target
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case err := <-done:
		if alone {
			_ = syscall.Kill(target, syscall.SIGKILL) // what it forgot
		}
		return asExitCode(err)
	case <-ctx.Done():
	}
	_ = syscall.Kill(target, syscall.SIGTERM)
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		_ = syscall.Kill(target, syscall.SIGKILL)
		<-done
	}
	return exitCode(130)
}

func asExitCode(err error) error {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return exitCode(128 + int(status.Signal()))
	}
	return exitCode(exit.ExitCode())
}

func isTerminal(file *os.File) bool {
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && file.Name() != os.DevNull && !isNull(info)
}

// isNull tells /dev/null, which is a character device too, from a terminal.
func isNull(info os.FileInfo) bool {
	null, err := os.Stat(os.DevNull)
	return err == nil && os.SameFile(info, null)
}
