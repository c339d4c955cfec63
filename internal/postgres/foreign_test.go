package postgres_test

import (
	"testing"
	"time"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

// elsewhere is WeChat's word on a refund that somebody made in its console.
func (w *world) elsewhere(state payment.RefundState, amountFen int64) payment.Books {
	w.Helper()
	return w.must(w.RefundHeard(w.Context(), txn, activities.RefundWord{
		TransactionID: txn, OutRefundNo: "CONSOLE1", RefundID: "50", State: state, AmountFen: amountFen,
	}))
}

func TestSomebodyElseGivesMoneyBack(t *testing.T) {
	const success, processing, closed, abnormal = payment.RefundSuccess, payment.RefundProcessing, payment.RefundClosed, payment.RefundAbnormal
	asked := func(w *world) { w.paid(); w.claimShip() }
	in := func(stage payment.Stage) func(*world) { return func(w *world) { w.bring(stage) } }
	for name, row := range map[string]struct {
		before   func(*world)
		states   []payment.RefundState
		fen      int64
		stage    payment.Stage
		refunded int64
		left     int64
		cases    string
	}{
		"before it was judged: held":               {in(payment.Received), []payment.RefundState{success}, 850, payment.Holding, 850, 12000, "foreign_refund"},
		"before the shop was asked: held":          {in(payment.Paid), []payment.RefundState{success}, 850, payment.Holding, 850, 12000, "foreign_refund"},
		"before the shop was asked, not done yet":  {in(payment.Paid), []payment.RefundState{processing}, 850, payment.Holding, 0, 12000, "foreign_refund"},
		"before the shop was asked, and closed":    {in(payment.Paid), []payment.RefundState{closed}, 850, payment.Paid, 0, fen, "foreign_refund"},
		"when the shop was asked: it goes on":      {asked, []payment.RefundState{success}, 850, payment.Paid, 850, 12000, "foreign_refund"},
		"all of it, when the shop was asked: undo": {asked, []payment.RefundState{success}, fen, payment.Compensating, fen, 0, "foreign_refund"},
		"all of it, in the end: undo":              {asked, []payment.RefundState{processing, success}, fen, payment.Compensating, fen, 0, "foreign_refund"},
		"after the goods":                          {in(payment.Completed), []payment.RefundState{success}, 850, payment.Completed, 850, 12000, "foreign_refund"},
		"all of it, after the goods":               {in(payment.Completed), []payment.RefundState{success}, fen, payment.Compensating, fen, 0, "foreign_refund"},
		"while it goes back anyway":                {in(payment.Compensating), []payment.RefundState{success}, 850, payment.Compensating, 850, 12000, "foreign_refund"},
		"while a person looks at something else":   {in(payment.Holding), []payment.RefundState{success}, 850, payment.Holding, 850, 12000, "foreign_refund ship_unknown"},
		"while a person looks at something else, before the shop was asked": {
			func(w *world) { w.paid(); w.hold(txn, payment.CaseCancelledWorkflow, time.Time{}) },
			[]payment.RefundState{success}, 850, payment.Holding, 850, 12000, "foreign_refund"},
		"in quarantine":                             {in(payment.Quarantined), []payment.RefundState{success}, 850, payment.Quarantined, 850, 12000, "amount_mismatch foreign_refund"},
		"and its payer's card is dead":              {in(payment.Completed), []payment.RefundState{processing, abnormal}, 850, payment.Completed, 0, 12000, "foreign_refund refund_abnormal"},
		"told twice":                                {in(payment.Completed), []payment.RefundState{success, success}, 850, payment.Completed, 850, 12000, "foreign_refund"},
		"and what it was, after what it became":     {in(payment.Completed), []payment.RefundState{success, processing}, 850, payment.Completed, 850, 12000, "foreign_refund"},
		"and it came to nothing in the end":         {in(payment.Completed), []payment.RefundState{processing, closed}, 850, payment.Completed, 0, fen, "foreign_refund"},
		"more than was paid: nobody can count that": {in(payment.Completed), []payment.RefundState{success}, fen + 1, payment.Completed, 0, fen, "conflicting_news"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			row.before(w)
			var books payment.Books
			for _, state := range row.states {
				books = w.elsewhere(state, row.fen)
			}
			w.want(books, row.stage)
			w.wantCases(txn, row.cases)
			if books.RefundedFen != row.refunded {
				t.Errorf("%d fen went back, want %d", books.RefundedFen, row.refunded)
			}
			left := w.db.Int(t, `select 12850 - coalesce(sum(amount_fen), 0) from refunds where state <> 'closed' and is_foreign`)
			if left != row.left {
				t.Errorf("%d fen are left, want %d", left, row.left)
			}
			if books.Refund != nil {
				t.Errorf("somebody else's refund is taken for ours: %+v", books.Refund)
			}
		})
	}
}

