package main

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/paysaga/paysaga/dev/stack"
)

// bench runs benchmarks on a fresh stack, one package after the other so that none spoils another's
// figures. What it is given goes to go test; without a package it is every one of ours that has a benchmark.
func bench(ctx context.Context, place stack.Place, args []string) error {
	command := []string{"go", "test", "-run=^$", "-bench=.", "-p=1", "-timeout=30m"}
	command = append(command, args...)
	if !namesPackage(args) {
		packages, err := benchmarked(place.Root)
		if err != nil {
			return err
		}
		command = append(command, packages...)
	}
	return onFreshStack(ctx, place, command, nil)
}

// benchmarked are the packages under root with a benchmark in them, as go test wants them named there.
func benchmarked(root string) (packages []string, err error) {
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && path != root:
			return fs.SkipDir
		case entry.IsDir() || !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		source, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(source, []byte("\nfunc Benchmark")) {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(path))
		packages = append(packages, "./"+filepath.ToSlash(dir))
		return err
	})
	return slices.Compact(packages), err // the walk is in order
}
