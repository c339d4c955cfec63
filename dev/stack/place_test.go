package stack

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// place is one whose data the user that runs Postgres can reach, which t.TempDir's are not.
func place(t *testing.T) Place {
	t.Helper()
	p, err := FindPlace()
	if err != nil {
		t.Fatal(err)
	}
	p.Data, err = os.MkdirTemp("/var/tmp", "paysaga-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(p.Data) })
	if err := os.Chmod(p.Data, 0o711); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestOnlyThisMachineMayBeNamed(t *testing.T) {
	for value, allowed := range map[string]bool{
		"":                                    true,
		"127.0.0.1:7233":                      true,
		"localhost:7233":                      true,
		"[::1]:7233":                          true,
		"postgres://u@127.0.0.1:5432/x":       true,
		"postgres://u:p@localhost/x":          true,
		"postgres://u@db.example.com:5432/x":  false,
		"temporal.example.com:7233":           false,
		"10.0.0.7:7233":                       false,
		"0.0.0.0:7233":                        false,
		"postgres://localhost@db.example.com": false,
		"postgres:///x?host=db.example.com":   false,
		"localhost.example.com:7233":          false,

		"postgres://u@127.0.0.1:5432/x?host=db.example.com": false,
	} {
		t.Run(value, func(t *testing.T) {
			t.Setenv("DEV_TEMPORAL_ADDRESS", value)
			got, err := loopbackSetting("DEV_TEMPORAL_ADDRESS")
			if (err == nil) != allowed {
				t.Errorf("error = %v; allowed must be %v", err, allowed)
			}
			if allowed && got != value {
				t.Errorf("read %q", got)
			}
		})
	}
}

func TestADirectoryThatOthersMayChangeIsRefused(t *testing.T) {
	dir := t.TempDir()
	for name, lay := range map[string]func(path string) error{
		"a link":           func(path string) error { return os.Symlink(dir, path) },
		"open to everyone": func(path string) error { return errors.Join(os.Mkdir(path, 0o777), os.Chmod(path, 0o777)) },
		"a file":           func(path string) error { return os.WriteFile(path, nil, 0o600) },
	} {
		path := filepath.Join(dir, strings.ReplaceAll(name, " ", "-"))
		if err := lay(path); err != nil {
			t.Fatal(err)
		}
		if err := own(path); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	path := filepath.Join(dir, "ours")
	if err := errors.Join(own(path), own(path)); err != nil {
		t.Errorf("a directory of ours: %v", err)
	}
}

func TestOnlyWhatNobodyHoldsIsCleared(t *testing.T) {
	p := place(t)
	living, err := p.claimFresh()
	if err != nil {
		t.Fatal(err)
	}
	dead, err := p.claimFresh()
	if err != nil {
		t.Fatal(err)
	}
	dead.lock.Close() // as the kernel does when its owner dies
	next, err := p.claimFresh()
	if err != nil {
		t.Fatal(err)
	}
	if next.dir == living.dir {
		t.Error("two runs share a directory")
	}
	if _, err := os.Stat(living.dir); err != nil {
		t.Error("the directory of a living run is gone")
	}
	if _, err := os.Stat(dead.dir); err == nil {
		t.Error("the directory of a dead run is still there")
	}
}

func TestTheKeptStackIsHeldByOne(t *testing.T) {
	p := place(t)
	first, err := p.claimKept()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.claimKept(); !errors.Is(err, ErrBusy) {
		t.Errorf("second claim: %v; want ErrBusy", err)
	}
	if err := p.RemoveData(); !errors.Is(err, ErrBusy) {
		t.Errorf("reset: %v; want ErrBusy", err)
	}
	first.lock.Close()
	if _, err := p.claimKept(); err != nil {
		t.Errorf("after it was let go: %v", err)
	}
}

func TestDataOfAnotherPostgresAreNotTouched(t *testing.T) {
	data := t.TempDir()
	if err := os.WriteFile(filepath.Join(data, "PG_VERSION"), []byte("16\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := Place{}.initCluster(t.Context(), Programs{Major: 17, Version: "17.2"}, data, durable)
	if err == nil || !strings.Contains(err.Error(), "Postgres 16") {
		t.Errorf("error = %v", err)
	}
}

func TestAnArchiveThatWasChangedIsNotUnpacked(t *testing.T) {
	archive, into := filepath.Join(t.TempDir(), "x.tgz"), filepath.Join(t.TempDir(), "tree")
	if err := os.WriteFile(archive, []byte("not what was looked at"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := unpack(archive, npmSums["linux-x64"], into)
	if err == nil || !strings.Contains(err.Error(), "sha512") {
		t.Errorf("error = %v", err)
	}
	if _, err := os.Stat(into); err == nil {
		t.Error("it was unpacked all the same")
	}
}

func TestAFreshStackIsEmptyAndLeavesNothing(t *testing.T) {
	p := place(t)
	fresh, err := Fresh(t.Context(), p, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	if tables := countTables(t, fresh); tables != 0 {
		t.Errorf("%d tables in a fresh database", tables)
	}
	if err := askTemporal(t.Context(), fresh.Temporal); err != nil {
		t.Error(err)
	}
	if err := fresh.Close(); err != nil {
		t.Error(err)
	}
	if askTemporal(t.Context(), fresh.Temporal) == nil {
		t.Error("Temporal still answers")
	}
	if left, _ := filepath.Glob(filepath.Join(p.Data, "run-*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestAKeptStackKeepsItsData(t *testing.T) {
	p := place(t)
	for start, want := range []int{0, 1} {
		kept, err := Kept(t.Context(), p, Ports{}, t.Logf)
		if err != nil {
			t.Fatal(err)
		}
		if got := countTables(t, kept); got != want {
			t.Errorf("start %d: %d tables; want %d", start+1, got, want)
		}
		execute(t, kept, `create table if not exists kept (x int)`)
		if err := kept.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func countTables(t *testing.T, s *Stack) (n int) {
	t.Helper()
	conn := connect(t, s)
	if err := conn.QueryRow(t.Context(), `select count(*) from pg_tables where schemaname = 'public'`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func execute(t *testing.T, s *Stack, sql string) {
	t.Helper()
	if _, err := connect(t, s).Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

func connect(t *testing.T, s *Stack) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(t.Context()) })
	return conn
}