// News of a refund may overtake the news of its payment.
func TestAPaymentThatWasRefundedBeforeWeHeardOfItIsAskedAbout(t *testing.T) {
	for name, row := range map[string]struct {
		news string // SQL
		want payment.Stage
	}{
		"nobody told of a refund": {`select`, payment.Paid},
		"a refund that WeChat did not know when asked": {
			`insert into inbox (key, kind, verdict, via, transaction_id, out_refund_no, done)
			 values ('r', 'refund', 'noted', 'callback', '4200000001', 'CONSOLE1', true)`, payment.Paid},
		"a refund of another payment": {
			`insert into inbox (key, kind, verdict, via, transaction_id, out_refund_no, done)
			 values ('r', 'refund', 'case', 'callback', '4200000009', 'CONSOLE1', true)`, payment.Paid},
		"a refund that has a case": {
			`insert into inbox (key, kind, verdict, via, transaction_id, out_refund_no, done)
			 values ('r', 'refund', 'case', 'callback', '4200000001', 'CONSOLE1', true)`, payment.Received},
		"a refund that nobody looked at yet": {
			`insert into inbox (key, kind, verdict, via, transaction_id, out_refund_no)
			 values ('r', 'refund', 'accepted', 'callback', '4200000001', 'CONSOLE1')`, payment.Received},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			w.db.Exec(t, row.news)
			books := w.paid()
			w.want(books, row.want)
			if (books.Unsettled == payment.AskWeChat) != (row.want == payment.Received) {
				t.Errorf("unsettled: %q", books.Unsettled)
			}
			if row.want == payment.Received {
				w.want(w.must(w.WeChatSaid(t.Context(), txn, found("REFUND"))), payment.Holding)
			}
		})
	}
}

func TestARefundOfAnotherPaymentIsNotWrittenHere(t *testing.T) {
	w := open(t)
	w.bring(payment.Completed)
	books := w.must(w.RefundHeard(t.Context(), txn, activities.RefundWord{
		TransactionID: "4200000009", OutRefundNo: "CONSOLE1", State: payment.RefundSuccess, AmountFen: 850,
	}))
	if books.RefundedFen != 0 || w.db.Int(t, `select count(*) from refunds`) != 0 {
		t.Error("it was")
	}
	w.wantCases(txn, "conflicting_news")
}

func TestAPersonLetsItShipAfterSomebodyElsesRefund(t *testing.T) {
	w := open(t)
	w.paid()
	w.want(w.elsewhere(payment.RefundSuccess, 850), payment.Holding)
	if _, err := w.ClaimShip(t.Context(), txn); payment.KindOf(err) != payment.Conflict {
		t.Fatalf("it ships while it is held: %v", err)
	}
	w.want(w.begin("q1", payment.Retry), payment.Paid)
	w.want(w.elsewhere(payment.RefundSuccess, 850), payment.Paid) // WeChat repeats itself
	w.claimShip()
	w.wantCases(txn, "")
}

// All of the money went back in WeChat's console: no way forward ships it.
func TestWhatWentBackInFullElsewhereNeverShips(t *testing.T) {
	for ending, held := range map[string]func(w *world){
		"and a person lets it go on": func(w *world) { w.paid() },
		"while the shop was silent, and a person lets it go on": func(w *world) {
			w.paid()
			w.claimShip()
			w.must(w.Hold(t.Context(), activities.Stop{TransactionID: txn, Hold: payment.Hold{Reason: payment.CaseShipUnknown, Direction: payment.Forward}}))
		},
	} {
		t.Run(ending, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			held(w)
			w.want(w.elsewhere(payment.RefundSuccess, 12850), payment.Holding)
			w.want(w.begin("q1", payment.Retry), payment.Compensating)
			if _, err := w.ClaimShip(t.Context(), txn); payment.KindOf(err) != payment.Conflict {
				t.Errorf("it ships although all of it went back: %v", err)
			}
		})
	}
	t.Run("while the shop was silent, and its late yes finds the goods gone", func(t *testing.T) {
		t.Parallel()
		w := open(t)
		w.paid()
		w.claimShip()
		w.must(w.Hold(t.Context(), activities.Stop{TransactionID: txn, Hold: payment.Hold{Reason: payment.CaseShipUnknown, Direction: payment.Forward}}))
		w.want(w.elsewhere(payment.RefundSuccess, 12850), payment.Holding)
		w.want(w.must(w.Dispatched(t.Context(), txn, activities.Dispatch{State: payment.ShipDispatched, ShipmentID: "S1"})), payment.Compensating)
	})
}

