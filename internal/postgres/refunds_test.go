package postgres_test

import (
	"testing"
	"time"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

func (w *world) said(number string, state payment.RefundState, amountFen int64) payment.Books {
	w.Helper()
	return w.must(w.RefundSaid(w.Context(), activities.RefundWord{
		TransactionID: txn, OutRefundNo: number, RefundID: "50" + number, State: state, AmountFen: amountFen,
	}))
}

func (w *world) refundState(number string) payment.RefundState {
	w.Helper()
	return payment.RefundState(w.db.Text(w, `select state from refunds where out_refund_no = $1`, number))
}

func TestANumberIsTakenBeforeWeChatIsAsked(t *testing.T) {
	w := open(t)
	w.compensating()
	first, err := w.OpenRefund(t.Context(), txn)
	w.ok(err)
	if first.OutRefundNo != "R"+txn || first.AmountFen != fen || first.TotalFen != fen || !first.AskedAt.IsZero() ||
		first.State != payment.RefundRequested || time.Until(first.ReadyAt) > time.Second || first.Reason != "订单重复支付，退回本次付款" {
		t.Errorf("%+v", first)
	}
	w.ok(w.RefundAsked(t.Context(), first.OutRefundNo))
	again, err := w.OpenRefund(t.Context(), txn)
	w.ok(err)
	w.ok(w.RefundAsked(t.Context(), first.OutRefundNo))
	third, err := w.OpenRefund(t.Context(), txn)
	w.ok(err)
	if again.OutRefundNo != first.OutRefundNo || again.AskedAt.IsZero() || !again.AskedAt.Equal(third.AskedAt) {
		t.Errorf("asked again: %+v, then %+v", again, third)
	}
	if r := w.must(w.Read(t.Context(), txn)).Refund; r == nil || r.OutRefundNo != first.OutRefundNo || !r.AskedAt.Equal(again.AskedAt) {
		t.Errorf("the books show %+v", r)
	}
}

// Of what was paid, every refund that may have happened counts, whoever made it.
func TestWhatIsLeftToRefund(t *testing.T) {
	const insert = `insert into refunds (out_refund_no, transaction_id, amount_fen, total_fen, ready_at, state, is_foreign, finished_at) values `
	for name, row := range map[string]struct {
		rows   string
		number string
		left   int64
		kind   payment.Kind
	}{
		"nothing went back":                  {"", "R" + txn, fen, ""},
		"some went back":                     {insert + `('R4200000001', '4200000001', 850, 12850, now(), 'success', false, now())`, "R" + txn + "-2", 12000, ""},
		"somebody else gave some back":       {insert + `('CONSOLE1', '4200000001', 850, 12850, now(), 'success', true, now())`, "R" + txn, 12000, ""},
		"somebody else's may still happen":   {insert + `('CONSOLE1', '4200000001', 850, 12850, now(), 'processing', true, null)`, "R" + txn, 12000, ""},
		"what WeChat closed never went back": {insert + `('R4200000001', '4200000001', 12850, 12850, now(), 'closed', false, now())`, "", 0, payment.Conflict}, // a person first
		"what WeChat never had":              {insert + `('R4200000001', '4200000001', 12850, 12850, now(), 'withdrawn', false, now())`, "R" + txn + "-2", fen, ""},
		"somebody else may be giving all of it back": {
			insert + `('CONSOLE1', '4200000001', 12850, 12850, now(), 'processing', true, null)`, "", 0, payment.Busy},
		"all of it went back": {
			insert + `('CONSOLE1', '4200000001', 12850, 12850, now(), 'success', true, now())`, "", 0, payment.Conflict},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			w.compensating()
			if row.rows != "" {
				w.db.Exec(t, row.rows)
			}
			refund, err := w.OpenRefund(t.Context(), txn)
			w.wantKind(err, row.kind)
			if refund.OutRefundNo != row.number || refund.AmountFen != row.left {
				t.Errorf("%s of %d fen, want %s of %d", refund.OutRefundNo, refund.AmountFen, row.number, row.left)
			}
		})
	}
}

