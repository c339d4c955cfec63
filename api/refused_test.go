package api_test

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/paysaga/paysaga/internal/wechattest"
)

// Every way in which a callback is not proved to be WeChat's. The answer is the
// same for all, and nothing is written, nor even asked of the database.
func TestWhatNobodyProvedIsRefusedWithoutATrace(t *testing.T) {
	g := newGate(t)
	good := func() letter { return g.payment(freshNumber(), nil) }
	signedAt := func(timestamp string) letter {
		l := good()
		l.header = g.wechat.SignAt(timestamp, l.body)
		return l
	}
	in := func(d time.Duration) letter { return signedAt(strconv.FormatInt(now.Add(d).Unix(), 10)) }
	signature := func(l letter) string { return l.header.Get("Wechatpay-Signature") }
	message := func(l letter) []byte {
		return []byte(l.header.Get("Wechatpay-Timestamp") + "\n" + l.header.Get("Wechatpay-Nonce") + "\n" + l.body + "\n")
	}
	merchant := wechattest.NewPlatform(t, "5157F09EFDC096DE15EBE81A47057A7232F1B8E1", apiV3Key)
	stranger := wechattest.NewPlatform(t, g.wechat.Serial, apiV3Key)

	for name, row := range map[string]struct {
		letter letter
		reason string
	}{
		"HDR-04 no serial":           {good().without("Wechatpay-Serial"), "headers"},
		"HDR-05 none of the headers": {good().without("Wechatpay-Serial", "Wechatpay-Nonce", "Wechatpay-Timestamp", "Wechatpay-Signature"), "headers"},
		"HDR-06 an empty nonce":      {good().with("Wechatpay-Nonce", ""), "headers"},
		"HDR-06 an empty serial":     {good().with("Wechatpay-Serial", ""), "headers"},
		"HDR-06 an empty timestamp":  {good().with("Wechatpay-Timestamp", ""), "headers"},
		"HDR-06 an empty signature":  {good().with("Wechatpay-Signature", ""), "headers"},
		"HDR-07 two timestamps, the first valid": {
			good().with("Wechatpay-Timestamp", strconv.FormatInt(now.Unix(), 10), "1"), "headers"},
		"HDR-09 two known serials":            {good().with("Wechatpay-Serial", g.wechat.Serial, g.cert.Serial), "headers"},
		"HDR-09 the same signature twice":     {func() letter { l := good(); return l.with("Wechatpay-Signature", signature(l), signature(l)) }(), "headers"},
		"HDR-11 a serial nobody knows":        {good().with("Wechatpay-Serial", "5157F09EFDC096DE15EBE81A47057A7232F1B8E2"), "serial"},
		"HDR-12 our own merchant certificate": {func() letter { l := good(); l.header = merchant.Sign(now, l.body); return l }(), "serial"},
		"HDR-14 a path for a serial":          {good().with("Wechatpay-Serial", "../../etc/passwd"), "serial"},
		"HDR-15 a serial of 8 KiB":            {good().with("Wechatpay-Serial", strings.Repeat("A", 8<<10)), "serial"},
		"HDR-22 no signature, but forwarded from WeChat's address": {
			good().without("Wechatpay-Signature").with("X-Forwarded-For", "101.226.103.1").
				with("X-Real-Ip", "101.226.103.1").with("True-Client-Ip", "101.226.103.1"), "headers"},
		"a nonce of 8 KiB":                  {good().with("Wechatpay-Nonce", strings.Repeat("n", 8<<10)), "headers"},
		"a nonce with a space":              {good().with("Wechatpay-Nonce", "a b"), "headers"},
		"signed by the Chinese algorithm":   {good().with("Wechatpay-Signature-Type", "WECHATPAY2-SM2-WITH-SM3"), "headers"},
		"an empty signature type":           {good().with("Wechatpay-Signature-Type", ""), "headers"},
		"two signature types":               {good().with("Wechatpay-Signature-Type", "WECHATPAY2-SHA256-RSA2048", "x"), "headers"},
		"TIM-02 300 s old":                  {in(-300 * time.Second), "time"},
		"TIM-04 300 s ahead":                {in(300 * time.Second), "time"},
		"TIM-06 letters for a timestamp":    {signedAt("abc"), "time"},
		"TIM-08 timestamp 0":                {signedAt("0"), "time"},
		"TIM-09 a timestamp past 64 bits":   {signedAt("99999999999999999999"), "time"},
		"TIM-11 milliseconds":               {signedAt(strconv.FormatInt(now.UnixMilli(), 10)), "time"},
		"TIM-14 a power of ten":             {signedAt("1.7e9"), "time"},
		"a timestamp with a plus sign":      {signedAt("+" + strconv.FormatInt(now.Unix(), 10)), "time"},
		"a timestamp with leading zeros":    {signedAt("000" + strconv.FormatInt(now.Unix(), 10)), "time"},
		"SIG-04 no base64 at all":           {good().with("Wechatpay-Signature", "not base64!"), "signature"},
		"SIG-04 only padding":               {good().with("Wechatpay-Signature", "===="), "signature"},
		"SIG-05 the base64url alphabet":     {good().with("Wechatpay-Signature", urlAlphabet(g)), "signature"},
		"SIG-07 another RSA key":            {func() letter { l := good(); l.header = stranger.Sign(now, l.body); return l }(), "signature"},
		"SIG-09 signed over SHA-1":          {func() letter { l := good(); return l.with("Wechatpay-Signature", overSHA1(g, message(l))) }(), "signature"},
		"SIG-10 an HMAC keyed with our PEM": {func() letter { l := good(); return l.with("Wechatpay-Signature", hmacOf(g, message(l))) }(), "signature"},
		"SIG-11 one space added":            {func() letter { l := good(); l.body += " "; return l }(), "signature"},
		"SIG-12 headers of A, body of B":    {func() letter { l := good(); l.body = good().body; return l }(), "signature"},
		"the certificate's key under the public key's id": {
			func() letter {
				l := good()
				l.header = g.cert.Sign(now, l.body)
				return l.with("Wechatpay-Serial", g.wechat.Serial)
			}(), "signature"},
		"another timestamp than was signed": {good().with("Wechatpay-Timestamp", strconv.FormatInt(now.Unix()+1, 10)), "signature"},
		"another nonce than was signed":     {good().with("Wechatpay-Nonce", "AAAAAAAAAAAA"), "signature"},
		"SIG-01 WeChat's probe":             {probe(good()), "signtest"},
		"SIG-01 a probe longer than a signature": {
			func() letter { l := good(); return l.with("Wechatpay-Signature", "WECHATPAY/SIGNTEST/"+signature(l)) }(), "signtest"},
	} {
		t.Run(name, func(t *testing.T) {
			before, asked := g.rows(t), g.inbox.asked.Load()
			counted := g.counted(t, "callback_rejected_total", row.reason)
			status, header, body := g.post(t, row.letter)
			if status != http.StatusUnauthorized || body != signatureBody {
				t.Errorf("answered %d %s", status, body)
			}
			if got := header.Get("Content-Type"); got != "application/json" {
				t.Errorf("Content-Type %q", got)
			}
			if diff := cmp.Diff(map[string]int64{}, g.grown(t, before)); diff != "" || g.inbox.asked.Load() != asked {
				t.Errorf("left a trace, or asked the database: %s", diff)
			}
			if got := g.counted(t, "callback_rejected_total", row.reason); got != counted+1 {
				t.Errorf("counted as something else than %s", row.reason)
			}
		})
	}
	if got := g.counted(t, "signtest_total", ""); got != 2 {
		t.Errorf("signtest_total is %v, want 2", got)
	}
	if g.wakes.Load() != 0 {
		t.Error("a refused callback woke the relay")
	}
	for _, secret := range []string{"101.226.103.1", wechattest.OpenID, "WECHATPAY/SIGNTEST", apiV3Key} {
		if strings.Contains(g.log.String(), secret) {
			t.Errorf("the log holds %s", secret)
		}
	}
	if !strings.Contains(g.log.String(), "127.0.0.1:") {
		t.Error("the log does not name the socket's address")
	}
}

