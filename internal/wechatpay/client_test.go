package wechatpay_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
	"github.com/paysaga/paysaga/internal/simulator"
)

func TestAPaymentFromOfferToRefund(t *testing.T) {
	w := pretend(t)
	const number = "ORDER_-|*1"
	order := w.order(number)
	code, err := w.Prepay(t.Context(), order)
	if err != nil || code == "" {
		t.Fatalf("offered %q: %v", code, err)
	}
	order.ExpiresAt = order.ExpiresAt.UTC()
	if again, err := w.Prepay(t.Context(), order); err != nil || again != code {
		t.Errorf("offered again as %q: %v", again, err)
	}
	changed := order
	changed.AmountFen++
	_, err = w.Prepay(t.Context(), changed)
	wantError(t, err, payment.Refused, "invalid_request")

	unpaid, err := w.QueryOrder(t.Context(), number)
	if err != nil || unpaid.TradeState != "NOTPAY" || unpaid.TransactionID != "" || !unpaid.PaidAt.IsZero() {
		t.Errorf("before it is paid: %+v, %v", unpaid, err)
	}

	id := w.buy(t, number)
	want := activities.Transaction{
		TransactionID: id, OutTradeNo: number, AppID: order.AppID, MchID: w.env["WECHATPAY_MCH_ID"],
		TradeState: "SUCCESS", AmountFen: 12850, Currency: "CNY",
	}
	for question, ask := range map[string]func() (activities.Transaction, error){
		"by our number": func() (activities.Transaction, error) { return w.QueryOrder(t.Context(), number) },
		"by WeChat's":   func() (activities.Transaction, error) { return w.QueryPayment(t.Context(), id) },
	} {
		got, err := ask()
		if age := time.Since(got.PaidAt); err != nil || age < 0 || age > time.Minute {
			t.Errorf("%s: paid at %v, %v", question, got.PaidAt, err)
		}
		got.PaidAt = time.Time{}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", question, diff)
		}
	}
	wantError(t, w.Close(t.Context(), number), payment.Refused, "order_paid")

	part := payment.Refund{OutRefundNo: "R" + id, TransactionID: id, AmountFen: 850, TotalFen: 12850, Reason: "one cake short"}
	word, err := w.Refund(t.Context(), part)
	if err != nil || word.State != payment.RefundProcessing || word.AmountFen != 850 || word.TransactionID != id || word.RefundID == "" {
		t.Errorf("taken on as %+v, %v", word, err)
	}
	eventually(t, "the refund succeeds", func() bool {
		word, err := w.QueryRefund(t.Context(), part.OutRefundNo)
		return err == nil && word.State == payment.RefundSuccess && word.AmountFen == 850
	})
	more := part
	more.AmountFen = 12850
	_, err = w.Refund(t.Context(), more)
	wantError(t, err, payment.Refused, "invalid_request")
	wantRefunds(t, w.truth(t, number), simulator.RefundTruth{OutRefundNo: part.OutRefundNo, TransactionID: id, AmountFen: 850, State: "SUCCESS", Requests: 2})

	for range 2 { // a payment's callback, and a refund's
		select {
		case path := <-w.paid:
			if path != "/callbacks/wechatpay" {
				t.Errorf("a callback came to %q", path)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("no callback came")
		}
	}
}

func TestAnOrderIsTakenInEachWay(t *testing.T) {
	w := pretend(t)
	for way, offer := range map[payment.TradeType]string{payment.Native: "weixin://", payment.JSAPI: "wx", payment.H5: "http", payment.App: "wx"} {
		order := w.order("WAY-" + string(way))
		order.TradeType = way
		switch way {
		case payment.JSAPI:
			order.OpenID = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"
		case payment.H5:
			order.PayerClientIP, order.H5Type = "203.0.113.9", "Android"
		}
		for range 2 {
			made, err := w.Prepay(t.Context(), order)
			if err != nil || !strings.HasPrefix(made, offer) {
				t.Errorf("%s: offered %q, %v", way, made, err)
			}
		}
		var paid simulator.PayAnswer
		w.pull(t, "POST", "/orders/"+order.OutTradeNo+"/pay", simulator.PayRequest{}, &paid)
		if word, err := w.QueryOrder(t.Context(), order.OutTradeNo); err != nil || !word.Paid() || word.TransactionID != paid.TransactionID {
			t.Errorf("%s: %+v, %v", way, word, err)
		}
	}
}

