package activities_test

import (
	"testing"
	"time"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

func TestRefund(t *testing.T) {
	for name, row := range map[string]struct {
		arrange  func(*fakeWeChat)
		stage    payment.Stage
		state    payment.RefundState
		refunded int64 // at WeChat, and in the books
		cases    string
	}{
		"WeChat refunds": {nil, payment.Compensating, payment.RefundSuccess, fen, ""},
		"WeChat refunds, and its answer is lost": {
			func(g *fakeWeChat) { g.refunds.moods = []mood{losesAnswers} },
			payment.Compensating, payment.RefundSuccess, fen, ""},
		"WeChat refunds, and then nobody can ask it for a while": {
			func(g *fakeWeChat) {
				g.refunds.moods = []mood{losesAnswers}
				g.queries.moods = []mood{silent, silent}
			}, payment.Compensating, payment.RefundSuccess, fen, ""},
		"WeChat is silent, and had not done it": {
			func(g *fakeWeChat) { g.refunds.moods = []mood{silent, silent} },
			payment.Compensating, payment.RefundSuccess, fen, ""},
		"WeChat says no, and yet has the refund": {
			func(g *fakeWeChat) { g.refunds.moods = []mood{lying} },
			payment.Compensating, payment.RefundSuccess, fen, ""},
		"WeChat says no, and has none: a person looks": {
			func(g *fakeWeChat) { g.refunds.moods = []mood{refusing} },
			payment.Holding, payment.RefundRequested, 0, "refund_refused"},
		"WeChat takes it, and it is not done yet": {
			func(g *fakeWeChat) { g.refunds.moods = []mood{later} },
			payment.Compensating, payment.RefundProcessing, 0, ""},
		"WeChat names another amount: a person looks": {
			func(g *fakeWeChat) { g.shortFen = 1 },
			payment.Holding, payment.RefundRequested, 0, "refund_mismatch"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			w.second()
			if row.arrange != nil {
				row.arrange(w.wechat)
			}
			books := w.until(w.refunds.Refund)
			w.want(books, row.stage)
			if got := w.db.Text(t, `select string_agg(out_refund_no || ' ' || state, ',') from refunds`); got != "R"+txn+" "+string(row.state) {
				t.Errorf("refunds %q, want %s", got, row.state)
			}
			if books.RefundedFen != row.refunded || len(w.wechat.made) > 1 {
				t.Errorf("%d fen in the books, %d refunds at WeChat", books.RefundedFen, len(w.wechat.made))
			}
			if got := w.openCases(); got != row.cases {
				t.Errorf("cases %q, want %q", got, row.cases)
			}
			if row.state == payment.RefundSuccess {
				w.must(w.refunds.Refund(t.Context(), txn)) // an act may run again after its answer
				if got := w.wechat.refundedFen(); got != fen {
					t.Errorf("%d fen went back", got)
				}
				w.want(w.must(w.books.MarkRefunded(t.Context(), txn)), payment.Refunded)
			}
		})
	}
}

func TestAnEmptyAccountIsWaitedForUnderTheSameNumber(t *testing.T) {
	w := open(t)
	w.second()
	w.wechat.poor = true
	for range 3 {
		w.asksAgain(w.refunds.Refund(t.Context(), txn))
	}
	if got := w.db.Text(t, `select last_error from steps where step = 'refund'`); got != "not_enough: the balance is not enough" {
		t.Errorf("people read %q", got)
	}
	w.wechat.poor = false
	w.until(w.refunds.Refund)
	if _, ok := w.wechat.made["R"+txn]; !ok || len(w.wechat.made) != 1 {
		t.Errorf("at WeChat: %v", w.wechat.made)
	}
}

func TestARefundAskedForOnceIsOnlyAskedAbout(t *testing.T) {
	w := open(t)
	w.second()
	w.wechat.refunds.moods = []mood{losesAnswers}
	w.wechat.queries.moods = []mood{silent}
	w.asksAgain(w.refunds.Refund(t.Context(), txn))
	w.want(w.must(w.refunds.Refund(t.Context(), txn)), payment.Compensating)
	if got := w.read().RefundedFen; got != fen || len(w.wechat.asked) != 1 {
		t.Errorf("%d fen in the books; WeChat was asked for %v", got, w.wechat.asked)
	}
}

