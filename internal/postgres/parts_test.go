package postgres_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

// wish asks for part of the payment to go back, as the desk does.
func (w *world) wish(id string, amountFen int64) (payment.Request, error) {
	w.Helper()
	return w.Ask(w.Context(), payment.Request{
		ID: id, TransactionID: txn, Kind: payment.PartialRefund, Actor: "ann", Reason: "one cup was broken", AmountFen: amountFen,
	}, 1<<40)
}

// part asks for part of the payment, begins it, and asks WeChat for it.
func (w *world) part(id string, amountFen int64) payment.Request {
	w.Helper()
	asked, err := w.wish(id, amountFen)
	w.ok(err)
	w.must(w.BeginRequest(w.Context(), id))
	w.ok(w.RefundAsked(w.Context(), asked.OutRefundNo))
	return asked
}

func (w *world) wantRequest(id, want string) {
	w.Helper()
	if got := w.request(id); got != want {
		w.Errorf("the request is %q, want %q", got, want)
	}
}

// A number and an amount are promised with the request, and to nobody else.
func TestAPartIsFrozenWhenItIsAskedFor(t *testing.T) {
	w := open(t)
	w.bring(payment.Completed)
	asked, err := w.wish("q1", 850)
	w.ok(err)
	if asked.OutRefundNo != "R"+txn || asked.State != payment.Queued {
		t.Errorf("%+v", asked)
	}
	if books := w.must(w.Read(t.Context(), txn)); books.Refund != nil {
		t.Errorf("a refund is there before the saga began it: %+v", books.Refund)
	}
	for range 2 { // an act may run twice
		books := w.must(w.BeginRequest(t.Context(), "q1"))
		w.want(books, payment.Completed)
		if r := books.Refund; r == nil || r.OutRefundNo != asked.OutRefundNo || r.AmountFen != 850 || r.TotalFen != fen || !r.Part {
			t.Fatalf("the books show %+v", r)
		}
	}
	refund, err := w.OpenRefund(t.Context(), txn)
	w.ok(err)
	if refund.OutRefundNo != asked.OutRefundNo || !refund.Part {
		t.Errorf("WeChat is asked for %+v", refund)
	}
	books := w.said(asked.OutRefundNo, payment.RefundSuccess, 850)
	w.want(books, payment.Completed)
	if books.RefundedFen != 850 || !books.Done() {
		t.Errorf("%d fen went back, done %t", books.RefundedFen, books.Done())
	}
	w.wantRequest("q1", "done: 850 fen went back")
	if got, err := w.wish("q2", 1); err != nil || got.OutRefundNo != "R"+txn+"-2" {
		t.Errorf("the second is %s, %v", got.OutRefundNo, err)
	}
}

// However a request ended, its number is not given to another.
func TestANumberIsNeverGivenTwice(t *testing.T) {
	w := open(t)
	w.paid()
	_, err := w.wish("q1", 850)
	w.ok(err)
	w.db.Exec(t, `update requests set state = 'refused'`)
	second, err := w.wish("q2", 850)
	w.ok(err)
	if second.OutRefundNo != "R"+txn+"-2" {
		t.Errorf("the second is %s", second.OutRefundNo)
	}
	w.db.Exec(t, `update requests set state = 'refused'`)
	w.begin("q3", payment.Compensate)
	if all, err := w.OpenRefund(t.Context(), txn); err != nil || all.OutRefundNo != "R"+txn+"-3" || all.AmountFen != fen {
		t.Errorf("all of it is %+v, %v", all, err)
	}
}

