package wechatpay_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paysaga/paysaga/internal/wechatpay"
)

const (
	platformSerial = "PUB_KEY_ID_0000000000000000000000000000000001"
	canary         = "canary-9f2b" // planted in answers, and never to be found in an error
)

// platformKey signs as WeChat Pay; merchantKey as the merchant.
var platformKey, merchantKey = sync.OnceValue(newKey), sync.OnceValue(newKey)

func newKey() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
}

// fakeWeChat gives one answer to everything, signed unless told otherwise.
type fakeWeChat struct {
	status   int
	body     string
	header   http.Header
	unsigned bool

	mu    sync.Mutex
	heard []string // method, path and body of each call
}

func (f *fakeWeChat) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	f.mu.Lock()
	f.heard = append(f.heard, strings.TrimSpace(r.Method+" "+r.RequestURI+" "+string(body)))
	f.mu.Unlock()
	for name, values := range f.header {
		w.Header()[name] = values
	}
	w.Header().Set("Request-Id", "08F0A1-268447840")
	w.Header().Set("X-Canary", canary)
	if !f.unsigned {
		signAnswer(w.Header(), f.body)
	}
	w.WriteHeader(f.status)
	io.WriteString(w, f.body)
}

func signAnswer(h http.Header, body string) {
	timestamp, nonce := strconv.FormatInt(time.Now().Unix(), 10), "593BEC0C930BF1AFEB40B4A08C8FB242"
	sum := sha256.Sum256([]byte(timestamp + "\n" + nonce + "\n" + body + "\n"))
	signature, err := rsa.SignPKCS1v15(nil, platformKey(), crypto.SHA256, sum[:])
	if err != nil {
		panic(err)
	}
	h.Set("Wechatpay-Timestamp", timestamp)
	h.Set("Wechatpay-Nonce", nonce)
	h.Set("Wechatpay-Serial", platformSerial)
	h.Set("Wechatpay-Signature", base64.StdEncoding.EncodeToString(signature))
}

// dial returns a client of the WeChat at base, and at backup if that is not "".
func dial(t testing.TB, base, backup string) *wechatpay.Client {
	t.Helper()
	public, err := x509.MarshalPKIXPublicKey(&platformKey().PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := wechatpay.NewKeys(wechatpay.KeyMaterial{
		PublicKeyID: platformSerial,
		PublicKey:   string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})),
		APIv3Key:    strings.Repeat("k", 32),
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg := wechatpay.Config{
		MchID: "1900000001", MchSerial: "4A", PrivateKey: merchantKey(), Verifier: keys,
		BaseURL: mustURL(t, base), PublicURL: mustURL(t, "https://pay.shop.test/base"),
	}
	if backup != "" {
		cfg.BackupURL = mustURL(t, backup)
	}
	client, err := wechatpay.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func mustURL(t testing.TB, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func serve(t testing.TB, h http.Handler) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

// wantDiscreet fails if an error, printed in any way, shows what a stranger said or
// what we signed.
func wantDiscreet(t *testing.T, err error) {
	t.Helper()
	for e := err; e != nil; {
		for _, secret := range []string{canary, "Wechatpay-", "WECHATPAY2", "signature=", "\n"} {
			if strings.Contains(fmt.Sprintf("%v %+v", e, e), secret) {
				t.Errorf("the error shows %q: %+v", secret, e)
			}
		}
		wrapper, ok := e.(interface{ Unwrap() error })
		if !ok {
			return
		}
		e = wrapper.Unwrap()
	}
}
