package activities_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

// till is WeChat's desk for orders: what it says of one, or why not.
type till struct {
	word       activities.Transaction
	no, closes error
}

func (f *till) QueryOrder(context.Context, string) (activities.Transaction, error) {
	return f.word, f.no
}
func (f *till) Close(context.Context, string) error { return f.closes }

func sold(state string) activities.Transaction {
	return activities.Transaction{
		TransactionID: txn, OutTradeNo: orderNo, AppID: "wx1", MchID: mchID, TradeState: state,
		AmountFen: fen, Currency: "CNY", PaidAt: time.Date(2026, 8, 7, 2, 0, 0, 0, time.UTC),
	}
}

const inbox = `
select coalesce(string_agg(concat_ws(' ', via, verdict, transaction_id, trade_state, paid_at at time zone 'utc', seen), '; ' order by id), '') from inbox`

func TestAskOrder(t *testing.T) {
	fail := func(kind payment.Kind) error { return payment.Failf(kind, "code", "text") }
	unpaid := func(state string) activities.Transaction {
		return activities.Transaction{OutTradeNo: orderNo, TradeState: state}
	}
	const kept = "query accepted 4200000001 SUCCESS 2026-08-07 02:00:00 1"
	const goneBack = "query accepted 4200000001 REFUND 2026-08-07 02:00:00 2"
	for name, row := range map[string]struct {
		till   till
		known  func(*world)
		stands payment.Offering
		inbox  string
	}{
		"nobody paid":                           {till: till{word: unpaid("NOTPAY")}, stands: payment.Offered},
		"somebody is typing a password":         {till: till{word: unpaid("USERPAYING")}, stands: payment.Offered},
		"the customer's bank refused":           {till: till{word: unpaid("PAYERROR")}, stands: payment.Offered},
		"it is closed there":                    {till: till{word: unpaid("CLOSED")}, stands: payment.Withdrawn},
		"no prepay reached WeChat":              {till: till{no: fail(payment.NotFound)}, stands: payment.Unoffered},
		"somebody paid":                         {till: till{word: sold("SUCCESS")}, stands: payment.OfferPaid, inbox: kept},
		"somebody paid and was refunded by":     {till: till{word: sold("REFUND")}, stands: payment.OfferPaid, inbox: "query accepted 4200000001 REFUND 2026-08-07 02:00:00 1"},
		"WeChat is silent":                      {till: till{no: fail(payment.Unknown)}},
		"WeChat refuses to say: a person mends": {till: till{no: fail(payment.Refused)}},
		"its payment is in the books, refunded since": {
			till:   till{word: sold("REFUND")},
			known:  func(w *world) { w.paid() },
			stands: payment.OfferPaid, inbox: goneBack,
		},
		"its payment is in the inbox, refunded since": {
			till: till{word: sold("REFUND")},
			known: func(w *world) {
				if err := w.store.KeepFound(w.Context(), sold("SUCCESS").Found()); err != nil {
					w.Fatal(err)
				}
			},
			stands: payment.OfferPaid, inbox: kept + "; " + goneBack,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			if row.known != nil {
				row.known(w)
			}
			orders := activities.Orders{Ledger: w.store, Gateway: &row.till}
			for range 2 { // asked again, it keeps what it kept
				stands, err := orders.AskOrder(t.Context(), orderNo)
				if row.stands == "" {
					w.asksAgain(payment.Books{}, err)
				} else if err != nil || stands != row.stands {
					t.Errorf("it stands %q, %v; want %q", stands, err, row.stands)
				}
			}
			if diff := cmp.Diff(row.inbox, w.db.Text(t, inbox)); diff != "" {
				t.Errorf("the inbox (-want +got):\n%s", diff)
			}
			if cases := w.openCases(); cases != "" {
				t.Errorf("cases %q", cases)
			}
		})
	}
}

func TestNewsOfAQueryAndOfACallbackAreOne(t *testing.T) {
	w := open(t)
	orders := activities.Orders{Ledger: w.store, Gateway: &till{word: sold("SUCCESS")}}
	if _, err := orders.AskOrder(t.Context(), orderNo); err != nil {
		t.Fatal(err)
	}
	called := sold("SUCCESS").Found().Payment
	called.Via = payment.ViaCallback
	verdict, err := w.store.Keep(t.Context(), payment.News{
		Key: payment.PaymentKey(called), Kind: payment.NewsPayment, Verdict: payment.Accepted, Payment: called,
	}, payment.Delivery{Body: []byte("{}")})
	if err != nil || verdict != payment.Accepted {
		t.Errorf("the callback is %s, %v", verdict, err)
	}
	if got := w.db.Text(t, inbox); got != "query accepted 4200000001 SUCCESS 2026-08-07 02:00:00 2" {
		t.Errorf("the inbox has %q", got)
	}
}

func TestWithdrawOffer(t *testing.T) {
	for name, row := range map[string]struct {
		no    error
		again bool
	}{
		"WeChat closes it":         {nil, false},
		"it was never offered":     {payment.Failf(payment.NotFound, "order_not_exist", ""), false},
		"somebody was faster":      {payment.Failf(payment.Refused, "order_paid", ""), false},
		"it was closed":            {payment.Failf(payment.Refused, "order_closed", ""), false},
		"WeChat is silent":         {payment.Failf(payment.Unknown, "wechat_no_answer", ""), true},
		"WeChat is busy":           {payment.Failf(payment.Busy, "frequency_limited", ""), true},
		"our key is not WeChat's":  {payment.Failf(payment.Refused, "sign_error", ""), true},
		"it is too young to close": {payment.Failf(payment.Refused, "rule_limit", ""), true},
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{TB: t}
			orders := activities.Orders{Gateway: &till{closes: row.no}}
			err := orders.WithdrawOffer(t.Context(), orderNo)
			if row.again {
				w.asksAgain(payment.Books{}, err)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

func TestMarkClosed(t *testing.T) {
	w := open(t)
	orders := activities.Orders{Ledger: w.store}
	asked := payment.Closing{OutTradeNo: orderNo, Actor: "shop"}
	for range 2 {
		if state, err := orders.MarkClosed(t.Context(), asked); err != nil || state != payment.OrderClosed {
			t.Errorf("left it %q, %v", state, err)
		}
	}
	asked.OutTradeNo = "ORDER-NONE"
	if _, err := orders.MarkClosed(t.Context(), asked); err == nil {
		t.Error("closed an order that is not there")
	}
}
