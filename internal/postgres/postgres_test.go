package postgres_test

import (
	"context"
	"net"
	"strings"
	"testing"

	"github.com/paysaga/paysaga/internal/payment"
	"github.com/paysaga/paysaga/internal/pgtest"
	"github.com/paysaga/paysaga/internal/postgres"
)

func TestMigrateRunsAgainAndBesideItself(t *testing.T) {
	db := pgtest.New(t)
	w := &world{TB: t, db: db}
	db.Order(t, orderNo, fen)
	race(times(3, func(int) { w.ok(postgres.Migrate(t.Context(), db.URL)) })...)
	if n := db.Int(t, `select count(*) from orders`); n != 1 {
		t.Error("a migration that had run already touched the books")
	}
}

func TestReadyKnowsTodaysSchema(t *testing.T) {
	w := open(t)
	w.ok(w.Ready(t.Context()))
	w.db.Exec(t, `insert into goose_db_version (version_id, is_applied) values (99999, true)`)
	w.ok(w.Ready(t.Context())) // a newer version is on its way in
	w.db.Exec(t, `update goose_db_version set version_id = 0`)
	w.wantKind(w.Ready(t.Context()), payment.Conflict)
	w.db.Exec(t, `drop table goose_db_version`)
	w.wantKind(w.Ready(t.Context()), payment.Conflict)
}

func TestWhatTheDatabaseSaysIsTranslated(t *testing.T) {
	w := open(t)
	w.db.Order(t, orderNo, fen)
	told := news(txn)
	told.AmountFen = 0
	_, err := w.Claim(t.Context(), told)
	w.wantKind(err, payment.Conflict)
	if payment.CodeOf(err) != "payments_amount_fen_check" {
		t.Errorf("the code is %s, want the broken rule's name", payment.CodeOf(err))
	}
	if strings.Contains(err.Error(), orderNo) || strings.Contains(err.Error(), "insert") {
		t.Errorf("the text holds values or SQL: %v", err)
	}
	told = news(txn)
	told.Currency = "C\x00Y"
	_, err = w.Claim(t.Context(), told)
	w.wantKind(err, payment.Invalid)
	_, err = w.Read(t.Context(), "4299999999")
	w.wantKind(err, payment.NotFound)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = w.Claim(gone, news(txn))
	w.wantKind(err, payment.Unknown)
	if n := w.db.Int(t, `select count(*) from payments`); n != 0 {
		t.Errorf("%d payments were written all the same", n)
	}
}

func TestADatabaseThatIsAwayIsBusy(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := listener.Addr().String()
	listener.Close()
	store, err := postgres.Open(t.Context(), "postgres://books:hunter2@"+nobody+"/books", postgres.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	_, err = store.Claim(t.Context(), news(txn))
	if payment.KindOf(err) != payment.Busy || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%v is %s", err, payment.KindOf(err))
	}
	if _, err := postgres.Open(t.Context(), "postgres://:hunter2@%zz", postgres.Settings{}); payment.KindOf(err) != payment.Invalid || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%v", err)
	}
}

func TestACommitThatIsNotAnsweredIsUnknown(t *testing.T) {
	w := open(t)
	w.db.Order(t, orderNo, fen)
	w.db.Exec(t, `
		create function dies() returns trigger language plpgsql as $$
		begin perform pg_terminate_backend(pg_backend_pid()); return null; end $$`)
	w.db.Exec(t, `
		create constraint trigger dies after insert on payments deferrable initially deferred
		for each row execute function dies()`)
	books, err := w.Claim(t.Context(), news(txn))
	w.wantKind(err, payment.Unknown)
	if books.Stage != "" {
		t.Errorf("books of a transaction that may not have happened: %+v", books)
	}
	w.db.Exec(t, `drop trigger dies on payments`)
	w.want(w.must(w.Claim(t.Context(), news(txn))), payment.Paid) // a repeat finds out
}
