// Package stack is everything paysaga needs beside itself, without Docker and without installing anything: one Postgres
// and one Temporal with its UI, on 127.0.0.1.
//
// Fresh gives an empty, throwaway stack; Kept gives the checkout's own, whose data outlives it. Both use what the machine
// has before they fetch anything, never touch what they did not start, and leave nothing running: what a SIGKILL left
// behind is ended at the next start.
package stack

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/paysaga/paysaga/internal/fleet"
)

// Place is where one checkout keeps what the stack needs.
type Place struct {
	Root     string // the checkout
	Data     string // databases, keys and logs of this checkout
	Cache    string // Temporal's program, shared by all checkouts of this user
	Postgres string // Postgres' programs, if we had to fetch them, likewise

	// User runs Postgres when we are root, because Postgres refuses root; nil means ourselves.
	User *syscall.Credential
}

const module = "module github.com/paysaga/paysaga\n"

// FindPlace looks for the checkout from the working directory upwards and makes its data directory. As root that lies
// under /var/tmp, since the user Postgres runs as could not reach root's home.
func FindPlace() (Place, error) {
	root, err := checkout()
	if err != nil {
		return Place{}, err
	}
	sum := sha256.Sum256([]byte(root))
	name := "paysaga-" + hex.EncodeToString(sum[:4])

	cache, err := os.UserCacheDir()
	if err != nil {
		cache = "/var/tmp"
	}
	place := Place{Root: root, Cache: filepath.Join(cache, "paysaga")}
	if os.Getuid() == 0 {
		place.User, err = unprivileged()
		if err != nil {
			return Place{}, err
		}
		place.Data, place.Postgres = filepath.Join("/var/tmp", name), "/var/tmp/paysaga-postgres"
	} else {
		place.Data, place.Postgres = filepath.Join(place.Cache, name), filepath.Join(place.Cache, "postgres")
	}
	if err := os.MkdirAll(place.Cache, 0o755); err != nil {
		return Place{}, fmt.Errorf("cache: %w", err)
	}
	return place, own(place.Data)
}

func checkout() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("working directory: %w", err)
	}
	for ; ; dir = filepath.Dir(dir) {
		text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(text), module) {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("not inside a checkout of paysaga")
		}
	}
}

// own makes a directory that others may pass through and only we may change. /var/tmp is everybody's, so a directory
// that somebody else laid there first is refused.
func own(dir string) error {
	if err := os.Mkdir(dir, 0o711); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("data directory: %w", err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.IsDir() || int(stat.Uid) != os.Getuid() || info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("%s is not a directory of ours alone; remove it", dir)
	}
	return nil
}

func unprivileged() (*syscall.Credential, error) {
	for _, name := range []string{"postgres", "nobody"} {
		found, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(found.Uid, 10, 32)
		if err != nil {
			continue
		}
		gid, err := strconv.ParseUint(found.Gid, 10, 32)
		if err != nil {
			continue
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("Postgres refuses to run as root, and there is neither a user postgres nor nobody; run as another user")
}

// give hands a directory to the user that Postgres runs as.
func (p Place) give(dir string) error {
	if p.User == nil {
		return nil
	}
	return os.Chown(dir, int(p.User.Uid), int(p.User.Gid))
}

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
