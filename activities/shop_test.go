package activities_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

// until runs an act as Temporal would, until it has an answer.
func (w *world) until(act func(context.Context, string) (payment.Books, error)) payment.Books {
	w.Helper()
	for range 10 {
		books, err := act(w.Context(), txn)
		if err == nil {
			return books
		}
		w.asksAgain(books, err)
	}
	w.Fatal("no answer after ten attempts")
	return payment.Books{}
}

func TestShip(t *testing.T) {
	for name, row := range map[string]struct {
		moods    []mood
		stage    payment.Stage
		shipment payment.Shipment
		left     int // parcels that left the house
		step     string
	}{
		"the shop dispatches":                               {nil, payment.Shipped, payment.ShipDispatched, 1, "done 1"},
		"the shop dispatches, and its answer is lost":       {[]mood{losesAnswers}, payment.Shipped, payment.ShipDispatched, 1, "done 2"},
		"the shop is silent three times, then dispatches":   {[]mood{silent, silent, silent}, payment.Shipped, payment.ShipDispatched, 1, "done 4"},
		"the shop refuses, and the money will go back":      {[]mood{refusing}, payment.Compensating, payment.ShipRefused, 0, "refused 1"},
		"the shop refuses after it was silent":              {[]mood{silent, refusing}, payment.Compensating, payment.ShipRefused, 0, "refused 2"},
		"the shop accepts, and dispatches later":            {[]mood{later}, payment.Paid, payment.ShipAccepted, 0, "running 1"},
		"the shop loses its answer, and then accepts again": {[]mood{silent, later}, payment.Paid, payment.ShipAccepted, 0, "running 2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			w.paid()
			w.shop.ships.moods = row.moods
			books := w.until(w.ship.Ship)
			w.want(books, row.stage)
			if books.Shipment != row.shipment || w.shop.shipped != row.left {
				t.Errorf("shipment %s, and %d parcels left; want %s, %d", books.Shipment, w.shop.shipped, row.shipment, row.left)
			}
			if got := w.db.Text(t, `select state || ' ' || attempts from steps where step = 'ship'`); got != row.step {
				t.Errorf("step %q, want %q", got, row.step)
			}
			w.must(w.ship.Ship(t.Context(), txn)) // an act may run again after its answer
			if w.shop.shipped != row.left {
				t.Error("and again it shipped")
			}
		})
	}
}

func TestAnAttemptToShipThatComesTooLate(t *testing.T) {
	t.Run("after a person turned it round, nothing is asked for", func(t *testing.T) {
		t.Parallel()
		w := open(t)
		w.paid()
		w.undo()
		w.want(w.must(w.ship.Ship(t.Context(), txn)), payment.Compensating)
		if w.shop.shipped != 0 || w.read().Shipment != payment.ShipNone {
			t.Errorf("%d parcels left", w.shop.shipped)
		}
	})
	t.Run("it is on its way while the shop is told to cancel, and the shop bars it", func(t *testing.T) {
		t.Parallel()
		w := open(t)
		w.paid()
		w.shop.ships.during = func() {
			w.undo()
			w.must(w.ship.CancelShipment(t.Context(), txn))
		}
		w.want(w.must(w.ship.Ship(t.Context(), txn)), payment.Compensating)
		if got := w.read().Shipment; got != payment.ShipCancelled || w.shop.shipped != 0 {
			t.Errorf("shipment %s, %d parcels left", got, w.shop.shipped)
		}
	})
	t.Run("the shop had dispatched when a person turned it round: held, and no money moves", func(t *testing.T) {
		t.Parallel()
		w := open(t)
		w.paid()
		w.shop.ships.moods = []mood{losesAnswers}
		w.asksAgain(w.ship.Ship(t.Context(), txn))
		w.undo()
		books := w.must(w.ship.CancelShipment(t.Context(), txn))
		w.want(books, payment.Holding)
		if books.Hold.Reason != payment.CaseCancelRefused || w.openCases() != "cancel_refused" {
			t.Errorf("hold %+v, cases %q", books.Hold, w.openCases())
		}
		w.want(w.must(w.refunds.Refund(t.Context(), txn)), payment.Holding)
		if got := w.wechat.refundedFen(); got != 0 {
			t.Errorf("%d fen went back", got)
		}
		if got := w.db.Text(t, `select state from requests`); got != "refused" {
			t.Errorf("the request is %s", got)
		}
	})
	t.Run("the answer comes after the attempt was given up, and counts", func(t *testing.T) {
		t.Parallel()
		w := open(t)
		w.paid()
		ctx, giveUp := context.WithCancel(t.Context())
		w.shop.ships.during = giveUp
		if _, err := w.ship.Ship(ctx, txn); err != nil {
			t.Error(err)
		}
		w.want(w.read(), payment.Shipped)
	})
}

