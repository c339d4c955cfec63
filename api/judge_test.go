package api

import (
	"strings"
	"testing"
	"time"

	"github.com/paysaga/paysaga/internal/payment"
	"github.com/paysaga/paysaga/internal/wechattest"
)

// FuzzResource judges whatever the fuzzer puts into a good envelope. Nothing may
// panic, whatever is accepted is whole, and nothing illegible gets through to the
// database.
func FuzzResource(f *testing.F) {
	transaction := wechattest.Transaction("4200000925202101284997714292", "ORDER1", 12850)
	for _, seed := range []string{
		transaction.JSON(), "", "null", "{}", "[]",
		transaction.With(wechattest.Fields{"amount": wechattest.Fields{"total": 1e300, "currency": "CNY"}}).JSON(),
		strings.Replace(transaction.JSON(), "12850", "9223372036854775808", 1),
		transaction.With(wechattest.Fields{"success_time": "0000-01-01T00:00:00Z"}).JSON(),
		`{"transaction_id":"42","out_refund_no":"R42","refund_status":"SUCCESS"}`,
		`{"sub_orders":[{"amount":{"total_amount":1}}]}`,
	} {
		for _, event := range []string{"TRANSACTION.SUCCESS", "REFUND.SUCCESS", "COMPLAINT.CREATE"} {
			f.Add(event, []byte(seed))
		}
	}
	toldAt := time.Date(2026, 11, 22, 2, 35, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, event string, plaintext []byte) {
		news := judge(payment.Notice{ID: "b62e271c", EventType: event, Plaintext: plaintext}, toldAt)
		paid := news.Payment
		switch news.Verdict {
		case payment.Accepted:
			whole := payment.ValidTransactionID(paid.TransactionID) && news.Case == nil
			if news.Kind == payment.NewsPayment {
				whole = whole && payment.ValidOutTradeNo(paid.OutTradeNo) && paid.AmountFen > 0 &&
					paid.AppID != "" && paid.MchID != "" && len(paid.Currency) == 3 && paid.TradeState != "" &&
					!paid.PaidAt.After(toldAt.Add(5*time.Minute))
			} else {
				whole = whole && news.Kind == payment.NewsRefund && news.OutRefundNo != ""
			}
			if !whole {
				t.Errorf("accepted %+v", news)
			}
		case payment.ForAPerson:
			if news.Case == nil || news.Case.Subject == "" || news.Case.Kind == "" {
				t.Errorf("a case without a cause: %+v", news)
			}
		case payment.Noted:
			if event == "TRANSACTION.SUCCESS" || strings.HasPrefix(event, "REFUND.") {
				t.Errorf("%s was only noted", event)
			}
		default:
			t.Errorf("verdict %q", news.Verdict)
		}
		for _, text := range []string{news.Key, paid.TransactionID, paid.OutTradeNo, paid.AppID, paid.MchID, paid.Currency, paid.TradeState, news.OutRefundNo} {
			if len(text) > 128 || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Errorf("illegible: %q", text)
			}
		}
	})
}
