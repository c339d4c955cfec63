package api_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

const tea = `{"out_trade_no":"TEA-0001","description":"茶 two boxes","amount_fen":12850,"trade_type":"native","expires_in_s":600,
	"shipping":{"name":"Li","lines":["1 West Lake Road"]}}`

func TestAnOrderIsTakenAndOffered(t *testing.T) {
	d := newDesk(t)
	began := time.Now().Truncate(time.Second)

	got := d.call(t, "shop", "POST", "/v1/orders", tea).wants(t, 201, "")

	want := map[string]any{"out_trade_no": "TEA-0001", "state": "pending", "code_url": "weixin://pay/TEA-0001/1"}
	if diff := cmp.Diff(want, got.body); diff != "" {
		t.Error(diff)
	}
	offered := d.till.orders["TEA-0001"]
	if wait := offered.ExpiresAt.Sub(began); wait < 10*time.Minute || wait > 11*time.Minute {
		t.Errorf("offered for %s, want ten minutes", wait)
	}
	if offered.AppID != "wxapp" || offered.AmountFen != 12850 || offered.LatePayment != payment.LateRefund {
		t.Errorf("offered %+v", offered)
	}
	row := d.Text(t, `select concat_ws(' ', created_by, state, amount_fen, currency, late_payment, shipping->>'name', offer) from orders`)
	if row != "shop pending 12850 CNY refund Li weixin://pay/TEA-0001/1" {
		t.Errorf("the books say %q", row)
	}
}

func TestAnOrderWithoutANumberGetsOne(t *testing.T) {
	d := newDesk(t)
	body := `{"description":"tea","amount_fen":1,"trade_type":"native"}`
	first := d.call(t, "shop", "POST", "/v1/orders", body).wants(t, 201, "").text("out_trade_no")
	second := d.call(t, "shop", "POST", "/v1/orders", body).wants(t, 201, "").text("out_trade_no")
	if first == second || !payment.ValidOutTradeNo(first) {
		t.Errorf("numbers %q and %q", first, second)
	}
	if wait := d.till.orders[first].ExpiresAt.Sub(d.till.orders[first].CreatedAt); wait != 2*time.Hour {
		t.Errorf("offered for %s, want two hours", wait)
	}
}

func TestAnOrderIsPaidInItsOwnWay(t *testing.T) {
	const openid, ip = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o", "2001:db8::9"
	for way, row := range map[string]struct{ payer, want string }{
		"native": {``, `"code_url":"weixin://pay/TEA-0001/1"`},
		"h5":     {`,"payer_client_ip":"` + ip + `","h5_type":"iOS"`, `"h5_url":"https://wx.test/h5/TEA-0001/1"`},
		"jsapi":  {`,"openid":"` + openid + `"`, `"client":{"appId":"wxapp","package":"prepay/TEA-0001/1","sign":"signed"}`},
		"app":    {``, `"client":{"appId":"wxapp","package":"prepay/TEA-0001/1","sign":"signed"}`},
	} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			order := strings.Replace(tea, `"native"`, `"`+way+`"`+row.payer, 1)

			d.till.before = func() error { return payment.Failf(payment.Unknown, "timeout", "no answer") }
			d.again(t, "K1", "shop", "POST", "/v1/orders", order).wants(t, 503, "prepay_unknown")
			d.till.before, d.till.calls = nil, 0
			got := d.again(t, "K1", "shop", "POST", "/v1/orders", order).wants(t, 201, "")

			if want := `{"out_trade_no":"TEA-0001","state":"pending",` + row.want + "}\n"; got.raw != want {
				t.Errorf("answered %s, want %s", got.raw, want)
			}
			kept := d.Text(t, `select concat_ws(' ', trade_type, openid, payer_client_ip, h5_type) from orders`)
			offered := d.till.orders["TEA-0001"]
			heard := strings.Join([]string{way, string(offered.OpenID), string(offered.PayerClientIP), offered.H5Type}, " ")
			if kept != heard || row.payer != "" && !strings.Contains(kept, openid) && !strings.Contains(kept, ip+" iOS") {
				t.Errorf("kept %q, offered %q", kept, heard)
			}
			for _, who := range []string{"shop", "ann"} {
				shown := d.call(t, who, "GET", "/v1/orders/TEA-0001", "").raw
				if strings.Contains(shown+d.log.String(), openid) || strings.Contains(shown+d.log.String(), ip) {
					t.Errorf("%s, or the log, sees who pays: %s %s", who, shown, d.log)
				}
				if strings.Contains(shown, "code_url") != (way == "native") {
					t.Errorf("%s sees %s", who, shown)
				}
			}
		})
	}
}

