package simulator

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// The published samples: WeChat's documentation (request signature, with its test
// key), wechatpay-java (AES-GCM) and the Standard Webhooks libraries.

func TestSignatureOfTheDocumentation(t *testing.T) {
	block, _ := pem.Decode([]byte(strings.ReplaceAll(readFile(t, "testdata/docs_merchant_TESTING_key.pem"), "TESTING", "PRIVATE")))
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	got, err := sign(key, "GET", "/v3/refund/domestic/refunds/123123123123", "1554208460", "593BEC0C930BF1AFEB40B4A08C8FB242", "")
	if err != nil {
		t.Fatal(err)
	}
	const want = "Lc9VXxmeonkdV8Xk9tmigQFLhl0vRWTerdmoRu01aAnYwIrD/5nsSwE1WlmZGLRlAFTNQ3QsMa0+VRDlJp1Wp5p0nO8EK68b5sJBbjouxaFciIfq1zfDWWz+jqhcMoKXI1A6dPm1AW7D4d30WsMTNzp6g23OXakIsh9LO3lUmwvTuE0BY8ncf6tNGk4wKmvXwERd/ZpoQY3MAVKz+Nakwc+2XBmzT66KcUehU5kr4IvGa/lEU5RZb/q00zP9VLdBhC/jQSX3X1UcJLCtEc4gTmib4tnmAT+bHF/e17ZAuxDNcx6rqT8gNEXqaJGG+1OflMSTU2tpyG65G4dMKdFcoA=="
	if got != want {
		t.Errorf("signature %s", got)
	}
}

func TestSealOfTheJavaSDK(t *testing.T) {
	got, err := seal("a7cde1ZJB1kG2e7VfTs3jQzaWizur8Gb", "uluk4a9R25RW", "associatedData", []byte("message"))
	if err != nil || got != "ulwSiIajGClcvcOYvOQ7+l+0PAbzzwI=" {
		t.Errorf("sealed %s, %v", got, err)
	}
}

func TestWebhookOfTheStandard(t *testing.T) {
	at := time.Unix(1614265330, 0)
	header := http.Header{}
	header.Set("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek")
	header.Set("webhook-timestamp", "1614265330")
	header.Set("webhook-signature", "v1,bm90IHRoaXMgb25l v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
	body := []byte(`{"test": 2432232314}`)
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	if err := verifyWebhook(secret, header, body, at); err != nil {
		t.Error(err)
	}
	for name, fits := range map[string]bool{
		"another body":     verifyWebhook(secret, header, []byte(`{}`), at) == nil,
		"another secret":   verifyWebhook("whsec_AAAA", header, body, at) == nil,
		"six minutes late": verifyWebhook(secret, header, body, at.Add(6*time.Minute)) == nil,
		"six minutes soon": verifyWebhook(secret, header, body, at.Add(-6*time.Minute)) == nil,
	} {
		if fits {
			t.Errorf("%s passed", name)
		}
	}
}

func TestAuthorizationIsExact(t *testing.T) {
	w := start(t)
	a := w.account
	if _, err := w.prepay("order-1", 100); err != nil {
		t.Fatal(code(err))
	}
	now := time.Now()
	query := "/v3/pay/transactions/out-trade-no/order-1?mchid=" + a.MchID
	type claim struct {
		method, path, signed, body string
		mchid, serial, nonce       string
		at                         time.Time
		key                        *rsa.PrivateKey
		scheme                     string
	}
	honest := claim{"GET", query, query, "", a.MchID, a.MchSerial, "n1", now, a.merchant, "WECHATPAY2-SHA256-RSA2048"}
	for name, tc := range map[string]struct {
		change func(*claim)
		want   int
	}{
		"an honest call":                {func(*claim) {}, 200},
		"four minutes old":              {func(c *claim) { c.at = now.Add(-4 * time.Minute) }, 200},
		"six minutes old":               {func(c *claim) { c.at = now.Add(-6 * time.Minute) }, 401},
		"six minutes early":             {func(c *claim) { c.at = now.Add(6 * time.Minute) }, 401},
		"another merchant":              {func(c *claim) { c.mchid = "1900000000" }, 401},
		"another certificate":           {func(c *claim) { c.serial = "00" }, 401},
		"no nonce":                      {func(c *claim) { c.nonce = "" }, 401},
		"another key":                   {func(c *claim) { c.key = a.public.key }, 401},
		"another scheme":                {func(c *claim) { c.scheme = "WECHATPAY2-SM2-WITH-SM3" }, 401},
		"signed without the query":      {func(c *claim) { c.signed = "/v3/pay/transactions/out-trade-no/order-1" }, 401},
		"signed for another body":       {func(c *claim) { c.body = "{}" }, 401},
		"signed for another method":     {func(c *claim) { c.method = "POST" }, 401},
		"signed for the path unescaped": {func(c *claim) { c.path = strings.Replace(query, "order-1", "order%2D1", 1) }, 401},
		"signed for the path as sent": {func(c *claim) {
			c.path = strings.Replace(query, "order-1", "order%2D1", 1)
			c.signed = c.path
		}, 200},
	} {
		t.Run(name, func(t *testing.T) {
			c := honest
			tc.change(&c)
			ts := fmt.Sprint(c.at.Unix())
			signature, err := sign(c.key, "GET", c.signed, ts, c.nonce, "")
			if err != nil {
				t.Fatal(err)
			}
			r, err := http.NewRequest(c.method, w.wechat.URL+c.path, bytes.NewReader([]byte(c.body)))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", fmt.Sprintf(`%s mchid="%s",nonce_str="%s",timestamp="%s",serial_no="%s",signature="%s"`,
				c.scheme, c.mchid, c.nonce, ts, c.serial, signature))
			status, body := do(t, r)
			var told struct{ Code string }
			json.Unmarshal(body, &told)
			if status != tc.want || (status == 401) != (told.Code == "SIGN_ERROR") {
				t.Errorf("%d %s, want %d", status, body, tc.want)
			}
		})
	}
}
