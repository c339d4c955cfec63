package api_test

import (
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

const never = time.Hour // between sweeps, where only the wake may start anything

func TestAKeptPaymentStartsAtOnce(t *testing.T) {
	o := newOffice(t, never, nil)
	o.open(t)
	first, second := freshNumber(), freshNumber()
	for _, number := range []string{first, second} {
		o.keep(t, paidNow(number))
		o.relay.Wake()
		eventually(t, "the saga runs", func() bool { return slices.Contains(o.engine.started(), number) })
	}
	want := []payment.Payment{paidNow(first).Payment, paidNow(second).Payment}
	if diff := cmp.Diff(want, o.engine.begun); diff != "" {
		t.Errorf("the saga was told otherwise (-want +got):\n%s", diff)
	}
}

func TestASweepFindsWhatACrashLeftBehind(t *testing.T) {
	o := newOffice(t, 20*time.Millisecond, nil)
	numbers := []string{freshNumber(), freshNumber(), freshNumber()}
	for _, number := range numbers { // committed by a process that died before it woke anybody
		o.keep(t, paidNow(number))
	}
	o.open(t)
	eventually(t, "all of them run", func() bool { return slices.Equal(o.engine.started(), numbers) })
}

// BIZ-25. However often Temporal was asked in vain, the next try is at most 20 s
// away, and the sweep another SWEEP_EVERY.
func TestWhatTemporalMissedStartsSoonAfterItsReturn(t *testing.T) {
	o := newOffice(t, 10*time.Millisecond, nil)
	o.engine.down = true
	numbers := []string{freshNumber(), freshNumber()}
	for _, number := range numbers {
		o.keep(t, paidNow(number))
	}
	o.open(t)
	for try := range int64(6) {
		eventually(t, "another try in vain", func() bool {
			return o.Int(t, `select coalesce(min(tries), 0) from inbox where last_error like 'temporal_silent%'`) > try
		})
		if wait := o.Int(t, `select extract(epoch from max(next_try_at) - now())::int from inbox`); wait > 20 {
			t.Errorf("try %d: the next is %d s away", try, wait)
		}
		o.due(t)
	}
	o.engine.set(func(e *engine) { e.down = false })
	o.due(t)
	eventually(t, "both run", func() bool { return slices.Equal(o.engine.started(), numbers) })
}

// An id that Temporal has seen may be a run that was terminated before it wrote
// anything: the first try is refused, the next looks closer and starts it anew.
func TestARunThatEndedWithoutATraceIsStartedAnew(t *testing.T) {
	o := newOffice(t, 10*time.Millisecond, nil)
	number := freshNumber()
	o.engine.ever[number] = true
	o.keep(t, paidNow(number))
	o.open(t)
	eventually(t, "the first try", func() bool {
		return o.Int(t, `select count(*) from inbox where last_error like 'already_started%'`) == 1
	})
	if got := o.engine.started(); len(got) != 0 {
		t.Fatalf("a first start went past Temporal's own guard: %v", got)
	}
	o.due(t)
	eventually(t, "it runs again", func() bool { return slices.Equal(o.engine.started(), []string{number}) })
	if via := o.engine.begun[0].Via; via != payment.ViaQuery {
		t.Errorf("started anew by %s: the lost run may have shipped, so WeChat is to be asked first", via)
	}

	eventually(t, "it is put off, as its run is open", func() bool {
		return o.Int(t, `select count(*) from inbox where last_error = '' and next_try_at > now() + interval '11 s'`) == 1
	})
	o.engine.set(func(e *engine) { delete(e.open, number) }) // terminated again, still without a trace
	o.due(t)
	eventually(t, "and again", func() bool { return len(o.engine.started()) == 2 })
}

func TestWhatTheBooksHaveTakenUpIsDone(t *testing.T) {
	o := newOffice(t, 10*time.Millisecond, nil)
	number := freshNumber()
	o.claimed(t, number, payment.Completed)
	o.keep(t, paidNow(number))
	o.open(t)
	eventually(t, "the row is done", func() bool { return o.Int(t, `select count(*) from inbox where done`) == 1 })
	if got := o.engine.started(); len(got) != 0 {
		t.Errorf("started %v, though the books have it", got)
	}
}

func TestWhatBecomesOfNewsOfARefund(t *testing.T) {
	const number, ours, theirs = "4200000925202101284997714292", "R4200000925202101284997714292", "CONSOLE-1"
	word := activities.RefundWord{OutRefundNo: theirs, TransactionID: number, State: payment.RefundSuccess, AmountFen: 50}
	given, another := word, word
	given.OutRefundNo = ours
	another.TransactionID = "4200000925202101284997714293"
	claimed := func(t *testing.T, o *office) {
		o.claimed(t, number, payment.Compensating)
		o.Exec(t, `update payments set sweep_at = now() + interval '1 h'`)
	}
	row := func(outRefundNo string, state payment.RefundState, foreign bool) func(*testing.T, *office) {
		return func(t *testing.T, o *office) {
			claimed(t, o)
			o.Exec(t, `alter table refunds disable trigger user`)
			o.Exec(t, `insert into refunds (out_refund_no, transaction_id, amount_fen, total_fen, state, is_foreign, ready_at, finished_at)
			           values ($1, $2, 12850, 12850, $3, $4, now(), case when $3 in ('success', 'withdrawn') then now() end)`, outRefundNo, number, state, foreign)
		}
	}
	callback := func(t *testing.T, o *office) {
		o.keep(t, paidNow(number))
		o.Exec(t, `update inbox set next_try_at = now() + interval '1 h'`)
	}
	longAgo := func(before func(*testing.T, *office)) func(*testing.T, *office) {
		return func(t *testing.T, o *office) {
			o.Exec(t, `alter table inbox alter column received_at set default now() - interval '25 h'`)
			if before != nil {
				before(t, o)
			}
		}
	}
	told := func(outRefundNo string) []string { return []string{number + " ORDER1 refund_result " + outRefundNo} }
	for name, row := range map[string]struct {
		outRefundNo string
		before      func(*testing.T, *office)
		wechat      refundDesk
		told        []string
		verdict     string
		done        int64
		cases       string
	}{
		"one of ours is told to its saga":                     {ours, row(ours, payment.RefundProcessing, false), nil, told(ours), "accepted", 1, ""},
		"one of ours that is final is left":                   {ours, row(ours, payment.RefundSuccess, false), nil, nil, "accepted", 1, ""},
		"one of ours that we gave up, and WeChat has it":      {ours, row(ours, payment.RefundWithdrawn, false), refundDesk{ours: given}, told(ours), "accepted", 0, ""},
		"one of ours that we gave up, and WeChat is silent":   {ours, row(ours, payment.RefundWithdrawn, false), refundDesk{ours: {}}, nil, "accepted", 0, ""},
		"one of ours that we gave up, and WeChat has none":    {ours, row(ours, payment.RefundWithdrawn, false), refundDesk{}, nil, "noted", 1, ""},
		"one that WeChat knows and we do not, of our payment": {theirs, claimed, refundDesk{theirs: word}, told(theirs), "accepted", 0, ""},
		"one of a payment whose saga has not begun":           {theirs, callback, refundDesk{theirs: word}, told(theirs), "accepted", 0, ""},
		"one that WeChat calls another payment's":             {theirs, claimed, refundDesk{theirs: another}, nil, "case", 1, "foreign_refund CONSOLE-1 " + another.TransactionID},
		"one of a payment that nobody told us of":             {theirs, nil, refundDesk{theirs: word}, nil, "case", 1, "foreign_refund CONSOLE-1 " + number},
		"one that nobody knows":                               {theirs, nil, refundDesk{}, nil, "noted", 1, ""},
		"one that WeChat is silent about":                     {theirs, nil, refundDesk{theirs: {}}, nil, "accepted", 0, ""},
		"one that WeChat is silent about for a day":           {theirs, longAgo(nil), refundDesk{theirs: {}}, nil, "case", 1, "foreign_refund CONSOLE-1 " + number},
		"one whose saga does not write it down for a day":     {theirs, longAgo(claimed), refundDesk{theirs: word}, nil, "case", 1, "foreign_refund CONSOLE-1 " + number},
		"one without a number, of our payment":                {"", claimed, refundDesk{}, told(""), "accepted", 0, ""},
		"one without a number, of a payment in the inbox":     {"", callback, refundDesk{}, told(""), "accepted", 0, ""},
		"one without a number, unheard for a day":             {"", longAgo(claimed), refundDesk{}, nil, "case", 1, "foreign_refund " + number + " " + number},
		"somebody else's that the books have taken up":        {theirs, row(theirs, payment.RefundProcessing, true), nil, nil, "case", 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t, 10*time.Millisecond, row.wechat)
			if row.before != nil {
				row.before(t, o)
			}
			o.keep(t, payment.News{
				Key: payment.RefundKey(row.outRefundNo, "SUCCESS"), Kind: payment.NewsRefund, Verdict: payment.Accepted,
				Payment: payment.Payment{TransactionID: number, Via: payment.ViaCallback}, OutRefundNo: row.outRefundNo,
			})
			o.open(t)
			eventually(t, "it was looked at", func() bool {
				return o.Int(t, `select count(*) from inbox where kind = 'refund' and (done or last_error <> '' or next_try_at > now() + interval '5.5 s')`) == 1
			})
			if got := o.Text(t, `select verdict from inbox where kind = 'refund'`); got != row.verdict || o.Int(t, `select count(*) from inbox where done`) != row.done {
				t.Errorf("verdict %s, done %v", got, o.Int(t, `select count(*) from inbox where done`))
			}
			o.engine.set(func(e *engine) {
				if diff := cmp.Diff(row.told, e.told); diff != "" {
					t.Errorf("the saga heard otherwise (-want +got):\n%s", diff)
				}
			})
			if got := o.Text(t, `select coalesce(string_agg(kind||' '||subject||' '||transaction_id, ', '), '') from cases`); got != row.cases {
				t.Errorf("cases %q, want %q", got, row.cases)
			}
		})
	}
}