// The books were restored from yesterday, and WeChat tells of refunds that were
// ours: their numbers are WeChat's already.
func TestANumberThatWeChatKnowsIsNotTakenAgain(t *testing.T) {
	for heard, want := range map[string]string{
		"R" + txn:        "R" + txn + "-2",
		"R" + txn + "-2": "R" + txn + "-3",
		"R" + txn + "-7": "R" + txn + "-8",
		"R" + txn + "-x": "R" + txn,
		"CONSOLE-9":      "R" + txn,
	} {
		t.Run(heard, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			w.bring(payment.Completed)
			w.must(w.RefundHeard(t.Context(), txn, activities.RefundWord{
				TransactionID: txn, OutRefundNo: heard, State: payment.RefundSuccess, AmountFen: 100,
			}))
			asked, err := w.wish("q1", 850)
			w.ok(err)
			w.must(w.BeginRequest(t.Context(), "q1"))
			if refund, err := w.OpenRefund(t.Context(), txn); err != nil || asked.OutRefundNo != want || refund.OutRefundNo != want {
				t.Errorf("promised %s, taken %s (%v), want %s", asked.OutRefundNo, refund.OutRefundNo, err, want)
			}
		})
	}
}

func TestWhatPartMayBeAskedFor(t *testing.T) {
	const refund = `insert into refunds (out_refund_no, transaction_id, amount_fen, total_fen, ready_at, state, is_foreign, finished_at) values `
	for name, row := range map[string]struct {
		stage     payment.Stage
		before    string // SQL
		amountFen int64
		code      string
	}{
		"part of a paid one":      {payment.Paid, "", 850, ""},
		"part of a shipped one":   {payment.Shipped, "", 850, ""},
		"part of a completed one": {payment.Completed, "", 850, ""},
		"all of it":               {payment.Completed, "", fen, ""},
		"a fen more":              {payment.Completed, "", fen + 1, "more_than_left"},
		"nothing":                 {payment.Completed, "", 0, "invalid_amount_fen"},
		"less than nothing":       {payment.Completed, "", -1, "invalid_amount_fen"},
		"what is left beside ours": {payment.Completed,
			refund + `('R4200000001', '4200000001', 850, 12850, now(), 'success', false, now())`, 12000, ""},
		"more than is left beside ours": {payment.Completed,
			refund + `('R4200000001', '4200000001', 850, 12850, now(), 'success', false, now())`, 12001, "more_than_left"},
		"more than is left beside somebody else's, which may still fail": {payment.Completed,
			refund + `('CONSOLE1', '4200000001', 850, 12850, now(), 'abnormal', true, null)`, 12001, "more_than_left"},
		"what WeChat closed": {payment.Completed,
			refund + `('R4200000001', '4200000001', 850, 12850, now(), 'closed', false, now())`, fen, ""},
		"what WeChat never had": {payment.Completed,
			refund + `('R4200000001', '4200000001', 850, 12850, now(), 'withdrawn', false, now())`, fen, ""},
		"the 50th": {payment.Completed,
			refund + `('X1', '4200000001', 1, 12850, now(), 'processing', true, null);
			insert into refunds (out_refund_no, transaction_id, amount_fen, total_fen, ready_at, state, finished_at)
			select 'R4200000001-' || n, '4200000001', 1, 12850, now(), 'success', now() from generate_series(2, 49) n`, 1, ""},
		"the 51st": {payment.Completed,
			refund + `('X1', '4200000001', 1, 12850, now(), 'processing', true, null);
			insert into refunds (out_refund_no, transaction_id, amount_fen, total_fen, ready_at, state, finished_at)
			select 'R4200000001-' || n, '4200000001', 1, 12850, now(), 'success', now() from generate_series(2, 50) n`, 1, payment.CodeTooMany},
		"after 364 days": {payment.Completed, `update payments set paid_at = now() - interval '364 days 23 hours'`, 850, ""},
		"after a year":   {payment.Completed, `update payments set paid_at = now() - interval '365 days 1 second'`, 850, payment.CodeTooOld},
		"while another waits for an approver": {payment.Completed,
			`insert into requests (id, transaction_id, kind, state, actor, reason, amount_fen, out_refund_no, expires_at)
			 values ('q0', '4200000001', 'refund', 'pending_approval', 'ben', '0123456789', 850, 'R4200000001', now() + interval '1 h')`, 12000, "one_open_request"},
		"more than is left beside one that waits for an approver": {payment.Completed,
			`insert into requests (id, transaction_id, kind, state, actor, reason, amount_fen, out_refund_no, expires_at)
			 values ('q0', '4200000001', 'refund', 'pending_approval', 'ben', '0123456789', 850, 'R4200000001', now() + interval '1 h')`, 12001, "more_than_left"},
		"what one wanted that nobody approved": {payment.Completed,
			`insert into requests (id, transaction_id, kind, state, actor, reason, amount_fen, out_refund_no, expires_at)
			 values ('q0', '4200000001', 'refund', 'pending_approval', 'ben', '0123456789', 850, 'R4200000001', now())`, fen, ""},
		"part of one that is held":      {payment.Holding, "", 850, "wrong_stage"},
		"part of one that is going":     {payment.Compensating, "", 850, "wrong_stage"},
		"part of one that is gone":      {payment.Refunded, "", 850, "wrong_stage"},
		"part of a quarantined one":     {payment.Quarantined, "", 850, "wrong_stage"},
		"part of one nobody judged yet": {payment.Received, "", 850, "wrong_stage"},
		"part of one a person closed":   {payment.Resolved, "", 850, "wrong_stage"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			w.bring(row.stage)
			if row.before != "" {
				w.db.Exec(t, row.before)
			}
			before := w.db.Int(t, `select count(*) from requests`)
			_, err := w.wish("q1", row.amountFen)
			if payment.CodeOf(err) != row.code {
				t.Fatalf("%v, want %q", err, row.code)
			}
			if left := w.db.Int(t, `select count(*) from requests`) - before; (left == 1) != (row.code == "") {
				t.Errorf("%d requests were left behind", left)
			}
		})
	}
}

