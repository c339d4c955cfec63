package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/paysaga/paysaga/api"
	"github.com/paysaga/paysaga/internal/wechatpay"
	"github.com/paysaga/paysaga/internal/wechattest"
)

const v2Key = "192006250b4c09247ec02edce69f6a2d"

type texts = wechattest.Texts

// newV2Gate is a gate of a merchant who still has an APIv2 key.
func newV2Gate(t *testing.T, only string) *gate {
	g := newGate(t)
	g.handler.V2 = wechatpay.NewV2(v2Key, only)
	return g
}

func inV2(body string) letter {
	return letter{path: api.V2CallbackPath, header: http.Header{"Content-Type": {"text/xml"}}, body: body}
}

// paidV2 is the letter of a payment with some changes, signed after them.
func paidV2(number string, changes texts) letter {
	told := wechattest.Paid(number, "ORDER"+number[max(0, len(number)-20):], 12850).With(changes)
	return inV2(told.Signed(v2Key, "MD5").XML("xml"))
}

func refundV2(number, outRefundNo, status string) letter {
	return inV2(wechattest.RefundTold(v2Key, texts{
		"transaction_id": number, "out_trade_no": "ORDER1", "out_refund_no": outRefundNo, "refund_status": status,
	}).XML("xml"))
}

func xmlAnswer(code, says string) string {
	return fmt.Sprintf("<xml><return_code><![CDATA[%s]]></return_code><return_msg><![CDATA[%s]]></return_msg></xml>", code, says)
}

// lastNews is what the inbox says of the last news, with its case.
const lastNews = `
select concat_ws(' ', i.kind, i.verdict, c.kind, c.owner, c.state)
  from inbox i left join cases c on c.notification_id = i.notification_id and i.verdict = 'case'
 order by i.id desc limit 1`

