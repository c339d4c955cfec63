package wechatpay_test

import (
	"crypto/aes"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/paysaga/paysaga/internal/payment"
	"github.com/paysaga/paysaga/internal/wechatpay"
	"github.com/paysaga/paysaga/internal/wechattest"
)

const v2Key = "192006250b4c09247ec02edce69f6a2d"

// published is what others printed of APIv2 and of the message server (testdata).
type published struct {
	APIKey  string           `json:"api_key"`
	ReqInfo string           `json:"req_info"`
	Fields  wechattest.Texts `json:"fields"`
	MD5     string           `json:"md5"`
	HMAC    string           `json:"hmac_sha256"`
	Items   []string         `json:"items"`
	SHA1    string           `json:"sha1"`
}

func publishedAs(t *testing.T, name string) published {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var p published
	if err := json.Unmarshal(text, &p); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestTheSignsThatTheOfficialDocumentsPrint(t *testing.T) {
	p := publishedAs(t, "16_v2_sign")
	for kind, sign := range map[string]string{wechatpay.SignMD5: p.MD5, wechatpay.SignHMAC: p.HMAC} {
		v2 := wechatpay.NewV2(p.APIKey, kind)
		if _, err := v2.Open([]byte(p.Fields.With(wechattest.Texts{"sign": sign}).XML("xml"))); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		_, err := v2.Open([]byte(p.Fields.With(wechattest.Texts{"sign": sign, "body": "Test"}).XML("xml")))
		if payment.CodeOf(err) != "signature" {
			t.Errorf("%s over other words: %v", kind, err)
		}
	}
}

func TestTheRefundThatOthersRecorded(t *testing.T) {
	p := publishedAs(t, "15_v2_refund_req_info")
	body := wechattest.Texts{"return_code": "SUCCESS", "req_info": p.ReqInfo}.XML("xml")
	got, err := wechatpay.NewV2(p.APIKey, "").Open([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"out_refund_no":"50fd012ed1b311e7af7800163e32c503","out_trade_no":"4893e76d8c8b434cb64e9cd536338e33",` +
		`"refund_status":"SUCCESS","transaction_id":"4200000015201711256947025404"}`
	if diff := cmp.Diff(want, string(got.Plaintext)); diff != "" || got.EventType != "REFUND.SUCCESS" {
		t.Errorf("%s %s", got.EventType, diff)
	}
	if _, err := wechatpay.NewV2(v2Key, "").Open([]byte(body)); payment.KindOf(err) != payment.Refused || payment.CodeOf(err) != "req_info" {
		t.Errorf("under another key: %v", err)
	}
}

// paid is APIv2's word on a payment, signed with MD5 after some changes.
func paid(changes wechattest.Texts) wechattest.Texts {
	return wechattest.Paid("4200000925202101284997714292", "ORDER1", 12850).With(changes).Signed(v2Key, wechatpay.SignMD5)
}

// blank is paid with an element that holds nothing.
func blank() wechattest.Texts {
	told := paid(nil)
	told["device_info"] = ""
	return told
}

func TestWhatAPIv2IsReadAs(t *testing.T) {
	const plain = `{"amount":{"currency":"CNY","total":12850},"appid":"wxd678efh567hg6787","mchid":"1230000109",` +
		`"out_trade_no":"ORDER1","success_time":"2026-11-22T10:34:56+08:00","trade_state":"SUCCESS","transaction_id":"4200000925202101284997714292"}`
	with := func(old, new string) string { return strings.Replace(plain, old, new, 1) }
	refund := func(status string) wechattest.Texts {
		return wechattest.RefundTold(v2Key, wechattest.Texts{"transaction_id": "42", "out_trade_no": "ORDER1", "out_refund_no": "R42", "refund_status": status})
	}
	refunded := func(status string) string {
		return `{"out_refund_no":"R42","out_trade_no":"ORDER1","refund_status":"` + status + `","transaction_id":"42"}`
	}
	for name, row := range map[string]struct {
		told      wechattest.Texts
		event     string
		plaintext string
	}{
		"a payment":                            {paid(nil), "TRANSACTION.SUCCESS", plain},
		"a payment signed with HMAC":           {wechattest.Paid("4200000925202101284997714292", "ORDER1", 12850).Signed(v2Key, wechatpay.SignHMAC), "TRANSACTION.SUCCESS", plain},
		"a payment that tells its sign_type":   {paid(wechattest.Texts{"sign_type": "MD5"}), "TRANSACTION.SUCCESS", plain},
		"a field that nobody documents":        {paid(wechattest.Texts{"coupon_fee_7": "1", "new_field": "新"}), "TRANSACTION.SUCCESS", plain},
		"an empty field, which no sign covers": {blank(), "TRANSACTION.SUCCESS", plain},
		"no fee_type, which means CNY":         {paid(wechattest.Texts{"fee_type": ""}), "TRANSACTION.SUCCESS", plain},
		"another currency":                     {paid(wechattest.Texts{"fee_type": "USD"}), "TRANSACTION.SUCCESS", with("CNY", "USD")},
		"another state":                        {paid(wechattest.Texts{"trade_state": "REFUND"}), "TRANSACTION.SUCCESS", with(`"SUCCESS"`, `"REFUND"`)},
		"no time":                              {paid(wechattest.Texts{"time_end": ""}), "TRANSACTION.SUCCESS", with(`"success_time":"2026-11-22T10:34:56+08:00",`, "")},
		"an amount with a point stays a text":  {paid(wechattest.Texts{"total_fee": "128.50"}), "TRANSACTION.SUCCESS", with("12850", `"128.50"`)},
		"an amount with a leading zero":        {paid(wechattest.Texts{"total_fee": "012850"}), "TRANSACTION.SUCCESS", with("12850", `"012850"`)},
		"an amount with space around":          {paid(wechattest.Texts{"total_fee": " 12850"}), "TRANSACTION.SUCCESS", with("12850", `" 12850"`)},
		"a service provider's":                 {paid(wechattest.Texts{"sub_mch_id": "9"}), "TRANSACTION.SUCCESS", with(`"success_time"`, `"sub_mchid":"9","success_time"`)},
		"a result that is no success":          {paid(wechattest.Texts{"result_code": "FAIL"}), "TRANSACTION.FAIL", plain},
		"no result":                            {paid(wechattest.Texts{"result_code": ""}), "TRANSACTION.FAIL", plain},
		"no return code":                       {paid(wechattest.Texts{"return_code": ""}), "TRANSACTION.FAIL", plain},
		"a failure that is signed":             {paid(wechattest.Texts{"return_code": "FAIL"}), "APIV2.FAIL", "{}"},
		"a failure that is not":                {wechattest.Texts{"return_code": "FAIL", "return_msg": "x"}, "", ""},
		"a refund":                             {refund("SUCCESS"), "REFUND.SUCCESS", refunded("SUCCESS")},
		"a service provider's refund":          {refund("SUCCESS").With(wechattest.Texts{"sub_mch_id": "9"}), "REFUND.SUCCESS", strings.Replace(refunded("SUCCESS"), `"transaction_id"`, `"sub_mchid":"9","transaction_id"`, 1)},
		"a refund gone wrong":                  {refund("CHANGE"), "REFUND.ABNORMAL", refunded("ABNORMAL")},
		"a refund that was closed":             {refund("REFUNDCLOSE"), "REFUND.CLOSED", refunded("CLOSED")},
		"a refund of a status nobody knows":    {refund("ABNORMAL"), "REFUND.UNKNOWN", refunded("")},
		"a refund that failed to be told":      {refund("SUCCESS").With(wechattest.Texts{"return_code": "FAIL"}), "APIV2.FAIL", "{}"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := wechatpay.NewV2(v2Key, "").Open([]byte(row.told.XML("xml")))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(row.plaintext, string(got.Plaintext)); diff != "" || got.EventType != row.event {
				t.Errorf("event %q, want %q %s", got.EventType, row.event, diff)
			}
			if (got.ID == "") != (row.event == "") {
				t.Errorf("named %q", got.ID)
			}
		})
	}
}

func TestWhatAPIv2DoesNotProve(t *testing.T) {
	hmac := paid(nil).Signed(v2Key, wechatpay.SignHMAC)
	info := wechattest.RefundTold(v2Key, wechattest.Texts{"out_refund_no": "R42"})
	sealed := func(plaintext string) wechattest.Texts {
		return wechattest.Texts{"return_code": "SUCCESS", "req_info": wechattest.SealV2(v2Key, plaintext)}
	}
	for name, row := range map[string]struct {
		told  wechattest.Texts
		only  string
		check string
	}{
		"V2X-06 MD5 where only HMAC is taken":      {paid(wechattest.Texts{"sign_type": "MD5"}), wechatpay.SignHMAC, "signature"},
		"MD5 where only HMAC is taken, untold":     {paid(nil), wechatpay.SignHMAC, "signature"},
		"HMAC where only MD5 is taken":             {hmac, wechatpay.SignMD5, "signature"},
		"V2X-08 no sign":                           {paid(nil).With(wechattest.Texts{"sign": ""}), "", "signature"},
		"a sign_type that nobody knows":            {paid(wechattest.Texts{"sign_type": "SHA1"}), "", "signature"},
		"a sign_type in lower case":                {paid(wechattest.Texts{"sign_type": "md5"}), "", "signature"},
		"a sign_type that is not the sign's":       {paid(wechattest.Texts{"sign_type": wechatpay.SignHMAC}), "", "signature"},
		"a sign in lower case":                     {paid(nil).With(wechattest.Texts{"sign": strings.ToLower(paid(nil)["sign"])}), "", "signature"},
		"half a sign":                              {paid(nil).With(wechattest.Texts{"sign": paid(nil)["sign"][:16]}), "", "signature"},
		"a sign under another key":                 {paid(nil).Signed(strings.ToUpper(v2Key), wechatpay.SignMD5), "", "signature"},
		"a field changed":                          {paid(nil).With(wechattest.Texts{"total_fee": "1"}), "", "signature"},
		"a field added":                            {paid(nil).With(wechattest.Texts{"attach2": "1"}), "", "signature"},
		"a field taken away":                       {paid(nil).With(wechattest.Texts{"attach": ""}), "", "signature"},
		"a failure with a false sign":              {paid(nil).With(wechattest.Texts{"return_code": "FAIL"}), "", "signature"},
		"a refund with a false sign":               {info.With(wechattest.Texts{"sign": paid(nil)["sign"]}), "", "signature"},
		"a refund's fields in the open":            {wechattest.Texts{"return_code": "SUCCESS", "out_refund_no": "R42", "refund_status": "SUCCESS"}, "", "signature"},
		"req_info under another key":               {wechattest.RefundTold(strings.ToUpper(v2Key), nil), "", "req_info"},
		"req_info that is no base64":               {info.With(wechattest.Texts{"req_info": "!"}), "", "req_info"},
		"req_info of white space":                  {info.With(wechattest.Texts{"req_info": "\n"}), "", "req_info"},
		"req_info of half a block":                 {info.With(wechattest.Texts{"req_info": "AAAAAAAAAAA="}), "", "req_info"},
		"req_info with a block moved":              {info.With(wechattest.Texts{"req_info": swapped(info["req_info"])}), "", "req_info"},
		"a failure with req_info that is not ours": {info.With(wechattest.Texts{"return_code": "FAIL", "req_info": "AAAA"}), "", "req_info"},
		"req_info with an <xml> inside":            {sealed("<xml><out_refund_no>R42</out_refund_no></xml>"), "", "req_info"},
		"req_info with a document type":            {sealed("<!DOCTYPE root><root><out_refund_no>R42</out_refund_no></root>"), "", "req_info"},
		"req_info with elements in elements":       {sealed("<root><a><out_refund_no>R42</out_refund_no></a></root>"), "", "req_info"},
		"req_info with nothing in it":              {sealed(""), "", "req_info"},
		"req_info with padding that is too long":   {info.With(wechattest.Texts{"req_info": padded("<root/>        " + strings.Repeat("\x11", 17))}), "", "req_info"},
		"req_info with padding of nothing":         {info.With(wechattest.Texts{"req_info": padded("<root/>        \x00")}), "", "req_info"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := wechatpay.NewV2(v2Key, row.only).Open([]byte(row.told.XML("xml")))
			if payment.KindOf(err) != payment.Refused || payment.CodeOf(err) != row.check {
				t.Errorf("opened as %s %s: %v", got.EventType, got.Plaintext, err)
			}
		})
	}
}

// A repeat has the same name, whatever its nonce; anything else said has another.
func TestAPIv2sNoticesAreNamedByWhatTheySay(t *testing.T) {
	name := func(told wechattest.Texts) string {
		got, err := wechatpay.NewV2(v2Key, "").Open([]byte(told.XML("xml")))
		if err != nil {
			t.Fatal(err)
		}
		return got.ID
	}
	first := name(paid(nil))
	if again := name(paid(wechattest.Texts{"nonce_str": "another"})); again != first {
		t.Errorf("a repeat is %s, and was %s", again, first)
	}
	if other := name(paid(wechattest.Texts{"attach": "another"})); other == first {
		t.Errorf("another notification is %s as well", other)
	}
}

// swapped is a req_info whose first two blocks changed places.
func swapped(info string) string {
	text, err := base64.StdEncoding.DecodeString(info)
	if err != nil {
		panic(err) // it was made here
	}
	return base64.StdEncoding.EncodeToString(append(append(text[16:32:32], text[:16]...), text[32:]...))
}

// padded is a req_info of whole blocks of 16, with such padding as they hold.
func padded(blocks string) string {
	sum := md5.Sum([]byte(v2Key))
	block, err := aes.NewCipher([]byte(hex.EncodeToString(sum[:])))
	if err != nil {
		panic(err) // of 32 bytes it cannot fail
	}
	text := []byte(blocks)
	for at := text; len(at) > 0; at = at[aes.BlockSize:] {
		block.Encrypt(at, at)
	}
	return base64.StdEncoding.EncodeToString(text)
}

func TestOnlyFlatXMLIsAPIv2(t *testing.T) {
	for name, body := range map[string]string{
		"nothing":              "",
		"JSON":                 `{"return_code":"FAIL"}`,
		"elements in elements": `<xml><return_code>FAIL</return_code><a><b>1</b></a></xml>`,
		"V2X-05 a fee twice":   strings.Replace(paid(nil).XML("xml"), "<total_fee>", "<total_fee>1</total_fee><total_fee>", 1),
		"V2X-04 a doctype":     "<!DOCTYPE xml>" + paid(nil).XML("xml"),
		"another root":         paid(nil).XML("root"),
	} {
		if _, err := wechatpay.NewV2(v2Key, "").Open([]byte(body)); payment.KindOf(err) != payment.Invalid || payment.CodeOf(err) != "malformed" {
			t.Errorf("%s: %v", name, err)
		}
	}
}
