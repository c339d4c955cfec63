package simulator

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/wechatpay-apiv3/wechatpay-go/core"
	"github.com/wechatpay-apiv3/wechatpay-go/core/auth/validators"
	"github.com/wechatpay-apiv3/wechatpay-go/core/auth/verifiers"
	"github.com/wechatpay-apiv3/wechatpay-go/core/downloader"
	"github.com/wechatpay-apiv3/wechatpay-go/core/option"
	"github.com/wechatpay-apiv3/wechatpay-go/services/payments/native"
	"github.com/wechatpay-apiv3/wechatpay-go/services/refunddomestic"
)

// WeChat's own client, which verifies each answer's signature, is the judge here.

func (w *world) prepay(outTradeNo string, fen int64) (*native.PrepayResponse, error) {
	api := native.NativeApiService{Client: w.sdk()}
	answer, _, err := api.Prepay(context.Background(), native.PrepayRequest{
		Appid: &w.account.AppID, Mchid: &w.account.MchID, OutTradeNo: &outTradeNo,
		Description: core.String("tea & cake"), NotifyUrl: core.String("http://127.0.0.1:1/never"),
		Amount: &native.Amount{Total: &fen, Currency: core.String("CNY")},
	})
	return answer, err
}

func (w *world) refund(transactionID, outRefundNo string, fen, total int64) (*refunddomestic.Refund, error) {
	api := refunddomestic.RefundsApiService{Client: w.sdk()}
	answer, _, err := api.Create(context.Background(), refunddomestic.CreateRequest{
		TransactionId: &transactionID, OutRefundNo: &outRefundNo,
		Amount: &refunddomestic.AmountReq{Refund: &fen, Total: &total, Currency: core.String("CNY")},
	})
	return answer, err
}

func (w *world) queryRefundStatus(outRefundNo string) string {
	api := refunddomestic.RefundsApiService{Client: w.sdk()}
	answer, _, err := api.QueryByOutRefundNo(context.Background(), refunddomestic.QueryByOutRefundNoRequest{OutRefundNo: &outRefundNo})
	if err != nil {
		return code(err)
	}
	return string(*answer.Status)
}

// code is WeChat's error code, "ok" for none, "unknown" where it said nothing usable.
func code(err error) string {
	if err == nil {
		return "ok"
	}
	if refused, ok := errors.AsType[*core.APIError](err); ok {
		return fmt.Sprint(refused.StatusCode, " ", refused.Code)
	}
	return "unknown"
}

func TestOrderLivesAsAtWeChat(t *testing.T) {
	w := start(t)
	api := native.NativeApiService{Client: w.sdk()}
	state := func(outTradeNo string) string {
		tx, _, err := api.QueryOrderByOutTradeNo(context.Background(), native.QueryOrderByOutTradeNoRequest{OutTradeNo: &outTradeNo, Mchid: &w.account.MchID})
		if err != nil {
			return code(err)
		}
		return *tx.TradeState
	}
	shut := func(outTradeNo string) string {
		_, err := api.CloseOrder(context.Background(), native.CloseOrderRequest{OutTradeNo: &outTradeNo, Mchid: &w.account.MchID})
		return code(err)
	}
	prepay := func(outTradeNo string, fen int64) string {
		_, err := w.prepay(outTradeNo, fen)
		return code(err)
	}

	if got := state("order-1"); got != "404 ORDER_NOT_EXIST" {
		t.Errorf("before prepay the order is %s", got)
	}
	first, err := w.prepay("order-1", 100)
	if err != nil {
		t.Fatal(code(err))
	}
	again, err := w.prepay("order-1", 100)
	if err != nil || *again.CodeUrl != *first.CodeUrl {
		t.Errorf("the same prepay again: %s, want the same code_url", code(err))
	}
	if got := prepay("order-1", 101); got != "400 INVALID_REQUEST" {
		t.Errorf("prepay with another amount: %s", got)
	}
	if got := state("order-1"); got != "NOTPAY" {
		t.Errorf("before it is paid the order is %s", got)
	}

	var paid PayAnswer
	w.steer("/orders/order-1/pay", PayRequest{PayerFen: 90, Lose: true}, &paid)
	tx, _, err := api.QueryOrderById(context.Background(), native.QueryOrderByIdRequest{TransactionId: &paid.TransactionID, Mchid: &w.account.MchID})
	if err != nil {
		t.Fatal(code(err))
	}
	got := []any{*tx.TradeState, *tx.Amount.Total, *tx.Amount.PayerTotal, *tx.OutTradeNo, *tx.Mchid, *tx.Appid}
	if diff := cmp.Diff([]any{"SUCCESS", int64(100), int64(90), "order-1", w.account.MchID, w.account.AppID}, got); diff != "" {
		t.Errorf("paid with a coupon, the query says (-want +got):\n%s", diff)
	}
	if got := shut("order-1"); got != "400 ORDERPAID" {
		t.Errorf("closing a paid order: %s", got)
	}
	if got := prepay("order-1", 100); got != "400 ORDERPAID" {
		t.Errorf("prepay of a paid order: %s", got)
	}

	if got := prepay("order-2", 100); got != "ok" {
		t.Errorf("prepay: %s", got)
	}
	for range 2 {
		if got := shut("order-2"); got != "ok" {
			t.Errorf("closing an unpaid order: %s", got)
		}
	}
	if got := state("order-2"); got != "CLOSED" {
		t.Errorf("after the close the order is %s", got)
	}
	if got := prepay("order-2", 100); got != "400 ORDER_CLOSED" {
		t.Errorf("prepay of a closed order: %s", got)
	}
	if got := shut("order-3"); got != "404 ORDER_NOT_EXIST" {
		t.Errorf("closing an order never made: %s", got)
	}
	if status, _ := w.try(http.MethodPost, "/orders/order-2/pay", PayRequest{}); status != http.StatusConflict {
		t.Errorf("paying a closed order: %d", status)
	}
}