// A prepay whose answer was lost may have been paid: nobody is offered it twice.
func TestAnOrderThatWasPaidMeanwhileIsNotOfferedAgain(t *testing.T) {
	bought := activities.Transaction{
		TransactionID: "4200000001", OutTradeNo: "TEA-0001", AppID: "wxapp", MchID: "1900000001", TradeState: "SUCCESS",
		AmountFen: 12850, Currency: "CNY", PaidAt: time.Date(2026, 8, 7, 2, 0, 0, 0, time.UTC),
	}
	d := newDesk(t)
	d.till.after = func(context.Context) error { return payment.Failf(payment.Unknown, "timeout", "no answer") }
	d.again(t, "K1", "shop", "POST", "/v1/orders", tea).wants(t, 503, "prepay_unknown")
	d.till.after = nil

	d.till.silent = true
	d.again(t, "K1", "shop", "POST", "/v1/orders", tea).wants(t, 503, "prepay_unknown")
	d.till.silent, d.till.paid = false, map[string]activities.Transaction{"TEA-0001": bought}
	for range 2 {
		d.again(t, "K1", "shop", "POST", "/v1/orders", tea).wants(t, 409, "order_paid")
	}

	if d.till.calls != 1 {
		t.Errorf("offered %d times, want once", d.till.calls)
	}
	news := d.Text(t, `select string_agg(concat_ws(' ', kind, verdict, via, transaction_id, out_trade_no, appid, mchid,
		amount_fen, currency, trade_state, paid_at at time zone 'utc', done, seen), '; ') from inbox`)
	if want := "payment accepted query 4200000001 TEA-0001 wxapp 1900000001 12850 CNY SUCCESS 2026-08-07 02:00:00 f 1"; news != want {
		t.Errorf("the inbox has %q, want %q", news, want)
	}
}

func TestAnOrderThatEndedWhileItWasOffered(t *testing.T) {
	for state, row := range map[string]struct {
		sql, code string
		shut      []payment.Closing
	}{
		"closed": {`update orders set state = 'closed'`, "order_closed", []payment.Closing{{OutTradeNo: "TEA-0001", Actor: "shop"}}},
		"paid":   {`update orders set state = 'paid', paid_by = '4200000001'`, "order_paid", nil},
	} {
		t.Run(state, func(t *testing.T) {
			d := newDesk(t)
			d.till.after = func(context.Context) error { d.Exec(t, row.sql); return nil }
			got := d.call(t, "shop", "POST", "/v1/orders", tea).wants(t, 409, row.code)
			if strings.Contains(got.raw, "weixin") {
				t.Errorf("it can still be paid: %s", got.raw)
			}
			if diff := cmp.Diff(row.shut, d.sagas.shut); diff != "" {
				t.Errorf("closings (-want +got):\n%s", diff)
			}
		})
	}
}