// WeChat told of a refund and has not said yet what it is: nothing ships meanwhile.
func TestAnUnheardRefundKeepsTheShipmentBack(t *testing.T) {
	w := open(t)
	w.paid()
	w.db.Exec(t, "insert into inbox (key, kind, verdict, via, transaction_id, out_refund_no) values ('refund:X1', 'refund', 'accepted', 'callback', '"+txn+"', 'X1')")
	if _, err := w.ClaimShip(t.Context(), txn); payment.KindOf(err) != payment.Busy {
		t.Fatalf("it ships beside a refund nobody has heard out: %v", err)
	}
	w.db.Exec(t, "update inbox set done = true where key = 'refund:X1'")
	w.claimShip()
}

// Ours was to give back more than somebody else left.
func TestOursShrinksToWhatSomebodyElseLeft(t *testing.T) {
	t.Run("if WeChat was not asked yet, at once", func(t *testing.T) {
		t.Parallel()
		w := open(t)
		w.compensating()
		_, err := w.OpenRefund(t.Context(), txn)
		w.ok(err)
		w.elsewhere(payment.RefundSuccess, 850)
		ours, err := w.OpenRefund(t.Context(), txn)
		w.ok(err)
		if ours.AmountFen != 12000 || ours.OutRefundNo != "R"+txn+"-2" {
			t.Errorf("%+v", ours)
		}
	})
	t.Run("if WeChat refused it, once an approver has seen that", func(t *testing.T) {
		t.Parallel()
		w := open(t)
		w.compensating()
		first := w.claimRefund()
		w.elsewhere(payment.RefundSuccess, 850)
		w.want(w.must(w.RefundRefused(t.Context(), first.OutRefundNo, "invalid_request: too much")), payment.Holding)
		w.want(w.begin("q1", payment.Retry), payment.Holding)
		w.ask("q2", payment.Retry, "bob")
		w.want(w.must(w.BeginRequest(t.Context(), "q2")), payment.Compensating)
		ours, err := w.OpenRefund(t.Context(), txn)
		w.ok(err)
		if ours.AmountFen != 12000 || ours.OutRefundNo == first.OutRefundNo {
			t.Errorf("%+v", ours)
		}
	})
	t.Run("if WeChat was asked and gave no answer, not before it has said no", func(t *testing.T) {
		t.Parallel()
		w := open(t)
		w.compensating()
		first := w.claimRefund()
		w.elsewhere(payment.RefundSuccess, 850)
		if got := w.refundState(first.OutRefundNo); got != payment.RefundRequested {
			t.Errorf("what WeChat may have is %s", got)
		}
		w.hold(txn, payment.CaseCancelledWorkflow, time.Time{})
		w.must(w.RefundHeard(t.Context(), txn, activities.RefundWord{
			TransactionID: txn, OutRefundNo: "CONSOLE2", State: payment.RefundSuccess, AmountFen: 100,
		}))
		if got := w.refundState(first.OutRefundNo); got != payment.RefundRequested {
			t.Errorf("what WeChat may have is %s, now that it is held", got)
		}
	})
	t.Run("and a part is refused", func(t *testing.T) {
		t.Parallel()
		w := open(t)
		w.bring(payment.Completed)
		_, err := w.wish("q1", 12001)
		w.ok(err)
		w.must(w.BeginRequest(t.Context(), "q1"))
		w.elsewhere(payment.RefundSuccess, 850)
		_, err = w.OpenRefund(t.Context(), txn)
		w.wantKind(err, payment.Conflict)
		w.wantRequest("q1", "refused: somebody else's refund left too little for it")
		w.want(w.must(w.Read(t.Context(), txn)), payment.Completed)
	})
}

