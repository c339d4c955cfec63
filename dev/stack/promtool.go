package stack

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
)

// Promtool returns the path of Prometheus's own checker of rules: the machine's, or Debian's, unpacked into our cache
// without being installed.
func (p Place) Promtool(ctx context.Context, say Say) (string, error) {
	if found, err := exec.LookPath("promtool"); err == nil {
		return found, nil
	}
	root := filepath.Join(p.Cache, "prometheus")
	program := filepath.Join(root, "usr/bin/promtool")
	gate, err := await(ctx, filepath.Join(p.Cache, "prometheus.lock"), say, "it fetches promtool")
	if err != nil {
		return "", err
	}
	defer gate.Close()
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	say("no promtool on this machine: fetching Debian's prometheus into %s, once", root)
	if err := unpackDebian(ctx, say, root, "prometheus"); err != nil {
		return "", err
	}
	_, err = os.Stat(program)
	return program, err
}
