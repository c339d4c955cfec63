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
			t.Run(name+" is killed "+when+" the shop ships", func(t *testing.T) {
				mine := *w
				mine.T = t
				number := mine.order(tea)
				caught := mine.hold("ship", number, when)
				id := mine.pay(number, simulator.PayRequest{})
				caught()
				victim.Kill()
				mine.release(number)
				mine.revive(victim)
				mine.endsShipped(id, number)
			})
			t.Run(name+" is killed "+when+" WeChat takes the refund", func(t *testing.T) {
				mine := *w
				mine.T = t
				number := mine.order(tea)
				mine.plan(number, simulator.Plan{Shop: "refuse"})
				caught := mine.hold("refund", number, when)
				id := mine.pay(number, simulator.PayRequest{})
				caught()
				victim.Kill()
				mine.release(number)
				mine.revive(victim)
				mine.endsRefunded(id, number)
				if refunds := mine.truth(number).Refunds; len(refunds) != 1 {
					mine.Errorf("WeChat has %d refunds: %+v", len(refunds), refunds)
				}
			})
			t.Run(name+" is killed "+when+" the shop cancels", func(t *testing.T) {
				mine := *w
				mine.T = t
				number := mine.order(tea)
				mine.plan(number, simulator.Plan{Shop: "refuse"})
				caught := mine.hold("cancel", number, when)
				id := mine.pay(number, simulator.PayRequest{})
				caught()
				victim.Kill()
				mine.release(number)
				mine.revive(victim)
				mine.endsRefunded(id, number)
			})
		}
	}
}

func TestAnAPIKilledBeforeItsInboxCommitLosesNothing(t *testing.T) {
	w := newWorld(t, nil)
	number := w.order(tea)
	lock, err := pgx.Connect(t.Context(), w.databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close(t.Context())
	if _, err := lock.Exec(t.Context(), "begin; lock table inbox in share row exclusive mode"); err != nil {
		t.Fatal(err)
	}
	id := w.pay(number, simulator.PayRequest{})
	w.await("the api waits to write its row", func() bool {
		var waiting int
		w.sql(&waiting, "select count(*) from pg_locks where relation = 'inbox'::regclass and not granted")
		return waiting > 0
	})
	w.fleet.APIs[0].Kill()
	if _, err := lock.Exec(t.Context(), "rollback"); err != nil {
		t.Fatal(err)
	}
	w.revive(w.fleet.APIs[0])
	w.endsShipped(id, number)
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
			t.Run("terminated "+when+" "+step, func(t *testing.T) {
				t.Parallel()
				mine := *w
				mine.T = t
				number := mine.order(tea)
				forward := step == "ship" || step == "webhook"
				if !forward {
					mine.plan(number, simulator.Plan{Shop: "refuse"})
				}
				caught := mine.hold(step, number, when)
				id := mine.pay(number, simulator.PayRequest{})
				caught()
				mine.terminate(id)
				mine.release(number)
				if forward {
					mine.endsShipped(id, number)
				} else {
					mine.endsRefunded(id, number)
				}
				mine.recorded(id, "resumed-"+step+"-"+when)
			})
		}
	}
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
