package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// debianPostgres fetches Debian's or Ubuntu's own packages and unpacks them into our directory: apt with private state,
// download only, then dpkg-deb. It needs no root, and the system's list of installed packages is only read.
func (p Place) debianPostgres(ctx context.Context, say Say) (Programs, error) {
	root := filepath.Join(p.Postgres, "debian")
	if found, err := p.unpackedDebian(ctx, root); err == nil {
		return found, nil
	}
	release, err := p.fetching(ctx, say, "Debian's postgresql packages")
	if err != nil {
		return Programs{}, err
	}
	defer release()
	if err := unpackDebian(ctx, say, root, "postgresql"); err != nil {
		return Programs{}, err
	}
	return p.unpackedDebian(ctx, root)
}

// unpackDebian leaves packages, and what they need and the system lacks, in root, whole or not at all.
func unpackDebian(ctx context.Context, say Say, root string, names ...string) error {
	for _, tool := range []string{"apt-get", "dpkg-deb"} {
		if _, err := exec.LookPath(tool); err != nil {
			return errors.New("packages of Debian: no " + tool)
		}
	}
	half := root + ".half"
	if err := os.RemoveAll(half); err != nil {
		return err
	}
	defer os.RemoveAll(half)
	packages, err := downloadDebian(ctx, half, say, names)
	if err != nil {
		return err
	}
	for i, deb := range packages {
		say("unpacking %d of %d: %s", i+1, len(packages), filepath.Base(deb))
		if out, err := exec.CommandContext(ctx, "dpkg-deb", "-x", deb, filepath.Join(half, "root")).CombinedOutput(); err != nil {
			return fmt.Errorf("packages of Debian: dpkg-deb: %w\n%s", err, out)
		}
	}
	return errors.Join(os.RemoveAll(root), os.Rename(filepath.Join(half, "root"), root))
}

// downloadDebian returns the .deb files of the named packages and of what they need and the system lacks.
func downloadDebian(ctx context.Context, dir string, say Say, names []string) ([]string, error) {
	for _, sub := range []string{"state/lists/partial", "cache/archives/partial", "root"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return nil, err
		}
	}
	private := []string{
		"-o", "Dir::State=" + filepath.Join(dir, "state"), "-o", "Dir::Cache=" + filepath.Join(dir, "cache"),
		"-o", "Dir::State::status=/var/lib/dpkg/status", // what is installed need not be fetched
		"-o", "Debug::NoLocking=true", // the lock guards the status file, which we only read
		"-o", "APT::Sandbox::User=", // root's apt would download as another user, who cannot write here
		"-q", "-y",
	}
	if err := shout(ctx, say, "apt-get", append(slices.Clone(private), "update")...); err != nil {
		return nil, err
	}
	fetch := append(slices.Clone(private), "install", "--download-only", "--no-install-recommends")
	if err := shout(ctx, say, "apt-get", append(fetch, names...)...); err != nil {
		return nil, err
	}
	packages, err := filepath.Glob(filepath.Join(dir, "cache/archives/*.deb"))
	if err == nil && len(packages) == 0 {
		err = errors.New("packages of Debian: apt-get downloaded nothing")
	}
	return packages, err
}

// unpackedDebian looks into a directory of ours for programs, and for the libraries that came along.
func (p Place) unpackedDebian(ctx context.Context, root string) (Programs, error) {
	dirs, err := filepath.Glob(filepath.Join(root, "usr/lib/postgresql/*/bin"))
	if err != nil || len(dirs) == 0 {
		return Programs{}, errors.New("packages of Debian: none unpacked")
	}
	slices.Sort(dirs)
	found, err := p.inspect(ctx, dirs[len(dirs)-1], []string{"LD_LIBRARY_PATH=" + libraries(root)})
	found.Source = "Debian's packages, unpacked in " + root
	return found, err
}

// libraries are the directories below root in which packages put theirs, as LD_LIBRARY_PATH takes them.
func libraries(root string) string {
	var dirs []string
	for _, pattern := range []string{"usr/lib/*-linux-gnu*", "usr/lib/*-linux-gnu*/pulseaudio", "lib/*-linux-gnu*"} {
		found, _ := filepath.Glob(filepath.Join(root, pattern))
		dirs = append(dirs, found...)
	}
	return strings.Join(dirs, ":")
}

// fetching says what is fetched and keeps other runs from doing the same at once.
func (p Place) fetching(ctx context.Context, say Say, what string) (func() error, error) {
	if err := os.MkdirAll(p.Postgres, 0o755); err != nil {
		return nil, err
	}
	gate, err := await(ctx, filepath.Join(p.Postgres, "lock"), say, "it fetches Postgres")
	if err != nil {
		return nil, err
	}
	say("no Postgres on this machine: fetching %s into %s, once", what, p.Postgres)
	return gate.Close, nil
}

// shout runs a command and repeats its lines, so that a slow download is seen to move.
func shout(ctx context.Context, say Say, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	out := &repeater{say: func(line string) { say("%s: %s", name, line) }}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %s: %w", name, args[len(args)-1], err)
	}
	return nil
}

// repeater passes on whole lines.
type repeater struct {
	say  func(string)
	rest string
}

func (r *repeater) Write(text []byte) (int, error) {
	r.rest += string(text)
	for {
		line, rest, whole := strings.Cut(r.rest, "\n")
		if !whole {
			return len(text), nil
		}
		r.rest = rest
		if line = strings.TrimSpace(line); line != "" {
			r.say(line)
		}
	}
}
