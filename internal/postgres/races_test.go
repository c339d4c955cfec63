package postgres_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

const racers = 8

// race lets all of them go at once, and waits for the last.
func race(all ...func()) {
	var gun, done sync.WaitGroup
	gun.Add(1)
	for _, one := range all {
		done.Go(func() {
			gun.Wait()
			one()
		})
	}
	gun.Done()
	done.Wait()
}

func times(n int, do func(i int)) []func() {
	all := make([]func(), n)
	for i := range all {
		all[i] = func() { do(i) }
	}
	return all
}

func TestOfManyPaymentsOfOneOrderOneIsAccepted(t *testing.T) {
	w := open(t)
	w.db.Order(t, orderNo, fen)
	race(times(racers, func(i int) {
		if _, err := w.Claim(t.Context(), news(fmt.Sprintf("42000000%02d", i))); err != nil {
			t.Error(err)
		}
	})...)
	if n := w.db.Int(t, `select count(*) from payments where stage = 'paid'`); n != 1 {
		t.Errorf("%d payments are accepted", n)
	}
	if n := w.db.Int(t, `select count(*) from payments where stage = 'compensating' and undo_cause = 'second_payment'`); n != racers-1 {
		t.Errorf("%d payments go back", n)
	}
	if n := w.db.Int(t, `select count(*) from orders o join payments p on p.transaction_id = o.paid_by where p.stage = 'paid'`); n != 1 {
		t.Error("the order does not name the accepted payment")
	}
}

func TestOnePaymentClaimedManyTimesAtOnceIsJudgedOnce(t *testing.T) {
	w := open(t)
	w.db.Order(t, orderNo, fen)
	race(times(racers, func(int) {
		if books, err := w.Claim(t.Context(), news(txn)); err != nil || books.Stage != payment.Paid {
			t.Errorf("%s, %v", books.Stage, err)
		}
	})...)
	if n := w.db.Int(t, `select count(*) from payment_events where became = 'paid'`); n != 1 {
		t.Errorf("accepted %d times", n)
	}
}

func TestManyAttemptsToRefundShareOneNumber(t *testing.T) {
	w := open(t)
	w.compensating()
	race(times(racers, func(int) {
		refund, err := w.OpenRefund(t.Context(), txn)
		if err != nil || refund.OutRefundNo != "R"+txn || refund.AmountFen != fen {
			t.Errorf("%+v, %v", refund, err)
		}
	})...)
	if n := w.db.Int(t, `select count(*) from refunds`); n != 1 {
		t.Errorf("%d refunds of one payment", n)
	}
}

// Whoever comes first, a dispatched payment that is to be undone is either
// shipped and then turned round, or turned round with the facts kept; and the
// order is never shipped by a payment that was already going back.
func TestACompensationAndADispatchMeet(t *testing.T) {
	for i := range 6 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			w := open(t)
			w.paid()
			if _, err := w.ClaimShip(t.Context(), txn); err != nil {
				t.Fatal(err)
			}
			w.ask("q1", payment.Compensate, "")
			race(
				func() { w.must(w.BeginRequest(t.Context(), "q1")) },
				func() {
					w.must(w.Dispatched(t.Context(), txn, activities.Dispatch{State: payment.ShipDispatched, ShipmentID: "S1"}))
				},
			)
			books := w.must(w.Read(t.Context(), txn))
			if books.Stage != payment.Compensating || books.Shipment != payment.ShipDispatched {
				t.Errorf("%s, shipment %s", books.Stage, books.Shipment)
			}
			shippedFirst := w.db.Int(t, `select count(*) from payment_events where was = 'paid' and became = 'shipped'`) == 1
			if told := books.Webhook == "order.shipped-"+txn; told != shippedFirst || (w.order() == payment.OrderShipped) != shippedFirst {
				t.Errorf("shipped first: %v, but the order is %s and the shop is told %q", shippedFirst, w.order(), books.Webhook)
			}
		})
	}
}

func TestARequestBegunManyTimesAtOnceMovesOnce(t *testing.T) {
	w := open(t)
	w.paid()
	w.ask("q1", payment.Compensate, "")
	race(times(racers, func(int) { w.must(w.BeginRequest(t.Context(), "q1")) })...)
	if n := w.db.Int(t, `select count(*) from payment_events where became = 'compensating' and actor = 'ann'`); n != 1 {
		t.Errorf("turned round %d times", n)
	}
}