func TestOursWaitsForSomebodyElses(t *testing.T) {
	w := open(t)
	w.compensating()
	w.elsewhere(payment.RefundProcessing, fen)
	_, err := w.OpenRefund(t.Context(), txn)
	if payment.CodeOf(err) != payment.CodeRefundsPending {
		t.Fatal(err)
	}
	numbers, err := w.OpenForeign(t.Context(), txn)
	if err != nil || len(numbers) != 1 || numbers[0] != "CONSOLE1" {
		t.Errorf("%v, %v", numbers, err)
	}
	w.elsewhere(payment.RefundSuccess, fen)
	w.want(w.must(w.MarkRefunded(t.Context(), txn)), payment.Refunded)
}

func TestWhatAPersonClosesLeavesNoRefundOpen(t *testing.T) {
	word := func(number string, state payment.RefundState, amountFen int64) activities.RefundWord {
		return activities.RefundWord{TransactionID: txn, OutRefundNo: number, State: state, AmountFen: amountFen}
	}
	const ours = "R" + txn
	for name, row := range map[string]struct {
		sent     bool // WeChat was asked for our refund, two minutes ago
		justNow  bool // or a moment ago
		outcome  payment.Stage
		proof    activities.Proof
		want     payment.Stage
		request  string
		ours     payment.RefundState
		refunded int64
	}{
		"shipped, and ours was never asked for": {false, false, payment.Shipped, proof(payment.Shipped),
			payment.Resolved, "done: confirmed", payment.RefundWithdrawn, 0},
		"shipped, while WeChat may have ours": {true, false, payment.Shipped, proof(payment.Shipped),
			payment.Holding, "refused: WeChat may still make refund " + ours, payment.RefundRequested, 0},
		"shipped, while WeChat works on ours": {true, false, payment.Shipped, proof(payment.Shipped, word(ours, payment.RefundProcessing, fen)),
			payment.Holding, "refused: WeChat may still make refund " + ours, payment.RefundProcessing, 0},
		"shipped, and WeChat has none of ours": {true, false, payment.Shipped, activities.Proof{Detail: "confirmed", NoSuchRefund: ours},
			payment.Resolved, "done: confirmed", payment.RefundWithdrawn, 0},
		"shipped, and WeChat has none of ours, which may still be on its way": {true, true, payment.Shipped, activities.Proof{Detail: "confirmed", NoSuchRefund: ours},
			payment.Holding, "refused: WeChat may still make refund " + ours, payment.RefundRequested, 0},
		"shipped, and WeChat closed ours": {true, false, payment.Shipped, proof(payment.Shipped, word(ours, payment.RefundClosed, fen)),
			payment.Resolved, "done: confirmed", payment.RefundClosed, 0},
		"shipped, and all of the money went back by ours": {true, false, payment.Shipped, proof(payment.Shipped, word(ours, payment.RefundSuccess, fen)),
			payment.Holding, "refused: all of the money went back", payment.RefundSuccess, fen},
		"refunded by ours": {true, false, payment.Refunded, proof(payment.Refunded, word(ours, payment.RefundSuccess, fen)),
			payment.Resolved, "done: confirmed", payment.RefundSuccess, fen},
		"refunded by somebody else, and ours was never asked for": {false, false, payment.Refunded, proof(payment.Refunded, word("X1", payment.RefundSuccess, 850), word("X2", payment.RefundSuccess, 12000)),
			payment.Resolved, "done: confirmed", payment.RefundWithdrawn, fen},
		"refunded by somebody else, and WeChat has none of ours": {true, false, payment.Refunded,
			activities.Proof{Detail: "confirmed", NoSuchRefund: ours, Refunds: []activities.RefundWord{word("X1", payment.RefundSuccess, fen)}},
			payment.Resolved, "done: confirmed", payment.RefundWithdrawn, fen},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			w.paid()
			w.want(w.begin("q0", payment.Compensate), payment.Compensating)
			_, err := w.OpenRefund(t.Context(), txn)
			w.ok(err)
			if row.sent {
				w.ok(w.RefundAsked(t.Context(), ours))
			}
			if !row.justNow {
				w.db.Exec(t, "update refunds set asked_at = asked_at - interval '2 minutes'")
			}
			w.hold(txn, payment.CaseRefundRefused, time.Time{})
			w.resolve("q1", row.outcome)
			books := w.must(w.Resolved(t.Context(), "q1", row.proof))
			w.want(books, row.want)
			w.wantRequest("q1", row.request)
			if got := w.refundState(ours); got != row.ours || books.RefundedFen != row.refunded {
				t.Errorf("ours is %s, %d fen went back", got, books.RefundedFen)
			}
			if row.want == payment.Resolved && books.Refund != nil {
				t.Errorf("it would be asked about for ever: %+v", books.Refund)
			}
		})
	}
}