// Eight agents at once, again and again, never give back more than was paid,
// whichever of them is first, and whatever the saga does in between.
func TestNoRacePassesWhatWasPaid(t *testing.T) {
	for round := range 6 {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			t.Parallel()
			w := open(t)
			w.bring(payment.Completed)
			for turn := range 4 {
				race(times(racers, func(i int) {
					_, err := w.wish(fmt.Sprintf("q%d-%d", turn, i), 5000)
					switch payment.CodeOf(err) {
					case "", "one_open_request", "more_than_left":
					default:
						t.Error(err)
					}
				})...)
				if n := w.db.Int(t, `select count(*) from requests where state = 'queued'`); n > 1 {
					t.Fatalf("%d requests may run", n)
				}
				id := w.db.Text(t, `select coalesce(max(id), '') from requests where state = 'queued'`)
				if id == "" {
					continue
				}
				race(times(racers, func(int) { w.must(w.BeginRequest(t.Context(), id)) })...)
				open := w.must(w.Read(t.Context(), txn)).Refund
				w.ok(w.RefundAsked(t.Context(), open.OutRefundNo))
				w.said(open.OutRefundNo, payment.RefundSuccess, open.AmountFen)
			}
			if sum := w.db.Int(t, `select sum(amount_fen) from refunds`); sum != 10000 {
				t.Errorf("%d fen went back of %d, want two parts of 5000", sum, fen)
			}
			if n := w.db.Int(t, `select count(*) from requests where state = 'done'`); n != 2 {
				t.Errorf("%d requests are done", n)
			}
		})
	}
}