// blocked waits until somebody in this database waits for a lock, or has ended.
func (w *world) blocked(over <-chan struct{}) {
	w.Helper()
	for {
		select {
		case <-over:
			return
		default:
		}
		if w.db.Int(w, `select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`) > 0 {
			return
		}
	}
}

// An order query shows REFUND in the very moment in which the payment's callback is
// kept: that is news of a refund, and no second story.
func TestAQueryThatLosesToACallbackIsStillHeard(t *testing.T) {
	w := open(t)
	tx, err := w.db.Pool.Begin(t.Context())
	w.ok(err)
	_, err = tx.Exec(t.Context(), `insert into inbox (key, kind, verdict, via, transaction_id, out_trade_no, appid, mchid, amount_fen, currency, trade_state)
		values ('callback', 'payment', 'accepted', 'callback', $1, $2, 'wx1', $3, $4, 'CNY', 'SUCCESS')`, txn, orderNo, mchID, fen)
	w.ok(err)
	over := make(chan struct{})
	go func() {
		defer close(over)
		if err := w.KeepFound(t.Context(), found("REFUND").Found()); err != nil {
			t.Error(err)
		}
	}()
	w.blocked(over)
	w.ok(tx.Commit(t.Context()))
	<-over
	w.paid()
	if _, err := w.ClaimShip(t.Context(), txn); err == nil {
		t.Error("it ships, and nobody has asked what went back")
	}
	if n := w.db.Int(t, `select count(*) from cases where kind = 'conflicting_news'`); n != 0 {
		t.Error("a person has to find out that WeChat told one story")
	}
}

// Two readings of one bill: one is believed in the moment in which the other begins,
// and clears away what it finds unfinished.
func TestABillThatIsBelievedKeepsItsLines(t *testing.T) {
	w := open(t)
	first, err := w.BeginBill(t.Context(), billDay)
	w.ok(err)
	w.ok(w.AddBillLines(t.Context(), first, []activities.BillLine{billed(txn)}))
	first.Lines++
	tx, err := w.db.Pool.Begin(t.Context())
	w.ok(err)
	_, err = tx.Exec(t.Context(), `select from bill_lines for update`) // so that the other is slow
	w.ok(err)
	over, believed := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		if _, err := w.BeginBill(t.Context(), billDay); err != nil {
			t.Error(err)
		}
	}()
	w.blocked(over)
	go func() {
		defer close(believed)
		if err := w.BelieveBill(t.Context(), first); err != nil && payment.KindOf(err) != payment.Busy {
			t.Error(err)
		}
	}()
	for n := int64(0); n < 2; { // it waits for its turn, or needs none
		select {
		case <-believed:
			n = 2
		default:
			n = w.db.Int(t, `select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`)
		}
	}
	w.ok(tx.Rollback(t.Context()))
	<-over
	<-believed
	if w.db.Int(t, `select count(*) from bill_reports`) != w.db.Int(t, `select count(*) from bill_lines`) {
		t.Error("a bill is believed whose lines are gone: every payment of its day is missing")
	}
}

// WeChat tells of a refund of ours that was given up: nobody polls that one, so the
// news stays until it is in the books.
func TestNewsOfARefundThatWasGivenUpIsNotForgotten(t *testing.T) {
	w := open(t)
	w.bring(payment.Completed)
	asked := w.part("q1", 850)
	w.must(w.RefundRefused(t.Context(), asked.OutRefundNo, "no"))
	_, err := w.Keep(t.Context(), payment.News{
		Key: payment.RefundKey(asked.OutRefundNo, "SUCCESS"), Kind: payment.NewsRefund, Verdict: payment.Accepted,
		OutRefundNo: asked.OutRefundNo, Payment: payment.Payment{TransactionID: txn, Via: payment.ViaCallback},
	}, payment.Delivery{})
	w.ok(err)
	errand := func() payment.Errand {
		t.Helper()
		w.db.Exec(t, `update inbox set next_try_at = now()`)
		all, err := w.LeaseNews(t.Context(), 10)
		w.ok(err)
		if len(all) != 1 {
			t.Fatalf("%d errands", len(all))
		}
		return all[0]
	}
	if e := errand(); e.Ours || e.Over || !e.Known || e.Payment.TransactionID != txn {
		t.Errorf("whoever tells the saga once is done with it: %+v", e)
	}
	w.must(w.RefundHeard(t.Context(), txn, activities.RefundWord{
		TransactionID: txn, OutRefundNo: asked.OutRefundNo, State: payment.RefundSuccess, AmountFen: 850,
	}))
	if e := errand(); !e.Over {
		t.Errorf("it is in the books now: %+v", e)
	}
}
