package postgres_test

import (
	"testing"
	"time"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
	"github.com/paysaga/paysaga/internal/pgtest"
	"github.com/paysaga/paysaga/internal/postgres"
)

// The numbers most tests use.
const (
	orderNo = "ORDER-1"
	txn     = "4200000001"
	mchID   = "1900000001"
	fen     = 12850
)

// world is one test's books, and what an outsider sees of them.
type world struct {
	testing.TB
	*postgres.Store
	db *pgtest.Database
}

func open(t testing.TB) *world {
	t.Helper()
	return openWith(t, nil)
}

// openWith has WeChat asked about payments above an amount; nil asks about none.
func openWith(t testing.TB, askAboveFen *int64) *world {
	t.Helper()
	db := pgtest.New(t)
	// In the role that the product needs, and not as the owner of the tables.
	store, err := postgres.Open(t.Context(), db.URL+"&role=paysaga_app", postgres.Settings{
		MchID: mchID, AppIDs: []string{"wx1", "wx2"},
		Terms: payment.Terms{RefundSpacing: time.Minute, HoldFor: 72 * time.Hour, RetryMaxInterval: 2 * time.Minute},
		QueryAt: []time.Duration{5 * time.Second, 30 * time.Second, time.Minute, 3 * time.Minute, 5 * time.Minute,
			10 * time.Minute, 30 * time.Minute},
		CaseOwners: map[payment.CaseKind]string{payment.CaseAmountMismatch: "finance"},
		SweepEvery: 5 * time.Second, AskAboveFen: askAboveFen,
		Mini: postgres.Mini{AppID: "wx1", Tells: []activities.Whom{activities.ToPayer, activities.ToWeChat}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	return &world{TB: t, Store: store, db: db}
}

// news is what a callback tells of a payment of orderNo.
func news(id string) payment.Payment {
	return payment.Payment{
		TransactionID: id, OutTradeNo: orderNo, AppID: "wx1", MchID: mchID, AmountFen: fen, Currency: "CNY",
		TradeState: "SUCCESS", PaidAt: time.Now().Add(-time.Minute), Via: payment.ViaCallback,
	}
}

// must unwraps what may not fail here.
func (w *world) must(books payment.Books, err error) payment.Books {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
	return books
}

func (w *world) ok(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// paid has an order, paid by txn.
func (w *world) paid() payment.Books {
	w.Helper()
	w.db.Order(w, orderNo, fen)
	return w.must(w.Claim(w.Context(), news(txn)))
}

func (w *world) order() payment.OrderState {
	w.Helper()
	return payment.OrderState(w.db.Text(w, `select state from orders where out_trade_no = $1`, orderNo))
}

// openCases are the kinds of the open cases of a payment, in the order of the alphabet.
func (w *world) openCases(id string) string {
	w.Helper()
	return w.db.Text(w, `
		select coalesce(string_agg(kind, ' ' order by kind), '') from cases where state = 'open' and transaction_id = $1`, id)
}

func (w *world) step(id, step string) string {
	w.Helper()
	return w.db.Text(w, `
		select coalesce((select state || ' ' || attempts || ' ' || last_error from steps where transaction_id = $1 and step = $2), '')`,
		id, step)
}

func (w *world) want(books payment.Books, stage payment.Stage) {
	w.Helper()
	if books.Stage != stage {
		w.Fatalf("the payment is %s, want %s", books.Stage, stage)
	}
}

func (w *world) wantKind(err error, kind payment.Kind) {
	w.Helper()
	if payment.KindOf(err) != kind {
		w.Fatalf("%v is %q, want %q", err, payment.KindOf(err), kind)
	}
}

// compensating has a second payment of an order, which is going back.
func (w *world) compensating() payment.Books {
	w.Helper()
	w.db.Order(w, orderNo, fen)
	w.must(w.Claim(w.Context(), news("4200000009")))
	return w.must(w.Claim(w.Context(), news(txn)))
}

// ask writes down ann's request, as the desk does, approved by bob where it says so.
func (w *world) ask(id string, kind payment.RequestKind, approver string) {
	w.Helper()
	w.db.Exec(w, `
		insert into requests (id, transaction_id, kind, state, actor, reason, amount_fen, approver)
		values ($1, $2, $3, 'queued', 'ann', 'the customer asked for it', $4, $5)`, id, txn, kind, fen, approver)
}

// request is how a request stands, and what came of it.
func (w *world) request(id string) string {
	w.Helper()
	return w.db.Text(w, `select state || ': ' || detail from requests where id = $1`, id)
}

func (w *world) claimShip() activities.Parcel {
	w.Helper()
	parcel, err := w.ClaimShip(w.Context(), txn)
	w.ok(err)
	return parcel
}

func (w *world) dispatched(state payment.Shipment) payment.Books {
	w.Helper()
	return w.must(w.Dispatched(w.Context(), txn, activities.Dispatch{
		State: state, ShipmentID: "S1", Carrier: "SF", TrackingNo: "SF1",
	}))
}

// claimRefund takes the payment's refund number and asks WeChat under it.
func (w *world) claimRefund() payment.Refund {
	w.Helper()
	refund, err := w.OpenRefund(w.Context(), txn)
	w.ok(err)
	w.ok(w.RefundAsked(w.Context(), refund.OutRefundNo))
	return refund
}
