// Package fleet starts, watches and stops processes: one at a time (Process), or the whole set that paysaga consists of
// (Fleet: one simulator, apis and workers). The demo and the end-to-end tests use it to crash paysaga on purpose.
//
// Whatever it starts ends with us: every process has its own process group, so that Ctrl-C reaches us first; on Linux the
// kernel ends it when we die; and a pid file lets Sweep end later what a SIGKILL of ourselves left behind.
package fleet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Spec says what to start.
type Spec struct {
	Name   string   // of its log and pid file; one process of a name at a time
	Binary string   // path
	Args   []string // without the program's own name
	Env    []string // the whole environment, KEY=value
	Dir    string   // working directory; gets <Name>.log, appended to, and <Name>.pid

	// Ready is asked until it returns nil; nil means ready when started. A process that ends first is an error.
	Ready func(context.Context) error
	// StopSignal asks it to end; SIGTERM if zero.
	StopSignal syscall.Signal
	// User drops root's rights; nil keeps ours.
	User *syscall.Credential
}

// Process is one started process. Its methods may be called from several goroutines.
type Process struct {
	spec   Spec
	cmd    *exec.Cmd
	done   chan struct{}
	result error // of Wait; valid once done is closed
}

const stopPatience = 10 * time.Second

// Start starts a process and returns when it is ready. If ctx ends first, the process is killed and the error carries the
// end of its log. ctx does not bound the life of a process that got ready: Stop and Kill do.
func Start(ctx context.Context, spec Spec) (*Process, error) {
	log, err := os.OpenFile(spec.logPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("log of %s: %w", spec.Name, err)
	}
	defer log.Close() // the child has its own copy

	cmd := exec.Command(spec.Binary, spec.Args...)
	cmd.Env, cmd.Dir = spec.Env, spec.Dir
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = ownGroup(spec.StopSignal)
	cmd.SysProcAttr.Credential = spec.User
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Name, err)
	}
	p := &Process{spec: spec, cmd: cmd, done: make(chan struct{})}
	noted := notePid(spec.pidPath(), cmd.Process.Pid)
	go p.reap()
	if noted != nil {
		p.Kill()
		return nil, fmt.Errorf("pid file of %s: %w", spec.Name, noted)
	}
	if err := p.awaitReady(ctx); err != nil {
		p.Kill()
		return nil, fmt.Errorf("%w\n%s", err, p.LogTail(20))
	}
	return p, nil
}

// reap waits for the end, takes along what the process left in its group, and removes the pid file.
func (p *Process) reap() {
	p.result = p.cmd.Wait()
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	_ = os.Remove(p.spec.pidPath())
	close(p.done)
}

func (p *Process) awaitReady(ctx context.Context) error {
	if p.spec.Ready == nil {
		return nil
	}
	for {
		attempt, cancel := context.WithTimeout(ctx, 2*time.Second)
		err := p.spec.Ready(attempt)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended before it was ready: %v", p.spec.Name, p.result)
		case <-ctx.Done():
			return fmt.Errorf("%s did not get ready: %w", p.spec.Name, errors.Join(ctx.Err(), err))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Kill ends it with SIGKILL, as a crash would, and returns when it is gone.
func (p *Process) Kill() {
	p.signal(syscall.SIGKILL)
	<-p.done
}

// Stop asks it to end, kills it after ten seconds, and returns when it is gone. An error says that it had to be killed.
func (p *Process) Stop() error {
	stop := p.spec.StopSignal
	if stop == 0 {
		stop = syscall.SIGTERM
	}
	p.signal(stop)
	select {
	case <-p.done:
		return nil
	case <-time.After(stopPatience):
		p.Kill()
		return fmt.Errorf("%s did not stop within %s and was killed", p.spec.Name, stopPatience)
	}
}

// signal goes to the process itself and not to its group: Postgres and go test look after their own children.
func (p *Process) signal(signal syscall.Signal) {
	select {
	case <-p.done: // the pid may be somebody else's by now
	default:
		_ = p.cmd.Process.Signal(signal)
	}
}

// Done is closed when the process is gone.
func (p *Process) Done() <-chan struct{} { return p.done }

// Pid is its process id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Name is the name it was started under.
func (p *Process) Name() string { return p.spec.Name }

// LogTail returns the last n lines of its log, headed by the log's path.
func (p *Process) LogTail(n int) string { return tail(p.spec.logPath(), n) }

func (s Spec) logPath() string { return filepath.Join(s.Dir, s.Name+".log") }
func (s Spec) pidPath() string { return filepath.Join(s.Dir, s.Name+".pid") }

// Answers is a Ready that asks for 200 at url.
func Answers(url string) func(context.Context) error {
	return func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("%s answers %s", url, response.Status)
		}
		return nil
	}
}

// tail reads at most the last 64 KiB, which is more than enough for the lines anybody wants to see.
func tail(path string, n int) string {
	file, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.Size() > 64<<10 {
		_, _ = file.Seek(-64<<10, io.SeekEnd)
	}
	text, err := io.ReadAll(file)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	lines = lines[max(0, len(lines)-n):]
	return "--- " + path + "\n" + strings.Join(lines, "\n")
}