// The sweep starts the saga of every payment that is not done, and of no other.
func TestWhosePaymentsTheSweepLooksAfter(t *testing.T) {
	webhook := func(o *office, t *testing.T, number string) {
		o.Exec(t, `insert into webhooks (id, transaction_id, event, payload) values ('w', $1, 'order.shipped', '{}')`, number)
	}
	refund := func(o *office, t *testing.T, number string) {
		o.Exec(t, `insert into refunds (out_refund_no, transaction_id, amount_fen, total_fen, state, ready_at) values ('R1', $1, 1, 12850, 'processing', now())`, number)
	}
	for name, row := range map[string]struct {
		stage payment.Stage
		with  func(*office, *testing.T, string)
		open  bool
		want  bool
	}{
		"received":                            {payment.Received, nil, false, true},
		"paid":                                {payment.Paid, nil, false, true},
		"shipped":                             {payment.Shipped, nil, false, true},
		"compensating":                        {payment.Compensating, nil, false, true},
		"holding, for a person's signal":      {payment.Holding, nil, false, true},
		"quarantined":                         {payment.Quarantined, nil, false, true},
		"paid, with a run":                    {payment.Paid, nil, true, false},
		"completed":                           {payment.Completed, nil, false, false},
		"refunded":                            {payment.Refunded, nil, false, false},
		"resolved":                            {payment.Resolved, nil, false, false},
		"completed, with somebody to tell":    {payment.Completed, webhook, false, true},
		"completed, with a refund on its way": {payment.Completed, refund, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t, 10*time.Millisecond, nil)
			number, witness := freshNumber(), freshNumber()
			o.engine.open[number] = row.open
			o.claimed(t, number, row.stage)
			if row.with != nil {
				row.with(o, t, number)
			}
			o.open(t)
			o.claimed(t, witness, payment.Paid) // when its saga runs, the other one was looked at
			eventually(t, "the witness runs", func() bool { return slices.Contains(o.engine.started(), witness) })
			if got := slices.Contains(o.engine.started(), number); got != row.want {
				t.Errorf("started: %v", got)
			}
			if wait := o.Int(t, `select extract(epoch from min(sweep_at) - now())::int from payments where transaction_id = $1`, witness); wait < 4 || wait > 300 {
				t.Errorf("the witness is looked at again in %d s", wait)
			}
		})
	}
}