// Whatever happens between the row and WeChat's answer, the same request ends
// with one order, offered with the parameters it was first given.
func TestAnInterruptedOrderIsOfferedAgain(t *testing.T) {
	silent := func() error { return payment.Failf(payment.Unknown, "timeout", "no answer") }
	died := func() error { panic("the process is gone") }
	for name, row := range map[string]struct {
		before func() error
		after  func(context.Context) error
		status int
		code   string
	}{
		"WeChat never got it":                 {before: silent, status: 503, code: "prepay_unknown"},
		"WeChat took it and did not say so":   {after: func(context.Context) error { return silent() }, status: 503, code: "prepay_unknown"},
		"WeChat was busy":                     {before: func() error { return payment.Failf(payment.Busy, "frequency_limited", "later") }, status: 503, code: "prepay_unknown"},
		"we died before WeChat was called":    {before: died, status: 500, code: "internal"},
		"we died before the answer was noted": {after: func(context.Context) error { return died() }, status: 500, code: "internal"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			d.till.before, d.till.after = row.before, row.after
			d.again(t, "K1", "shop", "POST", "/v1/orders", tea).wants(t, row.status, row.code)
			if n := d.Int(t, `select count(*) from orders where offer = ''`); n != 1 {
				t.Fatalf("%d orders wait for their offer, want 1", n)
			}
			first := d.Text(t, `select expires_at::text from orders`)

			// Later, so that times reckoned anew would differ; WeChat would refuse them.
			d.Exec(t, `update orders set created_at = created_at - interval '3 s', expires_at = expires_at - interval '3 s'`)
			if known, ok := d.till.orders["TEA-0001"]; ok {
				known.ExpiresAt = known.ExpiresAt.Add(-3 * time.Second)
				d.till.orders["TEA-0001"] = known
			}
			d.till.before, d.till.after = nil, nil
			d.leaseEnds(t)
			got := d.again(t, "K1", "shop", "POST", "/v1/orders", tea).wants(t, 201, "")
			if got.text("code_url") == "" || got.text("code_url") != d.Text(t, `select offer from orders`) {
				t.Errorf("answered %s, the books say otherwise (first expiry %s)", got.raw, first)
			}
		})
	}
}

func TestAnOfferIsKeptThoughTheMerchantHungUp(t *testing.T) {
	d := newDesk(t)
	ctx, hangUp := context.WithCancel(t.Context())
	d.till.after = func(ctx context.Context) error {
		hangUp()
		<-ctx.Done()
		return nil
	}
	request, err := http.NewRequestWithContext(ctx, "POST", d.url+"/v1/orders", strings.NewReader(tea))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+secretOf("shop"))
	request.Header.Set("Idempotency-Key", "K1")
	if _, err := http.DefaultClient.Do(request); err == nil {
		t.Fatal("the merchant was answered")
	}
	for range 500 {
		if d.Text(t, `select offer from orders`) != "" {
			return
		}
		time.Sleep(10 * time.Millisecond) // between two looks at a real condition
	}
	t.Error("the offer was lost")
}

func TestWeChatWillNotTakeTheOrder(t *testing.T) {
	d := newDesk(t)
	d.till.before = func() error {
		return payment.Failf(payment.Refused, "no_auth", "mchid 1900000001 signature abc")
	}
	got := d.call(t, "shop", "POST", "/v1/orders", tea).wants(t, 502, "prepay_refused")
	if strings.Contains(got.raw, "signature") {
		t.Errorf("repeats WeChat's words: %s", got.raw)
	}
}

func TestATakenNumberStaysAsItIs(t *testing.T) {
	with := func(old, new string) string { return strings.Replace(tea, old, new, 1) }
	for name, row := range map[string]struct{ who, body string }{
		"the same order, already offered": {"shop", tea},
		"the same order, not yet offered": {"shop", tea},
		"another amount":                  {"shop", with("12850", "12851")},
		"another description":             {"shop", with("two", "six")},
		"another address":                 {"shop", with("Li", "Wu")},
		"another expiry":                  {"shop", with("600", "601")},
		"another rule for late money":     {"shop", with(`"native"`, `"native","late_payment":"reopen"`)},
		"another way to pay":              {"shop", with(`"native"`, `"app"`)},
		"another app":                     {"shop", with(`"native"`, `"native","appid":"wxother"`)},
		"another merchant":                {"stall", tea},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			if name == "the same order, already offered" {
				d.call(t, "shop", "POST", "/v1/orders", tea).wants(t, 201, "")
			} else { // without an offer, but of another call
				d.till.before = func() error { return payment.Failf(payment.Unknown, "timeout", "no answer") }
				d.call(t, "shop", "POST", "/v1/orders", tea).wants(t, 503, "prepay_unknown")
				d.till.before = nil
			}
			row0 := d.Text(t, `select orders::text from orders`)
			calls := d.till.calls
			d.call(t, row.who, "POST", "/v1/orders", row.body).wants(t, 409, "order_exists")
			if now := d.Text(t, `select orders::text from orders`); now != row0 {
				t.Errorf("the books changed:\n%s\n%s", row0, now)
			}
			if d.till.calls != calls {
				t.Error("WeChat was asked to offer it")
			}
		})
	}
}