func TestHowAPartEnds(t *testing.T) {
	for name, row := range map[string]struct {
		stage   payment.Stage
		ends    func(w *world, number string) payment.Books
		want    payment.Stage
		request string
		refund  payment.RefundState
		cases   string
	}{
		"it goes back, and the goods stay where they are": {payment.Completed,
			func(w *world, number string) payment.Books { return w.said(number, payment.RefundSuccess, 850) },
			payment.Completed, "done: 850 fen went back", payment.RefundSuccess, ""},
		"WeChat closes it, and the goods stay where they are": {payment.Completed,
			func(w *world, number string) payment.Books { return w.said(number, payment.RefundClosed, 850) },
			payment.Completed, "refused: WeChat closed it; a new number needs a person and an approver", payment.RefundClosed, "refund_closed"},
		"WeChat closes it, and a paid one goes on": {payment.Paid,
			func(w *world, number string) payment.Books { return w.said(number, payment.RefundClosed, 850) },
			payment.Paid, "refused: WeChat closed it; a new number needs a person and an approver", payment.RefundClosed, "refund_closed"},
		"WeChat refuses it, and has none": {payment.Shipped,
			func(w *world, number string) payment.Books {
				return w.must(w.RefundRefused(w.Context(), number, "user_account_abnormal: closed"))
			},
			payment.Shipped, "refused: WeChat refuses: user_account_abnormal: closed", payment.RefundWithdrawn, "refund_refused"},
		"the payer's card is dead: it is asked about on": {payment.Completed,
			func(w *world, number string) payment.Books { return w.said(number, payment.RefundAbnormal, 850) },
			payment.Completed, "running: ", payment.RefundAbnormal, "refund_abnormal"},
		"WeChat names another amount: a person looks, and nothing is counted": {payment.Completed,
			func(w *world, number string) payment.Books { return w.said(number, payment.RefundSuccess, 851) },
			payment.Completed, "running: ", payment.RefundRequested, "refund_mismatch"},
		"WeChat names another amount of a paid one: it goes on": {payment.Paid,
			func(w *world, number string) payment.Books { return w.said(number, payment.RefundSuccess, 851) },
			payment.Paid, "running: ", payment.RefundRequested, "refund_mismatch"},
		"the payment is held meanwhile: it goes on": {payment.Paid,
			func(w *world, number string) payment.Books {
				w.hold(txn, payment.CaseShipUnknown, time.Time{})
				return w.said(number, payment.RefundSuccess, 850)
			},
			payment.Holding, "done: 850 fen went back", payment.RefundSuccess, "ship_unknown"},
		"the shop refuses meanwhile, and WeChat closes it: the rest waits for a person": {payment.Paid,
			func(w *world, number string) payment.Books {
				w.claimShip()
				w.must(w.ShipRefused(w.Context(), txn, "sold_out: none left"))
				return w.said(number, payment.RefundClosed, 850)
			},
			payment.Holding, "refused: held: refund_closed", payment.RefundClosed, "refund_closed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			w.bring(row.stage)
			number := w.part("q1", 850).OutRefundNo
			w.want(row.ends(w, number), row.want)
			w.wantRequest("q1", row.request)
			w.wantCases(txn, row.cases)
			if got := w.refundState(number); got != row.refund {
				t.Errorf("the refund is %s, want %s", got, row.refund)
			}
		})
	}
}

// What WeChat was never asked for is given up when the payment turns another way;
// what it may have is seen through.
func TestWhatTurnsAPaymentTakesItsUnsentPartAlong(t *testing.T) {
	turns := map[string]func(*world){
		"it is held":       func(w *world) { w.hold(txn, payment.CaseShipUnknown, time.Time{}) },
		"the shop refuses": func(w *world) { w.claimShip(); w.must(w.ShipRefused(w.Context(), txn, "sold_out: none")) },
	}
	for name, turn := range turns {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			w.paid()
			asked, err := w.wish("q1", 850)
			w.ok(err)
			w.must(w.BeginRequest(t.Context(), "q1"))
			turn(w)
			if got := w.request("q1"); !strings.HasPrefix(got, "refused: ") {
				t.Errorf("the request is %q", got)
			}
			w.wantKind(w.RefundAsked(t.Context(), asked.OutRefundNo), payment.Busy)
			if n := w.db.Int(t, `select count(*) from refunds where state = 'withdrawn' and asked_at is null`); n != 1 {
				t.Error("the refund was not given up")
			}
		})
		t.Run(name+", and WeChat may have it", func(t *testing.T) {
			t.Parallel()
			w := open(t)
			w.paid()
			number := w.part("q1", 850).OutRefundNo
			turn(w)
			w.wantRequest("q1", "running: ")
			if books := w.said(number, payment.RefundSuccess, 850); books.RefundedFen != 850 {
				t.Errorf("%d fen", books.RefundedFen)
			}
			w.wantRequest("q1", "done: 850 fen went back")
		})
	}
}

