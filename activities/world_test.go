package activities_test

import (
	"errors"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
	"github.com/paysaga/paysaga/internal/pgtest"
	"github.com/paysaga/paysaga/internal/postgres"
)

const (
	orderNo = "ORDER-1"
	txn     = "4200000001"
	mchID   = "1900000001"
	fen     = 12850
)

// world is real books, and a shop and a WeChat with a will of their own.
type world struct {
	testing.TB
	db     *pgtest.Database
	store  *postgres.Store
	shop   *fakeShop
	wechat *fakeWeChat
	mini   *fakeMini

	books    *activities.Books
	ship     *activities.Shop
	refunds  *activities.WeChat
	evidence *activities.Evidence
}

func open(t testing.TB) *world {
	t.Helper()
	db := pgtest.New(t)
	store, err := postgres.Open(t.Context(), db.URL, postgres.Settings{
		MchID: mchID, AppIDs: []string{"wx1"}, SweepEvery: time.Second,
		Terms: payment.Terms{RefundSpacing: time.Minute},
		Mini:  postgres.Mini{AppID: "wx1", Tells: []activities.Whom{activities.ToPayer, activities.ToWeChat}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	w := &world{TB: t, db: db, store: store, shop: newShop(), wechat: newWeChat(), mini: &fakeMini{}}
	w.books = &activities.Books{Ledger: store}
	w.ship = &activities.Shop{Ledger: store, Shop: w.shop, Mini: w.mini, AttemptTimeout: 30 * time.Second}
	w.refunds = &activities.WeChat{Ledger: store, Gateway: w.wechat}
	w.evidence = &activities.Evidence{Ledger: store, Gateway: w.wechat, Shop: w.shop}
	db.Order(t, orderNo, fen)
	return w
}

func news(id string) payment.Payment {
	return payment.Payment{
		TransactionID: id, OutTradeNo: orderNo, AppID: "wx1", MchID: mchID, AmountFen: fen, Currency: "CNY",
		TradeState: "SUCCESS", PaidAt: time.Now(), Via: payment.ViaCallback,
	}
}

func (w *world) paid() payment.Books {
	w.Helper()
	return w.must(w.books.MarkPaid(w.Context(), news(txn)))
}

// second is a second payment of the order: it goes back, and has nothing to cancel.
func (w *world) second() payment.Books {
	w.Helper()
	w.must(w.books.MarkPaid(w.Context(), news("4200000009")))
	return w.paid()
}

// undo has a person turn the payment round.
func (w *world) undo() payment.Books {
	w.Helper()
	w.ask("q1", payment.Compensate)
	return w.must(w.books.BeginRequest(w.Context(), "q1"))
}

func (w *world) ask(id string, kind payment.RequestKind) {
	w.Helper()
	w.db.Exec(w, `
		insert into requests (id, transaction_id, kind, state, actor, reason, amount_fen, approver)
		values ($1, $2, $3, 'queued', 'ann', 'the customer asked for it', $4, 'bob')`, id, txn, kind, fen)
}

func (w *world) must(books payment.Books, err error) payment.Books {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
	return books
}

func (w *world) want(books payment.Books, stage payment.Stage) {
	w.Helper()
	if books.Stage != stage {
		w.Fatalf("the payment is %s, want %s", books.Stage, stage)
	}
}

// read is the books as they are, whatever an act returned.
func (w *world) read() payment.Books {
	w.Helper()
	return w.must(w.store.Read(w.Context(), txn))
}

func (w *world) openCases() string {
	w.Helper()
	return w.db.Text(w, `select coalesce(string_agg(kind, ' ' order by kind), '') from cases where state = 'open'`)
}

// asksAgain checks that an act gave no answer, so that Temporal runs it again,
// and returns after how long; zero leaves that to the retry policy.
func (w *world) asksAgain(_ payment.Books, err error) time.Duration {
	w.Helper()
	fault, ok := errors.AsType[*temporal.ApplicationError](err)
	if !ok || fault.NonRetryable() {
		w.Fatalf("%v is not asked again", err)
	}
	return fault.NextRetryDelay()
}
