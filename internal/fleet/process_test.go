package fleet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

func part(t *testing.T, name string) Spec {
	return Spec{Name: name, Binary: os.Args[0], Env: []string{"PART=" + name}, Dir: t.TempDir()}
}

func TestAProcessThatCannotStartTellsWhy(t *testing.T) {
	spec := part(t, "short")
	spec.Ready = func(context.Context) error { return errors.New("not yet") }
	_, err := Start(t.Context(), spec)
	if err == nil || !strings.Contains(err.Error(), "I have no database") {
		t.Errorf("error = %v; want the end of the log", err)
	}
}

func TestAProcessThatNeverGetsReadyIsKilled(t *testing.T) {
	spec := part(t, "sleeper")
	pid := 0
	ctx, cancel := context.WithCancel(t.Context())
	spec.Ready = func(context.Context) error {
		fmt.Sscan(read(t, spec.pidPath()), &pid)
		cancel()
		return errors.New("not yet")
	}
	if _, err := Start(ctx, spec); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v; want the context's", err)
	}
	if pid == 0 || startTime(pid) != "" {
		t.Errorf("process %d is still there", pid)
	}
}

func TestStopAndKillLeaveNothingBehind(t *testing.T) {
	for name, end := range map[string]func(*Process){
		"stopped": func(p *Process) {
			if err := p.Stop(); err != nil {
				t.Error(err)
			}
		},
		"killed, with the children of its group": (*Process).Kill,
	} {
		t.Run(name, func(t *testing.T) {
			spec := part(t, "parent")
			spec.Ready = func(context.Context) error {
				_, err := os.Stat(filepath.Join(spec.Dir, "child"))
				return err
			}
			process, err := Start(t.Context(), spec)
			if err != nil {
				t.Fatal(err)
			}
			child, err := strconv.Atoi(read(t, filepath.Join(spec.Dir, "child")))
			if err != nil {
				t.Fatal(err)
			}
			end(process)
			if startTime(process.Pid()) != "" {
				t.Error("the process is still there")
			}
			eventually(t, "the child to end", func() bool { return startTime(child) == "" })
			if _, err := os.Stat(spec.pidPath()); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("pid file: %v; want none", err)
			}
		})
	}
}

func TestSweepEndsWhatAKilledOwnerLeft(t *testing.T) {
	spec := part(t, "sleeper")
	process, err := Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	defer process.Kill()
	ended, err := Sweep(filepath.Dir(spec.Dir))
	if err != nil || len(ended) != 1 || ended[0] != "sleeper" {
		t.Errorf("Sweep = %v, %v; want the sleeper", ended, err)
	}
	if startTime(process.Pid()) != "" {
		t.Error("it is still there")
	}
}

func TestSweepLeavesAReusedPidAlone(t *testing.T) {
	process, err := Start(t.Context(), part(t, "sleeper"))
	if err != nil {
		t.Fatal(err)
	}
	defer process.Kill()
	dir := t.TempDir()
	stale := filepath.Join(dir, "old.pid")
	if err := os.WriteFile(stale, []byte(strconv.Itoa(process.Pid())+" 12345\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if ended, err := Sweep(dir); err != nil || len(ended) != 0 {
		t.Errorf("Sweep = %v, %v; want nothing", ended, err)
	}
	if startTime(process.Pid()) == "" {
		t.Error("somebody else's process was ended")
	}
	if _, err := os.Stat(stale); !errors.Is(err, os.ErrNotExist) {
		t.Error("the stale pid file is still there")
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func eventually(t *testing.T, what string, yes func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !yes(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain for ", what)
		}
	}
}
