package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// TemporalReport tells which Temporal a start would use.
func (p Place) TemporalReport() (string, error) {
	foreign, err := loopbackSetting("DEV_TEMPORAL_ADDRESS")
	if err != nil {
		return err.Error(), err
	}
	if foreign != "" {
		return foreign + ", by DEV_TEMPORAL_ADDRESS", nil
	}
	program, err := p.temporalProgram()
	if err != nil {
		return err.Error(), err
	}
	if _, err := os.Stat(program); err != nil {
		return "not built yet; the first start builds it, which takes some minutes", nil
	}
	return "built: " + program, nil
}

// PostgresReport tells which Postgres a start would use; the error says that there is none and none can be fetched.
func (p Place) PostgresReport(ctx context.Context) (string, error) {
	foreign, err := loopbackSetting("DEV_DATABASE_URL")
	if err != nil {
		return err.Error(), err
	}
	if foreign != "" {
		return "by DEV_DATABASE_URL", nil
	}
	if found, err := p.systemPostgres(ctx); err == nil {
		return found.Version + ", " + found.Source, nil
	}
	if found, err := p.unpackedDebian(ctx, filepath.Join(p.Postgres, "debian")); err == nil {
		return found.Version + ", " + found.Source, nil
	}
	if found, err := p.unpackedNpm(ctx, filepath.Join(p.Postgres, "npm-"+npmVersion)); err == nil {
		return found.Version + ", " + found.Source, nil
	}
	for _, tool := range []string{"apt-get", "npm"} {
		if _, err := exec.LookPath(tool); err == nil {
			return fmt.Sprintf("none; a start fetches one privately with %s", tool), nil
		}
	}
	return "none", fmt.Errorf("no Postgres %d or newer, and neither apt-get nor npm to fetch one with", oldest)
}

// RemoveData ends what was left running and removes the checkout's data. ErrBusy if its stack is in use.
func (p Place) RemoveData() error {
	gate, err := lock(filepath.Join(p.Data, "gate"), syscall.LOCK_EX)
	if err != nil {
		return err
	}
	defer gate.Close()
	if err := errors.Join(p.clear("run-*"), p.clear("kept")); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(p.Data, "kept")); err == nil {
		return ErrBusy
	}
	left, err := filepath.Glob(filepath.Join(p.Data, "run-*"))
	if err != nil {
		return err
	}
	if len(left) > 0 {
		return fmt.Errorf("%d test runs of this checkout are still going", len(left))
	}
	return os.RemoveAll(p.Data)
}
