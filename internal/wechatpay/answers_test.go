package wechatpay_test

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
	"github.com/paysaga/paysaga/internal/wechatpay"
)

var (
	tea = payment.Order{
		OutTradeNo: "ORDER|1*", AppID: "wx1", Description: "tea & cake", AmountFen: 12850, Currency: "CNY",
		TradeType: payment.Native, ExpiresAt: time.Date(2026, 3, 1, 4, 5, 6, 789e6, time.UTC),
	}
	back = payment.Refund{
		OutRefundNo: "R4200000001", TransactionID: "4200000001", AmountFen: 100, TotalFen: 12850,
		Reason: strings.Repeat("茶", 81),
	}
)

func prepay(ctx context.Context, c *wechatpay.Client) (any, error) { return c.Prepay(ctx, tea) }
func queryOrder(ctx context.Context, c *wechatpay.Client) (any, error) {
	return c.QueryOrder(ctx, tea.OutTradeNo)
}
func queryPayment(ctx context.Context, c *wechatpay.Client) (any, error) {
	return c.QueryPayment(ctx, back.TransactionID)
}
func closeOrder(ctx context.Context, c *wechatpay.Client) (any, error) {
	return nil, c.Close(ctx, tea.OutTradeNo)
}
func refund(ctx context.Context, c *wechatpay.Client) (any, error) { return c.Refund(ctx, back) }
func queryRefund(ctx context.Context, c *wechatpay.Client) (any, error) {
	return c.QueryRefund(ctx, back.OutRefundNo)
}

// Every row of WeChat's table of errors (wechatpay pages chapter7_2_6 and the
// refund page), in both spellings where there are two.
func TestWhatWeChatsErrorsMean(t *testing.T) {
	for row, want := range map[string]struct {
		kind payment.Kind
		code string
	}{
		"404 RESOURCE_NOT_EXISTS":    {payment.NotFound, "resource_not_exists"},
		"404 ORDER_NOT_EXIST":        {payment.NotFound, "order_not_exist"},
		"404 ORDERNOTEXIST":          {payment.NotFound, "order_not_exist"},
		"403 NOT_ENOUGH":             {payment.Busy, "not_enough"},
		"403 NOTENOUGH":              {payment.Busy, "not_enough"},
		"429 FREQUENCY_LIMITED":      {payment.Busy, "frequency_limited"},
		"429 FREQUENCY_LIMIT_EXCEED": {payment.Busy, "frequency_limited"},
		"403 FREQUENCY_LIMITED":      {payment.Busy, "frequency_limited"},
		"429 RATELIMIT_EXCEEDED":     {payment.Busy, "frequency_limited"},
		"429 -":                      {payment.Busy, "frequency_limited"},
		"400 PARAM_ERROR":            {payment.Refused, "param_error"},
		"400 INVALID_REQUEST":        {payment.Refused, "invalid_request"},
		"400 ORDER_PAID":             {payment.Refused, "order_paid"},
		"400 ORDERPAID":              {payment.Refused, "order_paid"},
		"400 ORDER_CLOSED":           {payment.Refused, "order_closed"},
		"400 MCH_NOT_EXISTS":         {payment.Refused, "mch_not_exists"},
		"404 MCH_NOT_EXISTS":         {payment.Refused, "mch_not_exists"},
		"401 SIGN_ERROR":             {payment.Refused, "sign_error"},
		"403 USER_ACCOUNT_ABNORMAL":  {payment.Refused, "user_account_abnormal"},
		"403 TRADE_ERROR":            {payment.Refused, "trade_error"},
		"403 RULELIMIT":              {payment.Refused, "rule_limit"},
		"403 OUT_TRADE_NO_USED":      {payment.Refused, "out_trade_no_used"},
		"403 NOAUTH":                 {payment.Refused, "no_auth"},
		"400 SOMETHING_NEW":          {payment.Refused, "something_new"},
		"500 SYSTEM_ERROR":           {payment.Unknown, "system_error"},
		"500 SYSTEMERROR":            {payment.Unknown, "system_error"},
		"403 SYSTEM_ERROR":           {payment.Unknown, "system_error"},
		"500 OPENID_MISMATCH":        {payment.Unknown, "openid_mismatch"},
		"500 INVALID_TRANSACTIONID":  {payment.Unknown, "invalid_transactionid"},
		"502 BAD_GATEWAY":            {payment.Unknown, "bad_gateway"},
		"502 -":                      {payment.Unknown, "wechat_unusable_answer"},
		"404 -":                      {payment.Unknown, "wechat_unusable_answer"},
		"403 -":                      {payment.Unknown, "wechat_unusable_answer"},
		"400 no\tcode":               {payment.Unknown, "wechat_unusable_answer"},
		"302 -":                      {payment.Unknown, "wechat_unusable_answer"},
		"307 PARAM_ERROR":            {payment.Unknown, "param_error"},
	} {
		t.Run(row, func(t *testing.T) {
			t.Parallel()
			text, code, _ := strings.Cut(row, " ")
			status, _ := strconv.Atoi(text)
			body, _ := json.Marshal(map[string]any{"code": code, "message": canary, "detail": map[string]string{"value": canary}})
			if code == "-" {
				body = []byte("<html>" + canary)
			}
			f := &fakeWeChat{status: status, body: string(body), unsigned: true, header: http.Header{"Location": {"/elsewhere"}}}
			client := dial(t, serve(t, f), "")
			for _, call := range []func(context.Context, *wechatpay.Client) (any, error){refund, queryRefund, closeOrder, prepay, queryOrder, queryPayment} {
				_, err := call(t.Context(), client)
				if payment.KindOf(err) != want.kind || payment.CodeOf(err) != want.code {
					t.Errorf("error %v of kind %q, want %+v", err, payment.KindOf(err), want)
				}
				wantDiscreet(t, err)
				if !strings.Contains(err.Error(), "08F0A1-268447840") {
					t.Errorf("%q does not give the request id that WeChat's support asks for", err)
				}
			}
			if len(f.heard) != 6 {
				t.Errorf("WeChat heard %d calls, want 6: nothing is repeated, and no redirect followed", len(f.heard))
			}
		})
	}
}

