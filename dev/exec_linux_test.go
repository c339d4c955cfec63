package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func TestExecLeavesNothingRunningHoweverItEnds(t *testing.T) {
	for name, row := range map[string]struct {
		end  syscall.Signal
		code int
		next bool // the command's own children are ended by the next start
	}{
		"asked to end": {syscall.SIGTERM, 130, false},
		"killed":       {syscall.SIGKILL, -1, true},
	} {
		t.Run(name, func(t *testing.T) {
			noted := filepath.Join(t.TempDir(), "pids")
			cmd := program("exec", "--", "sh", "-c", "sleep 600 >&- 2>&- & echo $$ $! > "+noted+".half; mv "+noted+".half "+noted+"; wait")
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			await(t, "the command to start", func() bool { _, err := os.Stat(noted); return err == nil })
			command, grandchild := pids(t, noted)
			family := childrenOf(t, cmd.Process.Pid)
			if len(family) != 3 || !slices.Contains(family, command) {
				t.Fatalf("children %v; want the command %d, Postgres and Temporal", family, command)
			}
			if err := cmd.Process.Signal(row.end); err != nil {
				t.Fatal(err)
			}
			var exit *exec.ExitError
			if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != row.code {
				t.Errorf("exit: %v; want code %d", err, row.code)
			}
			for _, pid := range family {
				await(t, "process "+strconv.Itoa(pid)+" to end", func() bool { return !alive(pid) })
			}
			if row.next {
				if err := program("exec", "--", "true").Run(); err != nil {
					t.Error(err)
				}
			}
			await(t, "the command's child to end", func() bool { return !alive(grandchild) })
		})
	}
}

func pids(t *testing.T, path string) (command, grandchild int) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscan(string(text), &command, &grandchild); err != nil {
		t.Fatal(err)
	}
	return command, grandchild
}

// childrenOf lists the processes that have this parent.
func childrenOf(t *testing.T, parent int) []int {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, stat := range stats {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(stat)))
		if err != nil {
			t.Fatal(err)
		}
		if fields := status(pid); len(fields) > 1 && fields[1] == strconv.Itoa(parent) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// alive does not count a zombie, which lives on where nobody collects orphans.
func alive(pid int) bool {
	fields := status(pid)
	return len(fields) > 0 && fields[0] != "Z"
}

// status are the fields of /proc/pid/stat after the program's name: state, parent and so on; nil if it is gone.
func status(pid int) []string {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return nil
	}
	return strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
}
