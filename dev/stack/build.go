package stack

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// Target is a Go program to build.
type Target struct {
	Name  string // in what is said
	Dir   string // of its package
	Out   string // path of the binary; replaced only by a whole one
	Flags []string
	Env   []string // beside our own
}

// Build builds a program and tells how far it got: a cold build takes minutes, and silence looks like a fault.
func Build(ctx context.Context, say Say, target Target) error {
	began := time.Now()
	half := target.Out + ".half"
	defer os.Remove(half)

	modules := counter{say: say, what: target.Name + ": %d modules downloaded, %s"}
	listed, err := target.run(ctx, &modules, append([]string{"list", "-deps"}, target.tags()...))
	if err != nil {
		return err
	}
	total := strconv.Itoa(bytes.Count(listed, []byte("\n")))
	packages := counter{say: say, what: target.Name + ": %d of at most " + total + " packages compiled, %s"}
	if _, err := target.run(ctx, &packages, append([]string{"build", "-v", "-o", half}, target.Flags...)); err != nil {
		return err
	}
	if err := os.Rename(half, target.Out); err != nil {
		return err
	}
	say("%s built in %s", target.Name, time.Since(began).Round(100*time.Millisecond))
	return nil
}

// tags are the flags that go list needs to see the packages that go build will.
func (t Target) tags() []string {
	var tags []string
	for _, flag := range t.Flags {
		if strings.HasPrefix(flag, "-tags") {
			tags = append(tags, flag)
		}
	}
	return tags
}

// run runs the go command in the package's directory, shows its lines of progress and returns its output.
func (t Target) run(ctx context.Context, progress *counter, args []string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", append(args, ".")...)
	cmd.Dir = t.Dir
	cmd.Env = append(os.Environ(), t.Env...)
	cmd.WaitDelay = time.Second
	pipe, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("go: %w", err)
	}
	last := progress.read(pipe)
	if err := cmd.Wait(); err != nil {
		return nil, fmt.Errorf("go %s of %s: %w\n%s", args[0], t.Name, err, strings.Join(last, "\n"))
	}
	return out.Bytes(), nil
}

// counter counts lines and tells how far it got every two seconds.
type counter struct {
	say  Say
	what string // format of a count and a time
}

// read reads to the end and returns the last lines, in which an error would stand.
func (c *counter) read(from io.Reader) []string {
	began, told := time.Now(), time.Now()
	var last []string
	count := 0
	for lines := bufio.NewScanner(from); lines.Scan(); {
		count++
		last = append(last, lines.Text())
		last = last[max(0, len(last)-30):]
		if time.Since(told) >= 2*time.Second {
			told = time.Now()
			c.say(c.what, count, time.Since(began).Round(time.Second))
		}
	}
	return last
}
