package wechatpay_test

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/paysaga/paysaga/internal/payment"
	"github.com/paysaga/paysaga/internal/wechatpay"
	"github.com/paysaga/paysaga/internal/wechattest"
)

// captured is a callback that somebody else recorded or published (testdata).
type captured struct {
	APIv3Key  string            `json:"apiv3_key"`
	Headers   map[string]string `json:"headers"`
	Body      string            `json:"body"`
	Plaintext string            `json:"plaintext"`
	Cases     []captured        `json:"cases"`
}

func capture(t *testing.T, name string) captured {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var c captured
	if err := json.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// keysFor knows the public key of a certificate under the serial that headers
// name, at the time they name.
func keysFor(t *testing.T, certificate, apiV3Key string, headers map[string]string) *wechatpay.Keys {
	t.Helper()
	text, err := os.ReadFile("testdata/" + certificate)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(cert.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := wechatpay.NewKeys(wechatpay.KeyMaterial{
		PublicKeyID: headers["Wechatpay-Serial"],
		PublicKey:   string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
		APIv3Key:    apiV3Key,
	})
	if err != nil {
		t.Fatal(err)
	}
	var seconds int64
	if err := json.Unmarshal([]byte(headers["Wechatpay-Timestamp"]), &seconds); err != nil {
		t.Fatal(err)
	}
	keys.Now = func() time.Time { return time.Unix(seconds+10, 0) }
	return keys
}

func headerOf(headers map[string]string) http.Header {
	h := http.Header{}
	for name, value := range headers {
		h.Set(name, value)
	}
	return h
}

func TestCallbacksThatOthersRecorded(t *testing.T) {
	for name, want := range map[string]payment.Notice{
		"05_gunsluo_notify_transaction_success": {
			ID: "b62e271c-3389-58a0-8146-4a704966e8f1", EventType: "TRANSACTION.SUCCESS", OriginalType: "transaction"},
		"06_gunsluo_notify_refund_success": {
			ID: "9971e868-2144-58dd-99ae-df4c76ccde42", EventType: "REFUND.SUCCESS", OriginalType: "refund"},
	} {
		t.Run(name, func(t *testing.T) {
			c := capture(t, name)
			keys := keysFor(t, "gunsluo_cert.pem", c.APIv3Key, c.Headers)
			got, err := keys.Open(t.Context(), headerOf(c.Headers), []byte(c.Body))
			if err != nil {
				t.Fatal(err)
			}
			if !json.Valid(got.Plaintext) {
				t.Errorf("the plaintext is no JSON")
			}
			got.Plaintext = nil
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			_, err = keys.Open(t.Context(), headerOf(c.Headers), []byte(c.Body+" "))
			if payment.CodeOf(err) != "signature" {
				t.Errorf("with one space more: %v", err)
			}
		})
	}
}

// What is inside is not Open's business: it opens, and the desk finds it unusable.
func TestAPlaintextThatIsNoJSONStillOpens(t *testing.T) {
	c := capture(t, "07_gunsluo_notify_plaintext_not_json")
	for _, one := range c.Cases {
		keys := keysFor(t, "gunsluo_cert.pem", c.APIv3Key, one.Headers)
		notice, err := keys.Open(t.Context(), headerOf(one.Headers), []byte(one.Body))
		if err != nil || json.Valid(notice.Plaintext) {
			t.Errorf("%v, plaintext %q", err, notice.Plaintext)
		}
	}
}

// The official SDK's own vector: its signature is good. Its APIv3 key has 16
// bytes, which no merchant's has, so it cannot be opened with a key of ours.
func TestTheOfficialVectorsSignatureIsGood(t *testing.T) {
	c := capture(t, "01_sdkgo_notify_payscore")
	keys := keysFor(t, "sdkgo_platform_cert_D7CE59D1F522D701.pem", newKeyText, c.Headers)
	notice, err := keys.Open(t.Context(), headerOf(c.Headers), []byte(c.Body))
	if payment.CodeOf(err) != "cannot_decrypt" || notice.EventType != "PAYSCORE.USER_OPEN_SERVICE" {
		t.Errorf("%v, notice %+v", err, notice)
	}
}

func TestTheProbeThatWeChatSent(t *testing.T) {
	c := capture(t, "18_signtest_probe")
	keys := keysFor(t, "gunsluo_cert.pem", newKeyText, c.Headers)
	_, err := keys.Open(t.Context(), headerOf(c.Headers), []byte(`{"id":"x"}`))
	if payment.KindOf(err) != payment.Refused || payment.CodeOf(err) != "signtest" {
		t.Errorf("Open: %v", err)
	}
}

// BenchmarkOpen is what a good callback costs before the database is asked.
func BenchmarkOpen(b *testing.B) {
	platform := wechattest.NewPlatform(b, "PUB_KEY_ID_01", newKeyText)
	keys, err := wechatpay.NewKeys(wechatpay.KeyMaterial{
		PublicKeyID: platform.Serial, PublicKey: platform.PublicPEM(), APIv3Key: newKeyText,
	})
	if err != nil {
		b.Fatal(err)
	}
	body := platform.Envelope("b62e271c", "TRANSACTION.SUCCESS", "transaction",
		wechattest.Transaction("4200000925202101284997714292", "ORDER1", 12850).JSON()).JSON()
	header := platform.Sign(time.Now(), body)
	for b.Loop() {
		if _, err := keys.Open(b.Context(), header, []byte(body)); err != nil {
			b.Fatal(err)
		}
	}
}