func TestHowAnOrderIsClosed(t *testing.T) {
	w := pretend(t)
	if _, err := w.Prepay(t.Context(), w.order("CLOSED")); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := w.Close(t.Context(), "CLOSED"); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := w.QueryOrder(t.Context(), "CLOSED"); err != nil || got.TradeState != "CLOSED" {
		t.Errorf("after closing: %+v, %v", got, err)
	}
	_, err := w.Prepay(t.Context(), w.order("CLOSED"))
	wantError(t, err, payment.Refused, "order_closed")

	wantError(t, w.Close(t.Context(), "NEVER-1"), payment.NotFound, "order_not_exist")
	_, err = w.QueryOrder(t.Context(), "NEVER-1")
	wantError(t, err, payment.NotFound, "order_not_exist")
	_, err = w.QueryPayment(t.Context(), "4200000000")
	wantError(t, err, payment.NotFound, "order_not_exist")
	_, err = w.QueryRefund(t.Context(), "R4200000000")
	wantError(t, err, payment.NotFound, "resource_not_exists")
	_, err = w.Refund(t.Context(), payment.Refund{OutRefundNo: "R1", TransactionID: "4200000000", AmountFen: 1, TotalFen: 1})
	wantError(t, err, payment.NotFound, "resource_not_exists")
}

// Whatever became of a first call, asking what came of it and sending the same
// again ends in one refund of the amount.
func TestARefundIsMadeOnceHoweverItsFirstCallEnds(t *testing.T) {
	w := pretend(t)
	for mode, want := range map[string]struct {
		kind  payment.Kind
		code  string
		taken bool // WeChat has it after the first call
	}{
		"fail":                           {payment.Unknown, "system_error", false},
		"hang":                           {payment.Unknown, "wechat_no_answer", false},
		"frequency_limited":              {payment.Busy, "frequency_limited", false},
		"not_enough":                     {payment.Busy, "not_enough", false},
		"user_account_abnormal":          {payment.Refused, "user_account_abnormal", false},
		"invalid_request":                {payment.Refused, "invalid_request", false},
		"execute_then_fail":              {payment.Unknown, "system_error", true},
		"execute_then_hang":              {payment.Unknown, "wechat_no_answer", true},
		"execute_then_reset":             {payment.Unknown, "wechat_no_answer", true},
		"execute_then_frequency_limited": {payment.Busy, "frequency_limited", true},
		"bad_signature":                  {payment.Unknown, "wechat_bad_signature", true},
	} {
		t.Run(mode, func(t *testing.T) {
			number := "ONCE-" + mode[:min(len(mode), 27)]
			id := w.buy(t, number)
			w.plan(t, number, simulator.Plan{Refund: mode, RefundTimes: 1})
			all := payment.Refund{OutRefundNo: "R" + id, TransactionID: id, AmountFen: 12850, TotalFen: 12850}

			impatient, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			if strings.HasSuffix(mode, "hang") {
				impatient, cancel = context.WithTimeout(t.Context(), 200*time.Millisecond)
			}
			defer cancel()
			_, err := w.Refund(impatient, all)
			wantError(t, err, want.kind, want.code)
			if impatient.Err() != nil && !errors.Is(err, impatient.Err()) {
				t.Errorf("%v does not say that we gave up", err)
			}

			_, err = w.QueryRefund(t.Context(), all.OutRefundNo)
			if want.taken != (err == nil) || !want.taken && payment.KindOf(err) != payment.NotFound {
				t.Errorf("asked what came of it: %v", err)
			}
			if _, err := w.Refund(t.Context(), all); err != nil {
				t.Errorf("sent again: %v", err)
			}
			eventually(t, "the refund succeeds", func() bool {
				word, err := w.QueryRefund(t.Context(), all.OutRefundNo)
				return err == nil && word.State == payment.RefundSuccess
			})
			wantRefunds(t, w.truth(t, number), simulator.RefundTruth{OutRefundNo: all.OutRefundNo, TransactionID: id, AmountFen: 12850, State: "SUCCESS", Requests: 2})
		})
	}
}

