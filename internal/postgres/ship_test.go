package postgres_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

func (w *world) shipment() string {
	w.Helper()
	return w.db.Text(w, `select coalesce((select state || ' ' || shipment_id || ' ' || tracking_no from shipments where transaction_id = $1), '')`, txn)
}

func TestAParcelSaysWhatToShip(t *testing.T) {
	w := open(t)
	w.paid()
	first := w.claimShip()
	want := activities.Parcel{
		Key: "ship-" + txn, OutTradeNo: orderNo, TransactionID: txn, AmountFen: fen, Currency: "CNY",
		Shipping: []byte(`{"to": "Hangzhou"}`), State: payment.ShipRequested,
	}
	if diff := cmp.Diff(want, first); diff != "" {
		t.Errorf("parcel (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(first, w.claimShip()); diff != "" {
		t.Errorf("asked again, the parcel differs:\n%s", diff)
	}
	if asked := w.must(w.Read(t.Context(), txn)).ShipAskedAt; asked.IsZero() {
		t.Error("the books do not say when the shop was asked")
	}
}

func TestOnlyAPaidPaymentShips(t *testing.T) {
	for _, stage := range []payment.Stage{
		payment.Received, payment.Shipped, payment.Completed, payment.Holding, payment.Quarantined,
		payment.Compensating, payment.Refunded, payment.Resolved,
	} {
		t.Run("not while "+string(stage), func(t *testing.T) {
			t.Parallel()
			w := open(t)
			w.bring(stage)
			before := w.shipment()
			_, err := w.ClaimShip(t.Context(), txn)
			w.wantKind(err, payment.Conflict)
			if after := w.shipment(); after != before {
				t.Errorf("shipment %q became %q", before, after)
			}
		})
	}
}

func TestAnOrderThatShipsAlreadyIsNoConflictAmongFriends(t *testing.T) {
	w := open(t)
	w.paid()
	w.must(w.Claim(t.Context(), news("4200000009")))
	w.db.Exec(t, `insert into shipments (transaction_id, out_trade_no, ship_key, state) values ('4200000009', $1, 'k', 'requested')`, orderNo)
	_, err := w.ClaimShip(t.Context(), txn)
	w.wantKind(err, payment.Internal) // asked again, and held in the end: never a loop
}

// Words of the shop that come late, twice or against each other.
func TestTheShopsWordIsWrittenDown(t *testing.T) {
	undo := func(w *world) { w.must(w.BeginRequest(w.Context(), "q1")) }
	cancel := func(w *world) {
		_, err := w.ClaimCancel(w.Context(), txn)
		w.ok(err)
	}
	yes := func(w *world) { w.dispatched(payment.ShipDispatched) }
	later := func(w *world) { w.dispatched(payment.ShipAccepted) }
	no := func(w *world) { w.must(w.ShipRefused(w.Context(), txn, "sold_out: none left")) }
	calledOff := func(w *world) { w.must(w.CalledOff(w.Context(), txn)) }
	cancelled := func(w *world) { w.must(w.Cancelled(w.Context(), txn)) }
	for name, row := range map[string]struct {
		words    []func(*world)
		stage    payment.Stage
		shipment string
		order    payment.OrderState
		step     string
	}{
		"dispatched at once":             {[]func(*world){yes}, payment.Shipped, "dispatched S1 SF1", payment.OrderShipped, "done 1 "},
		"dispatched, and said twice":     {[]func(*world){yes, yes}, payment.Shipped, "dispatched S1 SF1", payment.OrderShipped, "done 1 "},
		"accepted":                       {[]func(*world){later}, payment.Paid, "accepted S1 SF1", payment.OrderPaid, "running 1 "},
		"accepted, then dispatched":      {[]func(*world){later, yes}, payment.Shipped, "dispatched S1 SF1", payment.OrderShipped, "done 2 "},
		"a late accepted changes no yes": {[]func(*world){yes, later}, payment.Shipped, "dispatched S1 SF1", payment.OrderShipped, "done 1 "},
		"refused":                        {[]func(*world){no}, payment.Compensating, "refused  ", payment.OrderPaid, "refused 1 "},
		"accepted, then cancelled by the shop": {
			[]func(*world){later, calledOff}, payment.Compensating, "refused S1 SF1", payment.OrderPaid, "refused 2 "},
		"a late no to our asking changes no accepted":      {[]func(*world){later, no}, payment.Paid, "accepted S1 SF1", payment.OrderPaid, "running 1 "},
		"what it shows as cancelled before a yes is other": {[]func(*world){calledOff}, payment.Paid, "requested  ", payment.OrderPaid, ""},
		"a late no changes no yes":                         {[]func(*world){yes, no}, payment.Shipped, "dispatched S1 SF1", payment.OrderShipped, "done 1 "},
		"dispatched while it goes back: the facts are kept": {
			[]func(*world){undo, yes}, payment.Compensating, "dispatched S1 SF1", payment.OrderPaid, ""},
		"dispatched after the tombstone: it stays one": {
			[]func(*world){undo, cancel, yes}, payment.Compensating, "cancelling S1 SF1", payment.OrderPaid, ""},
		"accepted after the shop cancelled: it stays cancelled": {
			[]func(*world){undo, cancel, cancelled, later}, payment.Compensating, "cancelled S1 SF1", payment.OrderPaid, ""},
		"dispatched after the shop cancelled: a person looks": {
			[]func(*world){undo, cancel, cancelled, yes}, payment.Holding, "dispatched S1 SF1", payment.OrderPaid, ""},
		"refused while it goes back": {[]func(*world){undo, no}, payment.Compensating, "refused  ", payment.OrderPaid, "refused 1 "},
		"refused after the tombstone: the shop must still say so to cancel": {
			[]func(*world){undo, cancel, no}, payment.Compensating, "cancelling  ", payment.OrderPaid, ""},
		"a dispatched one is not tombstoned, and can still be cancelled": {
			[]func(*world){yes, undo, cancel, cancelled}, payment.Compensating, "cancelled S1 SF1", payment.OrderShipped, "undone 1 "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			w.paid()
			w.claimShip()
			w.ask("q1", payment.Compensate, "")
			for _, word := range row.words {
				word(w)
			}
			w.want(w.must(w.Read(t.Context(), txn)), row.stage)
			if got := w.shipment(); got != row.shipment {
				t.Errorf("shipment %q, want %q", got, row.shipment)
			}
			if got := w.order(); got != row.order {
				t.Errorf("order %s, want %s", got, row.order)
			}
			if got := w.step(txn, "ship"); got != row.step {
				t.Errorf("step %q, want %q", got, row.step)
			}
		})
	}
}