func TestAnOfferThatCameTooLateIsNotRepeated(t *testing.T) {
	d := newDesk(t)
	d.till.before = func() error { return payment.Failf(payment.Unknown, "timeout", "no answer") }
	d.again(t, "K1", "shop", "POST", "/v1/orders", tea).wants(t, 503, "prepay_unknown")
	d.Exec(t, `update orders set created_at = created_at - interval '601 s', expires_at = expires_at - interval '601 s'`)
	d.till.before = nil
	d.again(t, "K1", "shop", "POST", "/v1/orders", tea).wants(t, 409, "order_exists")
}

func TestTheSameOrderSentEightTimesAtOnceIsOneOrder(t *testing.T) {
	d := newDesk(t)
	var everyone sync.WaitGroup
	urls := make([]string, 8)
	for i := range urls {
		everyone.Go(func() {
			got := d.call(t, "shop", "POST", "/v1/orders", tea)
			switch got.status {
			case 201:
				urls[i] = got.text("code_url")
			case 409: // came after the offer
			default:
				t.Errorf("answered %d %s", got.status, got.raw)
			}
		})
	}
	everyone.Wait()
	kept := d.Text(t, `select offer from orders`)
	for _, url := range urls {
		if url != "" && url != kept {
			t.Errorf("somebody was told %q, the books say %q", url, kept)
		}
	}
	if kept == "" {
		t.Error("no offer was kept")
	}
}