// However many old payments the sweep looks after, a new one starts at once.
func TestANewPaymentDoesNotWaitForTheSweep(t *testing.T) {
	o := newOffice(t, 10*time.Millisecond, nil)
	const old = 400
	for range old {
		o.claimed(t, freshNumber(), payment.Paid)
	}
	o.engine.slow = 20 * time.Millisecond
	o.open(t)
	eventually(t, "the sweep is at it", func() bool { return len(o.engine.started()) > 0 })
	number := freshNumber()
	o.keep(t, paidNow(number))
	o.relay.Wake()
	eventually(t, "the new one runs", func() bool { return slices.Contains(o.engine.started(), number) })
	if n := len(o.engine.started()); n > old/2 {
		t.Errorf("it ran after %d old ones", n)
	}
}

// A saga that was told and does not begin costs history each time it is told again.
func TestARequestIsToldLessOftenTheLongerItWaits(t *testing.T) {
	o := newOffice(t, 10*time.Millisecond, nil)
	o.claimed(t, "4200000001", payment.Completed)
	o.Exec(t, `insert into requests (id, transaction_id, kind, state, actor, reason, amount_fen)
	           values ('req-1', '4200000001', 'compensate', 'queued', 'ann', 'the customer asked for it', 12850)`)
	o.open(t)
	for _, row := range []struct {
		waited         string
		atLeast, under int64 // seconds until it is told again
	}{{"0", 5, 7}, {"2 min", 28, 31}, {"1 day", 299, 301}} {
		before := len(o.engine.words())
		o.Exec(t, `update requests set updated_at = now() - $1::interval, sweep_at = now()`, row.waited)
		eventually(t, "it is told and put off", func() bool {
			wait := o.Int(t, `select ceil(extract(epoch from sweep_at - now()))::bigint from requests`)
			return len(o.engine.words()) > before && wait >= row.atLeast && wait < row.under
		})
	}
}