// A crash between the call and its answer must leave a trace: whoever comes next
// asks what became of the refund.
func TestTheBooksKnowOfARefundBeforeWeChatDoes(t *testing.T) {
	w := open(t)
	w.second()
	w.wechat.refunds.during = func() {
		if r := w.read().Refund; r == nil || r.OutRefundNo != "R"+txn || r.AskedAt.IsZero() {
			t.Errorf("WeChat is asked, and the books show %+v", r)
		}
	}
	w.must(w.refunds.Refund(t.Context(), txn))
}

func TestASecondNumberWaitsItsTurn(t *testing.T) {
	w := open(t)
	w.second()
	w.wechat.refunds.moods = []mood{later}
	w.must(w.refunds.Refund(t.Context(), txn))
	w.wechat.ends("R"+txn, payment.RefundClosed)
	w.want(w.must(w.refunds.QueryRefund(t.Context(), txn)), payment.Holding)
	if got := w.openCases(); got != "refund_closed" {
		t.Errorf("cases %q", got)
	}
	w.want(w.must(w.refunds.Refund(t.Context(), txn)), payment.Holding) // nobody approved
	w.ask("q1", payment.Retry)
	w.want(w.must(w.books.BeginRequest(t.Context(), "q1")), payment.Compensating)
	if wait := w.asksAgain(w.refunds.Refund(t.Context(), txn)); wait < 50*time.Second || wait > time.Minute {
		t.Errorf("asked again in %s", wait)
	}
	if len(w.wechat.made) != 1 {
		t.Error("the second number was sent at once")
	}
	w.db.Exec(t, `update refunds set ready_at = now()`)
	w.must(w.refunds.Refund(t.Context(), txn))
	if got := w.wechat.made["R"+txn+"-2"].State; got != payment.RefundSuccess {
		t.Errorf("the second refund is %q", got)
	}
}

func TestQueryRefund(t *testing.T) {
	for name, row := range map[string]struct {
		ends     payment.RefundState
		stage    payment.Stage
		refunded int64
		cases    string
	}{
		"still processing":               {payment.RefundProcessing, payment.Compensating, 0, ""},
		"it succeeded":                   {payment.RefundSuccess, payment.Compensating, fen, ""},
		"WeChat closed it":               {payment.RefundClosed, payment.Holding, 0, "refund_closed"},
		"the payer's card takes nothing": {payment.RefundAbnormal, payment.Compensating, 0, "refund_abnormal"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			w.second()
			w.wechat.refunds.moods = []mood{later}
			w.must(w.refunds.Refund(t.Context(), txn))
			w.wechat.ends("R"+txn, row.ends)
			w.wechat.queries.moods = []mood{silent, refusing} // a no to a question decides nothing
			books := w.until(w.refunds.QueryRefund)
			w.want(books, row.stage)
			if books.RefundedFen != row.refunded || w.openCases() != row.cases {
				t.Errorf("%d fen, cases %q; want %d, %q", books.RefundedFen, w.openCases(), row.refunded, row.cases)
			}
		})
	}
	t.Run("nothing to ask about", func(t *testing.T) {
		t.Parallel()
		w := open(t)
		w.paid()
		w.want(w.must(w.refunds.QueryRefund(t.Context(), txn)), payment.Paid)
	})
}

func TestAPaymentThatGoesForwardIsNotRefunded(t *testing.T) {
	w := open(t)
	w.paid()
	w.want(w.must(w.refunds.Refund(t.Context(), txn)), payment.Paid)
	if len(w.wechat.made) != 0 {
		t.Error("and yet it was")
	}
}

func TestAskPayment(t *testing.T) {
	paid := activities.Transaction{
		TransactionID: txn, OutTradeNo: orderNo, AppID: "wx1", MchID: mchID, TradeState: "SUCCESS", AmountFen: fen, Currency: "CNY",
	}
	for name, row := range map[string]struct {
		trade *activities.Transaction
		moods []mood
		want  payment.Stage
		cases string
	}{
		"it was paid":                          {&paid, nil, payment.Paid, ""},
		"WeChat is silent at first":            {&paid, []mood{silent}, payment.Paid, ""},
		"our key is wrong until somebody sees": {&paid, []mood{refusing, refusing}, payment.Paid, ""},
		"there is no such payment":             {nil, nil, payment.Holding, "not_paid"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			told := news(txn)
			told.Via = payment.ViaQuery
			w.want(w.must(w.books.MarkPaid(t.Context(), told)), payment.Received)
			w.wechat.trade, w.wechat.pays.moods = row.trade, row.moods
			w.want(w.until(w.refunds.AskPayment), row.want)
			if got := w.openCases(); got != row.cases {
				t.Errorf("cases %q, want %q", got, row.cases)
			}
		})
	}
}
