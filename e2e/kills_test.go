package e2e

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/paysaga/paysaga/internal/fleet"
	"github.com/paysaga/paysaga/internal/simulator"
)

// revive starts a killed process again; the world goes on in between.
func (w *world) revive(m *fleet.Member) {
	w.Helper()
	if err := m.Restart(w.Context()); err != nil {
		w.Fatal(err)
	}
}

// The worst moments of a process: its call has arrived and is not carried out
// yet, or was carried out and its answer is on the way. In both it must not be
// done twice, nor forgotten.
func TestAKilledProcessNeitherForgetsNorRepeats(t *testing.T) {
	w := newWorld(t, nil)
	victims := map[string]*fleet.Member{"worker": w.fleet.Workers[0], "api": w.fleet.APIs[0]}
	for name, victim := range victims {
		for _, when := range []string{"before", "after"} {
			w.playAlone(name+" is killed "+when+" the shop ships", func(w *world) {
				number := w.order(tea)
				caught := w.hold("ship", number, when)
				id := w.pay(number, simulator.PayRequest{})
				caught()
				victim.Kill()
				w.release(number)
				w.revive(victim)
				w.endsShipped(id, number)
			})
			w.playAlone(name+" is killed "+when+" WeChat takes the refund", func(w *world) {
				number := w.order(tea)
				w.plan(number, simulator.Plan{Shop: "refuse"})
				caught := w.hold("refund", number, when)
				id := w.pay(number, simulator.PayRequest{})
				caught()
				victim.Kill()
				w.release(number)
				w.revive(victim)
				w.endsRefunded(id, number)
				if refunds := w.truth(number).Refunds; len(refunds) != 1 {
					w.Errorf("WeChat has %d refunds: %+v", len(refunds), refunds)
				}
			})
			w.playAlone(name+" is killed "+when+" the shop cancels", func(w *world) {
				number := w.order(tea)
				w.plan(number, simulator.Plan{Shop: "refuse"})
				caught := w.hold("cancel", number, when)
				id := w.pay(number, simulator.PayRequest{})
				caught()
				victim.Kill()
				w.release(number)
				w.revive(victim)
				w.endsRefunded(id, number)
			})
		}
	}
}

func TestAnAPIKilledBeforeItsInboxCommitLosesNothing(t *testing.T) {
	w := newWorld(t, nil)
	number := w.order(tea)
	unlock := w.lock("inbox")
	id := w.pay(number, simulator.PayRequest{})
	w.waitsFor("inbox")
	w.fleet.APIs[0].Kill()
	unlock()
	w.revive(w.fleet.APIs[0])
	w.endsShipped(id, number)
}

// lock keeps everybody from writing a table until it is undone.
func (w *world) lock(table string) (unlock func()) {
	w.Helper()
	conn, err := pgx.Connect(w.Context(), w.databaseURL)
	if err != nil {
		w.Fatal(err)
	}
	if _, err := conn.Exec(w.Context(), "begin; lock table "+table+" in share row exclusive mode"); err != nil {
		w.Fatal(err)
	}
	return func() {
		w.Helper()
		if err := conn.Close(w.Context()); err != nil {
			w.Fatal(err)
		}
	}
}

// waitsFor returns when somebody waits to write a locked table.
func (w *world) waitsFor(table string) {
	w.Helper()
	w.await("somebody waits to write "+table, func() bool {
		var waiting int
		w.sql(&waiting, "select count(*) from pg_locks where relation = $1::regclass and not granted", table)
		return waiting > 0
	})
}

func TestAnAPIKilledAfterItsInboxCommitRepeatsNothing(t *testing.T) {
	database, _ := url.Parse(os.Getenv("DATABASE_URL"))
	link := newProxy(t, database.Host)
	w := newWorld(t, func(o *fleet.Options) {
		u, _ := url.Parse(o.DatabaseURL)
		u.Host = link.addr()
		o.APIEnv = []string{"DATABASE_URL=" + u.String()}
	})
	number := w.order(tea)
	id := rand.Text()
	committed := link.freezeCommitOf(id)
	w.pay(number, simulator.PayRequest{TransactionID: id})
	w.await("the row is committed, and the api does not know", func() bool {
		select {
		case <-committed:
		default:
			return false
		}
		var rows int
		w.sql(&rows, "select count(*) from inbox where transaction_id = $1", id)
		return rows == 1
	})
	w.fleet.APIs[0].Kill()
	w.revive(w.fleet.APIs[0])
	w.endsShipped(id, number)
	if runs := w.runs(id); runs != 1 {
		t.Errorf("%d runs were started", runs)
	}
}

