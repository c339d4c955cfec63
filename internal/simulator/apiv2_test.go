package simulator

import (
	"bytes"
	"crypto/aes"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSignaturesOfTheV2Documentation(t *testing.T) {
	fields := map[string]string{
		"appid": "wxd930ea5d5a258f4f", "mch_id": "10000100", "device_info": "1000", "body": "test", "nonce_str": "ibuaiVcKdpRxkhJA",
		"empty": "", "sign": "not signed",
	}
	const key = "192006250b4c09247ec02edce69f6a2d"
	if got := signV2(fields, key, signMD5); got != "9A0A8659F005D6984697E2CA0A9CF3B7" {
		t.Errorf("MD5: %s", got)
	}
	if got := signV2(fields, key, signHMAC); got != "6A9AE1657590FD6257D693A078E1C3E4BB6BA4DC30B23E0EE2496E54170DACD6" {
		t.Errorf("HMAC-SHA256: %s", got)
	}
}

// openV2 is the way back from sealV2, written for the published sample below.
func openV2(t *testing.T, key, sealed string) []byte {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil {
		t.Fatal(err)
	}
	sum := md5.Sum([]byte(key))
	block, err := aes.NewCipher([]byte(hex.EncodeToString(sum[:])))
	if err != nil {
		t.Fatal(err)
	}
	for at := raw; len(at) > 0; at = at[aes.BlockSize:] {
		block.Decrypt(at, at)
	}
	return raw[:len(raw)-int(raw[len(raw)-1])]
}

func TestReqInfoOfThePublishedSample(t *testing.T) {
	var sample struct {
		Key     string `json:"api_key"`
		ReqInfo string `json:"req_info"`
	}
	if err := json.Unmarshal([]byte(readFile(t, "testdata/15_v2_refund_req_info.json")), &sample); err != nil {
		t.Fatal(err)
	}
	plaintext := openV2(t, sample.Key, sample.ReqInfo)
	if !bytes.HasPrefix(plaintext, []byte("<root>")) {
		t.Fatalf("opened: %q", plaintext)
	}
	if again, err := sealV2(sample.Key, plaintext); err != nil || again != sample.ReqInfo {
		t.Errorf("sealed again it differs: %v", err)
	}
}

// merchantV2 receives APIv2 notifications and takes those whose sign is good.
type merchantV2 struct {
	*httptest.Server
	mu   sync.Mutex
	seen []map[string]string
}

func (w *world) merchantV2(answer func(n int, good bool) string) *merchantV2 {
	m := &merchantV2{}
	m.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fields := readXML(w.t, body)
		fields["path"] = r.URL.Path
		m.mu.Lock()
		m.seen = append(m.seen, fields)
		n := len(m.seen)
		m.mu.Unlock()
		sign := fields["sign"]
		signType := map[int]string{32: signMD5, 64: signHMAC}[len(sign)]
		signed := map[string]string{}
		for name, value := range fields {
			if name != "path" {
				signed[name] = value
			}
		}
		io.WriteString(rw, answer(n, sign != "" && sign == signV2(signed, w.account.APIv2Key, signType)))
	}))
	w.t.Cleanup(m.Close)
	return m
}

func (m *merchantV2) received() []map[string]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]map[string]string{}, m.seen...)
}

const (
	thanksV2  = `<xml><return_code><![CDATA[SUCCESS]]></return_code><return_msg><![CDATA[OK]]></return_msg></xml>`
	refusalV2 = `<xml><return_code><![CDATA[FAIL]]></return_code></xml>`
)

func saneV2(_ int, good bool) string {
	if good {
		return thanksV2
	}
	return refusalV2
}

// readXML is a flat document as a map.
func readXML(t *testing.T, raw []byte) map[string]string {
	t.Helper()
	var document struct {
		Fields []struct {
			XMLName xml.Name
			Text    string `xml:",chardata"`
		} `xml:",any"`
	}
	if err := xml.Unmarshal(raw, &document); err != nil {
		t.Errorf("not XML: %v in %s", err, raw)
	}
	fields := map[string]string{}
	for _, f := range document.Fields {
		fields[f.XMLName.Local] = f.Text
	}
	return fields
}

