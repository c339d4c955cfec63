package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/paysaga/paysaga/internal/wechattest"
)

type fields = wechattest.Fields

// What each kind of verdict leaves in the books, and nothing else.
var (
	kept    = map[string]int64{"inbox": 1, "callbacks": 1}
	aCase   = map[string]int64{"inbox": 1, "callbacks": 1, "cases": 1}
	rawOnly = map[string]int64{"callbacks": 1}
)

// Every callback that is WeChat's, by what becomes of it. Whether a payment fits
// its order is for the saga to say: here it is only kept.
func TestWhatBecomesOfAVerifiedCallback(t *testing.T) {
	g := newGate(t)
	amount := func(total any) fields {
		return fields{"amount": fields{"total": total, "payer_total": 12850, "currency": "CNY"}}
	}
	rawAmount := func(total string) letter {
		text := wechattest.Transaction(freshNumber(), "ORDER1", 7777).JSON()
		return g.event("TRANSACTION.SUCCESS", "transaction", strings.Replace(text, `"total":7777`, `"total":`+total, 1))
	}
	envelope := func(changes fields) letter {
		return g.sign(g.wechat.Envelope(freshID(), "TRANSACTION.SUCCESS", "transaction", "{}").With(changes).JSON())
	}
	resource := func(changes fields) letter {
		good := g.wechat.Envelope(freshID(), "TRANSACTION.SUCCESS", "transaction", "{}")
		return g.sign(good.With(fields{"resource": good["resource"].(fields).With(changes)}).JSON())
	}
	underKey := func(key string) letter {
		other := *g.wechat
		other.APIv3Key = key
		return g.sign(other.Envelope(freshID(), "TRANSACTION.SUCCESS", "transaction",
			wechattest.Transaction(freshNumber(), "ORDER1", 1).JSON()).JSON())
	}
	withID := func(id string) letter { return g.payment("x", fields{"transaction_id": id}) }
	refund := func(changes fields) letter {
		return g.event("REFUND.SUCCESS", "refund", fields{
			"mchid": "1230000109", "transaction_id": freshNumber(), "out_trade_no": "ORDER1", "out_refund_no": "R" + freshNumber(),
			"refund_id": "50000000382019052709732678859", "refund_status": "SUCCESS",
			"amount": fields{"total": 12850, "refund": 12850, "payer_total": 12850, "payer_refund": 12850},
		}.With(changes).JSON())
	}
	byCertificate := func() letter { l := g.payment(freshNumber(), nil); l.header = g.cert.Sign(now, l.body); return l }
	elsewhere := func() letter { l := g.payment(freshNumber(), nil); l.host = "127.0.0.1:8080"; return l }
	lowerCase := func() letter {
		l := g.payment(freshNumber(), nil)
		lower := http.Header{}
		for name, values := range l.header {
			lower[strings.ToLower(name)] = values
		}
		l.header = lower
		return l
	}

	const ok, malformed = http.StatusOK, http.StatusBadRequest
	for name, row := range map[string]struct {
		letter letter
		status int
		body   string
		leaves map[string]int64
		kind   string // of the inbox row, or of the case
	}{
		"an ordinary payment":                   {g.payment(freshNumber(), nil), ok, successBody, kept, "payment"},
		"signed by a platform certificate":      {byCertificate(), ok, successBody, kept, "payment"},
		"no signature type":                     {g.payment(freshNumber(), nil).without("Wechatpay-Signature-Type"), ok, successBody, kept, "payment"},
		"HDR-10 header names in lower case":     {lowerCase(), ok, successBody, kept, "payment"},
		"behind a proxy with a port of its own": {elsewhere(), ok, successBody, kept, "payment"},
		"HDR-23 a method override":              {g.payment(freshNumber(), nil).with("X-HTTP-Method-Override", "DELETE"), ok, successBody, kept, "payment"},
		"JSN-16 extra fields at both levels":    {extraFields(g), ok, successBody, kept, "payment"},
		"AES-09 sealed with the key before":     {underKey(apiV3KeyBefore), ok, successBody, kept, "payment"},
		"no associated data":                    {noAssociatedData(g), ok, successBody, kept, "payment"},
		"BIZ-01 an order nobody knows":          {g.payment(freshNumber(), fields{"out_trade_no": "NOBODYS"}), ok, successBody, kept, "payment"},
		"BIZ-02 one fen less than ordered":      {g.payment(freshNumber(), amount(12849)), ok, successBody, kept, "payment"},
		"BIZ-08 a coupon lowers payer_total":    {g.payment(freshNumber(), fields{"amount": fields{"total": 12850, "payer_total": 1, "currency": "CNY"}}), ok, successBody, kept, "payment"},
		"BIZ-10 another merchant's":             {g.payment(freshNumber(), fields{"mchid": "1900000001"}), ok, successBody, kept, "payment"},
		"BIZ-12 NOTPAY in a success event":      {g.payment(freshNumber(), fields{"trade_state": "NOTPAY"}), ok, successBody, kept, "payment"},
		"BIZ-12 REFUND in a success event":      {g.payment(freshNumber(), fields{"trade_state": "REFUND"}), ok, successBody, kept, "payment"},
		"BIZ-17 an attach full of tricks":       {g.payment(freshNumber(), fields{"attach": "{{7*7}} ${jndi:ldap://x} <script>alert(1)</script>"}), ok, successBody, kept, "payment"},
		"BIZ-18 an attach that is a formula":    {g.payment(freshNumber(), fields{"attach": `=HYPERLINK("http://x")`}), ok, successBody, kept, "payment"},
		"an attach with NUL":                    {g.payment(freshNumber(), fields{"attach": "a\x00b"}), ok, successBody, kept, "payment"},
		"BIZ-21 success_time absent":            {g.payment(freshNumber(), fields{"success_time": nil}), ok, successBody, kept, "payment"},
		"BIZ-21 success_time garbage":           {g.payment(freshNumber(), fields{"success_time": "yesterday"}), ok, successBody, kept, "payment"},
		"BIZ-21 success_time in 2099":           {g.payment(freshNumber(), fields{"success_time": "2099-01-01T00:00:00+08:00"}), ok, successBody, kept, "payment"},
		"news of a refund":                      {refund(nil), ok, successBody, kept, "refund"},
		"our own test call":                     {g.event("SECURITY_ECHO.SUCCESS", "security", `{"echo_message":"hi"}`), ok, successBody, kept, "other"},
		"an event without money":                {g.event("COMPLAINT.CREATE", "complaint", `{"complaint_id":"1","action_type":"CREATE"}`), ok, successBody, kept, "other"},

		"JSN-05 transaction_id twice":           {twice(g), ok, successBody, aCase, "unusable_callback"},
		"JSN-12 an event nobody documents":      {g.event("TRANSACTION.FOO", "transaction", wechattest.Transaction(freshNumber(), "ORDER1", 1).JSON()), ok, successBody, aCase, "unsupported_event"},
		"a refund event nobody documents":       {g.event("REFUND.FOO", "refund", "{}"), ok, successBody, aCase, "unsupported_event"},
		"another event with money":              {g.event("PAYSCORE.USER_PAID", "payscore", `{"total_amount":1}`), ok, successBody, aCase, "unsupported_event"},
		"another event with money deeper down":  {g.event("COUPON.USE", "coupon", `{"a":[{"use":{"transaction_id":"1"}}]}`), ok, successBody, aCase, "unsupported_event"},
		"a combined payment":                    {g.event("TRANSACTION.SUCCESS", "transaction", `{"combine_mchid":"1","sub_orders":[]}`), ok, successBody, aCase, "unsupported_variant"},
		"a service provider's payment":          {g.payment(freshNumber(), fields{"sp_mchid": "1", "sub_mchid": "2"}), ok, successBody, aCase, "unsupported_variant"},
		"a service provider's refund":           {refund(fields{"sp_mchid": "1"}), ok, successBody, aCase, "unsupported_variant"},
		"JSN-17 the plaintext is null":          {g.event("TRANSACTION.SUCCESS", "transaction", "null"), ok, successBody, aCase, "unusable_callback"},
		"the plaintext is empty":                {g.event("TRANSACTION.SUCCESS", "transaction", ""), ok, successBody, aCase, "unusable_callback"},
		"the plaintext is a list":               {g.event("TRANSACTION.SUCCESS", "transaction", "[]"), ok, successBody, aCase, "unusable_callback"},
		"a key in the wrong case":               {g.payment(freshNumber(), fields{"amount": nil, "Amount": fields{"total": 1, "currency": "CNY"}}), ok, successBody, aCase, "unusable_callback"},
		"BIZ-06 an amount past 64 bits":         {rawAmount("9223372036854775808"), ok, successBody, aCase, "unusable_callback"},
		"BIZ-07 an amount with a point":         {rawAmount("100.0"), ok, successBody, aCase, "unusable_callback"},
		"BIZ-07 an amount with an exponent":     {rawAmount("1e2"), ok, successBody, aCase, "unusable_callback"},
		"BIZ-07 an amount in quotes":            {rawAmount(`"100"`), ok, successBody, aCase, "unusable_callback"},
		"an amount of nothing":                  {rawAmount("0"), ok, successBody, aCase, "unusable_callback"},
		"a negative amount":                     {rawAmount("-1"), ok, successBody, aCase, "unusable_callback"},
		"no amount":                             {g.payment(freshNumber(), fields{"amount": nil}), ok, successBody, aCase, "unusable_callback"},
		"no currency":                           {g.payment(freshNumber(), fields{"amount": fields{"total": 1}}), ok, successBody, aCase, "unusable_callback"},
		"no trade_state":                        {g.payment(freshNumber(), fields{"trade_state": nil}), ok, successBody, aCase, "unusable_callback"},
		"no appid":                              {g.payment(freshNumber(), fields{"appid": nil}), ok, successBody, aCase, "unusable_callback"},
		"no mchid":                              {g.payment(freshNumber(), fields{"mchid": nil}), ok, successBody, aCase, "unusable_callback"},
		"an odd out_trade_no":                   {g.payment(freshNumber(), fields{"out_trade_no": "a b"}), ok, successBody, aCase, "unusable_callback"},
		"WID-02 transaction_id of 33":           {withID(strings.Repeat("4", 33)), ok, successBody, aCase, "unusable_callback"},
		"WID-03 transaction_id of 1000":         {withID(strings.Repeat("4", 1000)), ok, successBody, aCase, "unusable_callback"},
		"WID-05 transaction_id with LF":         {withID("42\n00"), ok, successBody, aCase, "unusable_callback"},
		"WID-05 transaction_id with CRLF, ESC":  {withID("42\r\n\x1b[31m"), ok, successBody, aCase, "unusable_callback"},
		"WID-05 transaction_id with NUL":        {withID("42\x0000"), ok, successBody, aCase, "unusable_callback"},
		"WID-05 transaction_id right to left":   {withID("42\u202e00"), ok, successBody, aCase, "unusable_callback"},
		"WID-05 transaction_id with an emoji":   {withID("42🍵"), ok, successBody, aCase, "unusable_callback"},
		"WID-05 transaction_id that is no text": {notText(g), ok, successBody, aCase, "unusable_callback"},
		"WID-06 transaction_id that is a path":  {withID("../../etc/passwd"), ok, successBody, aCase, "unusable_callback"},
		"WID-09 transaction_id that is a query": {withID("x' OR WorkflowType='y"), ok, successBody, aCase, "unusable_callback"},
		"an empty transaction_id":               {withID(""), ok, successBody, aCase, "unusable_callback"},
		"a refund without its number":           {refund(fields{"out_refund_no": nil}), ok, successBody, aCase, "unusable_callback"},
		"a refund with its number of 65":        {refund(fields{"out_refund_no": strings.Repeat("R", 65)}), ok, successBody, aCase, "unusable_callback"},
		"a refund still being processed":        {refund(fields{"refund_status": "PROCESSING"}), ok, successBody, aCase, "unusable_callback"},
		"a refund with an answer's field":       {refund(fields{"refund_status": nil, "status": "SUCCESS"}), ok, successBody, aCase, "unusable_callback"},

		"NET-01 signed over nothing":           {g.sign(""), malformed, malformedBody, rawOnly, ""},
		"JSN-02 an empty object":               {g.sign("{}"), malformed, malformedBody, rawOnly, ""},
		"JSN-02 a list":                        {g.sign("[]"), malformed, malformedBody, rawOnly, ""},
		"JSN-02 a string":                      {g.sign(`"x"`), malformed, malformedBody, rawOnly, ""},
		"JSN-02 a number":                      {g.sign("123"), malformed, malformedBody, rawOnly, ""},
		"null, which the SDK panics at":        {g.sign("null"), malformed, malformedBody, rawOnly, ""},
		"no resource, which the SDK panics at": {envelope(fields{"resource": nil}), malformed, malformedBody, rawOnly, ""},
		"a resource that is a list":            {envelope(fields{"resource": []int{}}), malformed, malformedBody, rawOnly, ""},
		"JSN-06 keys in the wrong case":        {wrongCase(g), malformed, malformedBody, rawOnly, ""},
		"JSN-08 a byte order mark":             {g.sign("\xef\xbb\xbf" + envelope(nil).body), malformed, malformedBody, rawOnly, ""},
		"JSN-09 bytes that are no text in id":  {g.sign(strings.Replace(envelope(nil).body, `"id":"`, "\"id\":\"\xff\xfe", 1)), malformed, malformedBody, rawOnly, ""},
		"JSN-10 ten thousand levels":           {g.sign(strings.Replace(envelope(nil).body, `{`, `{"deep":`+strings.Repeat("[", 10_001)+strings.Repeat("]", 10_001)+`,`, 1)), malformed, malformedBody, rawOnly, ""},
		"JSN-13 another resource_type":         {envelope(fields{"resource_type": "plain-resource"}), malformed, malformedBody, rawOnly, ""},
		"a key twice in the envelope":          {g.sign(strings.Replace(envelope(nil).body, `{`, `{"id":"other",`, 1)), malformed, malformedBody, rawOnly, ""},
		"no id":                                {envelope(fields{"id": nil}), malformed, malformedBody, rawOnly, ""},
		"an id with NUL":                       {envelope(fields{"id": "a\x00"}), malformed, malformedBody, rawOnly, ""},
		"no event_type":                        {envelope(fields{"event_type": nil}), malformed, malformedBody, rawOnly, ""},
		"something after the object":           {g.sign(envelope(nil).body + "{}"), malformed, malformedBody, rawOnly, ""},
		"AES-01 algorithm NONE":                {resource(fields{"algorithm": "NONE"}), malformed, malformedBody, rawOnly, ""},
		"AES-01 another algorithm":             {resource(fields{"algorithm": "AES-256-CBC"}), malformed, malformedBody, rawOnly, ""},
		"AES-01 the algorithm in lower case":   {resource(fields{"algorithm": "aead_aes_256_gcm"}), malformed, malformedBody, rawOnly, ""},
		"AES-02 a nonce of 7, a panic":         {resource(fields{"nonce": "1234567"}), malformed, malformedBody, rawOnly, ""},
		"AES-03 an empty nonce, a panic":       {resource(fields{"nonce": ""}), malformed, malformedBody, rawOnly, ""},
		"AES-07 an empty ciphertext":           {resource(fields{"ciphertext": ""}), malformed, malformedBody, rawOnly, ""},
		"AES-07 shorter than its tag":          {resource(fields{"ciphertext": "AAAAAAAAAAAAAAAAAAAA"}), malformed, malformedBody, rawOnly, ""},
		"a ciphertext that is no base64":       {resource(fields{"ciphertext": "!!!"}), malformed, malformedBody, rawOnly, ""},
		"associated data that is a number":     {resource(fields{"associated_data": 1}), malformed, malformedBody, rawOnly, ""},

		"AES-10 sealed with a key we never had": {underKey("00000000000000000000000000000000"), http.StatusInternalServerError, retryBody, rawOnly, ""},
		"other associated data than was sealed": {resource(fields{"associated_data": "refund"}), http.StatusInternalServerError, retryBody, rawOnly, ""},
	} {
		t.Run(name, func(t *testing.T) {
			before, woken := g.rows(t), g.wakes.Load()
			status, _, body := g.post(t, row.letter)
			if status != row.status || body != row.body {
				t.Errorf("answered %d %s, want %d %s", status, body, row.status, row.body)
			}
			if diff := cmp.Diff(row.leaves, g.grown(t, before)); diff != "" {
				t.Errorf("the books grew otherwise (-want +got):\n%s", diff)
			}
			if raw := g.Text(t, `select encode(body, 'hex') from callbacks order by id desc limit 1`); raw != fmt.Sprintf("%x", row.letter.body) {
				t.Error("the bytes were not kept as they came")
			}
			switch row.leaves["inbox"] + row.leaves["cases"] {
			case 1:
				if got := g.Text(t, `select kind from inbox order by id desc limit 1`); got != row.kind {
					t.Errorf("kept as %s, want %s", got, row.kind)
				}
			case 2:
				if got := g.Text(t, `select kind||' '||owner||' '||state from cases order by opened_at desc, id desc limit 1`); got != row.kind+" support open" {
					t.Errorf("case %q, want %s", got, row.kind)
				}
				if !g.bool(t, `select verdict = 'case' and done from inbox order by id desc limit 1`) {
					t.Error("the inbox row is not done as a case")
				}
			}
			if toStart := row.kind == "payment" || row.kind == "refund"; toStart != (g.wakes.Load() > woken) {
				t.Errorf("the relay was woken: %v", !toStart)
			}
		})
	}
	if g.everything(t, wechattest.OpenID) || strings.Contains(g.log.String(), wechattest.OpenID) {
		t.Error("the payer's openid was kept or logged")
	}
}

