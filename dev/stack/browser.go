package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Browser is a Chromium that starts on this machine.
type Browser struct {
	Path    string // a program that takes Chromium's arguments
	Version string // as it says itself, e.g. "Chromium 150.0.7871.100"
	Source  string // where it comes from, in words
}

// FindBrowser takes CHROMIUM, else what the machine has, else what was fetched before, and fetches only then: Debian's
// own packages of Chromium and of a Chinese font, unpacked privately. Nothing is installed system-wide.
func (p Place) FindBrowser(ctx context.Context, say Say) (Browser, error) {
	found, err := p.presentBrowser(ctx)
	if err == nil || os.Getenv("CHROMIUM") != "" {
		return found, err
	}
	gate, err := await(ctx, filepath.Join(p.Cache, "chromium.lock"), say, "it fetches Chromium")
	if err != nil {
		return Browser{}, err
	}
	defer gate.Close()
	if found, err := p.unpackedBrowser(ctx); err == nil {
		return found, nil // the other run fetched it
	}
	say("no Chromium on this machine: fetching Debian's chromium and fonts-wqy-zenhei into %s, once", p.Browser())
	if err := unpackDebian(ctx, say, p.Browser(), "chromium", "fonts-wqy-zenhei"); err != nil {
		return Browser{}, err
	}
	return p.unpackedBrowser(ctx)
}

// BrowserReport tells which Chromium the tests would use.
func (p Place) BrowserReport(ctx context.Context) string {
	found, err := p.presentBrowser(ctx)
	switch _, missing := exec.LookPath("apt-get"); {
	case err == nil:
		return found.Version + ", " + found.Source
	case os.Getenv("CHROMIUM") != "":
		return err.Error()
	case missing == nil:
		return "none; the browser's tests fetch one privately with apt-get"
	}
	return "none, and no apt-get to fetch one with; install Chromium or set CHROMIUM to its path"
}

// Browser is where a fetched Chromium lies.
func (p Place) Browser() string { return filepath.Join(p.Cache, "chromium") }

// presentBrowser looks without fetching.
func (p Place) presentBrowser(ctx context.Context) (Browser, error) {
	if path := os.Getenv("CHROMIUM"); path != "" {
		return tryBrowser(ctx, path, "by CHROMIUM")
	}
	for _, name := range []string{
		"chromium", "chromium-browser", "google-chrome", "google-chrome-stable",
		"/Applications/Chromium.app/Contents/MacOS/Chromium",
		"/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
	} {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		if found, err := tryBrowser(ctx, path, "found at "+path); err == nil {
			return found, nil
		}
	}
	return p.unpackedBrowser(ctx)
}

// tryBrowser asks a Chromium for its version: what lacks a library, or is only the hint of a distribution to install
// something, is not chosen.
func tryBrowser(ctx context.Context, path, source string) (Browser, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "--version")
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		return Browser{}, fmt.Errorf("%s --version: %w", path, err)
	}
	version := strings.Join(versionWords(string(out)), " ")
	if version == "" {
		return Browser{}, fmt.Errorf("%s tells no version", path)
	}
	return Browser{Path: path, Version: version, Source: source}, nil
}

// versionWords are the name and the number in "Google Chrome 150.0.7871.100 built on …".
func versionWords(said string) []string {
	words := strings.Fields(said)
	for i, word := range words {
		if i > 0 && versionNumber.FindString(word) == word && strings.Contains(word, ".") {
			return words[:i+1]
		}
	}
	return nil
}

// unpackedBrowser looks into a directory of ours. Packages expect to lie in the root directory; a small script tells
// Chromium where its libraries and fonts are instead.
func (p Place) unpackedBrowser(ctx context.Context) (Browser, error) {
	root := p.Browser()
	program := filepath.Join(root, "usr/lib/chromium/chromium")
	if _, err := os.Stat(program); err != nil {
		return Browser{}, errors.New("packages of Debian: no chromium unpacked")
	}
	fonts, script := filepath.Join(root, "fonts.conf"), filepath.Join(root, "chromium.sh")
	err := errors.Join(
		os.WriteFile(fonts, fmt.Appendf(nil, fontsConf, root, p.Cache), 0o644),
		os.WriteFile(script, fmt.Appendf(nil, browserScript, fonts, libraries(root), program), 0o755),
	)
	if err != nil {
		return Browser{}, err
	}
	return tryBrowser(ctx, script, "Debian's packages, unpacked in "+root)
}

const fontsConf = `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>/usr/share/fonts</dir>
  <dir>%s/usr/share/fonts</dir>
  <cachedir>%s/fontconfig</cachedir>
</fontconfig>
`

const browserScript = `#!/bin/sh
export FONTCONFIG_FILE='%s' LD_LIBRARY_PATH='%s'
exec '%s' "$@"
`