// What becomes of APIv2's notifications, and what they leave in the books. Those
// that nobody proved to be WeChat's leave nothing, and the database is not asked.
func TestWhatBecomesOfAPIv2sNotifications(t *testing.T) {
	g := newV2Gate(t, "")
	const laughs = `<!DOCTYPE x [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;">]>`
	spoilt := func(old, new string) letter {
		l := paidV2(freshNumber(), nil)
		if !strings.Contains(l.body, old) {
			t.Fatalf("there is no %s to spoil", old)
		}
		l.body = strings.Replace(l.body, old, new, 1)
		return l
	}
	unsigned := func(changes texts) letter {
		return inV2(wechattest.Paid(freshNumber(), "ORDER1", 12850).With(changes).XML("xml"))
	}
	hmac := wechattest.Paid(freshNumber(), "ORDER1", 12850).With(texts{"sign_type": "HMAC-SHA256"}).Signed(v2Key, "HMAC-SHA256")
	yes, signature, malformed := xmlAnswer("SUCCESS", "OK"), xmlAnswer("FAIL", "signature"), xmlAnswer("FAIL", "malformed")
	nothing := map[string]int64{}

	for name, row := range map[string]struct {
		letter letter
		status int
		body   string
		leaves map[string]int64
		is     string // what the inbox says, and the case's kind
	}{
		"a payment":                             {paidV2(freshNumber(), nil), 200, yes, kept, "payment accepted"},
		"a payment signed with HMAC":            {inV2(hmac.XML("xml")), 200, yes, kept, "payment accepted"},
		"a payment with fields nobody knows":    {paidV2(freshNumber(), texts{"coupon_fee_3": "1", "new": "新"}), 200, yes, kept, "payment accepted"},
		"a refund":                              {refundV2(freshNumber(), "R"+freshNumber(), "SUCCESS"), 200, yes, kept, "refund accepted"},
		"a refund gone wrong":                   {refundV2(freshNumber(), "R"+freshNumber(), "CHANGE"), 200, yes, kept, "refund accepted"},
		"a failure that is signed":              {paidV2(freshNumber(), texts{"return_code": "FAIL"}), 200, yes, kept, "other noted"},
		"V2X-13 a failure that is not":          {inV2("<xml><return_code>FAIL</return_code><return_msg>x</return_msg></xml>"), 200, yes, nothing, ""},
		"a payment that did not succeed":        {paidV2(freshNumber(), texts{"result_code": "FAIL"}), 200, yes, aCase, "other case unsupported_event support open"},
		"a refund of a status nobody knows":     {refundV2(freshNumber(), "R"+freshNumber(), "ABNORMAL"), 200, yes, aCase, "other case unsupported_event support open"},
		"a service provider's payment":          {paidV2(freshNumber(), texts{"sub_mch_id": "1900000109"}), 200, yes, aCase, "other case unsupported_variant support open"},
		"an odd transaction_id":                 {paidV2(freshNumber(), texts{"transaction_id": "../../etc/passwd"}), 200, yes, aCase, "other case unusable_callback support open"},
		"no transaction_id":                     {paidV2(freshNumber(), texts{"transaction_id": ""}), 200, yes, aCase, "other case unusable_callback support open"},
		"an amount with a point":                {paidV2(freshNumber(), texts{"total_fee": "128.50"}), 200, yes, aCase, "other case unusable_callback support open"},
		"an amount past 64 bits":                {paidV2(freshNumber(), texts{"total_fee": "9223372036854775808"}), 200, yes, aCase, "other case unusable_callback support open"},
		"an amount of nothing":                  {paidV2(freshNumber(), texts{"total_fee": "0"}), 200, yes, aCase, "other case unusable_callback support open"},
		"a negative amount":                     {paidV2(freshNumber(), texts{"total_fee": "-1"}), 200, yes, aCase, "other case unusable_callback support open"},
		"no amount":                             {paidV2(freshNumber(), texts{"total_fee": ""}), 200, yes, aCase, "other case unusable_callback support open"},
		"a refund without its number":           {refundV2(freshNumber(), "", "SUCCESS"), 200, yes, aCase, "other case unusable_callback support open"},
		"V2X-08 no sign":                        {unsigned(nil), 401, signature, nothing, ""},
		"V2X-08 an empty sign":                  {inV2(strings.Replace(unsigned(nil).body, "</xml>", "<sign></sign></xml>", 1)), 401, signature, nothing, ""},
		"another amount than was signed":        {spoilt("12850", "12851"), 401, signature, nothing, ""},
		"a sign_type nobody knows":              {paidV2(freshNumber(), texts{"sign_type": "NONE"}), 401, signature, nothing, ""},
		"a failure with a false sign":           {spoilt("<return_code>SUCCESS", "<return_code>FAIL"), 401, signature, nothing, ""},
		"a refund sealed with another key":      {inV2(wechattest.RefundTold(apiV3Key, texts{"out_refund_no": "R1"}).XML("xml")), 401, signature, nothing, ""},
		"a refund whose req_info is no base64":  {inV2(texts{"return_code": "SUCCESS", "req_info": "!"}.XML("xml")), 401, signature, nothing, ""},
		"V2X-01 a file for an entity":           {spoilt("<xml>", `<!DOCTYPE xml [<!ENTITY f SYSTEM "file:///etc/passwd">]><xml>`), 400, malformed, nothing, ""},
		"V2X-02 billion laughs":                 {spoilt("<xml>", laughs+"<xml>"), 400, malformed, nothing, ""},
		"V2X-04 an unused document type":        {spoilt("<xml>", "<!DOCTYPE xml><xml>"), 400, malformed, nothing, ""},
		"V2X-05 total_fee twice":                {spoilt("<total_fee>", "<total_fee>1</total_fee><total_fee>"), 400, malformed, nothing, ""},
		"V2X-11 told to be GBK":                 {spoilt("<xml>", `<?xml version="1.0" encoding="gbk"?><xml>`), 400, malformed, nothing, ""},
		"V2X-11 told to be UTF-16":              {spoilt("<xml>", `<?xml version="1.0" encoding="utf-16"?><xml>`), 400, malformed, nothing, ""},
		"an attribute":                          {spoilt("<total_fee>", `<total_fee unit="yuan">`), 400, malformed, nothing, ""},
		"elements in elements":                  {spoilt("<attach>", "<attach><a>1</a>"), 400, malformed, nothing, ""},
		"bytes that are no UTF-8":               {spoilt("tea", "\xb2\xe8"), 400, malformed, nothing, ""},
		"APIv3's notification at APIv2's place": {func() letter { l := g.payment(freshNumber(), nil); l.path = api.V2CallbackPath; return l }(), 400, malformed, nothing, ""},
		"one byte too much":                     {inV2(strings.Repeat(" ", 64<<10+1)), 413, xmlAnswer("FAIL", "too large"), nothing, ""},
		"a GET":                                 {letter{method: "GET", path: api.V2CallbackPath, header: http.Header{}}, 405, xmlAnswer("FAIL", "method"), nothing, ""},
		"a compressed body":                     {paidV2(freshNumber(), nil).with("Content-Encoding", "gzip"), 415, xmlAnswer("FAIL", "encoding"), nothing, ""},
	} {
		t.Run(name, func(t *testing.T) {
			before, woken, asked := g.rows(t), g.wakes.Load(), g.inbox.asked.Load()
			status, header, body := g.post(t, row.letter)
			if status != row.status || body != row.body || header.Get("Content-Type") != "text/xml" {
				t.Errorf("answered %d %s of %s, want %d %s", status, body, header.Get("Content-Type"), row.status, row.body)
			}
			if diff := cmp.Diff(row.leaves, g.grown(t, before)); diff != "" {
				t.Errorf("the books grew otherwise (-want +got):\n%s", diff)
			}
			if len(row.leaves) == 0 && g.inbox.asked.Load() != asked {
				t.Error("the database was asked")
			}
			if row.is != "" {
				if got := g.Text(t, lastNews); got != row.is {
					t.Errorf("kept as %s, want %s", got, row.is)
				}
			}
			if toStart := strings.HasSuffix(row.is, "accepted"); toStart != (g.wakes.Load() > woken) {
				t.Errorf("the relay was woken: %v", !toStart)
			}
		})
	}
	for _, private := range []string{wechattest.OpenID, v2Key, "tea &"} {
		if g.everything(t, private) || strings.Contains(g.log.String(), private) {
			t.Errorf("%s was kept or logged", private)
		}
		if g.Int(t, `select count(*) from callbacks where position(convert_to($1, 'UTF8') in body) > 0`, private) > 0 {
			t.Errorf("%s is among the bytes that were kept", private)
		}
	}
}