func TestAllThatIsLeftFollowsThePart(t *testing.T) {
	w := open(t)
	w.paid()
	w.claimShip()
	part := w.part("q1", 850)
	w.want(w.must(w.ShipRefused(t.Context(), txn, "sold_out: none left")), payment.Compensating)
	_, err := w.ClaimCancel(t.Context(), txn)
	w.ok(err)
	w.must(w.Cancelled(t.Context(), txn))
	first, err := w.OpenRefund(t.Context(), txn)
	w.ok(err)
	if first.OutRefundNo != part.OutRefundNo {
		t.Fatalf("the part was overtaken by %+v", first)
	}
	w.said(part.OutRefundNo, payment.RefundSuccess, 850)
	rest, err := w.OpenRefund(t.Context(), txn)
	w.ok(err)
	if rest.AmountFen != fen-850 || rest.OutRefundNo != "R"+txn+"-2" || time.Until(rest.ReadyAt) < 50*time.Second {
		t.Errorf("the rest is %+v", rest)
	}
	w.ok(w.RefundAsked(t.Context(), rest.OutRefundNo))
	w.said(rest.OutRefundNo, payment.RefundSuccess, rest.AmountFen)
	w.want(w.must(w.MarkRefunded(t.Context(), txn)), payment.Refunded)
}

func TestPartsThatAddUpAreARefund(t *testing.T) {
	for stage, goods := range map[payment.Stage]payment.Goods{
		payment.Paid: payment.GoodsStop, payment.Shipped: payment.GoodsKept, payment.Completed: payment.GoodsKept,
	} {
		t.Run(string(stage), func(t *testing.T) {
			t.Parallel()
			w := open(t)
			w.bring(stage)
			first := w.part("q1", 850)
			w.want(w.said(first.OutRefundNo, payment.RefundSuccess, 850), stage)
			w.db.Exec(t, `update refunds set ready_at = now()`)
			rest := w.part("q2", fen-850)
			books := w.said(rest.OutRefundNo, payment.RefundSuccess, fen-850)
			w.want(books, payment.Compensating)
			if books.Goods != goods {
				t.Errorf("the goods: %s, want %s", books.Goods, goods)
			}
			books = w.must(w.MarkRefunded(t.Context(), txn))
			w.want(books, payment.Refunded)
			if w.order() != payment.OrderRefunded {
				t.Errorf("the order is %s", w.order())
			}
			if n := w.db.Int(t, `select count(*) from webhooks where event = 'order.refunded'`); n != 1 {
				t.Error("the shop is not told")
			}
			w.wantRequest("q2", "done: 12000 fen went back")
		})
	}
}

