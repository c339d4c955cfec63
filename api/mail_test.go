package api_test

import (
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/paysaga/paysaga/internal/payment"
)

// mailbox is a desk with a completed payment that told three parties, and a case
// that told the shop.
func mailbox(t *testing.T) (d *desk, aboutCase string) {
	t.Helper()
	d = newDesk(t)
	d.paid(t, "4200001", 12850, payment.Completed, "")
	d.Exec(t, `insert into webhooks (id, transaction_id, event, whom, payload, state, attempts, last_error, created_at) values
		('order.shipped-4200001', '4200001', 'order.shipped', 'shop', '{}', 'gave_up', 9, 'shop_no_answer', now() - interval '3 h'),
		('order.shipped-4200001-payer', '4200001', 'order.shipped', 'payer', '{}', 'delivered', 1, '', now() - interval '2 h'),
		('order.shipped-4200001-wechat', '4200001', 'order.shipped', 'wechat', '{}', 'rejected', 1, 'bad', now() - interval '1 h')`)
	d.Exec(t, `update payments set sweep_at = now() + interval '1 day'`)
	d.opened(t, payment.Case{Kind: payment.CaseNotifyFailed, Subject: "order.shipped-4200001", TransactionID: "4200001", OutTradeNo: "4200001-order"})
	d.Exec(t, `update outbox set state = 'gave_up', attempts = 9, tried_at = now() - interval '7 h'`)
	return d, d.Text(t, `select id from outbox`)
}

func TestWhatOthersAreToldIsListed(t *testing.T) {
	d, aboutCase := mailbox(t)
	everything := []string{aboutCase, "order.shipped-4200001-wechat", "order.shipped-4200001-payer", "order.shipped-4200001"}
	for query, want := range map[string][]string{
		"":                     everything,
		"?state=gave_up":       {aboutCase, "order.shipped-4200001"},
		"?event=case.opened":   {aboutCase},
		"?state=pending":       {},
		"?q=4200001":           everything,
		"?q=4200001-order":     everything,
		"?q=order.shipped-42":  everything[1:],
		"?q=" + aboutCase:      {aboutCase},
		"?q=" + aboutCase[12:]: {},
		"?q=" + aboutCase[len("case.opened-"):len("case.opened-")+36]: {aboutCase},
	} {
		for _, limit := range []int{1, 3, 100} {
			if diff := cmp.Diff(want, d.ids(t, "otto", "/v1/webhooks"+query, "id", limit)); diff != "" {
				t.Errorf("%s by %d: %s", query, limit, diff)
			}
		}
	}
	d.call(t, "otto", "GET", "/v1/webhooks?state=lost", "").wants(t, 422, "invalid_state")
	first := d.call(t, "otto", "GET", "/v1/webhooks?q="+aboutCase, "").body["items"].([]any)[0].(map[string]any)
	if first["whom"] != "shop" || first["state"] != "gave_up" || first["attempts"] != 9.0 || first["case_id"] == "" || first["out_trade_no"] != "4200001-order" {
		t.Errorf("listed as %v", first)
	}
}

// A message goes out again only if nobody could take it for a second one.
func TestSendingAgain(t *testing.T) {
	for name, row := range map[string]struct {
		id, change string
		status     int
		code       string
	}{
		"what the shop did not take":               {"order.shipped-4200001", "", 202, ""},
		"what the shop took, and lost":             {"order.shipped-4200001", `update webhooks set state = 'delivered'`, 202, ""},
		"what the shop did not want":               {"order.shipped-4200001", `update webhooks set state = 'stopped'`, 202, ""},
		"what is still being told":                 {"order.shipped-4200001", `update webhooks set state = 'pending'`, 409, "still_pending"},
		"what WeChat took for wrong":               {"order.shipped-4200001-wechat", "", 202, ""},
		"what the payer has read":                  {"order.shipped-4200001-payer", "", 409, "payer_told"},
		"what the payer may have read":             {"order.shipped-4200001-payer", `update webhooks set state = 'unknown' where whom = 'payer'`, 409, "payer_told"},
		"what the payer did not consent to":        {"order.shipped-4200001-payer", `update webhooks set state = 'stopped'`, 202, ""},
		"a parcel's news, of money that goes back": {"order.shipped-4200001-wechat", `update payments set stage = 'compensating'`, 409, "nothing_to_say"},
		"what the shop must know all the same":     {"order.shipped-4200001", `update payments set stage = 'compensating'`, 202, ""},
		"what nobody was told":                     {"order.shipped-4200009", "", 404, "no_such_webhook"},
		"what is no id":                            {"order%20shipped", "", 404, "no_such_webhook"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, _ := mailbox(t)
			if row.change != "" {
				d.Exec(t, row.change)
			}
			got := d.call(t, "ann", "POST", "/v1/webhooks/"+row.id+"/resend", reason("")).wants(t, row.status, row.code)
			taken := row.status == 202
			again := d.Int(t, `select count(*) from webhooks w join payments using (transaction_id)
				where w.id = $1 and w.state = 'pending' and attempts = 0 and last_error = '' and try_at <= now() and sweep_at <= now()`, row.id) == 1
			if again != taken {
				t.Errorf("answered %s, and is to be told again: %t", got.raw, again)
			}
			if noted := d.Int(t, `select count(*) from payment_events where actor = 'ann'`) == 1; noted != taken {
				t.Errorf("in the timeline: %t", noted)
			}
			if allowed := d.Int(t, `select count(*) from audit_log where action = 'webhook.resend' and decision = 'ALLOW' and object = $1`, row.id) == 1; allowed != taken {
				t.Errorf("in the audit log: %t", allowed)
			}
		})
	}
}

func TestACasesMessageIsSentAgainOnce(t *testing.T) {
	d, aboutCase := mailbox(t)
	var mu sync.Mutex
	var all sync.WaitGroup
	answers := map[int]int{}
	for _, who := range []string{"ann", "ben", "otto"} {
		all.Go(func() {
			got := d.call(t, who, "POST", "/v1/webhooks/"+aboutCase+"/resend", reason(""))
			mu.Lock()
			defer mu.Unlock()
			answers[got.status]++
		})
	}
	all.Wait()
	if diff := cmp.Diff(map[int]int{202: 1, 409: 2}, answers); diff != "" {
		t.Error(diff)
	}
	if n := d.Int(t, `select count(*) from outbox where state = 'pending' and attempts = 0 and tried_at is null and try_at <= now()`); n != 1 {
		t.Error("it is not told again")
	}
	if n := d.Int(t, `select count(*) from case_events where what = 'noted' and text like 'to be told again: case.opened-%'`); n != 1 {
		t.Errorf("noted %d times", n)
	}
	d.call(t, "ann", "POST", "/v1/webhooks/"+aboutCase+"/resend", `{"reason":"short"}`).wants(t, 422, "invalid_reason")
}
