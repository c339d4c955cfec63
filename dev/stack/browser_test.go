package stack

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// program writes a shell script that stands for a browser.
func program(t *testing.T, path, script string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestABrowserIsChosenOnlyIfItStarts(t *testing.T) {
	const good = `echo "Google Chrome 150.0.7871.100 built on somewhere"`
	for name, row := range map[string]struct {
		script string
		want   string
	}{
		"one that tells its version":             {good, "Google Chrome 150.0.7871.100"},
		"one that lacks a library":               {`echo "error while loading shared libraries" >&2; exit 127`, ""},
		"a hint to install something":            {`echo "please run: snap install chromium"`, ""},
		"one that has warnings about the system": {`echo "[: unexpected operator" >&2; ` + good, "Google Chrome 150.0.7871.100"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			t.Setenv("CHROMIUM", "")
			t.Setenv("PATH", dir)
			path := program(t, filepath.Join(dir, "chromium"), row.script)
			found, err := Place{Cache: t.TempDir()}.presentBrowser(t.Context())
			if (err == nil) != (row.want != "") || found.Version != row.want {
				t.Errorf("found %+v, %v", found, err)
			}
			if err == nil && found.Path != path {
				t.Errorf("it is at %s", found.Path)
			}
		})
	}
}

func TestCHROMIUMIsTakenAtItsWord(t *testing.T) {
	t.Setenv("CHROMIUM", filepath.Join(t.TempDir(), "none"))
	_, err := Place{Cache: t.TempDir()}.FindBrowser(t.Context(), t.Logf)
	if err == nil || !strings.Contains(err.Error(), os.Getenv("CHROMIUM")) {
		t.Errorf("error = %v", err)
	}
}

// What was unpacked finds its libraries and fonts, wherever the cache lies.
func TestAnUnpackedBrowserIsToldWhereItIs(t *testing.T) {
	t.Setenv("CHROMIUM", "")
	t.Setenv("PATH", "")
	cache := filepath.Join(t.TempDir(), "a cache")
	place := Place{Cache: cache}
	root := filepath.Join(cache, "chromium")
	if err := os.MkdirAll(filepath.Join(root, "usr/lib/x86_64-linux-gnu"), 0o755); err != nil {
		t.Fatal(err)
	}
	program(t, filepath.Join(root, "usr/lib/chromium/chromium"),
		`[ -f "$FONTCONFIG_FILE" ] && [ -d "$LD_LIBRARY_PATH" ] && [ "$1" = --version ] && echo Chromium 1.2.3`)
	found, err := place.FindBrowser(t.Context(), t.Logf)
	if err != nil || found.Version != "Chromium 1.2.3" {
		t.Errorf("found %+v, %v", found, err)
	}
}