func TestWhatIsBelieved(t *testing.T) {
	const (
		ours     = `{"transaction_id":"4200000001","out_trade_no":"ORDER|1*","appid":"wx1","mchid":"1900000001","trade_state":"SUCCESS","success_time":"2026-03-01T12:00:00+08:00","payer":{"openid":"` + canary + `"},"amount":{"total":12850,"payer_total":12000,"currency":"CNY"}}`
		accepted = `{"refund_id":"50","out_refund_no":"R4200000001","transaction_id":"4200000001","status":"PROCESSING","amount":{"refund":100,"total":12850,"currency":"CNY"}}`
	)
	with := func(in, old, new string) string {
		if !strings.Contains(in, old) {
			panic(old)
		}
		return strings.Replace(in, old, new, 1)
	}
	paid := activities.Transaction{
		TransactionID: "4200000001", OutTradeNo: "ORDER|1*", AppID: "wx1", MchID: "1900000001",
		TradeState: "SUCCESS", AmountFen: 12850, Currency: "CNY", PaidAt: time.Date(2026, 3, 1, 4, 0, 0, 0, time.UTC),
	}
	undated := paid
	undated.PaidAt = time.Time{}
	word := activities.RefundWord{TransactionID: "4200000001", OutRefundNo: "R4200000001", RefundID: "50", State: payment.RefundProcessing, AmountFen: 100}
	ended := func(state payment.RefundState) activities.RefundWord { w := word; w.State = state; return w }
	const unusable, unsigned = "wechat_unusable_answer", "wechat_bad_signature"

	for ending, tc := range map[string]struct {
		call   func(context.Context, *wechatpay.Client) (any, error)
		status int // default 200
		body   string
		header http.Header
		bare   bool // without a signature
		want   any
		code   string // of an error, always of kind unknown
	}{
		"the order is offered":                   {call: prepay, body: `{"code_url":"weixin://x"}`, want: "weixin://x"},
		"an offer without a code":                {call: prepay, body: `{}`, want: "", code: unusable},
		"an offer in prose":                      {call: prepay, body: canary, want: "", code: unusable},
		"an offer nobody signed":                 {call: prepay, body: `{"code_url":"weixin://x"}`, bare: true, want: "", code: unsigned},
		"the order is paid":                      {call: queryOrder, body: ours, want: paid},
		"the payment is known":                   {call: queryPayment, body: ours, want: paid},
		"paid at an unreadable time":             {call: queryPayment, body: with(ours, "2026-03-01T", "yesterday "), want: undated},
		"the order is not paid":                  {call: queryOrder, body: `{"out_trade_no":"ORDER|1*","trade_state":"NOTPAY"}`, want: activities.Transaction{OutTradeNo: "ORDER|1*", TradeState: "NOTPAY"}},
		"paid, and by no payment":                {call: queryOrder, body: with(ours, "4200000001", ""), want: activities.Transaction{}, code: unusable},
		"refunded, and by an odd payment":        {call: queryOrder, body: with(with(ours, "SUCCESS", "REFUND"), "4200000001", "4200 000"), want: activities.Transaction{}, code: unusable},
		"paid, and nothing":                      {call: queryOrder, body: with(ours, "12850", "0"), want: activities.Transaction{}, code: unusable},
		"another order's payment":                {call: queryOrder, body: with(ours, "ORDER|1*", "ORDER|2*"), want: activities.Transaction{}, code: unusable},
		"another payment of the order":           {call: queryPayment, body: with(ours, "4200000001", "4200000002"), want: activities.Transaction{}, code: unusable},
		"a payment in no state":                  {call: queryPayment, body: with(ours, "SUCCESS", ""), want: activities.Transaction{}, code: unusable},
		"an amount in words":                     {call: queryPayment, body: with(ours, "12850", `"12850"`), want: activities.Transaction{}, code: unusable},
		"an amount with a point":                 {call: queryPayment, body: with(ours, "12850", "128.5"), want: activities.Transaction{}, code: unusable},
		"a payment nobody signed":                {call: queryPayment, body: ours, bare: true, want: activities.Transaction{}, code: unsigned},
		"a payment signed by another key":        {call: queryPayment, body: ours, header: http.Header{"Wechatpay-Signature": {"WECHATPAY/SIGNTEST/aGVsbG8="}}, bare: true, want: activities.Transaction{}, code: unsigned},
		"the payer is still typing":              {call: queryPayment, status: 202, body: `{"code":"USERPAYING"}`, want: activities.Transaction{}, code: unusable},
		"a payment without end":                  {call: queryPayment, body: ours + strings.Repeat(" ", 1<<20), want: activities.Transaction{}, code: "wechat_no_answer"},
		"the refund is taken on":                 {call: refund, body: accepted, want: word},
		"the refund is done at once":             {call: refund, body: with(accepted, "PROCESSING", "SUCCESS"), want: ended(payment.RefundSuccess)},
		"another refund is taken on":             {call: refund, body: with(accepted, "R42", "R43"), want: activities.RefundWord{}, code: unusable},
		"another payment is refunded":            {call: refund, body: with(accepted, `"4200000001"`, `"4200000002"`), want: activities.RefundWord{}, code: unusable},
		"the refund nobody signed":               {call: refund, body: accepted, bare: true, want: activities.RefundWord{}, code: unsigned},
		"the refund's state is new to us":        {call: refund, body: with(accepted, "PROCESSING", "THINKING"), want: activities.RefundWord{}, code: unusable},
		"the refund goes on":                     {call: queryRefund, body: accepted, want: word},
		"the refund succeeded":                   {call: queryRefund, body: with(accepted, "PROCESSING", "SUCCESS"), want: ended(payment.RefundSuccess)},
		"the refund was closed":                  {call: queryRefund, body: with(accepted, "PROCESSING", "CLOSED"), want: ended(payment.RefundClosed)},
		"the refund met a dead card":             {call: queryRefund, body: with(accepted, "PROCESSING", "ABNORMAL"), want: ended(payment.RefundAbnormal)},
		"the refund is called as callbacks do":   {call: queryRefund, body: with(accepted, `"status"`, `"refund_status"`), want: activities.RefundWord{}, code: unusable},
		"another refund is found":                {call: queryRefund, body: with(accepted, "R42", "R43"), want: activities.RefundWord{}, code: unusable},
		"a refund found, and nobody signed":      {call: queryRefund, body: accepted, bare: true, want: activities.RefundWord{}, code: unsigned},
		"closed":                                 {call: closeOrder, status: 204},
		"closed, and nobody signed":              {call: closeOrder, status: 204, bare: true, code: unsigned},
		"closing is answered with something new": {call: closeOrder, status: 202, body: `{"code":"USERPAYING"}`, code: unusable},
	} {
		t.Run(ending, func(t *testing.T) {
			t.Parallel()
			f := &fakeWeChat{status: tc.status, body: tc.body, unsigned: tc.bare, header: tc.header}
			if f.status == 0 {
				f.status = 200
			}
			got, err := tc.call(t.Context(), dial(t, serve(t, f), ""))
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("what came of it (-want +got):\n%s", diff)
			}
			if payment.CodeOf(err) != tc.code || tc.code != "" && payment.KindOf(err) != payment.Unknown {
				t.Errorf("error %v of kind %q, want %q", err, payment.KindOf(err), tc.code)
			}
			wantDiscreet(t, err)
		})
	}
}

