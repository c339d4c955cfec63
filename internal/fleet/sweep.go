package fleet

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Sweep ends every process whose pid file lies in dir or below, and removes the files. It is for what an earlier owner of
// dir left behind; the caller makes sure that the owner is gone. A pid whose start time differs from the noted one belongs
// to somebody else by now and is left alone.
func Sweep(dir string) ([]string, error) {
	var ended []string
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
			return nil // gone meanwhile, or another user's (a database's own files); ours are readable
		case err != nil:
			return err
		case entry.IsDir() && strings.HasPrefix(entry.Name(), "pgdata"):
			return fs.SkipDir
		case entry.IsDir() || filepath.Ext(path) != ".pid":
			return nil
		}
		if endNoted(path) {
			ended = append(ended, strings.TrimSuffix(filepath.Base(path), ".pid"))
		}
		if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
	return ended, err
}

// notePid writes "pid start-time".
func notePid(path string, pid int) error {
	return os.WriteFile(path, []byte(fmt.Sprintf("%d %s\n", pid, startTime(pid))), 0o600)
}

func endNoted(path string) bool {
	text, err := os.ReadFile(path)
	if err != nil {
		return false
	}
	number, started, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
	pid, err := strconv.Atoi(number)
	if err != nil || pid <= 1 || started == "" || startTime(pid) != started {
		return false
	}
	// The group first asked, then forced: Postgres wants to write its checkpoint.
	_ = syscall.Kill(-pid, syscall.SIGINT)
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if startTime(pid) != started {
			return true
		}
	}
	_ = syscall.Kill(-pid, syscall.SIGKILL)
	return true
}
