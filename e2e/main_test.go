// Package e2e runs paysaga as its users do: real processes, a real Postgres and
// Temporal, the simulator's real signatures; and kills what it can at the worst
// moments. Every test has a fleet, a database and a namespace of its own, and
// ends by comparing the api's word, the simulator's ground truth and Temporal's.
package e2e

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/paysaga/paysaga/internal/openapitest"
)

// binary is the paysaga under test, built once.
var binary string

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	for _, name := range []string{"DATABASE_URL", "TEMPORAL_ADDRESS"} {
		if os.Getenv(name) == "" {
			fmt.Fprintf(os.Stderr, "%s is not set; run these with: go run ./dev test ./e2e\n", name)
			return 1
		}
	}
	http.DefaultClient.Transport = &openapitest.Transport{} // every answer of the api is held to its contract
	dir, err := os.MkdirTemp("", "paysaga-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "paysaga")
	build := exec.Command("go", "build", "-o", binary, "github.com/paysaga/paysaga")
	build.Stdout, build.Stderr = os.Stdout, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "build:", err)
		return 1
	}
	return m.Run()
}