func TestWhatWeChatHears(t *testing.T) {
	f := &fakeWeChat{status: 500}
	client := dial(t, serve(t, f), "")
	elsewhere := tea
	elsewhere.ExpiresAt = tea.ExpiresAt.In(time.FixedZone("", -5*60*60)).Truncate(time.Second)
	client.Prepay(t.Context(), elsewhere)
	for _, call := range []func(context.Context, *wechatpay.Client) (any, error){prepay, queryOrder, queryPayment, closeOrder, refund, queryRefund} {
		call(t.Context(), client)
	}
	offer := `POST /v3/pay/transactions/native {"appid":"wx1","mchid":"1900000001","description":"tea \u0026 cake","out_trade_no":"ORDER|1*","time_expire":"2026-03-01T12:05:06+08:00","notify_url":"https://pay.shop.test/base/callbacks/wechatpay","amount":{"total":12850,"currency":"CNY"}}`
	want := []string{
		offer, offer, // one order is one text, whatever zone its time was read in
		`GET /v3/pay/transactions/out-trade-no/ORDER%7C1%2A?mchid=1900000001`,
		`GET /v3/pay/transactions/id/4200000001?mchid=1900000001`,
		`POST /v3/pay/transactions/out-trade-no/ORDER%7C1%2A/close {"mchid":"1900000001"}`,
		`POST /v3/refund/domestic/refunds {"transaction_id":"4200000001","out_refund_no":"R4200000001","reason":"` + strings.Repeat("茶", 80) + `","notify_url":"https://pay.shop.test/base/callbacks/wechatpay","amount":{"refund":100,"total":12850,"currency":"CNY"}}`,
		`GET /v3/refund/domestic/refunds/R4200000001`,
	}
	if diff := cmp.Diff(want, f.heard); diff != "" {
		t.Errorf("what WeChat heard (-want +got):\n%s", diff)
	}
}

