package api_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// anInbox is news of each kind, a minute apart, the first one the oldest.
func (d *desk) anInbox(t *testing.T) {
	t.Helper()
	d.Exec(t, `
		insert into inbox (key, kind, verdict, via, notification_id, event_type, transaction_id, out_trade_no, out_refund_no, done, seen, received_at) values
		  ('1', 'payment', 'accepted', 'callback', 'EV-1', 'TRANSACTION.SUCCESS', '4200001', 'TEA-0001', '', true, 2, now() - interval '9 min'),
		  ('2', 'refund', 'accepted', 'callback', 'EV-2', 'REFUND.SUCCESS', '4200001', '', 'R4200001', false, 1, now() - interval '8 min'),
		  ('3', 'other', 'case', 'callback', 'EV-3', 'TRANSACTION.SUCCESS', '', '', '', true, 1, now() - interval '7 min'),
		  ('4', 'payment', 'accepted', 'query', '', '', '4200002', 'TEA-0002', '', false, 1, now() - interval '6 min')`)
	d.Exec(t, `
		insert into callbacks (inbox_id, verdict, notification_id, serial, request_id, headers, body, received_at) values
		  (1, 'accepted', 'EV-1', 'KEY-1', 'REQ-1', '{"User-Agent": "Mozilla/4.0"}', 'sealed', now() - interval '9 min'),
		  (1, 'accepted', 'EV-1', 'KEY-1', 'REQ-2', '{"User-Agent": "Mozilla/4.0"}', 'sealed', now() - interval '8 min'),
		  (null, 'cannot_decrypt', 'EV-9', 'KEY-1', 'REQ-9', '{}', 'locked', now() - interval '5 min')`)
}

func TestTheInboxShowsWhatCameAndInWhichWay(t *testing.T) {
	d := newDesk(t)
	d.anInbox(t)
	for query, want := range map[string][]string{
		"":                          {"raw-3", "4", "3", "2", "1"},
		"?kind=payment":             {"4", "1"},
		"?kind=unreadable":          {"raw-3"},
		"?verdict=case":             {"3"},
		"?verdict=cannot_decrypt":   {"raw-3"},
		"?done=false":               {"4", "2"},
		"?done=true":                {"raw-3", "3", "1"},
		"?q=4200001":                {"2", "1"},
		"?q=TEA-0002":               {"4"},
		"?q=R4200001":               {"2"},
		"?q=EV-3":                   {"3"},
		"?q=EV-9":                   {"raw-3"},
		"?q=TEA":                    {},
		"?q=4200001&kind=payment":   {"1"},
		"?kind=refund&verdict=case": {},
	} {
		for _, limit := range []int{1, 2, 100} {
			if diff := cmp.Diff(want, d.ids(t, "otto", "/v1/inbox"+query, "id", limit)); diff != "" {
				t.Errorf("%s by %d: %s", query, limit, diff)
			}
		}
	}
	for wrong, code := range map[string]string{
		"?kind=x": "invalid_kind", "?verdict=refused": "invalid_verdict", "?done=maybe": "invalid_done",
		"?limit=0": "invalid_limit", "?cursor=x": "invalid_cursor", "?stage=paid": "unknown_parameter",
	} {
		d.call(t, "otto", "GET", "/v1/inbox"+wrong, "").wants(t, 422, code)
	}
}

func TestNewsIsShownWithItsDeliveriesAndItsRun(t *testing.T) {
	d := newDesk(t)
	d.anInbox(t)
	deliveries := func(got answer) (seen []string) {
		for _, one := range got.body["deliveries"].([]any) {
			fields := one.(map[string]any)
			body, _ := fields["body"].(string)
			raw, err := base64.StdEncoding.DecodeString(body)
			if err != nil {
				t.Error(err)
			}
			agent, _ := fields["headers"].(map[string]any)["User-Agent"].(string)
			seen = append(seen, strings.Join([]string{fields["request_id"].(string), fields["serial"].(string), agent, string(raw)}, " "))
		}
		return seen
	}
	run := func(got answer) any {
		run, _ := got.body["run"].(map[string]any)
		return run["status"]
	}
	for name, row := range map[string]struct {
		who, id    string
		away       bool
		before     func()
		deliveries []string
		stage, run any
	}{
		"to an operator, with the bytes": {who: "otto", id: "1",
			deliveries: []string{"REQ-2 KEY-1 Mozilla/4.0 sealed", "REQ-1 KEY-1 Mozilla/4.0 sealed"}, run: "completed"},
		"to support, without": {who: "ann", id: "1",
			deliveries: []string{"REQ-2 KEY-1 Mozilla/4.0 ", "REQ-1 KEY-1 Mozilla/4.0 "}, run: "completed"},
		"of a refund, with its payment's run":    {who: "ann", id: "2", run: "completed"},
		"that a query found, and that never ran": {who: "ann", id: "4", run: "none"},
		"while Temporal is away":                 {who: "ann", id: "4", away: true, run: "unknown"},
		"of no payment":                          {who: "ann", id: "3"},
		"what could not be read":                 {who: "otto", id: "raw-3", deliveries: []string{"REQ-9 KEY-1  locked"}},
	} {
		t.Run(name, func(t *testing.T) {
			d.sagas.mu.Lock()
			d.sagas.away = row.away
			d.sagas.mu.Unlock()
			got := d.call(t, row.who, "GET", "/v1/inbox/"+row.id, "").wants(t, 200, "")
			if diff := cmp.Diff(row.deliveries, deliveries(got)); diff != "" {
				t.Errorf("deliveries (-want +got):\n%s", diff)
			}
			if run(got) != row.run || got.body["id"] != row.id {
				t.Errorf("run %v of %v, want %v", run(got), got.body["id"], row.run)
			}
		})
	}
	for _, nothing := range []string{"99", "raw-1", "raw-x", "x", "99999999999999999999", "1%20or%201=1"} {
		d.call(t, "otto", "GET", "/v1/inbox/"+nothing, "").wants(t, 404, "no_such_news")
	}
	d.paid(t, "4200001", 12850, "completed", "")
	if got := d.call(t, "ann", "GET", "/v1/inbox/1", ""); got.body["stage"] != "completed" {
		t.Errorf("its payment is %v", got.body["stage"])
	}
}