func TestPaymentIsToldByV2(t *testing.T) {
	w := start(t)
	m := w.merchantV2(func(n int, good bool) string {
		if n == 1 {
			return `{"code":"SUCCESS"}` // 200, but not the yes that APIv2 wants
		}
		return saneV2(n, good)
	})
	var paid PayAnswer
	w.steer("/orders/order-1/pay", PayRequest{AmountFen: 100, PayerFen: 90, NotifyURL: m.URL + "/notify", V2: true}, &paid)
	eventually(t, "the notice is done", func() bool { return w.noticeOf("order-1").Done })
	seen := m.received()
	if len(seen) != 2 || w.noticeOf("order-1").Attempts > len(w.Retry) {
		t.Fatalf("%d attempts", len(seen))
	}
	got := map[string]string{}
	for _, name := range []string{"path", "return_code", "result_code", "transaction_id", "out_trade_no", "total_fee", "cash_fee", "coupon_fee", "mch_id", "sign_type", "attach"} {
		got[name] = seen[1][name]
	}
	want := map[string]string{
		"path": "/notify/v2", "return_code": "SUCCESS", "result_code": "SUCCESS", "transaction_id": paid.TransactionID, "out_trade_no": "order-1",
		"total_fee": "100", "cash_fee": "90", "coupon_fee": "10", "mch_id": w.account.MchID, "sign_type": "", "attach": "",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

func TestProbeGoesFirstInV2Too(t *testing.T) {
	w := start(t)
	m := w.merchantV2(func(n int, good bool) string {
		if good != (n > 1) {
			t.Errorf("attempt %d is signed well: %v", n, good)
		}
		return saneV2(n, good)
	})
	w.steer("/orders/order-1/pay", PayRequest{AmountFen: 100, NotifyURL: m.URL, V2: true, SignTest: true}, nil)
	eventually(t, "the notice is done", func() bool { return w.noticeOf("order-1").Done })
	if n := len(m.received()); n != 2 {
		t.Errorf("%d attempts", n)
	}
}

func TestAnyV2Notification(t *testing.T) {
	w := start(t)
	m := w.merchantV2(saneV2)
	w.pays("order-1")
	raw := "<!DOCTYPE xml><xml/>"
	for name, tc := range map[string]struct {
		send  V2Notification
		taken bool
		field string
		value string
	}{
		"signed with MD5":                     {V2Notification{SignType: "MD5"}, true, "sign_type", ""},
		"signed with HMAC":                    {V2Notification{SignType: "HMAC-SHA256"}, true, "sign_type", "HMAC-SHA256"},
		"signed with HMAC and not saying so":  {V2Notification{SignType: "HMAC-SHA256", Fields: map[string]string{"sign_type": ""}}, true, "sign_type", ""},
		"a field nobody knows":                {V2Notification{Fields: map[string]string{"new_field": "a]]>b & <c>"}}, true, "new_field", "a]]>b & <c>"},
		"a field is missing":                  {V2Notification{Fields: map[string]string{"total_fee": ""}}, true, "total_fee", ""},
		"another amount":                      {V2Notification{Fields: map[string]string{"total_fee": "1"}}, true, "total_fee", "1"},
		"signed with another key":             {V2Notification{Tamper: "signature"}, false, "total_fee", "100"},
		"another amount than was signed":      {V2Notification{Tamper: "body"}, false, "total_fee", "1000"},
		"not signed":                          {V2Notification{Fields: map[string]string{"sign": ""}}, false, "sign", ""},
		"whatever else, sent as it was given": {V2Notification{RawBody: &raw}, false, "sign", ""},
	} {
		t.Run(name, func(t *testing.T) {
			tc.send.URL, tc.send.OutTradeNo = m.URL, "order-1"
			var got NotificationAnswer
			w.steer("/v2/notifications", tc.send, &got)
			if taken := saysSuccess([]byte(got.Body)); taken != tc.taken || got.Status != http.StatusOK {
				t.Errorf("%d %s, taken %v", got.Status, got.Body, taken)
			}
			seen := m.received()
			if value := seen[len(seen)-1][tc.field]; value != tc.value {
				t.Errorf("%s is %q, want %q", tc.field, value, tc.value)
			}
		})
	}
	for name, in := range map[string]V2Notification{
		"no address":      {OutTradeNo: "order-1"},
		"no such kind":    {URL: m.URL, Kind: "coupon", OutTradeNo: "order-1"},
		"no such sign":    {URL: m.URL, SignType: "SM3", OutTradeNo: "order-1"},
		"no such tamper":  {URL: m.URL, Tamper: "ciphertext", OutTradeNo: "order-1"},
		"no such refund":  {URL: m.URL, Kind: "refund", OutTradeNo: "order-1"},
		"no such payment": {URL: m.URL, TransactionID: "4200", OutTradeNo: "order-1"},
	} {
		if status, _ := w.try(http.MethodPost, "/v2/notifications", in); status != http.StatusUnprocessableEntity && status != http.StatusNotFound {
			t.Errorf("%s: %d", name, status)
		}
	}
}

func TestRefundIsToldByV2(t *testing.T) {
	for ending, want := range map[string]string{"normal": "SUCCESS", "abnormal": "CHANGE", "closed": "REFUNDCLOSE"} {
		w := start(t)
		m := w.merchantV2(saneV2)
		id := w.pays("order-1")
		w.steer("/orders/order-1/plan", Plan{Refund: ending}, nil)
		if _, err := w.refund(id, "R1", 60, 100); err != nil {
			t.Fatal(code(err))
		}
		eventually(t, "the refund has ended", func() bool { return w.queryRefundStatus("R1") != "PROCESSING" })
		w.steer("/v2/notifications", V2Notification{URL: m.URL, Kind: "refund", OutTradeNo: "order-1"}, nil)
		w.steer("/v2/notifications", V2Notification{URL: m.URL, Kind: "refund", OutTradeNo: "order-1",
			Fields: map[string]string{"refund_fee": "61", "mch_id": "1900000000"}}, nil)
		w.steer("/v2/notifications", V2Notification{URL: m.URL, Kind: "refund", OutTradeNo: "order-1", Tamper: "ciphertext"}, nil)
		seen := m.received()
		plaintext := openV2(t, w.account.APIv2Key, seen[0]["req_info"])
		inside := readXML(t, plaintext)
		if !strings.HasPrefix(string(plaintext), "<root>") || inside["refund_status"] != want || inside["refund_fee"] != "60" || inside["out_refund_no"] != "R1" {
			t.Errorf("%s: told %s", ending, plaintext)
		}
		if seen[0]["sign"] != "" || seen[0]["mch_id"] != w.account.MchID {
			t.Errorf("%s: outside is %v", ending, seen[0])
		}
		if inside := readXML(t, openV2(t, w.account.APIv2Key, seen[1]["req_info"])); inside["refund_fee"] != "61" || seen[1]["mch_id"] != "1900000000" {
			t.Errorf("%s: changed, it says %v in %v", ending, inside, seen[1])
		}
		if bytes.Contains(openBroken(t, w.account.APIv2Key, seen[2]["req_info"]), []byte("</root>")) {
			t.Errorf("%s: spoilt, it still opens", ending)
		}
	}
}

// openBroken opens what may have no padding any more.
func openBroken(t *testing.T, key, sealed string) (opened []byte) {
	t.Helper()
	defer func() {
		if recover() != nil {
			opened = nil
		}
	}()
	return openV2(t, key, sealed)
}