func TestRefusedPrepays(t *testing.T) {
	w := start(t)
	for name, outTradeNo := range map[string]string{"too short": "short", "too long": "123456789012345678901234567890123", "odd letters": "order one"} {
		if _, err := w.prepay(outTradeNo, 100); code(err) != "400 PARAM_ERROR" {
			t.Errorf("out_trade_no %s: %s", name, code(err))
		}
	}
	if _, err := w.prepay("order-free", 0); code(err) != "400 PARAM_ERROR" {
		t.Errorf("nothing to pay: %s", code(err))
	}
}

func TestCertificateModeIsServedToo(t *testing.T) {
	w := start(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	a := w.account

	// The downloader opens the sealed list with the APIv3 key, as a merchant's does.
	mgr := downloader.NewCertificateDownloaderMgr(ctx)
	defer mgr.Stop()
	if err := mgr.RegisterDownloaderWithClient(ctx, w.sdk(), a.MchID, a.APIv3Key); err != nil {
		t.Fatal(code(err))
	}
	visitor := mgr.GetCertificateVisitor(a.MchID)
	client, err := core.NewClient(ctx,
		option.WithMerchantCredential(a.MchID, a.MchSerial, a.merchant),
		option.WithVerifier(verifiers.NewSHA256WithRSAVerifier(visitor)),
		option.WithHTTPClient(w.rehosted()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.prepay("order-1", 100); err != nil {
		t.Fatal(code(err))
	}
	api := native.NativeApiService{Client: client}
	_, result, err := api.QueryOrderByOutTradeNo(ctx, native.QueryOrderByOutTradeNoRequest{OutTradeNo: core.String("order-1"), Mchid: &a.MchID})
	if err != nil {
		t.Fatal(code(err))
	}
	if got := result.Response.Header.Get("Wechatpay-Serial"); got != a.cert.serial {
		t.Errorf("answered under %s, want the certificate", got)
	}
}

// TestWrongPublicKeyIsNoticed proves that the judge of the other tests judges.
func TestWrongPublicKeyIsNoticed(t *testing.T) {
	w := start(t)
	verifier := verifiers.NewSHA256WithRSAPubkeyVerifier(w.account.PublicKeyID, w.account.merchant.PublicKey)
	r, err := http.Get(w.wechat.URL + "/v3/certificates")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusUnauthorized {
		t.Fatalf("unsigned call: %d", r.StatusCode)
	}
	header := http.Header{}
	if err := w.account.public.stamp(header, unixNow(), nil); err != nil {
		t.Fatal(err)
	}
	answer := &http.Response{StatusCode: http.StatusNoContent, Header: header, Body: http.NoBody}
	if validators.NewWechatPayResponseValidator(verifier).Validate(context.Background(), answer) == nil {
		t.Error("another key's signature passed")
	}
}

func TestRefundsEnd(t *testing.T) {
	for name, tc := range map[string]struct {
		plan  Plan
		first string // what the first call is told
		again string // what the same call is told after it
		ends  string // what the query says in the end
	}{
		"the refund succeeds":                     {Plan{}, "ok", "ok", "SUCCESS"},
		"the answer says SUCCESS at once":         {Plan{Refund: "instant"}, "ok", "ok", "SUCCESS"},
		"the refund ends abnormal":                {Plan{Refund: "abnormal"}, "ok", "ok", "ABNORMAL"},
		"the refund is closed":                    {Plan{Refund: "closed"}, "ok", "ok", "CLOSED"},
		"the refund stays in process":             {Plan{Refund: "processing"}, "ok", "ok", "PROCESSING"},
		"the merchant's balance is too low, once": {Plan{Refund: "not_enough", RefundTimes: 1}, "403 NOT_ENOUGH", "ok", "SUCCESS"},
		"the merchant's balance stays too low":    {Plan{Refund: "not_enough"}, "403 NOT_ENOUGH", "403 NOT_ENOUGH", "404 RESOURCE_NOT_EXISTS"},
		"too many calls, once":                    {Plan{Refund: "frequency_limited", RefundTimes: 1}, "429 FREQUENCY_LIMITED", "ok", "SUCCESS"},
		"told too many calls, yet taken":          {Plan{Refund: "execute_then_frequency_limited", RefundTimes: 1}, "429 FREQUENCY_LIMITED", "ok", "SUCCESS"},
		"a system error, and nothing done":        {Plan{Refund: "system_error"}, "500 SYSTEM_ERROR", "500 SYSTEM_ERROR", "404 RESOURCE_NOT_EXISTS"},
		"told a system error, yet taken":          {Plan{Refund: "execute_then_fail", RefundTimes: 1}, "500 SYSTEM_ERROR", "ok", "SUCCESS"},
		"taken, and the line goes dead":           {Plan{Refund: "execute_then_reset", RefundTimes: 1}, "unknown", "ok", "SUCCESS"},
		"taken, and the answer is signed falsely": {Plan{Refund: "bad_signature", RefundTimes: 1}, "unknown", "ok", "SUCCESS"},
		"the payer's account is closed":           {Plan{Refund: "user_account_abnormal"}, "403 USER_ACCOUNT_ABNORMAL", "403 USER_ACCOUNT_ABNORMAL", "404 RESOURCE_NOT_EXISTS"},
	} {
		t.Run(name, func(t *testing.T) {
			w := start(t)
			id := w.pays("order-1")
			w.steer("/orders/order-1/plan", tc.plan, nil)
			if _, err := w.refund(id, "R1", 100, 100); code(err) != tc.first {
				t.Errorf("the first call is told %s, want %s", code(err), tc.first)
			}
			if _, err := w.refund(id, "R1", 100, 100); code(err) != tc.again {
				t.Errorf("the second call is told %s, want %s", code(err), tc.again)
			}
			eventually(t, "refund is "+tc.ends, func() bool { return w.queryRefundStatus("R1") == tc.ends })
			refunds := w.known("order-1").Refunds
			if tc.ends == "404 RESOURCE_NOT_EXISTS" {
				if len(refunds) != 0 {
					t.Errorf("refused, yet there is %v", refunds)
				}
				return
			}
			want := []RefundTruth{{OutRefundNo: "R1", TransactionID: id, AmountFen: 100, State: tc.ends, Requests: 2}}
			if diff := cmp.Diff(want, refunds); diff != "" {
				t.Errorf("refunds (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRefundRules(t *testing.T) {
	w := start(t)
	id := w.pays("order-1")
	told := func(outRefundNo string, fen, total int64) string {
		_, err := w.refund(id, outRefundNo, fen, total)
		return code(err)
	}
	for _, step := range []struct {
		what string
		got  string
		want string
	}{
		{"nothing", told("R0", 0, 100), "400 PARAM_ERROR"},
		{"an impossible number", told("R 0", 1, 100), "400 PARAM_ERROR"},
		{"another total than the order's", told("R0", 1, 99), "400 INVALID_REQUEST"},
		{"more than was paid", told("R0", 101, 100), "400 INVALID_REQUEST"},
		{"a part", told("R1", 60, 100), "ok"},
		{"the same number with another amount", told("R1", 40, 100), "400 INVALID_REQUEST"},
		{"more than is left", told("R2", 41, 100), "400 INVALID_REQUEST"},
		{"what is left", told("R2", 40, 100), "ok"},
		{"one fen more", told("R3", 1, 100), "400 INVALID_REQUEST"},
	} {
		if step.got != step.want {
			t.Errorf("refunding %s: %s, want %s", step.what, step.got, step.want)
		}
	}
	if _, err := w.refund("4200000000", "R9", 1, 100); code(err) != "404 RESOURCE_NOT_EXISTS" {
		t.Errorf("refunding an unknown payment: %s", code(err))
	}
	if got := w.known("order-1").Payments[0].State; got != "REFUND" {
		t.Errorf("the refunded payment is %s", got)
	}

	w.steer("/orders/order-2/plan", Plan{Refund: "closed"}, nil)
	id = w.pays("order-2")
	if got := told("C1", 100, 100); got != "ok" {
		t.Fatal(got)
	}
	eventually(t, "refund is CLOSED", func() bool { return w.queryRefundStatus("C1") == "CLOSED" })
	if got := told("C2", 100, 100); got != "ok" {
		t.Errorf("a new number after CLOSED: %s", got)
	}

	old := time.Now().AddDate(-1, 0, -2)
	var paid PayAnswer
	w.steer("/orders/order-3/pay", PayRequest{AmountFen: 100, NotifyURL: "http://127.0.0.1:1/never", Lose: true, SuccessTime: &old}, &paid)
	id = paid.TransactionID
	if got := told("Y1", 100, 100); got != "400 INVALID_REQUEST" {
		t.Errorf("refunding after a year: %s", got)
	}
}

func TestPaymentIsRefundedInAtMostFiftyParts(t *testing.T) {
	w := start(t)
	id := w.pays("order-1")
	for i := range 51 {
		want := "ok"
		if i == 50 {
			want = "400 INVALID_REQUEST"
		}
		if _, err := w.refund(id, fmt.Sprint("R", i), 1, 100); code(err) != want {
			t.Errorf("refund %d: %s, want %s", i+1, code(err), want)
		}
	}
}

func TestRefundsOfOnePaymentAreSpaced(t *testing.T) {
	w := start(t, stopped, func(c *Config) { c.Spacing = time.Minute })
	id := w.pays("order-1")
	var second PayAnswer
	w.steer("/orders/order-1/pay", PayRequest{AmountFen: 100, NotifyURL: "http://127.0.0.1:1/never", Lose: true, Again: true}, &second)
	for _, step := range []struct {
		what string
		by   string
		id   string
		no   string
		want string
	}{
		{"the first", "1s", id, "R1", "ok"},
		{"the second, 59 s later", "59s", id, "R2", "429 FREQUENCY_LIMITED"},
		{"the first again", "1ms", id, "R1", "ok"},
		{"of the order's other payment", "1ms", second.TransactionID, "O1", "ok"},
		{"the second, a minute later", "1s", id, "R2", "ok"},
	} {
		w.passes(step.by)
		if _, err := w.refund(step.id, step.no, 10, 100); code(err) != step.want {
			t.Errorf("%s: %s, want %s", step.what, code(err), step.want)
		}
	}
}

func TestRefundsAtOnceNeverExceedWhatWasPaid(t *testing.T) {
	w := start(t)
	id := w.pays("order-1")
	var group sync.WaitGroup
	for i := range 20 {
		group.Go(func() { w.refund(id, fmt.Sprint("R", i), 30, 100) })
		group.Go(func() { w.refund(id, "same", 30, 100) })
	}
	group.Wait()
	var sum int64
	for _, r := range w.known("order-1").Refunds {
		sum += r.AmountFen
	}
	if sum != 90 {
		t.Errorf("forty calls of 30 fen refunded %d of 100", sum)
	}
}

func TestPersonEndsRefund(t *testing.T) {
	w := start(t)
	id := w.pays("order-1")
	w.steer("/orders/order-1/plan", Plan{Refund: "processing"}, nil)
	if _, err := w.refund(id, "R1", 60, 100); err != nil {
		t.Fatal(code(err))
	}
	for _, step := range []struct {
		do     string
		status int
		state  string
	}{
		{"abnormal", http.StatusOK, "ABNORMAL"},
		{"succeed", http.StatusOK, "SUCCESS"},
		{"close", http.StatusConflict, "SUCCESS"}, // final is final
	} {
		if status, body := w.try(http.MethodPost, "/refunds/R1/"+step.do, struct{}{}); status != step.status {
			t.Errorf("%s: %d %s", step.do, status, body)
		}
		if got := w.queryRefundStatus("R1"); got != step.state {
			t.Errorf("after %s the refund is %s, want %s", step.do, got, step.state)
		}
	}
	w.steer("/orders/order-2/plan", Plan{Refund: "processing"}, nil)
	if _, err := w.refund(w.pays("order-2"), "R2", 100, 100); err != nil {
		t.Fatal(code(err))
	}
	w.steer("/refunds/R2/close", nil, nil)
	if status, _ := w.try(http.MethodPost, "/refunds/R2/succeed", nil); status != http.StatusConflict || w.queryRefundStatus("R2") != "CLOSED" {
		t.Errorf("a closed refund succeeds: %d", status)
	}
	w.steer("/orders/order-1/refund", ConsoleRefund{OutRefundNo: "byhand", AmountFen: 40}, nil)
	eventually(t, "the console's refund succeeded", func() bool { return w.queryRefundStatus("byhand") == "SUCCESS" })
	if status, _ := w.try(http.MethodPost, "/orders/order-1/refund", ConsoleRefund{OutRefundNo: "byhand2", AmountFen: 1}); status != http.StatusConflict {
		t.Errorf("the console refunds more than was paid: %d", status)
	}
}
