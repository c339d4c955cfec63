package pgtest_test

import (
	"testing"

	"github.com/paysaga/paysaga/internal/pgtest"
	"github.com/paysaga/paysaga/internal/postgres"
)

// Tests that write the same row run at once and after each other, because each
// has books of its own, empty and of today's schema, whatever the last one left.
func TestEachTestHasBooksOfItsOwn(t *testing.T) {
	for range 6 {
		t.Run("a stranger", func(t *testing.T) {
			t.Parallel()
			db := pgtest.New(t)
			store, err := postgres.Open(t.Context(), db.URL, postgres.Settings{})
			if err != nil {
				t.Fatal(err)
			}
			defer store.Close()
			if err := store.Ready(t.Context()); err != nil {
				t.Errorf("not today's schema: %v", err)
			}
			if n := db.Int(t, `select count(*) from lawful_moves`); n == 0 {
				t.Error("the schema's own rows are gone")
			}
			db.Order(t, "ORDER-1", 1)
			db.Exec(t, `insert into cases (id, kind, subject, owner, due_at) values ('1', 'not_paid', 'x', 'support', now())`)
			if n := db.Int(t, `select count(*) from cases`); n != 1 {
				t.Errorf("%d rows in fresh books", n)
			}
		})
	}
}

func TestASpoiltSchemaIsNotLentAgain(t *testing.T) {
	for range 2 {
		t.Run("a vandal", func(t *testing.T) {
			db := pgtest.New(t)
			if n := db.Int(t, `select count(*) from pg_trigger where tgname = 'vandal'`); n != 0 {
				t.Fatal("somebody was here before")
			}
			db.Exec(t, `create function vandal() returns trigger language plpgsql as 'begin raise exception $e$no$e$; end'`)
			db.Exec(t, `create trigger vandal before insert on orders for each row execute function vandal()`)
		})
	}
}
