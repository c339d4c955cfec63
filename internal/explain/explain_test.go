package explain_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/paysaga/paysaga/internal/explain"
	"github.com/paysaga/paysaga/internal/wechatpay"
	"github.com/paysaga/paysaga/internal/wechattest"
)

type fields = wechattest.Fields

const (
	v3Key, v2Key = "0123456789abcdef0123456789abcdef", "192006250b4c09247ec02edce69f6a2d"
	number       = "4200001234202611220123456789"
)

var now = time.Date(2026, 11, 22, 10, 35, 0, 0, time.FixedZone("", 8*3600))

// copied is a callback as somebody might paste it.
type copied struct {
	line   string
	header http.Header
	body   string
}

func (c copied) text() string {
	var out strings.Builder
	if c.line != "" {
		fmt.Fprintf(&out, "%s\r\n", c.line)
	}
	for _, name := range slices.Sorted(func(yield func(string) bool) {
		for name := range c.header {
			if !yield(name) {
				return
			}
		}
	}) {
		for _, value := range c.header[name] {
			fmt.Fprintf(&out, "%s: %s\r\n", name, value)
		}
	}
	return out.String() + "\r\n" + c.body
}

func (c copied) with(name, value string) copied {
	c.header = c.header.Clone()
	c.header.Set(name, value)
	return c
}