func TestAnAnswerDuringAHoldEndsIt(t *testing.T) {
	for name, row := range map[string]struct {
		word func(*world) payment.Books
		want payment.Stage
	}{
		"dispatched after all": {func(w *world) payment.Books { return w.dispatched(payment.ShipDispatched) }, payment.Shipped},
		"accepted after all":   {func(w *world) payment.Books { return w.dispatched(payment.ShipAccepted) }, payment.Paid},
		"refused after all": {func(w *world) payment.Books {
			return w.must(w.ShipRefused(w.Context(), txn, "sold_out: none left"))
		}, payment.Compensating},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			w.bring(payment.Holding)
			w.want(row.word(w), row.want)
			w.wantCases(txn, "")
		})
	}
}

func TestAnAnswerThatNobodyAskedForIsNotInvented(t *testing.T) {
	w := open(t)
	w.paid()
	_, err := w.Dispatched(t.Context(), txn, activities.Dispatch{State: payment.ShipDispatched})
	w.wantKind(err, payment.NotFound)
	w.claimShip()
	_, err = w.Dispatched(t.Context(), txn, activities.Dispatch{State: payment.ShipCancelled})
	w.wantKind(err, payment.Unknown)
	w.want(w.must(w.Read(t.Context(), txn)), payment.Paid)
}

func TestTheTombstone(t *testing.T) {
	t.Run("stands even where nothing was ever asked for", func(t *testing.T) {
		t.Parallel()
		w := open(t)
		w.compensating()
		parcel, err := w.ClaimCancel(t.Context(), txn)
		if err != nil || parcel.State != payment.ShipCancelled {
			t.Errorf("%+v, %v", parcel, err)
		}
	})
	t.Run("is not set for a payment that goes forward", func(t *testing.T) {
		t.Parallel()
		w := open(t)
		w.paid()
		w.claimShip()
		parcel, err := w.ClaimCancel(t.Context(), txn)
		if err != nil || parcel.State.ToCancel() {
			t.Errorf("%+v, %v", parcel, err)
		}
		if got := w.shipment(); got != "requested  " {
			t.Error(got)
		}
	})
	t.Run("remembers when the shop first forgot", func(t *testing.T) {
		t.Parallel()
		w := open(t)
		w.paid()
		w.claimShip()
		w.begin("q1", payment.Compensate)
		_, err := w.ClaimCancel(t.Context(), txn)
		w.ok(err)
		w.ok(w.Forgotten(t.Context(), txn))
		first, err := w.ClaimCancel(t.Context(), txn)
		w.ok(err)
		w.ok(w.Forgotten(t.Context(), txn))
		second, err := w.ClaimCancel(t.Context(), txn)
		w.ok(err)
		if first.ForgottenAt.IsZero() || !first.ForgottenAt.Equal(second.ForgottenAt) {
			t.Errorf("forgotten at %s, then at %s", first.ForgottenAt, second.ForgottenAt)
		}
	})
}
