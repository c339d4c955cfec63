package postgres_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

// next is the one message that is still to be told now.
func (w *world) next() activities.Message {
	w.Helper()
	untold, err := w.Untold(w.Context(), txn)
	if err != nil || len(untold) != 1 {
		w.Fatalf("still to be told: %+v, %v", untold, err)
	}
	return untold[0]
}

// event is a message's body without its time, which must be now.
func (w *world) event(m activities.Message) map[string]any {
	w.Helper()
	var got map[string]any
	w.ok(json.Unmarshal(m.Payload, &got))
	at, err := time.Parse(time.RFC3339, got["timestamp"].(string))
	if err != nil || time.Since(at) > time.Minute {
		w.Errorf("timestamp %v", got["timestamp"])
	}
	delete(got, "timestamp")
	return got
}

func TestTheShopIsToldWhatWasShipped(t *testing.T) {
	w := open(t)
	w.bring(payment.Shipped)
	next := w.next()
	want := map[string]any{"type": "order.shipped", "data": map[string]any{
		"out_trade_no": orderNo, "transaction_id": txn, "amount_fen": float64(fen),
		"shipment_id": "S1", "carrier": "SF", "tracking_no": "SF1",
	}}
	if diff := cmp.Diff(want, w.event(next)); diff != "" || next.ID != "order.shipped-"+txn || next.Whom != activities.ToShop {
		t.Errorf("message %s to %s (-want +got):\n%s", next.ID, next.Whom, diff)
	}
}

func TestTheShopIsToldWhyAPaymentThatPaidNothingWentBack(t *testing.T) {
	w := open(t)
	w.compensating()
	w.refund(payment.RefundSuccess)
	w.must(w.MarkRefunded(t.Context(), txn))
	next := w.next()
	want := map[string]any{"type": "payment.refunded", "data": map[string]any{
		"out_trade_no": orderNo, "transaction_id": txn, "amount_fen": float64(fen), "reason": "second_payment",
	}}
	if diff := cmp.Diff(want, w.event(next)); diff != "" || next.ID != "payment.refunded-"+txn {
		t.Errorf("message %s (-want +got):\n%s", next.ID, diff)
	}
}

func TestHoweverTheTellingEndsAShippedPaymentIsCompleted(t *testing.T) {
	for how, row := range map[activities.Telling]struct{ why, message, step, cases string }{
		activities.Taken:    {"", "delivered 2 ", "done 2 ", ""},
		activities.Stopped:  {"gone: no more", "stopped 2 gone: no more", "refused 2 gone: no more", ""},
		activities.Rejected: {"wrong: mend it", "rejected 2 wrong: mend it", "refused 2 wrong: mend it", "notify_failed"},
		activities.GaveUp:   {"", "gave_up 1 timeout", "gave_up 1 timeout", "notify_failed"},
	} {
		t.Run(string(how), func(t *testing.T) {
			t.Parallel()
			w := open(t)
			w.bring(payment.Shipped)
			w.ok(w.NotTold(t.Context(), "order.shipped-"+txn, errors.New("timeout")))
			for range 2 { // an act may run twice
				var books payment.Books
				if how == activities.GaveUp {
					books = w.must(w.GiveUp(t.Context(), txn))
				} else {
					books = w.must(w.Told(t.Context(), "order.shipped-"+txn, how, row.why))
				}
				w.want(books, payment.Completed)
				if !books.Done() {
					t.Errorf("not done: %+v", books)
				}
			}
			got := w.db.Text(t, `select state || ' ' || attempts || ' ' || last_error from webhooks`)
			if got != row.message || w.step(txn, "notify") != row.step {
				t.Errorf("message %q, step %q; want %q, %q", got, w.step(txn, "notify"), row.message, row.step)
			}
			w.wantCases(txn, row.cases)
		})
	}
}

func TestAMessageTakenLaterClosesItsCase(t *testing.T) {
	w := open(t)
	w.bring(payment.Shipped)
	w.ok(w.NotTold(t.Context(), "order.shipped-"+txn, errors.New("timeout")))
	w.must(w.GiveUp(t.Context(), txn))
	w.wantCases(txn, "notify_failed")
	w.db.Exec(t, `update webhooks set state = 'pending'`) // a person sends it again
	w.must(w.Told(t.Context(), "order.shipped-"+txn, activities.Taken, ""))
	w.wantCases(txn, "")
}

func TestWhatNobodyTriedIsNotGivenUp(t *testing.T) {
	w := open(t)
	w.bring(payment.Shipped)
	w.want(w.must(w.GiveUp(t.Context(), txn)), payment.Shipped)
	w.wantCases(txn, "")
	w.next()
}

func TestAMessageIsNotTriedBeforeItsTime(t *testing.T) {
	w := open(t)
	w.bring(payment.Shipped)
	later := payment.Failf(payment.Busy, "later", "in a minute")
	later.RetryAfter = time.Minute
	w.ok(w.NotTold(t.Context(), "order.shipped-"+txn, later))
	if next := w.next(); next.Wait <= 50*time.Second || next.Wait > time.Minute || next.Attempts != 1 {
		t.Errorf("%+v", next)
	}
	w.ok(w.NotTold(t.Context(), "order.shipped-"+txn, errors.New("timeout")))
	if next := w.next(); next.Wait != 0 {
		t.Errorf("waits %s", next.Wait)
	}
}

func TestTheShopIsToldInTheOrderOfThings(t *testing.T) {
	w := open(t)
	w.bring(payment.Shipped)
	w.begin("q1", payment.Compensate)
	_, err := w.ClaimCancel(t.Context(), txn)
	w.ok(err)
	w.must(w.Cancelled(t.Context(), txn))
	w.refund(payment.RefundSuccess)
	books := w.must(w.MarkRefunded(t.Context(), txn))
	for _, want := range []string{"order.shipped-" + txn, "order.refunded-" + txn} {
		if books.Webhook != want || w.next().ID != want || books.Done() {
			t.Fatalf("next is %q, want %q", books.Webhook, want)
		}
		books = w.must(w.Told(t.Context(), want, activities.Taken, ""))
		w.want(books, payment.Refunded)
	}
	if !books.Done() {
		t.Errorf("not done: %+v", books)
	}
}

func TestCompleteWaitsForTheTelling(t *testing.T) {
	w := open(t)
	w.bring(payment.Shipped)
	w.want(w.must(w.Complete(t.Context(), txn)), payment.Shipped)
	w.db.Exec(t, `update webhooks set state = 'stopped'`)
	w.want(w.must(w.Complete(t.Context(), txn)), payment.Completed)
}

func TestAFailedAttemptIsOneLineForPeople(t *testing.T) {
	w := open(t)
	w.paid()
	for range 2 {
		w.ok(w.Tried(t.Context(), activities.Try{TransactionID: txn, Step: "ship", Error: "shop_silent:\nno\x00answer"}))
	}
	if got := w.step(txn, "ship"); got != "running 2 shop_silent: no answer" {
		t.Error(got)
	}
	w.ok(w.Tried(t.Context(), activities.Try{TransactionID: txn, Step: "mark_paid", Error: "a straggler"}))
	if got := w.step(txn, "mark_paid"); got != "done 2 a straggler" {
		t.Errorf("a straggler reopened a step: %q", got)
	}
}
