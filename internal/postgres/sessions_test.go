package postgres_test

import (
	"context"
	"crypto/sha256"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/paysaga/paysaga/internal/payment"
)

func TestHowLongSomebodyStaysSignedIn(t *testing.T) {
	for name, row := range map[string]struct {
		meanwhile string // what becomes of the row, in the books' own words
		in        bool
	}{
		"at once":                            {`select 1`, true},
		"after fourteen idle minutes":        {`update sessions set seen_at = now() - interval '14 min'`, true},
		"after fifteen idle minutes":         {`update sessions set seen_at = now() - interval '15 min 1 s'`, false},
		"busy for almost eight hours":        {`update sessions set opened_at = now() - interval '7 h 59 min'`, true},
		"busy for eight hours":               {`update sessions set opened_at = now() - interval '8 h 1 s'`, false},
		"under another cookie":               {`update sessions set secret_sha256 = sha256('other')`, false},
		"signed out, perhaps from elsewhere": {`delete from sessions`, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			secret, token := sha256.Sum256([]byte("cookie")), sha256.Sum256([]byte("token"))
			want := payment.Session{Role: "approver", Name: "dora", TokenSHA256: token[:]}
			if err := w.OpenSession(t.Context(), secret[:], want); err != nil {
				t.Fatal(err)
			}
			w.db.Exec(t, row.meanwhile)
			for what, ask := range map[string]func(context.Context, []byte) (payment.Session, error){"a glance": w.GlanceSession, "a look": w.Session} {
				got, err := ask(t.Context(), secret[:])
				if row.in && (err != nil || cmp.Diff(want, got) != "") {
					t.Errorf("at %s: %v, %v", what, got, err)
				}
				if !row.in && payment.KindOf(err) != payment.NotFound {
					t.Errorf("still in at %s, or %v", what, err)
				}
			}
		})
	}
}

func TestSeenIsAsGoodAsNew(t *testing.T) {
	t.Parallel()
	w := open(t)
	secret := sha256.Sum256([]byte("cookie"))
	if err := w.OpenSession(t.Context(), secret[:], payment.Session{Role: "support", Name: "ann"}); err != nil {
		t.Fatal(err)
	}
	for range 3 { // forty-two minutes in all
		w.db.Exec(t, `update sessions set seen_at = seen_at - interval '14 min'`)
		if _, err := w.Session(t.Context(), secret[:]); err != nil {
			t.Fatal(err)
		}
	}
}

// A page that looks again by itself keeps nobody signed in who left the desk.
func TestAGlanceIsNotSeen(t *testing.T) {
	t.Parallel()
	w := open(t)
	secret := sha256.Sum256([]byte("cookie"))
	if err := w.OpenSession(t.Context(), secret[:], payment.Session{Role: "support", Name: "ann"}); err != nil {
		t.Fatal(err)
	}
	w.db.Exec(t, `update sessions set seen_at = seen_at - interval '14 min'`)
	if _, err := w.GlanceSession(t.Context(), secret[:]); err != nil {
		t.Fatal(err)
	}
	w.db.Exec(t, `update sessions set seen_at = seen_at - interval '2 min'`)
	if _, err := w.Session(t.Context(), secret[:]); payment.KindOf(err) != payment.NotFound {
		t.Errorf("still in, or %v", err)
	}
}

func TestOldSessionsAreForgottenAndOthersAreNot(t *testing.T) {
	t.Parallel()
	w := open(t)
	for _, name := range []string{"idle", "long", "fresh"} {
		secret := sha256.Sum256([]byte(name))
		if err := w.OpenSession(t.Context(), secret[:], payment.Session{Role: "support", Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	w.db.Exec(t, `update sessions set seen_at = now() - interval '16 min' where name = 'idle'`)
	w.db.Exec(t, `update sessions set opened_at = now() - interval '9 h' where name = 'long'`)
	last := sha256.Sum256([]byte("last"))
	if err := w.OpenSession(t.Context(), last[:], payment.Session{Role: "operator", Name: "last"}); err != nil {
		t.Fatal(err)
	}
	if got := w.db.Text(t, `select string_agg(name, ' ' order by name) from sessions`); got != "fresh last" {
		t.Errorf("kept %q", got)
	}
	fresh := sha256.Sum256([]byte("fresh"))
	if err := w.CloseSession(t.Context(), fresh[:]); err != nil {
		t.Fatal(err)
	}
	if got := w.db.Text(t, `select string_agg(name, ' ') from sessions`); got != "last" {
		t.Errorf("after signing out: %q", got)
	}
}