func TestWhichCheckACallbackFails(t *testing.T) {
	wechat := wechattest.NewPlatform(t, "PUB_KEY_ID_0112345678901234567890", v3Key)
	stranger := wechattest.NewPlatform(t, wechat.Serial, v3Key)
	keys, err := wechatpay.NewKeys(wechatpay.KeyMaterial{PublicKeyID: wechat.Serial, PublicKey: wechat.PublicPEM(), APIv3Key: v3Key})
	if err != nil {
		t.Fatal(err)
	}
	keys.Now = func() time.Time { return now }
	public, err := url.Parse("https://pay.shop.test")
	if err != nil {
		t.Fatal(err)
	}
	desk := explain.Desk{
		Keys: keys, Serials: keys.Serials(), V2: wechatpay.NewV2(v2Key, ""), Public: public, MaxBytes: 64 << 10, At: now,
	}

	const line = "POST /callbacks/wechatpay HTTP/1.1\r\nHost: pay.shop.test"
	signed := func(envelope fields) copied {
		return copied{line, wechat.Sign(now, envelope.JSON()), envelope.JSON()}
	}
	paid := func(changes fields) fields {
		return wechat.Envelope("EV-1", "TRANSACTION.SUCCESS", "transaction", wechattest.Transaction(number, "ORDER1", 12850).With(changes).JSON())
	}
	good := signed(paid(nil))
	resource := func(changes fields) copied {
		envelope := paid(nil)
		return signed(envelope.With(fields{"resource": envelope["resource"].(fields).With(changes)}))
	}
	otherKey := *wechat
	otherKey.APIv3Key = v2Key
	to := func(line string) copied { c := good; c.line = line; return c }
	twice := good.with("X", "y")
	twice.header.Add("Wechatpay-Nonce", "another")
	v2 := func(texts wechattest.Texts) copied {
		return copied{"POST /callbacks/wechatpay/v2 HTTP/1.1\r\nHost: pay.shop.test", http.Header{}, texts.XML("xml")}
	}

	for name, row := range map[string]struct {
		paste  string
		status int
		failed string // the check, empty for none
		phase  int    // in which phase
		says   string // among all that is said
	}{
		"a good one":                          {good.text(), 200, "", 5, "12850 fen CNY"},
		"copied without its first line":       {to("").text(), 200, "", 5, number},
		"copied from a Unix log":              {strings.ReplaceAll(good.text(), "\r\n", "\n"), 200, "", 5, "ORDER1"},
		"copied with a line break too much":   {good.text() + "\n", 200, "", 5, "without the line break at the end"},
		"copied with its length":              {good.with("Content-Length", fmt.Sprint(len(good.body))).text() + "\n", 200, "", 5, ""},
		"copied in part":                      {good.with("Content-Length", "9999").text(), 200, "", 5, "it is not as it came"},
		"copied after its chunks were joined": {good.with("Transfer-Encoding", "chunked").text(), 200, "", 5, ""},
		"copied from HTTP/2":                  {strings.Replace(good.text(), "HTTP/1.1", "HTTP/2", 1), 200, "", 5, ""},

		"to another host":                 {to("POST /callbacks/wechatpay HTTP/1.1\r\nHost: 10.0.0.7:8080").text(), 421, "host", 0, `PUBLIC_URL's host is "pay.shop.test"`},
		"to the path with a slash":        {to("POST /callbacks/wechatpay/ HTTP/1.1\r\nHost: pay.shop.test").text(), 404, "path", 0, "notify_url is PUBLIC_URL/callbacks/wechatpay"},
		"to a message server that is off": {to("POST /callbacks/wechat/messages HTTP/1.1\r\nHost: pay.shop.test").text(), 404, "path", 0, ""},
		"by GET":                          {to("GET /callbacks/wechatpay HTTP/1.1\r\nHost: pay.shop.test").text(), 405, "method", 0, ""},
		"too large":                       {good.text() + strings.Repeat(" ", 64<<10), 413, "size", 0, "CALLBACK_MAX_BYTES is 65536"},
		"zipped":                          {good.with("Content-Encoding", "gzip").text(), 415, "encoding", 0, "as it came"},

		"HDR-04 without its serial":  {good.with("Wechatpay-Serial", "").text(), 401, "headers", 1, "Wechatpay-Serial is not there exactly once"},
		"HDR-07 with two nonces":     {twice.text(), 401, "headers", 1, "Wechatpay-Nonce"},
		"TIM-02 five minutes old":    {copied{line, wechat.Sign(now.Add(-300*time.Second), good.body), good.body}.text(), 401, "time", 1, "--at 2026-11-22T10:30:00+08:00"},
		"TIM-11 in milliseconds":     {copied{line, wechat.SignAt(fmt.Sprint(now.UnixMilli()), good.body), good.body}.text(), 401, "time", 1, "in seconds since 1970"},
		"HDR-11 by an unknown key":   {good.with("Wechatpay-Serial", "5157F09EFDC096DE15EBE81A47057A7232F1B8E1").text(), 401, "serial", 1, "the keys in force are PUB_KEY_ID_0112345678901234567890"},
		"HDR-14 by a path":           {good.with("Wechatpay-Serial", "../../etc/passwd").text(), 401, "serial", 1, ""},
		"SIG-07 by a stranger's key": {copied{line, stranger.Sign(now, good.body), good.body}.text(), 401, "signature", 1, "the very bytes"},
		"its body was formatted":     {copied{line, good.header, strings.ReplaceAll(good.body, ",", ", ")}.text(), 401, "signature", 1, "formatted"},
		"SIG-01 WeChat's probe":      {good.with("Wechatpay-Signature", "WECHATPAY/SIGNTEST/"+good.header.Get("Wechatpay-Signature")).text(), 401, "signtest", 1, "all is well"},

		"signed, and no JSON":           {copied{line, wechat.Sign(now, "<xml/>"), "<xml/>"}.text(), 400, "malformed", 2, "not one strict JSON object"},
		"another algorithm":             {resource(fields{"algorithm": "AEAD_SM4_GCM"}).text(), 400, "malformed", 2, "the algorithm is not"},
		"a nonce of 16 bytes":           {resource(fields{"nonce": "0123456789abcdef"}).text(), 400, "malformed", 2, "12 bytes"},
		"sealed under another key":      {signed(otherKey.Envelope("EV-1", "TRANSACTION.SUCCESS", "transaction", "{}")).text(), 500, "cannot_decrypt", 3, "WECHATPAY_API_V3_KEY"},
		"sealed for something else":     {resource(fields{"associated_data": "refund"}).text(), 500, "cannot_decrypt", 3, ""},
		"an amount with a point":        {signed(paid(fields{"amount": fields{"total": 128.5, "currency": "CNY"}})).text(), 200, "content", 4, "amount.total is absent or odd"},
		"a transaction_id of no use":    {signed(paid(fields{"transaction_id": "a b"})).text(), 200, "content", 4, "transaction_id is absent or odd"},
		"a combined payment":            {signed(paid(fields{"combine_out_trade_no": "C1"})).text(), 200, "content", 4, "unsupported_variant"},
		"an event that concerns nobody": {signed(wechat.Envelope("EV-1", "SECURITY_ECHO.SUCCESS", "security", `{"echo":"1"}`)).text(), 200, "", 5, "SECURITY_ECHO.SUCCESS"},

		"APIv2 with a false sign": {v2(wechattest.Texts{"return_code": "SUCCESS", "sign": strings.Repeat("A", 32)}).text(), 401, "signature", 1, "the sign does not fit"},
		"APIv2 that is no XML":    {copied{"POST /callbacks/wechatpay/v2 HTTP/1.1\r\nHost: pay.shop.test", http.Header{}, "{}"}.text(), 400, "malformed", 1, "XML"},
	} {
		t.Run(name, func(t *testing.T) {
			pasted, err := explain.Read([]byte(row.paste), public.Host)
			if err != nil {
				t.Fatal(err)
			}
			account := desk.Of(pasted.Request, pasted.Body)
			var said bytes.Buffer
			account.Print(&said, pasted.Note)
			if account.Status != row.status || account.Failed != row.failed || account.Accepted() != (row.status == 200) {
				t.Errorf("answered %d, failed %q", account.Status, account.Failed)
			}
			for i, phase := range account.Phases {
				want := map[int]string{-1: "ok", 0: "FAILED", 1: "not tried"}[min(1, max(-1, i-row.phase))]
				if phase.State != want {
					t.Errorf("%s is %s, want %s", phase.Checks, phase.State, want)
				}
			}
			if !strings.Contains(said.String(), row.says) {
				t.Errorf("says nothing of %q:\n%s", row.says, said.String())
			}
			for _, secret := range []string{wechattest.OpenID, v3Key, v2Key, "payer", good.header.Get("Wechatpay-Signature")} {
				if strings.Contains(said.String(), secret) {
					t.Errorf("shows %q:\n%s", secret, said.String())
				}
			}
		})
	}
}

func TestWhatIsNoRequest(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":             "",
		"a body alone":        `{"id":"EV-1"}`,
		"a body and no head":  "\r\n\r\n" + `{"id":"EV-1"}`,
		"headers alone":       "Wechatpay-Nonce: a\r\nWechatpay-Serial: b\r\n",
		"headers of no shape": "Wechatpay-Nonce\n\n{}",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := explain.Read([]byte(text), "pay.shop.test"); err == nil || strings.Contains(err.Error(), "EV-1") {
				t.Errorf("read as one: %v", err)
			}
		})
	}
}
