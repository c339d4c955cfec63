package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"syscall"
)

// Programs are the programs of one Postgres installation.
type Programs struct {
	Dir     string   // holds initdb and postgres
	Version string   // as it says itself, e.g. "15.13"
	Major   int      // e.g. 15
	Env     []string // what the programs need to find their libraries
	Source  string   // where they come from, in words
}

// oldest is the first Postgres major that the product's schema is tested with.
const oldest = 15

// FindPostgres looks for Postgres on the machine, then among what was fetched before, and fetches only then: Debian's
// own packages, unpacked privately, or npm's. Nothing is installed system-wide.
func (p Place) FindPostgres(ctx context.Context, say Say) (Programs, error) {
	if found, err := p.systemPostgres(ctx); err == nil {
		return found, nil
	}
	var refusals []error
	for _, fetch := range []func(context.Context, Say) (Programs, error){p.debianPostgres, p.npmPostgres} {
		found, err := fetch(ctx, say)
		if err == nil {
			return found, nil
		}
		refusals = append(refusals, err)
	}
	return Programs{}, fmt.Errorf(`no Postgres %d or newer found, and none could be fetched. One of these helps:
  Debian, Ubuntu:  apt-get install postgresql
  macOS:           brew install postgresql@17
  anywhere:        DEV_DATABASE_URL=postgres://user@127.0.0.1:5432/postgres (a role that may create databases)
%w`, oldest, errors.Join(refusals...))
}

// systemPostgres takes the one on the PATH, else the newest where distributions and Homebrew put theirs.
func (p Place) systemPostgres(ctx context.Context) (Programs, error) {
	var dirs []string
	if path, err := exec.LookPath("postgres"); err == nil {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			dirs = append(dirs, filepath.Dir(real))
		}
	}
	var globbed []string
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/libexec/postgresql*",
		"/opt/homebrew/opt/postgresql@*/bin", "/usr/local/opt/postgresql@*/bin",
		"/Applications/Postgres.app/Contents/Versions/*/bin",
	} {
		found, _ := filepath.Glob(pattern)
		globbed = append(globbed, found...)
	}
	slices.Sort(globbed)
	slices.Reverse(globbed)
	for _, dir := range append(dirs, globbed...) {
		if found, err := p.inspect(ctx, dir, nil); err == nil {
			found.Source = "found in " + dir
			return found, nil
		}
	}
	return Programs{}, errors.New("none on this machine")
}

var versionNumber = regexp.MustCompile(`(\d+)(\.\d+)*`)

// inspect asks the programs in dir for their version as the user who will run them, so that what that user cannot
// reach or what lacks a library is not chosen.
func (p Place) inspect(ctx context.Context, dir string, env []string) (Programs, error) {
	for _, name := range []string{"initdb", "postgres"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return Programs{}, err
		}
	}
	found := Programs{Dir: dir, Env: env}
	out, err := p.command(ctx, found, "postgres", "--version").Output()
	if err != nil {
		return Programs{}, fmt.Errorf("%s/postgres --version: %w", dir, err)
	}
	match := versionNumber.FindSubmatch(out)
	if match == nil {
		return Programs{}, fmt.Errorf("%s/postgres tells no version", dir)
	}
	found.Version = string(match[0])
	if found.Major, err = strconv.Atoi(string(match[1])); err != nil || found.Major < oldest {
		return Programs{}, fmt.Errorf("%s has Postgres %s, which is older than %d", dir, found.Version, oldest)
	}
	return found, nil
}

// command prepares a run of one of the programs under the right user, locale and time zone.
func (p Place) command(ctx context.Context, programs Programs, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(programs.Dir, name), args...)
	cmd.Env = programs.environment()
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.User}
	return cmd
}

func (p Programs) environment() []string {
	return append([]string{"PATH=/usr/bin:/bin", "LC_ALL=" + locale, "TZ=UTC"}, p.Env...)
}
