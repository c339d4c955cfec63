package stack

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"

	"go.temporal.io/sdk/client"

	"github.com/paysaga/paysaga/internal/fleet"
)

// StartTemporal runs the server on the given ports, its state in two databases named after store, and returns when it
// answers. A UI port of 0 starts no UI; a codec is the URL that the UI's pages ask for payloads, "" for none.
func StartTemporal(ctx context.Context, program, dir string, server *url.URL, store string, port, uiPort int, codec string) (*fleet.Process, error) {
	return fleet.Start(ctx, fleet.Spec{
		Name:   "temporald",
		Binary: program,
		Args: []string{"--database-url", server.String(), "--store", store,
			"--port", strconv.Itoa(port), "--ui-port", strconv.Itoa(uiPort), "--codec-endpoint", codec},
		Env:   []string{"HOME=" + dir, "PATH=/usr/bin:/bin", "TZ=UTC"},
		Dir:   dir,
		Ready: func(ctx context.Context) error { return askTemporal(ctx, fleet.Loopback(port)) },
	})
}

// askTemporal returns nil when a Temporal frontend answers at address.
func askTemporal(ctx context.Context, address string) error {
	temporal, err := client.DialContext(ctx, client.Options{HostPort: address, Logger: silent{}})
	if err != nil {
		return err
	}
	temporal.Close()
	return nil
}

// silent keeps the SDK from telling about every try while the server starts.
type silent struct{}

func (silent) Debug(string, ...any) {}
func (silent) Info(string, ...any)  {}
func (silent) Warn(string, ...any)  {}
func (silent) Error(string, ...any) {}

// temporalProgram is the path of temporald's binary in the cache. Its name holds a hash of everything that goes into it,
// so another checkout of the same version finds it there.
func (p Place) temporalProgram() (string, error) {
	source := filepath.Join(p.Root, "dev", "temporald")
	files, err := filepath.Glob(filepath.Join(source, "*.go"))
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	for _, file := range append(files, filepath.Join(source, "go.mod"), filepath.Join(source, "go.sum")) {
		text, err := os.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("source of temporald: %w", err)
		}
		fmt.Fprintf(sum, "%s %d\n%s", filepath.Base(file), len(text), text)
	}
	fmt.Fprint(sum, runtime.Version(), runtime.GOOS, runtime.GOARCH, buildFlags)
	return filepath.Join(p.Cache, "temporald-"+hex.EncodeToString(sum.Sum(nil)[:8])), nil
}

// buildFlags: the tag leaves out the weight of cloud providers' gRPC modules; stripping halves the binary.
var buildFlags = []string{"-buildvcs=false", "-tags=disable_grpc_modules", "-ldflags=-s -w"}

// BuildTemporal returns temporald's binary, built first if the cache has none: some minutes, once.
func (p Place) BuildTemporal(ctx context.Context, say Say) (string, error) {
	program, err := p.temporalProgram()
	if err != nil {
		return "", err
	}
	// Two runs at once would do the same minutes of work twice.
	gate, err := await(ctx, filepath.Join(p.Cache, "temporald.lock"), say, "it builds Temporal")
	if err != nil {
		return "", err
	}
	defer gate.Close()
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}

	say("building Temporal's server and UI from source, once; this takes some minutes")
	return program, Build(ctx, say, Target{
		Name: "temporald", Dir: filepath.Join(p.Root, "dev", "temporald"), Out: program,
		Flags: buildFlags, Env: []string{"CGO_ENABLED=0", "GOWORK=off"},
	})
}
