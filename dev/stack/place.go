// Package stack is everything paysaga needs beside itself, without Docker and without installing anything: one Postgres
// and one Temporal with its UI, on 127.0.0.1.
//
// Fresh gives an empty, throwaway stack; Kept gives the checkout's own, whose data outlives it. Both use what the machine
// has before they fetch anything, never touch what they did not start, and leave nothing running: what a SIGKILL left
// behind is ended at the next start.
package stack

import (
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
	return nil, errors.New("root may not run Postgres, and there is neither a user postgres nor nobody; run as another user")
}

// give hands a directory to the user that Postgres runs as.
func (p Place) give(dir string) error {
	if p.User == nil {
		return nil
	}
	return os.Chown(dir, int(p.User.Uid), int(p.User.Gid))
}
