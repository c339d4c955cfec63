package wechatpay

import (
	"strings"
	"testing"

	"github.com/paysaga/paysaga/internal/payment"
	"github.com/paysaga/paysaga/internal/wechattest"
)

// FuzzEnvelope reads and unseals whatever the fuzzer thinks of, as if its
// signature were good (signing would leave it twenty tries a second): nothing may
// panic, and every error is one of two.
func FuzzEnvelope(f *testing.F) {
	const apiV3Key = "0123456789abcdef0123456789abcdef"
	platform := wechattest.NewPlatform(f, "PUB_KEY_ID_01", apiV3Key)
	keys, err := NewKeys(KeyMaterial{PublicKeyID: platform.Serial, PublicKey: platform.PublicPEM(), APIv3Key: apiV3Key})
	if err != nil {
		f.Fatal(err)
	}
	good := platform.Envelope("b62e271c", "TRANSACTION.SUCCESS", "transaction", "{}")
	for _, seed := range []string{
		good.JSON(), "", "null", "{}", "[]", `"x"`, `{"resource":null}`, `{"resource":[]}`,
		good.With(wechattest.Fields{"resource": nil}).JSON(),
		strings.Replace(good.JSON(), `"fdasflkja484"`, `""`, 1),
		strings.Replace(good.JSON(), `"fdasflkja484"`, `"fdasflk"`, 1),
		strings.Replace(good.JSON(), `"associated_data":"transaction"`, `"associated_data":null`, 1),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		sealed, err := readEnvelope(body)
		if err == nil {
			sealed.Notice, err = keys.unseal(sealed)
		}
		switch payment.CodeOf(err) {
		case "malformed", "cannot_decrypt":
		case "":
			if err != nil || sealed.ID == "" || sealed.EventType == "" {
				t.Fatalf("opened as %+v: %v", sealed.Notice, err)
			}
		default:
			t.Fatalf("a signed body is %v", err)
		}
	})
}
