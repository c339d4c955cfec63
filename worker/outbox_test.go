package worker_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
	"github.com/paysaga/paysaga/internal/pgtest"
	"github.com/paysaga/paysaga/internal/postgres"
	"github.com/paysaga/paysaga/worker"
)

// shop takes events, or does what its will says.
type shop struct {
	mu   sync.Mutex
	will error
	told []string // webhook-ids, in order
	last activities.Message
	hook func()
}

func (s *shop) Tell(_ context.Context, m activities.Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told, s.last = append(s.told, m.ID), m
	if s.hook != nil {
		s.hook()
	}
	return s.will
}

// office is an outbox over books of its own. The clock is the books': what is to
// be later is moved into the past.
type office struct {
	*pgtest.Database
	store  *postgres.Store
	shop   *shop
	outbox worker.Outbox
	log    *bytes.Buffer
}

func newOffice(t *testing.T) *office {
	t.Helper()
	db := pgtest.New(t)
	store, err := postgres.Open(t.Context(), db.URL, postgres.Settings{
		Terms:      payment.Terms{NotifyGiveUpAfter: 6 * time.Hour, RetryMaxInterval: 2 * time.Minute},
		CaseOwners: map[payment.CaseKind]string{"ship_unknown": "warehouse"}, CaseDueAfter: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	o := &office{Database: db, store: store, shop: &shop{}, log: &bytes.Buffer{}}
	o.outbox = worker.Outbox{Ledger: store, Shop: o.shop, Every: time.Second, Log: slog.New(slog.NewTextHandler(o.log, nil))}
	return o
}

// round makes each of the outbox's rounds until nothing more is to do.
func (o *office) round(t *testing.T) {
	t.Helper()
	for _, round := range o.outbox.Rounds() {
		for more := true; more; {
			var err error
			if more, err = round.Do(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func (o *office) open(t *testing.T, kind payment.CaseKind, transactionID string) {
	t.Helper()
	if err := o.store.OpenCase(t.Context(), payment.Case{Kind: kind, TransactionID: transactionID, OutTradeNo: "TEA-0001", Detail: "no answer"}); err != nil {
		t.Fatal(err)
	}
}

// passes lets time pass for messages and cases.
func (o *office) passes(t *testing.T, time string) {
	t.Helper()
	o.Exec(t, `update outbox set try_at = try_at - $1::interval, tried_at = tried_at - $1::interval`, time)
	o.Exec(t, `update cases set due_at = due_at - $1::interval`, time)
}

// events are the webhook-ids that the shop was told, without the case's own id.
func (o *office) events(t *testing.T) []string {
	t.Helper()
	o.shop.mu.Lock()
	defer o.shop.mu.Unlock()
	events := []string{}
	for _, id := range o.shop.told {
		parts := strings.Split(id, "-")
		events = append(events, parts[0]+"-"+parts[len(parts)-1])
	}
	return events
}

func TestTheShopIsToldOfEachOpeningOnceAndWhenItIsOverdueOnce(t *testing.T) {
	o := newOffice(t)
	o.open(t, payment.CaseShipUnknown, "4200001")
	o.open(t, payment.CaseShipUnknown, "4200001") // the cause repeats, and the case is open
	for range 3 {
		o.round(t)
	}
	o.passes(t, "59 min")
	o.round(t)
	if diff := cmp.Diff([]string{"case.opened-1"}, o.events(t)); diff != "" {
		t.Error(diff)
	}
	o.passes(t, "2 min")
	for range 3 {
		o.round(t)
	}
	o.Exec(t, `update cases set state = 'closed', resolution = 'found', closed_at = now()`)
	o.open(t, payment.CaseShipUnknown, "4200001") // it came back
	o.round(t)
	o.passes(t, "2 h")
	o.round(t)
	o.Exec(t, `update cases set state = 'closed', resolution = 'found', closed_at = now()`)
	o.passes(t, "9 h")
	o.round(t)
	if diff := cmp.Diff([]string{"case.opened-1", "case.overdue-1", "case.opened-2", "case.overdue-2"}, o.events(t)); diff != "" {
		t.Error(diff)
	}
	if n := o.Int(t, `select count(*) from case_events where what = 'overdue'`); n != 2 {
		t.Errorf("overdue %d times in its history", n)
	}
	if n := o.Int(t, `select count(*) from outbox where state <> 'delivered'`); n != 0 {
		t.Errorf("%d messages are not delivered", n)
	}
}

func TestWhatTheShopIsToldOfACase(t *testing.T) {
	o := newOffice(t)
	o.Exec(t, `insert into inbox (key, kind, verdict, via, transaction_id, out_trade_no, amount_fen)
		values ('k', 'payment', 'accepted', 'callback', '4200001', 'TEA-0001', 12850)`)
	o.open(t, payment.CaseShipUnknown, "4200001")
	o.round(t)
	var said struct {
		Type      string         `json:"type"`
		Timestamp time.Time      `json:"timestamp"`
		Data      map[string]any `json:"data"`
	}
	if err := json.Unmarshal(o.shop.last.Payload, &said); err != nil {
		t.Fatal(err)
	}
	if said.Type != "case.opened" || time.Since(said.Timestamp) > time.Minute {
		t.Errorf("told %s", o.shop.last.Payload)
	}
	due, err := time.Parse(time.RFC3339, said.Data["due_at"].(string))
	if until := time.Until(due); err != nil || until > time.Hour || until < 59*time.Minute {
		t.Errorf("due in %s, %v", until, err)
	}
	delete(said.Data, "due_at")
	want := map[string]any{
		"case_id": o.Text(t, `select id from cases`), "kind": "ship_unknown", "owner": "warehouse", "detail": "no answer",
		"times_opened": 1.0, "out_trade_no": "TEA-0001", "transaction_id": "4200001", "amount_fen": 12850.0,
	}
	if diff := cmp.Diff(want, said.Data); diff != "" {
		t.Error(diff)
	}
}

func TestHowTellingTheShopOfACaseEnds(t *testing.T) {
	silent := payment.Failf(payment.Unknown, "shop_no_answer", "the shop did not answer")
	gone := payment.Failf(payment.Refused, "webhook_gone", "the shop wants no more")
	for name, row := range map[string]struct {
		play  func(t *testing.T, o *office)
		state string
		times int
	}{
		"silent, it is not asked again at once": {func(t *testing.T, o *office) {
			o.shop.will = silent
			o.round(t)
			o.round(t)
		}, "pending", 1},
		"silent, and then it answers": {func(t *testing.T, o *office) {
			o.shop.will = silent
			o.round(t)
			o.shop.will = nil
			o.passes(t, "2 s")
			o.round(t)
		}, "delivered", 2},
		"silent for longer than it is asked": {func(t *testing.T, o *office) {
			o.shop.will = silent
			o.round(t)
			o.passes(t, "6 h")
			o.round(t)
			o.passes(t, "9 h")
			o.round(t)
		}, "gave_up", 2},
		"nobody worked for a day: it is asked all the same": {func(t *testing.T, o *office) {
			o.passes(t, "24 h")
			o.shop.will = silent
			o.round(t)
		}, "pending", 1},
		"it wants no more": {func(t *testing.T, o *office) {
			o.shop.will = gone
			o.round(t)
			o.passes(t, "9 h")
			o.round(t)
		}, "stopped", 1},
		"the worker dies before it hears the answer": {func(t *testing.T, o *office) {
			ctx, die := context.WithCancel(t.Context())
			o.shop.hook, o.shop.will = die, silent
			o.outbox.Rounds()[1].Do(ctx)
			o.shop.hook, o.shop.will = nil, nil
			o.round(t)
			o.passes(t, "1 min")
			o.round(t)
		}, "delivered", 2},
		"the worker stops as the shop takes it": {func(t *testing.T, o *office) {
			ctx, stop := context.WithCancel(t.Context())
			o.shop.hook = stop
			o.outbox.Rounds()[1].Do(ctx)
			o.passes(t, "1 h")
			o.round(t)
		}, "delivered", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t)
			o.Exec(t, `insert into cases (id, kind, subject, owner, due_at) values ('c1', 'ship_unknown', '1', 'support', now() + interval '9 days')`)
			o.Exec(t, `insert into outbox (id, case_id, event, payload) values ('case.opened-c1-1', 'c1', 'case.opened', '{}')`)
			row.play(t, o)
			if state := o.Text(t, `select state from outbox`); state != row.state || len(o.shop.told) != row.times {
				t.Errorf("%s after %d times, want %s after %d", state, len(o.shop.told), row.state, row.times)
			}
			if ids := slices.Compact(slices.Clone(o.shop.told)); len(ids) != 1 {
				t.Errorf("under the ids %v", ids)
			}
			if n := o.Int(t, `select count(*) from cases`); n != 1 {
				t.Errorf("%d cases: telling opens none about itself", n)
			}
			if gaveUp := strings.Contains(o.log.String(), "gave up"); gaveUp != (row.state == "gave_up") {
				t.Errorf("the log says %q", o.log)
			}
		})
	}
}

func TestTwoWorkersTellEachMessageOnce(t *testing.T) {
	o := newOffice(t)
	for i := range 35 {
		o.open(t, payment.CaseShipUnknown, "42"+strings.Repeat("0", i))
	}
	o.passes(t, "2 h")
	// Each lease sees the messages as they were before the other's.
	o.Exec(t, `create function pause() returns trigger language plpgsql as $$ begin perform pg_sleep(0.05); return null; end $$`)
	o.Exec(t, `create trigger pause before update on outbox for each statement execute function pause()`)
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			for _, round := range o.outbox.Rounds() {
				for more := true; more; {
					more, _ = round.Do(t.Context())
				}
			}
		})
	}
	both.Wait()
	o.round(t)
	told := map[string]int{}
	for _, id := range o.shop.told {
		told[id]++
	}
	for id, n := range told {
		if n != 1 {
			t.Errorf("%s was told %d times", id, n)
		}
	}
	if len(told) != 70 {
		t.Errorf("%d messages were told, want 70", len(told))
	}
}