func TestRefundsOfOnePaymentKeepADistance(t *testing.T) {
	w := open(t)
	w.compensating()
	first := w.claimRefund()
	w.said(first.OutRefundNo, payment.RefundClosed, fen)
	w.ask("q1", payment.Retry, "bob")
	w.want(w.must(w.BeginRequest(t.Context(), "q1")), payment.Compensating)
	second, err := w.OpenRefund(t.Context(), txn)
	w.ok(err)
	if second.OutRefundNo != "R"+txn+"-2" {
		t.Errorf("the second number is %s", second.OutRefundNo)
	}
	if wait := time.Until(second.ReadyAt); wait < 50*time.Second || wait > time.Minute {
		t.Errorf("asked again in %s, want a minute after the first", wait)
	}
}

func TestMoneyStaysWhileItMay(t *testing.T) {
	for name, bring := range map[string]func(*world){
		"the payment goes forward":           func(w *world) { w.bring(payment.Paid) },
		"the payment is held":                func(w *world) { w.bring(payment.Holding) },
		"the payment was refunded":           func(w *world) { w.bring(payment.Refunded) },
		"the payment is quarantined":         func(w *world) { w.bring(payment.Quarantined) },
		"the shop may still ship the parcel": func(w *world) { w.paid(); w.claimShip(); w.begin("q1", payment.Compensate) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			bring(w)
			before := w.db.Int(t, `select count(*) from refunds`)
			if refund, err := w.OpenRefund(t.Context(), txn); err == nil {
				t.Errorf("a number was given out: %+v", refund)
			}
			if n := w.db.Int(t, `select count(*) from refunds`); n != before {
				t.Error("a refund was written down")
			}
		})
	}
}

func TestAHoldComesBetweenANumberAndItsUse(t *testing.T) {
	w := open(t)
	w.compensating()
	refund, err := w.OpenRefund(t.Context(), txn)
	w.ok(err)
	w.hold(txn, payment.CaseCancelledWorkflow, time.Time{})
	w.wantKind(w.RefundAsked(t.Context(), refund.OutRefundNo), payment.Busy)
	if n := w.db.Int(t, `select count(*) from refunds where asked_at is not null`); n != 0 {
		t.Error("WeChat was about to be asked, although somebody had stopped the payment")
	}
}

func TestWeChatsWordOnARefund(t *testing.T) {
	type word struct {
		state payment.RefundState
		fen   int64
	}
	const (
		processing = payment.RefundProcessing
		success    = payment.RefundSuccess
		closed     = payment.RefundClosed
		abnormal   = payment.RefundAbnormal
	)
	for name, row := range map[string]struct {
		words    []word
		stage    payment.Stage
		state    payment.RefundState
		refunded int64
		cases    string
	}{
		"success":                                  {[]word{{success, fen}}, payment.Compensating, success, fen, ""},
		"processing, then success":                 {[]word{{processing, fen}, {success, fen}}, payment.Compensating, success, fen, ""},
		"success, said twice":                      {[]word{{success, fen}, {success, fen}}, payment.Compensating, success, fen, ""},
		"processing, late, after success":          {[]word{{success, fen}, {processing, fen}}, payment.Compensating, success, fen, ""},
		"closed, late, after success":              {[]word{{success, fen}, {closed, fen}}, payment.Compensating, success, fen, ""},
		"abnormal, late, after success":            {[]word{{success, fen}, {abnormal, fen}}, payment.Compensating, success, fen, ""},
		"closed waits for a person":                {[]word{{closed, fen}}, payment.Holding, closed, 0, "refund_closed"},
		"success, late, after closed":              {[]word{{closed, fen}, {success, fen}}, payment.Holding, closed, 0, "refund_closed"},
		"abnormal wants a person, and goes on":     {[]word{{processing, fen}, {abnormal, fen}}, payment.Compensating, abnormal, 0, "refund_abnormal"},
		"processing, late, after abnormal":         {[]word{{abnormal, fen}, {processing, fen}}, payment.Compensating, abnormal, 0, "refund_abnormal"},
		"abnormal, then success after all":         {[]word{{abnormal, fen}, {success, fen}}, payment.Compensating, success, fen, ""},
		"abnormal, then closed":                    {[]word{{abnormal, fen}, {closed, fen}}, payment.Holding, closed, 0, "refund_closed"},
		"success of another amount is not counted": {[]word{{success, fen - 1}}, payment.Holding, payment.RefundRequested, 0, "refund_mismatch"},
		"a final refund is not doubted":            {[]word{{success, fen}, {success, 1}}, payment.Compensating, success, fen, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			w.compensating()
			number := w.claimRefund().OutRefundNo
			var books payment.Books
			for _, word := range row.words {
				books = w.said(number, word.state, word.fen)
			}
			w.want(books, row.stage)
			w.wantCases(txn, row.cases)
			if got := w.refundState(number); got != row.state || books.RefundedFen != row.refunded {
				t.Errorf("refund %s, %d fen went back; want %s, %d", got, books.RefundedFen, row.state, row.refunded)
			}
			if open := books.Refund != nil; open == row.state.Final() {
				t.Errorf("the books show the open refund %+v", books.Refund)
			}
		})
	}
}