// Between asking and beginning, an approver may take a day.
func TestAPartIsLookedAtAgainWhenItBegins(t *testing.T) {
	for name, row := range map[string]struct{ meanwhile, want string }{
		"somebody gave money back elsewhere": {
			`insert into refunds (out_refund_no, transaction_id, amount_fen, total_fen, ready_at, state, is_foreign, finished_at)
			 values ('CONSOLE1', '4200000001', 12001, 12850, now(), 'success', true, now())`, "refused: more than is left to refund now"},
		"the year passed": {
			`update payments set paid_at = now() - interval '366 days'`, "refused: WeChat refunds for 365 days, and it was paid before that"},
		"the payment was held": {
			`update payments set stage = 'holding', hold_reason = 'ship_unknown', hold_direction = 'forward'`, "refused: refund is not possible: the payment is holding"},
		"WeChat closed another": {
			`insert into refunds (out_refund_no, transaction_id, amount_fen, total_fen, ready_at, state, finished_at)
			 values ('R0', '4200000001', 1, 12850, now(), 'closed', now())`, "refused: WeChat closed the last refund; a new number needs an approver"},
		"nothing": {`select`, "running: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			w.paid()
			_, err := w.wish("q1", 850)
			w.ok(err)
			w.db.Exec(t, row.meanwhile)
			w.must(w.BeginRequest(t.Context(), "q1"))
			w.wantRequest("q1", row.want)
		})
	}
}

// A compensation takes no new number after WeChat's no, whose no it was, until
// an approver has seen it.
func TestAClosedPartBarsTheRestUntilSomebodySawIt(t *testing.T) {
	w := open(t)
	w.paid()
	w.claimShip()
	w.said(w.part("q0", 10).OutRefundNo, payment.RefundSuccess, 10)
	w.db.Exec(t, `update requests set approver = 'bob', decided_at = created_at`) // who saw no refund closed
	w.said(w.part("q1", 850).OutRefundNo, payment.RefundClosed, 850)
	w.must(w.ShipRefused(t.Context(), txn, "sold_out: none left"))
	_, err := w.ClaimCancel(t.Context(), txn)
	w.ok(err)
	w.must(w.Cancelled(t.Context(), txn))
	_, err = w.OpenRefund(t.Context(), txn)
	w.wantKind(err, payment.Conflict)
	w.want(w.must(w.Read(t.Context(), txn)), payment.Holding)
	w.ask("q2", payment.Retry, "bob")
	w.want(w.must(w.BeginRequest(t.Context(), "q2")), payment.Compensating)
	if rest, err := w.OpenRefund(t.Context(), txn); err != nil || rest.AmountFen != fen-10 || rest.OutRefundNo != "R"+txn+"-3" {
		t.Errorf("%+v, %v", rest, err)
	}
}

func TestWhatWeChatRefundsNoMoreIsAPersons(t *testing.T) {
	for name, before := range map[string]string{
		"paid more than a year ago": `update payments set paid_at = now() - interval '366 days'`,
		"refunded fifty times": `insert into refunds (out_refund_no, transaction_id, amount_fen, total_fen, ready_at, state, finished_at)
			select 'R4200000001-' || n, '4200000001', 1, 12850, now(), 'success', now() from generate_series(1, 50) n`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			w.compensating()
			w.db.Exec(t, before)
			_, err := w.OpenRefund(t.Context(), txn)
			w.wantKind(err, payment.Conflict)
			w.want(w.must(w.Read(t.Context(), txn)), payment.Holding)
			w.wantCases(txn, "refund_refused")
			if n := w.db.Int(t, `select count(*) from refunds where state = 'requested'`); n != 0 {
				t.Error("a number was taken in vain")
			}
		})
	}
}

// A refund that we gave up because WeChat had none of it may turn up all the same.
func TestWhatWasGivenUpCountsIfWeChatHasIt(t *testing.T) {
	w := open(t)
	w.bring(payment.Completed)
	number := w.part("q1", 850).OutRefundNo
	w.must(w.RefundRefused(t.Context(), number, "param_error: no"))
	books := w.must(w.RefundHeard(t.Context(), txn, activities.RefundWord{
		TransactionID: txn, OutRefundNo: number, State: payment.RefundSuccess, AmountFen: 850,
	}))
	if books.RefundedFen != 850 || w.refundState(number) != payment.RefundSuccess {
		t.Errorf("%d fen, %s", books.RefundedFen, w.refundState(number))
	}
}