func TestAnOrderIsRefused(t *testing.T) {
	d := newDesk(t)
	base := map[string]string{"out_trade_no": `"TEA-0002"`, "description": `"tea"`, "amount_fen": `100`, "trade_type": `"native"`}
	with := func(field, value string) string {
		var parts []string
		for k, v := range base {
			if k != field {
				parts = append(parts, fmt.Sprintf("%q:%s", k, v))
			}
		}
		if value != "" {
			parts = append(parts, fmt.Sprintf("%q:%s", field, value))
		}
		return "{" + strings.Join(parts, ",") + "}"
	}
	quoted := func(s string) string { return `"` + s + `"` }
	for name, row := range map[string]struct {
		body   string
		status int
		code   string
	}{
		"no amount":                          {with("amount_fen", ""), 422, "invalid_amount_fen"},
		"an amount of nothing":               {with("amount_fen", "0"), 422, "invalid_amount_fen"},
		"an amount below nothing":            {with("amount_fen", "-1"), 422, "invalid_amount_fen"},
		"half a fen":                         {with("amount_fen", "1.5"), 422, "invalid_body"},
		"an amount as text":                  {with("amount_fen", `"100"`), 422, "invalid_body"},
		"an amount with an exponent":         {with("amount_fen", "1e3"), 422, "invalid_body"},
		"9e18 fen":                           {with("amount_fen", "9e18"), 422, "invalid_body"},
		"more fen than there are":            {with("amount_fen", "9000000000000000000"), 422, "invalid_amount_fen"},
		"an amount past int64":               {with("amount_fen", "9223372036854775808"), 422, "invalid_body"},
		"an amount given twice":              {strings.Replace(with("", ""), "{", `{"amount_fen":1,`, 1), 422, "invalid_body"},
		"an amount in another case":          {with("Amount_Fen", "100"), 422, "invalid_body"},
		"an unknown field":                   {with("status", `"paid"`), 422, "invalid_body"},
		"something behind it":                {with("", "") + "{}", 422, "invalid_body"},
		"a list of orders":                   {"[" + with("", "") + "]", 422, "invalid_body"},
		"nothing at all":                     {"", 422, "invalid_body"},
		"a body of 1 MiB":                    {with("shipping", `{"x":"`+strings.Repeat("a", 1<<20)+`"}`), 413, "too_large"},
		"no trade type":                      {with("trade_type", ""), 422, "invalid_trade_type"},
		"a trade type that is none":          {with("trade_type", `"cash"`), 422, "invalid_trade_type"},
		"jsapi without an openid":            {with("trade_type", `"jsapi"`), 422, "invalid_openid"},
		"an openid that is none":             {with("trade_type", `"jsapi","openid":"o 1"`), 422, "invalid_openid"},
		"an openid of 129 characters":        {with("trade_type", `"jsapi","openid":"`+strings.Repeat("o", 129)+`"`), 422, "invalid_openid"},
		"an address in a jsapi order":        {with("trade_type", `"jsapi","openid":"o-1","payer_client_ip":"203.0.113.9"`), 422, "invalid_payer_client_ip"},
		"a scene in a jsapi order":           {with("trade_type", `"jsapi","openid":"o-1","h5_type":"Wap"`), 422, "invalid_h5_type"},
		"an openid in a native order":        {with("openid", `"o-1"`), 422, "invalid_openid"},
		"an openid in an app order":          {with("trade_type", `"app","openid":"o-1"`), 422, "invalid_openid"},
		"an openid in an h5 order":           {with("trade_type", `"h5","openid":"o-1","payer_client_ip":"203.0.113.9","h5_type":"Wap"`), 422, "invalid_openid"},
		"an address in a native order":       {with("payer_client_ip", `"203.0.113.9"`), 422, "invalid_payer_client_ip"},
		"a scene in an app order":            {with("trade_type", `"app","h5_type":"Wap"`), 422, "invalid_h5_type"},
		"h5 without an address":              {with("trade_type", `"h5","h5_type":"Wap"`), 422, "invalid_payer_client_ip"},
		"h5 from nowhere":                    {with("trade_type", `"h5","payer_client_ip":"payer","h5_type":"Wap"`), 422, "invalid_payer_client_ip"},
		"h5 from the shop's own machine":     {with("trade_type", `"h5","payer_client_ip":"127.0.0.1","h5_type":"Wap"`), 422, "invalid_payer_client_ip"},
		"h5 without a scene":                 {with("trade_type", `"h5","payer_client_ip":"203.0.113.9"`), 422, "invalid_h5_type"},
		"h5 in a scene that is none":         {with("trade_type", `"h5","payer_client_ip":"203.0.113.9","h5_type":"wap"`), 422, "invalid_h5_type"},
		"a number that is too short":         {with("out_trade_no", `"12345"`), 422, "invalid_out_trade_no"},
		"a number that is too long":          {with("out_trade_no", quoted(strings.Repeat("1", 33))), 422, "invalid_out_trade_no"},
		"a number with a path in it":         {with("out_trade_no", `"../../x"`), 422, "invalid_out_trade_no"},
		"a number with a line end":           {with("out_trade_no", `"TEA-0002\n"`), 422, "invalid_out_trade_no"},
		"another's app":                      {with("appid", `"wxstranger"`), 422, "invalid_appid"},
		"no description":                     {with("description", ""), 422, "invalid_description"},
		"a blank description":                {with("description", `"  "`), 422, "invalid_description"},
		"a description of 128 characters":    {with("description", quoted(strings.Repeat("茶", 128))), 422, "invalid_description"},
		"an emoji":                           {with("description", `"tea 🍵"`), 422, "invalid_description"},
		"a line break":                       {with("description", `"tea\nmore"`), 422, "invalid_description"},
		"NUL":                                {with("description", `"tea\u0000"`), 422, "invalid_body"},
		"59 seconds":                         {with("expires_in_s", "59"), 422, "invalid_expires_in_s"},
		"no time at all":                     {with("expires_in_s", "0"), 422, "invalid_expires_in_s"},
		"time past":                          {with("expires_in_s", "-60"), 422, "invalid_expires_in_s"},
		"eight days":                         {with("expires_in_s", "691200"), 422, "invalid_expires_in_s"},
		"seconds that overflow":              {with("expires_in_s", "9223372036854775807"), 422, "invalid_expires_in_s"},
		"a rule for late money that is none": {with("late_payment", `"keep"`), 422, "invalid_late_payment"},
		"an address that is a list":          {with("shipping", `[1]`), 422, "invalid_shipping"},
		"an address that no database keeps":  {with("shipping", `{"a":{"b":"\u0000"}}`), 422, "invalid_body"},
		"a number that no database keeps":    {with("shipping", `{"a":1e999999}`), 422, "invalid_body"},
	} {
		t.Run(name, func(t *testing.T) {
			d.call(t, "shop", "POST", "/v1/orders", row.body).wants(t, row.status, row.code)
			if n := d.Int(t, `select count(*) from orders`); n != 0 || d.till.calls != 0 {
				t.Errorf("left %d rows and %d calls at WeChat", n, d.till.calls)
			}
		})
	}
	for name, body := range map[string]string{
		"127 characters of three bytes": with("description", quoted(strings.Repeat("茶", 127))),
		"60 seconds":                    strings.Replace(with("expires_in_s", "60"), "TEA-0002", "TEA-0003", 1),
		"seven days":                    strings.Replace(with("expires_in_s", "604800"), "TEA-0002", "TEA-0004", 1),
		"one fen":                       strings.Replace(with("amount_fen", "1"), "TEA-0002", "TEA-0005", 1),
		"every sign a number may have":  strings.Replace(with("", ""), "TEA-0002", "a_B-1|*", 1),
	} {
		t.Run(name+" is fine", func(t *testing.T) {
			d.call(t, "shop", "POST", "/v1/orders", body).wants(t, 201, "")
		})
	}
}