func TestHowARefundEnds(t *testing.T) {
	w := pretend(t)
	for mode, want := range map[string]payment.RefundState{
		"instant": payment.RefundSuccess, "processing": payment.RefundProcessing,
		"closed": payment.RefundClosed, "abnormal": payment.RefundAbnormal,
	} {
		number := "ENDS-" + mode
		id := w.buy(t, number)
		w.plan(t, number, simulator.Plan{Refund: mode})
		first, err := w.Refund(t.Context(), payment.Refund{OutRefundNo: "R" + id, TransactionID: id, AmountFen: 5, TotalFen: 12850})
		if err != nil || mode == "instant" && first.State != want {
			t.Errorf("%s: %+v, %v", mode, first, err)
		}
		eventually(t, mode, func() bool {
			word, err := w.QueryRefund(t.Context(), "R"+id)
			return err == nil && word.State == want
		})
	}
}

func TestQuestionsAndOffersWithoutAnAnswerCanBeRepeated(t *testing.T) {
	w := pretend(t)
	const number = "REPEAT"
	w.plan(t, number, simulator.Plan{Prepay: "bad_signature", PrepayTimes: 1})
	_, err := w.Prepay(t.Context(), w.order(number))
	wantError(t, err, payment.Unknown, "wechat_bad_signature")
	id := w.buy(t, number)

	w.plan(t, number, simulator.Plan{Query: "bad_signature", QueryTimes: 1})
	_, err = w.QueryPayment(t.Context(), id)
	wantError(t, err, payment.Unknown, "wechat_bad_signature")
	if got, err := w.QueryPayment(t.Context(), id); err != nil || got.TransactionID != id {
		t.Errorf("asked again: %+v, %v", got, err)
	}

	const unsold = "REPEAT-CLOSE"
	if _, err := w.Prepay(t.Context(), w.order(unsold)); err != nil {
		t.Fatal(err)
	}
	w.plan(t, unsold, simulator.Plan{Close: "execute_then_reset", CloseTimes: 1})
	wantError(t, w.Close(t.Context(), unsold), payment.Unknown, "wechat_no_answer")
	if err := w.Close(t.Context(), unsold); err != nil {
		t.Errorf("closed again: %v", err)
	}
}

func TestAWrongMerchantKeyIsRefused(t *testing.T) {
	w := pretend(t)
	stranger := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(stranger, []byte(pkcs8(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	client := w.merchant(t, stranger, "https://pay.shop.test")
	_, err := client.Prepay(t.Context(), w.order("STRANGER"))
	wantError(t, err, payment.Refused, "sign_error")
	wantDiscreet(t, err)
}

func wantError(t *testing.T, err error, kind payment.Kind, code string) {
	t.Helper()
	if payment.KindOf(err) != kind || payment.CodeOf(err) != code {
		t.Errorf("error %v of kind %q, want %s %s", err, payment.KindOf(err), kind, code)
	}
}

func wantRefunds(t *testing.T, truth simulator.Truth, want ...simulator.RefundTruth) {
	t.Helper()
	if diff := cmp.Diff(want, truth.Refunds); diff != "" {
		t.Errorf("what WeChat refunded (-want +got):\n%s", diff)
	}
}
