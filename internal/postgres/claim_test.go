package postgres_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

// verdict is what the books and an outsider see after a claim.
type verdict struct {
	Stage     payment.Stage
	Unsettled payment.Unsettled
	Order     payment.OrderState
	Cause     string // why it is undone
	Cases     string // open ones
	Owner     string // of the first of them
	Step      string // mark_paid
}

func (w *world) verdict(id string) verdict {
	w.Helper()
	books := w.must(w.Read(w.Context(), id))
	return verdict{
		Stage: books.Stage, Unsettled: books.Unsettled,
		Order: payment.OrderState(w.db.Text(w, `select coalesce((select state from orders where out_trade_no = $1), '')`, orderNo)),
		Cause: w.db.Text(w, `select undo_cause from payments where transaction_id = $1`, id),
		Cases: w.openCases(id),
		Owner: w.db.Text(w, `select coalesce((select owner from cases where transaction_id = $1 order by opened_at limit 1), '')`, id),
		Step:  w.step(id, "mark_paid"),
	}
}

var accepted = verdict{Stage: payment.Paid, Order: payment.OrderPaid, Step: "done 1 "}

func TestClaimJudgesAPayment(t *testing.T) {
	late := func(w *world) {
		w.db.Exec(w, `update orders set created_at = now() - interval '3 hours', expires_at = now() - interval '2 hours'`)
	}
	closed := func(w *world) { w.db.Exec(w, `update orders set state = 'closed'`) }
	reopen := func(w *world) { w.db.Exec(w, `update orders set late_payment = 'reopen'`) }
	paidBy := func(other string) func(w *world) {
		return func(w *world) { w.must(w.Claim(w.Context(), news(other))) }
	}
	turned := func(cause string, order payment.OrderState) verdict {
		return verdict{Stage: payment.Compensating, Order: order, Cause: cause, Step: "refused 1 "}
	}
	quarantined := func(kind, owner string) verdict {
		return verdict{Stage: payment.Quarantined, Order: payment.OrderPending, Cases: kind, Owner: owner, Step: "refused 1 "}
	}
	asks := verdict{Stage: payment.Received, Unsettled: payment.AskWeChat, Order: payment.OrderPending}

	for name, row := range map[string]struct {
		before []func(*world)
		told   func(*payment.Payment)
		want   verdict
	}{
		"paid in time is accepted": {want: accepted},
		"paid in time is accepted however late the news": {
			before: []func(*world){late},
			told:   func(p *payment.Payment) { p.PaidAt = time.Now().Add(-150 * time.Minute) },
			want:   accepted,
		},
		"paid after the order expired goes back": {
			before: []func(*world){late}, want: turned("late_payment", payment.OrderPending),
		},
		"paid after the order closed goes back": {
			before: []func(*world){closed}, want: turned("late_payment", payment.OrderClosed),
		},
		"paid after the order expired reopens it where the merchant wants that": {
			before: []func(*world){late, reopen}, want: accepted,
		},
		"paid after the order closed reopens it where the merchant wants that": {
			before: []func(*world){closed, reopen}, want: accepted,
		},
		"a second payment of an order goes back, and the order keeps the first": {
			before: []func(*world){paidBy("4200000009")}, want: turned("second_payment", payment.OrderPaid),
		},
		"a second payment goes back even where late money reopens": {
			before: []func(*world){reopen, paidBy("4200000009")}, want: turned("second_payment", payment.OrderPaid),
		},
		"a payment of no order we know waits": {
			told: func(p *payment.Payment) { p.OutTradeNo = "NOSUCHORDER" },
			want: verdict{Stage: payment.Received, Unsettled: payment.UnknownOrder, Order: payment.OrderPending},
		},
		"one fen short is quarantined, and the order stays for sale": {
			told: func(p *payment.Payment) { p.AmountFen-- },
			want: quarantined("amount_mismatch", "finance"),
		},
		"one fen too much is quarantined": {
			told: func(p *payment.Payment) { p.AmountFen++ },
			want: quarantined("amount_mismatch", "finance"),
		},
		"another currency is quarantined": {
			told: func(p *payment.Payment) { p.Currency = "USD" },
			want: quarantined("amount_mismatch", "finance"),
		},
		"another merchant's payment is quarantined": {
			told: func(p *payment.Payment) { p.MchID = "1900000002" },
			want: quarantined("foreign_merchant", "support"),
		},
		"a strange app's payment is quarantined": {
			told: func(p *payment.Payment) { p.AppID = "wx9" },
			want: quarantined("foreign_merchant", "support"),
		},
		"a payment in another app of ours than ordered is quarantined": {
			told: func(p *payment.Payment) { p.AppID = "wx2" },
			want: quarantined("foreign_merchant", "support"),
		},
		"a strange merchant's payment of an unknown order is quarantined at once": {
			told: func(p *payment.Payment) { p.MchID, p.OutTradeNo = "1900000002", "NOSUCHORDER" },
			want: quarantined("foreign_merchant", "support"),
		},
		"a trade state that is no success waits for WeChat's word": {
			told: func(p *payment.Payment) { p.TradeState = "REFUND" }, want: asks,
		},
		"news by an order query waits for WeChat's word": {
			told: func(p *payment.Payment) { p.Via = payment.ViaQuery }, want: asks,
		},
		"news by the bill waits for WeChat's word": {
			told: func(p *payment.Payment) { p.Via = payment.ViaBill }, want: asks,
		},
		"news that Temporal kept is a verified callback's": {
			told: func(p *payment.Payment) { p.Via = payment.ViaTemporal }, want: accepted,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			w.db.Order(w, orderNo, fen)
			for _, before := range row.before {
				before(w)
			}
			told := news(txn)
			if row.told != nil {
				row.told(&told)
			}
			w.must(w.Claim(w.Context(), told))
			w.must(w.Claim(w.Context(), told)) // every run claims again, and nothing more happens
			if diff := cmp.Diff(row.want, w.verdict(txn)); diff != "" {
				t.Errorf("verdict (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheRowOfTheFirstClaimWins(t *testing.T) {
	w := open(t)
	w.paid()
	other := news(txn)
	other.AmountFen, other.OutTradeNo, other.Via = 1, "OTHERORDER", payment.ViaBill
	books := w.must(w.Claim(w.Context(), other))
	if books.AmountFen != fen || books.OutTradeNo != orderNo || books.Stage != payment.Paid {
		t.Errorf("a later run's input changed the books: %+v", books)
	}
}

func TestAnOrderThatTurnsUpLaterIsFound(t *testing.T) {
	w := open(t)
	w.want(w.must(w.Claim(w.Context(), news(txn))), payment.Received)
	w.want(w.paid(), payment.Paid)
}

func TestWeChatsOwnWordSettlesHearsay(t *testing.T) {
	word := func(change func(*activities.Transaction)) activities.Transaction {
		w := activities.Transaction{
			TransactionID: txn, OutTradeNo: orderNo, AppID: "wx1", MchID: mchID,
			TradeState: "SUCCESS", AmountFen: fen, Currency: "CNY",
		}
		if change != nil {
			change(&w)
		}
		return w
	}
	held := func(kind string) verdict {
		return verdict{Stage: payment.Holding, Order: payment.OrderPending, Cases: kind, Owner: "support"}
	}
	for name, row := range map[string]struct {
		word activities.Transaction
		want verdict
	}{
		"WeChat says it was paid, and it is accepted": {word(nil), accepted},
		"WeChat says it was not paid, and a person looks": {
			word(func(w *activities.Transaction) { w.TradeState = "NOTPAY" }), held("not_paid"),
		},
		"WeChat knows no such payment, and a person looks": {
			activities.Transaction{TransactionID: txn, TradeState: "NOT_FOUND"}, held("not_paid"),
		},
		"WeChat says it was refunded already, and a person looks": {
			word(func(w *activities.Transaction) { w.TradeState = "REFUND" }), held("foreign_refund"),
		},
		"WeChat names another amount, and nothing ships": {
			word(func(w *activities.Transaction) { w.AmountFen = 1 }),
			verdict{Stage: payment.Quarantined, Order: payment.OrderPending, Cases: "amount_mismatch", Owner: "finance", Step: "refused 1 "},
		},
		"WeChat names another merchant, and nothing ships": {
			word(func(w *activities.Transaction) { w.MchID = "1900000002" }),
			verdict{Stage: payment.Quarantined, Order: payment.OrderPending, Cases: "foreign_merchant", Owner: "support", Step: "refused 1 "},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			w.db.Order(w, orderNo, fen)
			told := news(txn)
			told.Via = payment.ViaBill
			w.must(w.Claim(w.Context(), told))
			w.must(w.WeChatSaid(w.Context(), txn, row.word))
			if diff := cmp.Diff(row.want, w.verdict(txn)); diff != "" {
				t.Errorf("verdict (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWeChatsWordComesTooLateToChangeAVerdict(t *testing.T) {
	w := open(t)
	w.paid()
	books := w.must(w.WeChatSaid(w.Context(), txn, activities.Transaction{TransactionID: txn, TradeState: "NOTPAY"}))
	w.want(books, payment.Paid)
}

func TestAnAnswerWithoutATradeStateIsNoAnswer(t *testing.T) {
	w := open(t)
	w.must(w.Claim(w.Context(), news(txn)))
	_, err := w.WeChatSaid(w.Context(), txn, activities.Transaction{TransactionID: txn})
	w.wantKind(err, payment.Unknown)
}
