// Package config turns the environment into checked settings. The structs here
// are flags, environment and help at once (kong reads their tags), one struct a
// concern, so that each command embeds, and is given, only what it needs.
//
// Every setting X has a twin X_FILE that names a file to read it from. Every
// mistake is reported at once, before anything is opened.
package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

// Secret is a setting that must not be printed. String(…) of it is the only way
// to the text.
type Secret string

// String hides the secret from logs, errors and %v.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "***"
}

// GoString hides it from %#v as well.
func (s Secret) GoString() string { return s.String() }

// Mistakes collects what is wrong with the settings, so that all of it is
// reported together.
type Mistakes struct{ found []error }

// Add notes a mistake in the setting called name. The value is never part of
// the text: it may be a secret.
func (m *Mistakes) Add(name, format string, args ...any) {
	m.found = append(m.found, fmt.Errorf("%s: %s", name, fmt.Sprintf(format, args...)))
}

// Err is all mistakes as one error, or nil.
func (m *Mistakes) Err() error { return errors.Join(m.found...) }

func (m *Mistakes) need(name, value string) bool {
	if strings.TrimSpace(value) == "" {
		m.Add(name, "is not set")
		return false
	}
	return true
}

func (m *Mistakes) duration(name, value string) time.Duration {
	d, err := time.ParseDuration(strings.TrimSpace(value))
	if err != nil || d <= 0 {
		m.Add(name, "must be a positive duration such as 90s, 5m or 2h")
	}
	return d
}

func (m *Mistakes) durations(name, value string) []time.Duration {
	var all []time.Duration
	for part := range strings.SplitSeq(value, ",") {
		all = append(all, m.duration(name, part))
	}
	return all
}

func (m *Mistakes) fen(name, value string) int64 {
	fen, err := strconv.ParseInt(value, 10, 64)
	if err != nil || fen < 0 {
		m.Add(name, "must be a whole number of fen, 1/100 yuan")
	}
	return fen
}

func (m *Mistakes) url(name, value string) *url.URL {
	u, err := url.Parse(value)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.RawQuery != "" {
		m.Add(name, "must be an http or https URL without a query")
		return &url.URL{}
	}
	return u
}

func (m *Mistakes) address(name, value string) {
	if _, _, err := net.SplitHostPort(value); err != nil {
		m.Add(name, "must be host:port or :port")
	}
}

// Files resolves a setting X from the file that X_FILE names. What cannot be
// read is one mistake among the others.
func (m *Mistakes) Files() kong.Resolver {
	return kong.ResolverFunc(func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		for _, name := range flag.Envs {
			file := os.Getenv(name + "_FILE")
			switch {
			case file == "":
				continue
			case os.Getenv(name) != "":
				m.Add(name, "and %s_FILE are both set", name)
				return nil, nil
			}
			text, err := fromFile(file)
			if err != nil {
				m.Add(name+"_FILE", "cannot be read")
				return nil, nil
			}
			return text, nil
		}
		return nil, nil
	})
}

func fromFile(path string) (string, error) {
	text, err := os.ReadFile(path)
	return strings.TrimRight(string(text), "\r\n"), err
}