func TestImpossibleNumbersAreNotAskedFor(t *testing.T) {
	f := &fakeWeChat{status: 200}
	client := dial(t, serve(t, f), "")
	for _, number := range []string{"", "..", "../../certificates", "a?b=c", "R\n1", strings.Repeat("1", 65)} {
		_, order := client.QueryOrder(t.Context(), number)
		_, paid := client.QueryPayment(t.Context(), number)
		_, refunded := client.QueryRefund(t.Context(), number)
		for _, err := range []error{order, paid, refunded, client.Close(t.Context(), number)} {
			if payment.KindOf(err) != payment.NotFound {
				t.Errorf("%q: error %v, want not found", number, err)
			}
		}
	}
	other := tea
	other.TradeType = "micropay"
	if _, err := client.Prepay(t.Context(), other); payment.KindOf(err) != payment.Invalid {
		t.Errorf("an order to be paid in a shop: error %v, want invalid", err)
	}
	if len(f.heard) != 0 {
		t.Errorf("WeChat heard %q", f.heard)
	}
}

// Each way of paying has an address, an answer and a payer's detail of its own.
func TestAnOrderIsOfferedInItsOwnWay(t *testing.T) {
	const answer = `{"code_url":"weixin://x","h5_url":"https://wx.test/h5","prepay_id":"wx2014"}`
	const rest = `{"appid":"wx1","mchid":"1900000001","description":"tea \u0026 cake","out_trade_no":"ORDER|1*","time_expire":"2026-03-01T12:05:06+08:00","notify_url":"https://pay.shop.test/base/callbacks/wechatpay","amount":{"total":12850,"currency":"CNY"}`
	for way, tc := range map[payment.TradeType]struct{ more, offer, without string }{
		payment.Native: {offer: "weixin://x", without: `{"prepay_id":"wx2014"}`},
		payment.JSAPI:  {more: `,"payer":{"openid":"oUpF8"}`, offer: "wx2014", without: `{"code_url":"weixin://x"}`},
		payment.H5: {
			more:  `,"scene_info":{"payer_client_ip":"203.0.113.9","h5_info":{"type":"iOS"}}`,
			offer: "https://wx.test/h5", without: `{"code_url":"weixin://x"}`,
		},
		payment.App: {offer: "wx2014", without: `{"h5_url":"https://wx.test/h5"}`},
	} {
		t.Run(string(way), func(t *testing.T) {
			order := tea
			order.TradeType = way
			order.OpenID, order.PayerClientIP, order.H5Type = "oUpF8", "203.0.113.9", "iOS"
			f := &fakeWeChat{status: 200, body: answer}
			client := dial(t, serve(t, f), "")
			offer, err := client.Prepay(t.Context(), order)
			if err != nil || offer != tc.offer {
				t.Errorf("offered %q, %v; want %q", offer, err, tc.offer)
			}
			want := []string{"POST /v3/pay/transactions/" + string(way) + " " + rest + tc.more + "}"}
			if diff := cmp.Diff(want, f.heard); diff != "" {
				t.Errorf("what WeChat heard (-want +got):\n%s", diff)
			}
			f.body = tc.without
			_, err = client.Prepay(t.Context(), order)
			wantError(t, err, payment.Unknown, "wechat_unusable_answer")
			wantDiscreet(t, err)
		})
	}
}

