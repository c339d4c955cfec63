package wechatpay_test

import (
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/paysaga/paysaga/internal/payment"
	"github.com/paysaga/paysaga/internal/wechatpay"
	"github.com/paysaga/paysaga/internal/wechattest"
)

// The vector's three texts in any part: the order of their bytes decides.
func TestTheMessageSignatureThatOthersPublished(t *testing.T) {
	p := publishedAs(t, "17_oa_signature")
	for _, at := range [][3]int{{0, 1, 2}, {2, 0, 1}, {1, 2, 0}} {
		token, timestamp, nonce := p.Items[at[0]], p.Items[at[1]], p.Items[at[2]]
		query := url.Values{"signature": {p.SHA1}, "timestamp": {timestamp}, "nonce": {nonce}}
		if err := wechatpay.NewMessages(token).Verify(query); err != nil {
			t.Errorf("token %s: %v", token, err)
		}
	}
}

func TestWhoDoesNotKnowTheTokenIsRefused(t *testing.T) {
	const token = "oursAndNobodyElses"
	good := func() url.Values { return wechattest.MessageQuery(token, "1732242900", "1320562132") }
	with := func(name string, values ...string) url.Values { q := good(); q[name] = values; return q }
	messages := wechatpay.NewMessages(token)
	if err := messages.Verify(good()); err != nil {
		t.Fatal(err)
	}
	for name, query := range map[string]url.Values{
		"another token":                 wechattest.MessageQuery("theirs", "1732242900", "1320562132"),
		"no token":                      wechattest.MessageQuery("", "1732242900", "1320562132"),
		"another timestamp":             with("timestamp", "1732242901"),
		"another nonce":                 with("nonce", "1320562133"),
		"no signature":                  with("signature"),
		"an empty signature":            with("signature", ""),
		"the signature twice":           with("signature", good().Get("signature"), good().Get("signature")),
		"the timestamp twice":           with("timestamp", "1732242900", "1732242900"),
		"no timestamp":                  with("timestamp"),
		"an empty nonce, and signed so": wechattest.MessageQuery(token, "1732242900", ""),
		"no nonce, and signed so":       short(token),
		"the nonce in two places":       {"signature": good()["signature"], "timestamp": {"1732242900", "1320562132"}},
		"nothing":                       nil,
	} {
		if err := messages.Verify(query); payment.KindOf(err) != payment.Refused || payment.CodeOf(err) != "message" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// short is a query whose signature covers the token and a timestamp alone.
func short(token string) url.Values {
	query := wechattest.MessageQuery(token, "1732242900", "")
	query.Del("nonce")
	return query
}

func TestPushesInEitherForm(t *testing.T) {
	want := map[string]string{"Event": "trade_manage_remind_shipping", "CreateTime": "1732242900", "transaction_id": "42"}
	for name, row := range map[string]struct {
		body string
		want map[string]string // nil if it is refused
	}{
		"XML":                     {"<xml><Event><![CDATA[trade_manage_remind_shipping]]></Event><CreateTime>1732242900</CreateTime><transaction_id>42</transaction_id></xml>", want},
		"JSON":                    {` {"Event":"trade_manage_remind_shipping","CreateTime":1732242900,"transaction_id":"42"}`, want},
		"XML with lists in it":    {"<xml><Event>x</Event><List><a>1</a><a>2</a></List></xml>", map[string]string{"Event": "x", "List": ""}},
		"JSON with lists in it":   {`{"Event":"x","List":[{"a":1}],"b":null}`, map[string]string{"Event": "x"}},
		"XML with an event twice": {"<xml><Event>x</Event><Event>y</Event></xml>", nil},
		"JSON with one twice":     {`{"Event":"x","Event":"y"}`, nil},
		"a document type":         {"<!DOCTYPE xml><xml><Event>x</Event></xml>", nil},
		"neither":                 {"Event=x", nil},
		"nothing":                 {"", nil},
	} {
		got, err := wechatpay.NewMessages("t").Read([]byte(row.body))
		if (err == nil) != (row.want != nil) || err != nil && payment.KindOf(err) != payment.Invalid {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(row.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