func probe(l letter) letter {
	const prefix = "WECHATPAY/SIGNTEST/"
	return l.with("Wechatpay-Signature", prefix+l.header.Get("Wechatpay-Signature")[len(prefix):])
}

// urlAlphabet is a good signature whose base64url form differs from its base64 form.
func urlAlphabet(g *gate) string {
	for {
		good := g.payment(freshNumber(), nil).header.Get("Wechatpay-Signature")
		if odd := strings.NewReplacer("+", "-", "/", "_").Replace(good); odd != good {
			return odd
		}
	}
}

func overSHA1(g *gate, message []byte) string {
	sum := sha1.Sum(message)
	signature, err := rsa.SignPKCS1v15(rand.Reader, g.wechat.Key, crypto.SHA1, sum[:])
	if err != nil {
		panic(err)
	}
	return base64.StdEncoding.EncodeToString(signature)
}

func hmacOf(g *gate, message []byte) string {
	mac := hmac.New(sha256.New, []byte(g.wechat.PublicPEM()))
	mac.Write(message)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func TestAProbeCostsNothingAndTheTruthFollows(t *testing.T) {
	g := newGate(t)
	truth := g.payment(freshNumber(), nil)
	if status, _, _ := g.post(t, probe(truth)); status != http.StatusUnauthorized {
		t.Errorf("the probe was answered %d", status)
	}
	if status, _, body := g.post(t, truth); status != http.StatusOK || body != successBody {
		t.Errorf("the truth was answered %d %s", status, body)
	}
	if n := g.Int(t, `select count(*) from inbox`); n != 1 {
		t.Errorf("%d rows in the inbox, want 1", n)
	}
}

func TestACallbackIsGoodForFiveMinutes(t *testing.T) {
	g := newGate(t)
	replay := g.payment(freshNumber(), nil)
	for _, step := range []struct {
		what  string
		ahead time.Duration
		want  int
	}{
		{"TIM-03 our clock is 299 s behind", -299 * time.Second, http.StatusOK},
		{"TIM-01 our clock is 299 s ahead", 299 * time.Second, http.StatusOK},
		{"TIM-18 the same bytes 301 s later", 301 * time.Second, http.StatusUnauthorized},
		{"TIM-19 our clock is six minutes ahead", 6 * time.Minute, http.StatusUnauthorized},
		{"TIM-19 the clock is mended", 0, http.StatusOK},
	} {
		g.ahead.Store(int64(step.ahead))
		if status, _, _ := g.post(t, replay); status != step.want {
			t.Errorf("%s: %d, want %d", step.what, status, step.want)
		}
	}
	if n := g.Int(t, `select seen from inbox`); n != 3 {
		t.Errorf("seen %d times, want 3", n)
	}
}

// SIG-15, without a limit by address, which behind a proxy would hit WeChat: a flood of false ones is refused, each
// for the price of one verification, and the good ones among them all get through.
func TestAFloodOfFalseSignaturesLeavesTheGoodOnesAlone(t *testing.T) {
	g := newGate(t)
	bad := g.payment(freshNumber(), nil).with("Wechatpay-Nonce", "AAAAAAAAAAAA")
	var flood sync.WaitGroup
	for range 8 {
		flood.Go(func() {
			for range 125 {
				if status, _, _ := g.post(t, bad); status != http.StatusUnauthorized {
					t.Errorf("a false one was answered %d", status)
				}
			}
		})
	}
	for range 20 {
		if status, _, body := g.post(t, g.payment(freshNumber(), nil)); status != http.StatusOK {
			t.Errorf("a good one was answered %d %s", status, body)
		}
	}
	flood.Wait()
	if n := g.Int(t, `select count(*) from inbox`); n != 20 {
		t.Errorf("%d rows in the inbox, want 20", n)
	}
}