// Whichever way a payment is told, and however often, it is one row and one story;
// another story is a case.
func TestAPIv2AndAPIv3TellOnePayment(t *testing.T) {
	for name, row := range map[string]struct {
		changes texts
		want    string
	}{
		"the same":         {nil, "accepted seen 3"},
		"another amount":   {texts{"total_fee": "12849"}, "accepted seen 1, case seen 2"},
		"another currency": {texts{"fee_type": "USD"}, "accepted seen 1, case seen 2"},
		"another merchant": {texts{"mch_id": "1900000001"}, "accepted seen 1, case seen 2"},
		"another app":      {texts{"appid": "wx1111111111111111"}, "accepted seen 1, case seen 2"},
		"another order":    {texts{"out_trade_no": "ANOTHER1"}, "accepted seen 1, case seen 2"},
		"another time, which tells no other story": {texts{"time_end": "20261122103457"}, "accepted seen 3"},
	} {
		t.Run(name, func(t *testing.T) {
			g, number := newV2Gate(t, ""), freshNumber()
			changes := texts{"nonce_str": "another"}.With(row.changes)
			for i, l := range []letter{g.payment(number, nil), paidV2(number, row.changes), paidV2(number, changes)} {
				if status, _, body := g.post(t, l); status != http.StatusOK {
					t.Fatalf("letter %d was answered %d %s", i, status, body)
				}
			}
			if got := g.Text(t, `select string_agg(verdict||' seen '||seen, ', ' order by id) from inbox`); got != row.want {
				t.Errorf("the inbox holds %s; want %s", got, row.want)
			}
		})
	}
}