func TestARefundOfAnotherPaymentIsNotOurs(t *testing.T) {
	w := open(t)
	w.compensating()
	refund := w.claimRefund()
	_, err := w.RefundSaid(t.Context(), activities.RefundWord{OutRefundNo: "CONSOLE1", State: payment.RefundSuccess, AmountFen: fen})
	w.wantKind(err, payment.NotFound)
	books := w.must(w.RefundSaid(t.Context(), activities.RefundWord{
		TransactionID: "4200000009", OutRefundNo: refund.OutRefundNo, State: payment.RefundSuccess, AmountFen: fen,
	}))
	w.want(books, payment.Holding)
	_, err = w.RefundSaid(t.Context(), activities.RefundWord{OutRefundNo: refund.OutRefundNo, AmountFen: fen})
	w.wantKind(err, payment.Unknown)
}

func TestARefundEndsWithAllOfItsBooks(t *testing.T) {
	for name, row := range map[string]struct {
		before  func(*world)
		order   payment.OrderState
		message string
	}{
		"the payment of the order": {
			func(w *world) {
				w.paid()
				w.claimShip()
				w.must(w.ShipRefused(w.Context(), txn, "sold_out: none left"))
				_, err := w.ClaimCancel(w.Context(), txn)
				w.ok(err)
				w.must(w.Cancelled(w.Context(), txn))
			}, payment.OrderRefunded, `order.refunded 12850 `,
		},
		"a second payment": {func(w *world) { w.compensating() }, payment.OrderPaid, `payment.refunded 12850 second_payment`},
		"a payment a person undid": {
			func(w *world) { w.bring(payment.Quarantined); w.begin("q1", payment.Compensate) },
			payment.OrderPending, `payment.refunded 12850 requested`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			row.before(w)
			_, err := w.MarkRefunded(t.Context(), txn)
			if payment.CodeOf(err) != "not_refunded" { // the money is still here
				t.Errorf("marked refunded too early: %v", err)
			}
			w.want(w.refund(payment.RefundSuccess), payment.Compensating)
			for range 2 { // an act may run twice
				w.want(w.must(w.MarkRefunded(t.Context(), txn)), payment.Refunded)
			}
			if got := w.order(); got != row.order {
				t.Errorf("the order is %s, want %s", got, row.order)
			}
			got := w.db.Text(t, `
				select string_agg(concat(event, ' ', payload->'data'->>'amount_fen', ' ', payload->'data'->>'reason'), ',')
				  from webhooks where transaction_id = $1`, txn)
			if got != row.message {
				t.Errorf("the shop is told %q, want %q", got, row.message)
			}
			if got := w.step(txn, "mark_refunded"); got != "done 1 " {
				t.Errorf("step %q", got)
			}
		})
	}
}