func TestAQueuedRequestIsToldUntilItsSagaBeginsIt(t *testing.T) {
	o := newOffice(t, 10*time.Millisecond, nil)
	o.engine.down = true
	inBooks, inInbox, waiting, running := freshNumber(), freshNumber(), freshNumber(), freshNumber()
	for _, number := range []string{inBooks, waiting, running} {
		o.claimed(t, number, payment.Completed)
	}
	o.keep(t, paidNow(inInbox))
	for number, state := range map[string]string{inBooks: "queued", inInbox: "queued", waiting: "pending_approval", running: "running"} {
		o.Exec(t, `insert into requests (id, transaction_id, kind, state, actor, reason, amount_fen, expires_at, approver)
		           values ('req-'||$1, $1, 'compensate', $2, 'ann', 'the customer asked for it', 12850, now() + interval '1 h',
		                   case $2 when 'pending_approval' then '' else 'emil' end)`, number, state)
	}
	o.open(t)
	eventually(t, "told in vain", func() bool { return o.Int(t, `select count(*) from requests where sweep_at > now()`) == 2 })
	o.engine.set(func(e *engine) { e.down = false })
	o.Exec(t, `update requests set sweep_at = now()`)
	want := []string{inBooks + " ORDER1 compensate req-" + inBooks, inInbox + " ORDER1 compensate req-" + inInbox}
	eventually(t, "both are told", func() bool {
		got := o.engine.words()
		slices.Sort(got)
		return slices.Equal(slices.Compact(got), want)
	})
}

// Any number of processes may sweep: each row goes to one of them.
func TestManyRelaysStartEachPaymentOnce(t *testing.T) {
	o := newOffice(t, 5*time.Millisecond, nil)
	const payments = 200
	for range payments {
		o.keep(t, paidNow(freshNumber()))
	}
	o.engine.slow = 2 * time.Millisecond
	o.open(t, o.another(5*time.Millisecond, nil), o.another(5*time.Millisecond, nil))
	eventually(t, "all run", func() bool { return len(o.engine.started()) == payments })
	o.engine.set(func(e *engine) {
		if e.asked != payments {
			t.Errorf("Temporal was asked %d times for %d payments", e.asked, payments)
		}
	})
}

func TestARelayIsBoundedAndEndsWithItsContext(t *testing.T) {
	o := newOffice(t, 5*time.Millisecond, nil)
	for range 40 {
		o.keep(t, paidNow(freshNumber()))
	}
	o.engine.slow = time.Hour // Temporal has gone quiet
	stop := o.open(t)
	eventually(t, "all hands are busy", func() bool { o.engine.Lock(); defer o.engine.Unlock(); return o.engine.busy == 8 })
	stop() // returns only when Run has
	if o.engine.busy != 0 || o.engine.most != 8 {
		t.Errorf("%d still at it, at most %d at once", o.engine.busy, o.engine.most)
	}
	stacks := make([]byte, 1<<20)
	if trace := string(stacks[:runtime.Stack(stacks, true)]); strings.Contains(trace, "api.(*Relay)") {
		t.Errorf("a goroutine outlived Run:\n%s", trace)
	}
	if n := o.Int(t, `select count(*) from inbox where done`); n != 0 {
		t.Errorf("%d rows are done though nothing was started", n)
	}
}
