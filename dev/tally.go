package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/paysaga/paysaga/dev/stack"
)

// tally reads `go test -json` on standard input, prints what go test would have, and ends with one line of counts. A
// skipped test counts as failed, and so does what `dev test` says it skipped: here everything a test may want can be had.
// No test at all is a failure too.
func tally(context.Context, stack.Place, []string) error {
	counts, err := count(os.Stdin, os.Stdout)
	if err != nil {
		return err
	}
	fmt.Printf("%d passed, %d failed\n", counts.passed, counts.failed)
	if counts.failed > 0 || counts.passed == 0 {
		return exitCode(1)
	}
	return nil
}

type counts struct{ passed, failed int }

// event is one line of go test -json; see `go doc test2json`.
type event struct {
	Action, Package, Test, Output string
}

func count(from io.Reader, to io.Writer) (counts, error) {
	var found counts
	fails := map[string]int{} // failed tests by package
	said := map[[2]string]string{}
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil || e.Action == "" {
			fmt.Fprintln(to, lines.Text()) // somebody else's line, make's for one
			if strings.HasPrefix(lines.Text(), "skipped: ") {
				found.failed++
			}
			continue
		}
		key := [2]string{e.Package, e.Test}
		switch {
		case e.Action == "output" || e.Action == "build-output":
			if e.Test == "" {
				fmt.Fprint(to, e.Output)
			} else {
				said[key] += e.Output // shown only if the test fails
			}
		case e.Action == "pass" && e.Test != "":
			found.passed++
		case e.Action == "skip" && e.Test != "", e.Action == "fail" && e.Test != "":
			found.failed++
			fails[e.Package]++
			fmt.Fprint(to, said[key])
		case e.Action == "fail" && fails[e.Package] == 0:
			found.failed++ // did not build, crashed, or TestMain said no
		}
		if e.Action == "pass" || e.Action == "fail" || e.Action == "skip" {
			delete(said, key)
		}
	}
	return found, lines.Err()
}
