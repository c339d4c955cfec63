package fleet

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// Tokens open the api, one per person or system. There are two approvers because nobody approves a request of their own.
type Tokens struct {
	Merchant, Support, Approver, SecondApprover, Operator string
}

// holder is who a token belongs to: its variable in tokens.env, its role and its name.
type holder struct {
	variable, role, name string
	token                *string
}

func (t *Tokens) holders() []holder {
	return []holder{
		{"MERCHANT_TOKEN", "merchant", "shop", &t.Merchant},
		{"SUPPORT_TOKEN", "support", "mei", &t.Support},
		{"APPROVER_TOKEN", "approver", "ann", &t.Approver},
		{"SECOND_APPROVER_TOKEN", "approver", "bo", &t.SecondApprover},
		{"OPERATOR_TOKEN", "operator", "olu", &t.Operator},
	}
}

// loadTokens reads the tokens of an earlier start, or makes new ones and writes them, readable by us alone.
func loadTokens(path string) (Tokens, error) {
	var tokens Tokens
	known, err := readEnv(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Tokens{}, fmt.Errorf("tokens: %w", err)
	}
	var lines []string
	for _, holder := range tokens.holders() {
		*holder.token = lookup(known, holder.variable)
		if *holder.token == "" {
			*holder.token = rand.Text() + rand.Text() // 52 characters, 256 bits
		}
		lines = append(lines, holder.variable+"="+*holder.token)
	}
	return tokens, os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600)
}

// setting is the value of API_TOKENS: hashes only.
func (t *Tokens) setting() string {
	var lines []string
	for _, holder := range t.holders() {
		sum := sha256.Sum256([]byte(*holder.token))
		lines = append(lines, holder.role+":"+holder.name+":"+hex.EncodeToString(sum[:]))
	}
	return strings.Join(lines, "\n")
}

// plainEnv is what any process gets. The rest of our own environment stays out: a developer's shell may hold the
// settings of a real merchant.
func (f *Fleet) plainEnv() []string {
	var env []string
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "GOCOVERDIR"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return merge(env, f.options.Env)
}

func (f *Fleet) productEnv(merchant []string) []string {
	return merge(merchant, []string{
		"DATABASE_URL=" + f.options.DatabaseURL,
		"TEMPORAL_ADDRESS=" + f.options.TemporalAddress,
		"TEMPORAL_NAMESPACE=" + f.options.Namespace,
		"PUBLIC_URL=" + f.PublicURL(),
		"API_TOKENS=" + f.Tokens.setting(),
	}, f.plainEnv())
}

// readEnv reads KEY=value lines; blank ones and those that start with # are left out.
func readEnv(path string) ([]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var env []string
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if !strings.Contains(line, "=") {
			return nil, fmt.Errorf("%s has a line that is not KEY=value", path)
		}
		env = append(env, line)
	}
	return env, nil
}

func lookup(env []string, name string) string {
	for _, line := range env {
		if value, ok := strings.CutPrefix(line, name+"="); ok {
			return value
		}
	}
	return ""
}

// merge puts environments one after another; of a name that comes twice, exec takes the last.
func merge(envs ...[]string) []string {
	var all []string
	for _, env := range envs {
		all = append(all, env...)
	}
	return all
}

func host(url string) string { return strings.TrimPrefix(url, "http://") }