// The backup gets what the first address cannot have seen, and questions, which
// may be asked twice.
func TestWhenTheBackupIsAsked(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	first := map[string]string{
		"nobody is there":   "http://" + l.Addr().String(),
		"it speaks no TLS":  strings.Replace(serve(t, http.NotFoundHandler()), "http:", "https:", 1),
		"it hangs up on us": serve(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })),
		"it answers 500": serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(500)
			w.Write([]byte(`{"code":"SYSTEM_ERROR"}`))
		})),
	}
	type call = func(context.Context, *wechatpay.Client) (any, error)
	asked, mayBeDone := []call{queryOrder, queryPayment, queryRefund}, []call{prepay, closeOrder, refund}
	for name, tc := range map[string]struct {
		base  string
		calls []call
		want  string // code of the error: the backup's answer is sign_error
	}{
		"a question, and nobody is there":       {"nobody is there", asked, "sign_error"},
		"a question, and it speaks no TLS":      {"it speaks no TLS", asked, "sign_error"},
		"a question, and it hangs up on us":     {"it hangs up on us", asked, "sign_error"},
		"a question, and it answers 500":        {"it answers 500", asked, "system_error"},
		"to be done, and nobody is there":       {"nobody is there", mayBeDone, "sign_error"},
		"to be done, and it speaks no TLS":      {"it speaks no TLS", mayBeDone, "sign_error"},
		"may be done, because it hangs up late": {"it hangs up on us", mayBeDone, "wechat_no_answer"},
		"may be done, because it answers 500":   {"it answers 500", mayBeDone, "system_error"},
	} {
		t.Run(name, func(t *testing.T) {
			backup := &fakeWeChat{status: 401, body: `{"code":"SIGN_ERROR"}`}
			client := dial(t, first[tc.base], serve(t, backup))
			for _, call := range tc.calls {
				_, err := call(t.Context(), client)
				if payment.CodeOf(err) != tc.want {
					t.Errorf("error %v, want %s", err, tc.want)
				}
				wantDiscreet(t, err)
			}
			heard := 0
			if tc.want == "sign_error" {
				heard = len(tc.calls)
			}
			if len(backup.heard) != heard {
				t.Errorf("the backup heard %q, want %d calls", backup.heard, heard)
			}
		})
	}
}