// The callback is answered, nobody has started a saga, and support is faster.
func TestCompensatedBeforeTheSagaHasStarted(t *testing.T) {
	link := newProxy(t, os.Getenv("TEMPORAL_ADDRESS"))
	w := newWorld(t, func(o *fleet.Options) { o.APIEnv = []string{"TEMPORAL_ADDRESS=" + link.addr()} })
	number := w.order(tea)
	link.cut()
	id := w.pay(number, simulator.PayRequest{})
	w.await("the callback is answered although Temporal is away", func() bool {
		for _, d := range w.truth(number).Deliveries {
			if d.Status == http.StatusOK {
				return true
			}
		}
		return false
	})
	if v := w.payment(id); v.Stage != "received" {
		t.Errorf("a payment known to the inbox alone is shown as %q", v.Stage)
	}
	w.ask(id, "compensate", w.fleet.Tokens.Support, map[string]any{"reason": "customer cancelled by phone"})
	link.heal()
	w.endsRefunded(id, number)
	if shipments := w.truth(number).Shipments; len(shipments) != 0 {
		t.Errorf("the shop was asked to ship: %+v", shipments)
	}
	w.recorded(id, "compensated-before-start")
}

// Terminate skips every compensation by design of Temporal. The books have a
// payment that is not done and no open run, and the sweep starts another.
func TestATerminatedSagaIsFinishedByTheSweep(t *testing.T) {
	w := newWorld(t, nil)
	for _, step := range []string{"ship", "webhook", "cancel", "refund", "refund_query"} {
		for _, when := range []string{"before", "after"} {
			w.play("terminated "+when+" "+step, func(w *world) {
				number := w.order(tea)
				forward := step == "ship" || step == "webhook"
				if !forward {
					w.plan(number, simulator.Plan{Shop: "refuse"})
				}
				caught := w.hold(step, number, when)
				id := w.pay(number, simulator.PayRequest{})
				caught()
				w.terminate(id)
				w.release(number)
				if forward {
					w.endsShipped(id, number)
				} else {
					w.endsRefunded(id, number)
				}
				w.recorded(id, "resumed-"+step+"-"+when)
			})
		}
	}
}

// The two steps that only our own books know.
func TestASagaTerminatedOverItsBooksIsFinishedByTheSweep(t *testing.T) {
	w := newWorld(t, nil)
	w.playAlone("terminated while it marks paid", func(w *world) {
		number := w.order(tea)
		unlock := w.lock("payments")
		id := w.pay(number, simulator.PayRequest{})
		w.waitsFor("payments")
		w.terminate(id)
		unlock()
		w.endsShipped(id, number)
	})
	w.playAlone("terminated while it marks refunded", func(w *world) {
		number := w.order(tea)
		w.plan(number, simulator.Plan{Shop: "refuse"})
		caught := w.hold("refund", number, "before")
		id := w.pay(number, simulator.PayRequest{})
		caught()
		unlock := w.lock("orders")
		w.release(number)
		w.waitsFor("orders")
		w.terminate(id)
		unlock()
		w.endsRefunded(id, number)
	})
}

// Postgres is out of the api's reach and Temporal is not: the start that Temporal
// acknowledged keeps the news, and its saga writes the row.
func TestPostgresIsOutOfReachAndThePaymentIsKeptInTemporal(t *testing.T) {
	database, _ := url.Parse(os.Getenv("DATABASE_URL"))
	link := newProxy(t, database.Host)
	w := newWorld(t, func(o *fleet.Options) {
		u, _ := url.Parse(o.DatabaseURL)
		u.Host = link.addr()
		o.APIEnv = []string{"DATABASE_URL=" + u.String()}
	})
	number := w.order(tea)
	link.cut()
	id := w.pay(number, simulator.PayRequest{})
	w.await("the callback is answered although Postgres is away", func() bool {
		for _, d := range w.truth(number).Deliveries {
			if d.Status == http.StatusOK {
				return true
			}
		}
		return false
	})
	link.heal()
	w.endsShipped(id, number)
	var via string
	w.sql(&via, "select via from inbox where transaction_id = $1", id)
	if via != "temporal" {
		t.Errorf("the row came via %s", via)
	}
}
