package stack

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/paysaga/paysaga/internal/fleet"
)

// ErrBusy says that another process uses the kept stack of this checkout.
var ErrBusy = errors.New("the stack of this checkout is already running (go run ./dev up or demo)")

// claim is a directory in use. The lock on its file ends with the process that holds it, however it ends.
type claim struct {
	dir  string
	lock *os.File
}

// claimFresh makes a new directory, and first clears away those whose owners are gone.
func (p Place) claimFresh() (claim, error) {
	gate, err := lock(filepath.Join(p.Data, "gate"), syscall.LOCK_EX)
	if err != nil {
		return claim{}, err
	}
	defer gate.Close()

	if err := p.clear("run-*"); err != nil {
		return claim{}, err
	}
	dir, err := os.MkdirTemp(p.Data, "run-")
	if err != nil {
		return claim{}, fmt.Errorf("run directory: %w", err)
	}
	return take(dir)
}

// claimKept takes the one directory that stays, and ends what its last owner left running.
func (p Place) claimKept() (claim, error) {
	dir := filepath.Join(p.Data, "kept")
	if err := os.Mkdir(dir, 0o711); err != nil && !errors.Is(err, fs.ErrExist) {
		return claim{}, fmt.Errorf("data directory: %w", err)
	}
	held, err := take(dir)
	if err != nil {
		return claim{}, err
	}
	_, err = fleet.Sweep(dir)
	return held, err
}

func take(dir string) (claim, error) {
	if err := os.Chmod(dir, 0o711); err != nil {
		return claim{}, err
	}
	file, err := lock(filepath.Join(dir, "lock"), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return claim{}, ErrBusy
	}
	return claim{dir: dir, lock: file}, err
}

// clear ends what is left of the matching directories nobody holds any more, and removes them.
func (p Place) clear(pattern string) error {
	dirs, err := filepath.Glob(filepath.Join(p.Data, pattern))
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		held, err := take(dir)
		if errors.Is(err, ErrBusy) {
			continue
		}
		if err != nil {
			return err
		}
		endMarked(dir)
		if _, err := fleet.Sweep(dir); err != nil {
			return err
		}
		if err := held.discard(); err != nil {
			return err
		}
	}
	return nil
}

func (c claim) discard() error {
	err := os.RemoveAll(c.dir)
	c.lock.Close()
	return err
}

// await takes a lock that another run may hold for minutes, and says so once.
func await(ctx context.Context, path string, say Say, what string) (*os.File, error) {
	for told := false; ; told = true {
		file, err := lock(path, syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return file, err
		}
		if !told {
			say("waiting for another run: %s", what)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func lock(path string, how int) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), how); err != nil {
		file.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return file, nil
}