func TestFindShipment(t *testing.T) {
	accepted := func(t *testing.T) *world {
		w := open(t)
		w.paid()
		w.shop.ships.moods = []mood{later}
		w.until(w.ship.Ship)
		return w
	}
	t.Run("not dispatched yet: nothing changes", func(t *testing.T) {
		t.Parallel()
		w := accepted(t)
		w.want(w.must(w.ship.FindShipment(t.Context(), txn)), payment.Paid)
	})
	t.Run("dispatched meanwhile", func(t *testing.T) {
		t.Parallel()
		w := accepted(t)
		w.shop.dispatch(orderNo)
		w.want(w.must(w.ship.FindShipment(t.Context(), txn)), payment.Shipped)
		if got := w.db.Text(t, `select tracking_no from shipments`); got != "SF1" {
			t.Errorf("tracking number %q", got)
		}
	})
	t.Run("cancelled by the shop meanwhile: the money will go back", func(t *testing.T) {
		t.Parallel()
		w := accepted(t)
		w.shop.parcels[orderNo] = activities.Dispatch{State: payment.ShipCancelled, ShipmentID: "S1"}
		w.want(w.must(w.ship.FindShipment(t.Context(), txn)), payment.Compensating)
	})
	t.Run("forgotten by the shop is no answer", func(t *testing.T) {
		t.Parallel()
		w := accepted(t)
		delete(w.shop.parcels, orderNo)
		w.asksAgain(w.ship.FindShipment(t.Context(), txn))
		w.want(w.read(), payment.Paid)
	})
}

