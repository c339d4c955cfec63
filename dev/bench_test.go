package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestPackagesWithBenchmarks(t *testing.T) {
	root := t.TempDir()
	for path, source := range map[string]string{
		"fast/fast_test.go":      "package fast\n\nfunc BenchmarkOne(b *testing.B) {}\n",
		"fast/faster_test.go":    "package fast\n\nfunc BenchmarkTwo(b *testing.B) {}\n",
		"fast/inner/a_test.go":   "package inner\n\nfunc BenchmarkThree(b *testing.B) {}\n",
		"slow/slow_test.go":      "package slow\n\n// no func Benchmark here\nfunc TestOne(t *testing.T) {}\n",
		"code/code.go":           "package code\n\nfunc Benchmark() {}\n",
		".cache/older/o_test.go": "package older\n\nfunc BenchmarkOld(b *testing.B) {}\n",
	} {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(source), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	found, err := benchmarked(root)
	if err != nil || !slices.Equal(found, []string{"./fast", "./fast/inner"}) {
		t.Errorf("found %q, %v", found, err)
	}
}
