package e2e

import (
	"strings"
	"testing"

	"github.com/paysaga/paysaga/internal/simulator"
)

// A merchant whose WeChat still speaks APIv2, and pushes reminders: the payment is
// told both ways and shipped once, a refund is heard of, and a reminder is a case.
func TestTheOlderWaysLeadToTheSameSaga(t *testing.T) {
	w := newWorld(t, nil, "WECHATPAY_V2_SIGN_TYPE=MD5")
	base := w.fleet.PublicURL() + "/callbacks/"
	told := func(path string, body any) simulator.NotificationAnswer {
		t.Helper()
		var answered simulator.NotificationAnswer
		w.control("POST", path, body, &answered)
		return answered
	}
	wants := func(got simulator.NotificationAnswer, status int, text string) {
		t.Helper()
		if got.Status != status || !strings.Contains(got.Body, text) {
			t.Errorf("answered %d %s %s, want %d with %s", got.Status, got.Body, got.Error, status, text)
		}
	}

	number := w.order(tea)
	id := w.pay(number, simulator.PayRequest{})
	w.endsShipped(id, number)
	wants(told("/v2/notifications", simulator.V2Notification{URL: base + "wechatpay/v2", OutTradeNo: number}), 200, "SUCCESS")
	wants(told("/v2/notifications", simulator.V2Notification{URL: base + "wechatpay/v2", OutTradeNo: number, SignType: "HMAC-SHA256"}), 401, "FAIL")
	var rows string
	w.sql(&rows, `select string_agg(verdict||' '||seen, ', ') from inbox where transaction_id = $1`, id)
	if rows != "accepted 2" {
		t.Errorf("the inbox holds %s, want one row seen twice", rows)
	}

	back := w.order(tea)
	w.plan(back, simulator.Plan{Shop: "refuse"})
	refunded := w.pay(back, simulator.PayRequest{V2: true})
	w.endsRefunded(refunded, back)
	wants(told("/v2/notifications", simulator.V2Notification{URL: base + "wechatpay/v2", Kind: "refund", OutTradeNo: back}), 200, "SUCCESS")
	w.await("the unsigned news is done with", func() bool {
		var open int
		w.sql(&open, `select count(*) from inbox where not done`)
		return open == 0
	})

	wants(told("/messages", simulator.Message{URL: base + "wechat/messages", Kind: "echo", EchoStr: "echo-1"}), 200, "echo-1")
	wants(told("/messages", simulator.Message{URL: base + "wechat/messages", Kind: "push", Event: "trade_manage_remind_shipping", OutTradeNo: number}), 200, "success")
	if cases := w.payment(id).Cases; len(cases) != 1 || cases[0].Kind != "shipping_reminder" || cases[0].State != "open" {
		t.Errorf("cases: %+v", cases)
	}
}