func TestCancelShipment(t *testing.T) {
	asked := func(t *testing.T, moods ...mood) *world {
		w := open(t)
		w.paid()
		w.shop.ships.moods = moods
		_, _ = w.ship.Ship(t.Context(), txn) // whatever came of it
		w.want(w.undo(), payment.Compensating)
		return w
	}
	t.Run("the shop cancels what it had accepted", func(t *testing.T) {
		t.Parallel()
		w := asked(t, later)
		if got := w.must(w.ship.CancelShipment(t.Context(), txn)).Shipment; got != payment.ShipCancelled {
			t.Errorf("shipment %s", got)
		}
		w.must(w.ship.CancelShipment(t.Context(), txn))
		if w.shop.parcels[orderNo].State != payment.ShipCancelled || w.shop.shipped != 0 {
			t.Errorf("at the shop it is %s", w.shop.parcels[orderNo].State)
		}
	})
	t.Run("the shop cancels, and its answer is lost: asked again", func(t *testing.T) {
		t.Parallel()
		w := asked(t, later)
		w.shop.cancels.moods = []mood{losesAnswers}
		if got := w.until(w.ship.CancelShipment).Shipment; got != payment.ShipCancelled {
			t.Errorf("shipment %s", got)
		}
	})
	t.Run("no answer is never leave to refund", func(t *testing.T) {
		t.Parallel()
		w := asked(t, silent)
		w.shop.cancels.moods = []mood{silent}
		w.asksAgain(w.ship.CancelShipment(t.Context(), txn))
		if got := w.read().Shipment; got != payment.ShipCancelling {
			t.Errorf("shipment %s: the tombstone must stand", got)
		}
		w.asksAgain(w.refunds.Refund(t.Context(), txn))
		if w.wechat.refundedFen() != 0 || len(w.wechat.made) != 0 {
			t.Error("money went back while the parcel may still leave")
		}
	})
	t.Run("a shop that forgets is asked twice, with time between", func(t *testing.T) {
		t.Parallel()
		w := asked(t, silent)
		w.shop.forgetful = true
		if wait := w.asksAgain(w.ship.CancelShipment(t.Context(), txn)); wait != time.Minute {
			t.Errorf("asked again in %s, want twice the attempt's timeout", wait)
		}
		w.asksAgain(w.ship.CancelShipment(t.Context(), txn)) // too early
		if got := w.read().Shipment; got != payment.ShipCancelling {
			t.Fatalf("shipment %s after a first 404", got)
		}
		w.db.Exec(t, `update shipments set forgotten_at = now() - interval '61 seconds'`)
		if got := w.must(w.ship.CancelShipment(t.Context(), txn)).Shipment; got != payment.ShipCancelled {
			t.Errorf("shipment %s after a second 404", got)
		}
	})
	t.Run("a shop that forgets, and whose late attempt arrived after all", func(t *testing.T) {
		t.Parallel()
		w := asked(t, silent)
		w.shop.forgetful = true
		w.asksAgain(w.ship.CancelShipment(t.Context(), txn))
		w.shop.dispatch(orderNo)
		w.db.Exec(t, `update shipments set forgotten_at = now() - interval '61 seconds'`)
		w.want(w.must(w.ship.CancelShipment(t.Context(), txn)), payment.Holding)
	})
	t.Run("a shop that knows nothing to cancel and yet shows a parcel", func(t *testing.T) {
		t.Parallel()
		w := asked(t, losesAnswers)
		w.db.Exec(t, `update shipments set forgotten_at = now() - interval '61 seconds'`)
		w.shop.cancels.moods = []mood{lying}
		w.asksAgain(w.ship.CancelShipment(t.Context(), txn))
		if got := w.read().Shipment; got != payment.ShipCancelling {
			t.Errorf("shipment %s, although a parcel is on its way", got)
		}
	})
	t.Run("a shop that has forgotten what it had accepted: no leave to refund", func(t *testing.T) {
		t.Parallel()
		w := asked(t, later)
		w.shop.forgetful = true
		delete(w.shop.parcels, orderNo)
		w.asksAgain(w.ship.CancelShipment(t.Context(), txn))
		w.db.Exec(t, `update shipments set forgotten_at = now() - interval '61 seconds'`)
		w.asksAgain(w.ship.CancelShipment(t.Context(), txn))
		if got := w.read().Shipment; got != payment.ShipCancelling {
			t.Errorf("shipment %s, although the shop had accepted it", got)
		}
		if got := w.db.Text(t, `select last_error from steps where step = 'cancel_shipment'`); !strings.HasPrefix(got, "cancel_contradicted: ") {
			t.Errorf("people read %q", got)
		}
	})
	for id, want := range map[string]payment.Shipment{"S1": payment.ShipCancelled, "S2": payment.ShipCancelling} {
		t.Run("a shop that forgets keys, had accepted S1, and shows "+id+" as cancelled", func(t *testing.T) {
			t.Parallel()
			w := asked(t, later)
			w.shop.cancels.moods = []mood{lying}
			w.shop.parcels[orderNo] = activities.Dispatch{State: payment.ShipCancelled, ShipmentID: id}
			w.db.Exec(t, `update shipments set forgotten_at = now() - interval '61 seconds'`)
			_, _ = w.ship.CancelShipment(t.Context(), txn)
			if got := w.read().Shipment; got != want {
				t.Errorf("shipment %s, want %s", got, want)
			}
		})
	}
	t.Run("what was never asked for needs no shop", func(t *testing.T) {
		t.Parallel()
		w := open(t)
		w.second()
		w.shop.cancels.moods = []mood{silent}
		if got := w.must(w.ship.CancelShipment(t.Context(), txn)).Shipment; got != payment.ShipCancelled {
			t.Errorf("shipment %s", got)
		}
	})
}
