package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"go/format"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/paysaga/paysaga/dev/stack"
)

// inspection is one thing that is checked; its report is what is wrong, and empty if nothing is.
type inspection struct {
	name string
	run  func(ctx context.Context, root string) (report string, err error)
}

var inspections = []inspection{
	{"gofmt", formatted},
	{"go vet", tool(".", "vet", "./...")},
	{"staticcheck", tool(".", "tool", "-modfile=dev/tools/go.mod", "staticcheck", "./...")},
	{"workflowcheck", tool(".", "tool", "-modfile=dev/tools/go.mod", "workflowcheck", "-test=false", "-config=dev/tools/workflowcheck.yaml", "./workflows")},
	{"import table", passes("TestRoomsImportWhatTheTableAllows", ".")},
	{"alert rules", alertRules},
	{"go.mod", tool(".", "mod", "tidy", "-diff")},
	{"go.mod of temporald", tool("dev/temporald", "mod", "tidy", "-diff")},
	{"go.mod of tools", tool("dev/tools", "mod", "tidy", "-diff")},
}

// check runs every inspection, also after one has failed.
func check(ctx context.Context, place stack.Place, _ []string) error {
	failed := 0
	for _, inspection := range inspections {
		say("checking: %s", inspection.name)
		began := time.Now()
		report, err := inspection.run(ctx, place.Root)
		took := time.Since(began).Round(100 * time.Millisecond)
		if why, skipped := errors.AsType[skip](err); skipped {
			fmt.Printf("skipped: %s, %s\n", inspection.name, why)
			if os.Getenv("CI") != "" { // there, everything a check may want can be had
				failed++
			}
			continue
		}
		if err == nil && report == "" {
			fmt.Printf("ok    %-20s %s\n", inspection.name, took)
			continue
		}
		failed++
		fmt.Printf("FAIL  %-20s %s\n", inspection.name, took)
		if report != "" {
			fmt.Println(report)
		}
		if err != nil {
			fmt.Println(err)
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d inspections failed", failed, len(inspections))
	}
	return nil
}

// skip is why something could not be looked at on this machine.
type skip string

func (s skip) Error() string { return string(s) }

// alertRules has Prometheus's own checker read the alerts and play their tests.
func alertRules(ctx context.Context, root string) (string, error) {
	place, err := stack.FindPlace()
	if err != nil {
		return "", err
	}
	promtool, err := place.Promtool(ctx, say)
	if err != nil {
		return "", skip("promtool: " + err.Error())
	}
	for _, args := range [][]string{{"check", "rules", "alerts.yml"}, {"test", "rules", "alerts_test.yml"}} {
		cmd := exec.CommandContext(ctx, promtool, args...)
		cmd.Dir = filepath.Join(root, "deploy")
		if out, err := cmd.CombinedOutput(); err != nil {
			return string(out), err
		}
	}
	return "", nil
}

// tool runs the go command in a directory of the checkout. It says something only if something is wrong.
func tool(dir string, args ...string) func(context.Context, string) (string, error) {
	return func(ctx context.Context, root string) (string, error) {
		cmd := exec.CommandContext(ctx, "go", args...)
		cmd.Dir = filepath.Join(root, dir)
		cmd.Env = append(os.Environ(), "GOWORK=off")
		out, err := cmd.CombinedOutput()
		// A first run on a machine tells what it downloads, and that is not a finding.
		var lines []string
		for line := range strings.Lines(string(out)) {
			if !strings.HasPrefix(line, "go: downloading ") {
				lines = append(lines, line)
			}
		}
		return strings.TrimSpace(strings.Join(lines, "")), err
	}
}

// passes runs one test of the root package, which needs nothing but the go command; it must be there to pass.
func passes(test, pkg string) func(context.Context, string) (string, error) {
	return func(ctx context.Context, root string) (string, error) {
		report, err := tool(".", "test", "-count=1", "-v", "-run=^"+test+"$", pkg)(ctx, root)
		if err == nil && strings.Contains(report, "--- PASS: "+test) {
			return "", nil
		}
		return report, err
	}
}

// formatted lists the Go files that gofmt would change.
func formatted(_ context.Context, root string) (string, error) {
	var unformatted []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && path != root:
			return fs.SkipDir
		case filepath.Ext(path) != ".go" || entry.IsDir():
			return nil
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		pretty, err := format.Source(source)
		if err != nil || !bytes.Equal(source, pretty) {
			unformatted = append(unformatted, path)
		}
		return nil
	})
	return strings.Join(unformatted, "\n"), err
}