func TestWhatIsKeptOfAnAPIv2Payment(t *testing.T) {
	g := newV2Gate(t, "")
	if status, _, body := g.post(t, paidV2("42", texts{"out_trade_no": "TEA-01"})); status != http.StatusOK {
		t.Fatalf("answered %d %s", status, body)
	}
	got := g.Text(t, `select concat_ws('|', kind, via, event_type, transaction_id, out_trade_no, appid, mchid, amount_fen, currency,
		trade_state, paid_at at time zone 'UTC') from inbox`)
	want := "payment|callback|TRANSACTION.SUCCESS|42|TEA-01|wxd678efh567hg6787|1230000109|12850|CNY|SUCCESS|2026-11-22 02:34:56"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Nobody signs APIv2's news of a refund. It is one more reason to ask WeChat, and
// takes nothing away from the news that WeChat signs.
func TestUnsignedNewsOfARefundStandsBesideSignedNews(t *testing.T) {
	g, number := newV2Gate(t, ""), freshNumber()
	signed := g.event("REFUND.SUCCESS", "refund", fields{
		"transaction_id": number, "out_trade_no": "ORDER1", "out_refund_no": "R" + number, "refund_status": "SUCCESS",
	}.JSON())
	for _, l := range []letter{refundV2(number, "R"+number, "SUCCESS"), refundV2(number, "R"+number, "SUCCESS"), signed, refundV2(number, "R"+number, "CHANGE")} {
		if status, _, body := g.post(t, l); status != http.StatusOK {
			t.Fatalf("answered %d %s", status, body)
		}
	}
	got := g.Text(t, `select string_agg(event_type||' '||verdict||' '||seen, ', ' order by id) from inbox where kind = 'refund' and not done`)
	if want := "REFUND.SUCCESS accepted 2, REFUND.SUCCESS accepted 1, REFUND.ABNORMAL accepted 1"; got != want {
		t.Errorf("the inbox holds %s; want %s", got, want)
	}
}

// V2X-06.
func TestAnAccountWithOneKindOfSignTakesNoOther(t *testing.T) {
	g := newV2Gate(t, wechatpay.SignHMAC)
	before := g.rows(t)
	if status, _, body := g.post(t, paidV2(freshNumber(), texts{"sign_type": "MD5"})); status != 401 || body != xmlAnswer("FAIL", "signature") {
		t.Errorf("MD5 was answered %d %s", status, body)
	}
	if diff := cmp.Diff(map[string]int64{}, g.grown(t, before)); diff != "" {
		t.Error(diff)
	}
	hmac := wechattest.Paid(freshNumber(), "ORDER1", 12850).Signed(v2Key, wechatpay.SignHMAC)
	if status, _, body := g.post(t, inV2(hmac.XML("xml"))); status != 200 {
		t.Errorf("HMAC-SHA256 was answered %d %s", status, body)
	}
}

// Books that are away are no reason to lose a payment that Temporal can keep, and
// no reason to promise anything of other news.
func TestAPIv2WhileTheBooksAreAway(t *testing.T) {
	g := newV2Gate(t, "")
	g.store.Close()
	number := freshNumber()
	busy := xmlAnswer("FAIL", "busy")
	if status, header, body := g.post(t, paidV2(number, nil)); status != 503 || body != busy || header.Get("Retry-After") == "" {
		t.Errorf("with Temporal away as well: %d %s", status, body)
	}
	g.temporal.up = true
	if status, _, body := g.post(t, refundV2(number, "R1", "SUCCESS")); status != 503 || body != busy {
		t.Errorf("news of a refund: %d %s", status, body)
	}
	if status, _, body := g.post(t, paidV2(number, nil)); status != 200 {
		t.Errorf("a payment: %d %s", status, body)
	}
	if len(g.temporal.held) != 1 || g.temporal.held[0].TransactionID != number || g.temporal.held[0].AmountFen != 12850 {
		t.Errorf("Temporal holds %+v", g.temporal.held)
	}
}