func TestAnOrderIsShownToItsMerchantAndToStaff(t *testing.T) {
	d := newDesk(t)
	d.call(t, "shop", "POST", "/v1/orders", tea).wants(t, 201, "")
	d.paid(t, "4200001", 12850, payment.Refunded, "")
	d.Exec(t, `update payments set out_trade_no = 'TEA-0001'`)
	d.Exec(t, `insert into refunds (out_refund_no, transaction_id, amount_fen, total_fen, ready_at) values ('R4200001', '4200001', 12850, 12850, now())`)

	got := d.call(t, "shop", "GET", "/v1/orders/TEA-0001", "").wants(t, 200, "")

	for key, want := range map[string]any{
		"out_trade_no": "TEA-0001", "state": "pending", "amount_fen": 12850.0, "code_url": "weixin://pay/TEA-0001/1",
		"payments": []any{map[string]any{"transaction_id": "4200001", "amount_fen": 12850.0, "refunded_fen": 12850.0, "stage": "refunded"}},
		"refunds":  []any{map[string]any{"out_refund_no": "R4200001", "amount_fen": 12850.0, "state": "requested"}},
	} {
		if diff := cmp.Diff(want, got.body[key]); diff != "" {
			t.Errorf("%s: %s", key, diff)
		}
	}
	var story []string
	for _, line := range got.body["timeline"].([]any) {
		line := line.(map[string]any)
		story = append(story, fmt.Sprintf("%v %v", line["what"], line["became"]))
		at(t, line["at"].(string))
	}
	if diff := cmp.Diff([]string{"ordered <nil>", "moved received", "moved compensating", "moved refunded"}, story); diff != "" {
		t.Error(diff)
	}
	for _, staff := range []string{"ann", "dora", "otto"} {
		if other := d.call(t, staff, "GET", "/v1/orders/TEA-0001", ""); other.raw != got.raw {
			t.Errorf("%s sees %d %s", staff, other.status, other.raw)
		}
	}
	for _, leak := range []string{"West Lake", "shipping", "openid"} {
		if strings.Contains(got.raw, leak) {
			t.Errorf("the answer holds %q", leak)
		}
	}
}

func TestAnothersOrderLooksLikeNone(t *testing.T) {
	d := newDesk(t)
	d.call(t, "shop", "POST", "/v1/orders", tea).wants(t, 201, "")
	d.paid(t, "4200001", 12850, payment.Paid, "")
	d.Exec(t, `update payments set out_trade_no = 'TEA-0001'`)

	for path, code := range map[string]string{
		"/v1/orders/TEA-0001":   "no_such_order",
		"/v1/payments/4200001":  "no_such_payment",
		"/v1/orders/TEA-NONE":   "no_such_order",
		"/v1/payments/42000012": "no_such_payment",
	} {
		d.call(t, "stall", "GET", path, "").wants(t, 404, code)
	}
	theirs := d.call(t, "stall", "GET", "/v1/orders/TEA-0001", "")
	none := d.call(t, "stall", "GET", "/v1/orders/TEA-NONE", "")
	if theirs.raw != none.raw {
		t.Errorf("another's order: %s\nno order: %s", theirs.raw, none.raw)
	}
	if d.call(t, "shop", "GET", "/v1/payments/4200001", "").status != http.StatusOK {
		t.Error("a merchant does not see the payment of its own order")
	}
}