func (g *gate) bool(t *testing.T, sql string) bool {
	t.Helper()
	return g.Text(t, `select (`+sql+`)::text`) == "true"
}

// everything tells whether any row of any table holds a text.
func (g *gate) everything(t *testing.T, needle string) bool {
	t.Helper()
	for table := range g.rows(t) {
		if g.Int(t, `select count(*) from `+table+` as row where position($1 in row::text) > 0`, needle) > 0 {
			return true
		}
	}
	return false
}

func extraFields(g *gate) letter {
	text := wechattest.Transaction(freshNumber(), "ORDER1", 1).With(fields{"new": fields{"a": []any{1, nil, true}}}).JSON()
	return g.sign(g.wechat.Envelope(freshID(), "TRANSACTION.SUCCESS", "transaction", text).With(fields{"new": []string{"x"}}).JSON())
}

func noAssociatedData(g *gate) letter {
	e := g.wechat.Envelope(freshID(), "TRANSACTION.SUCCESS", "", wechattest.Transaction(freshNumber(), "ORDER1", 1).JSON())
	return g.sign(e.With(fields{"resource": e["resource"].(fields).With(fields{"associated_data": nil})}).JSON())
}

func twice(g *gate) letter {
	text := wechattest.Transaction(freshNumber(), "ORDER1", 1).JSON()
	return g.event("TRANSACTION.SUCCESS", "transaction", strings.Replace(text, `{`, `{"transaction_id":"4200000000000000000000000001",`, 1))
}

func notText(g *gate) letter {
	text := wechattest.Transaction("MARK", "ORDER1", 1).JSON()
	return g.event("TRANSACTION.SUCCESS", "transaction", strings.Replace(text, "MARK", "42\xff\xfe", 1))
}

func wrongCase(g *gate) letter {
	body := g.payment(freshNumber(), nil).body
	return g.sign(strings.NewReplacer(`"event_type"`, `"Event_Type"`, `"resource"`, `"RESOURCE"`).Replace(body))
}
