package main

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// The tests run the program itself: this test binary, which is `dev` when PART says so.
func TestMain(m *testing.M) {
	if os.Getenv("PART") == "dev" {
		main()
		return
	}
	os.Exit(m.Run())
}

func program(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), "PART=dev")
	cmd.Stderr = os.Stderr
	return cmd
}

func TestExecPassesOnTheExitCodeAndTheAddresses(t *testing.T) {
	cmd := program("exec", "--", "sh", "-c", "echo $DATABASE_URL $TEMPORAL_ADDRESS $TEMPORAL_NAMESPACE; exit 7")
	out, err := cmd.Output()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 7 {
		t.Errorf("exit: %v; want 7", err)
	}
	if fields := strings.Fields(string(out)); len(fields) != 3 || !strings.HasPrefix(fields[0], "postgres://") || fields[2] != "payments" {
		t.Errorf("the command saw %q", out)
	}
}

func await(t *testing.T, what string, yes func() bool) {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); !yes(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain for ", what)
		}
	}
}
