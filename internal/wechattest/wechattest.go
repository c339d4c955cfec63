// Package wechattest plays WeChat Pay's side of a callback in tests: it holds
// the platform's private key, seals resources, and signs bodies, odd ones too.
// It uses the standard library only, so that it shares none of our mistakes.
package wechattest

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"strconv"
	"testing"
	"time"
)

// Platform is one signing key of WeChat's and the APIv3 key it seals with.
type Platform struct {
	Key      *rsa.PrivateKey
	Serial   string
	APIv3Key string // 32 bytes
}

// NewPlatform makes a platform with a fresh 2048-bit key.
func NewPlatform(t testing.TB, serial, apiV3Key string) *Platform {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return &Platform{Key: key, Serial: serial, APIv3Key: apiV3Key}
}

// PublicPEM is the platform's public key as WeChat's console offers it.
func (p *Platform) PublicPEM() string {
	der, err := x509.MarshalPKIXPublicKey(&p.Key.PublicKey)
	if err != nil {
		panic(err) // of an RSA key it cannot fail
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// Certificate makes a platform certificate of the key, good between two times,
// and names the platform by its serial from now on.
func (p *Platform) Certificate(t testing.TB, from, until time.Time) string {
	t.Helper()
	number, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 152))
	if err != nil {
		t.Fatal(err)
	}
	number.SetBit(number, 158, 1) // so that it has 40 hex digits, as WeChat's have
	template := &x509.Certificate{
		SerialNumber: number, NotBefore: from, NotAfter: until,
		Subject: pkix.Name{CommonName: "Tenpay.com sign"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &p.Key.PublicKey, p.Key)
	if err != nil {
		t.Fatal(err)
	}
	p.Serial = fmt.Sprintf("%X", number)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// Fields are the members of a JSON object to be.
type Fields map[string]any

// With returns a copy in which some members are others; a nil value removes one.
func (f Fields) With(changes Fields) Fields {
	changed := maps.Clone(f)
	for key, value := range changes {
		changed[key] = value
		if value == nil {
			delete(changed, key)
		}
	}
	return changed
}

// JSON is the object's text.
func (f Fields) JSON() string {
	text, err := json.Marshal(f)
	if err != nil {
		panic(err) // a test put something into it that is no JSON
	}
	return string(text)
}

// Transaction is a plaintext of TRANSACTION.SUCCESS as WeChat sends it.
func Transaction(transactionID, outTradeNo string, fen int64) Fields {
	return Fields{
		"transaction_id": transactionID, "out_trade_no": outTradeNo,
		"appid": "wxd678efh567hg6787", "mchid": "1230000109",
		"trade_type": "NATIVE", "trade_state": "SUCCESS", "trade_state_desc": "支付成功", "bank_type": "OTHERS",
		"success_time": "2026-11-22T10:34:56+08:00",
		"payer":        Fields{"openid": OpenID},
		"amount":       Fields{"total": fen, "payer_total": fen, "currency": "CNY", "payer_currency": "CNY"},
	}
}

// OpenID is the payer in every transaction. It belongs in no table and no log.
const OpenID = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"

// Envelope seals a plaintext into the notification named id.
func (p *Platform) Envelope(id, event, original, plaintext string) Fields {
	const nonce = "fdasflkja484"
	return Fields{
		"id": id, "create_time": "2026-11-22T10:34:56+08:00", "event_type": event,
		"resource_type": "encrypt-resource", "summary": "支付成功",
		"resource": Fields{
			"original_type": original, "algorithm": "AEAD_AES_256_GCM", "associated_data": original,
			"nonce": nonce, "ciphertext": Seal(p.APIv3Key, nonce, original, plaintext),
		},
	}
}

// Seal encrypts with AES-256-GCM. A nonce of any length but zero is possible.
func Seal(apiV3Key, nonce, associatedData, plaintext string) string {
	block, err := aes.NewCipher([]byte(apiV3Key))
	if err != nil {
		panic(err) // a test's key has the wrong length
	}
	gcm, err := cipher.NewGCMWithNonceSize(block, len(nonce))
	if err != nil {
		panic(err)
	}
	return base64.StdEncoding.EncodeToString(gcm.Seal(nil, []byte(nonce), []byte(plaintext), []byte(associatedData)))
}

// Sign returns the headers WeChat would send with body at a time.
func (p *Platform) Sign(at time.Time, body string) http.Header {
	return p.SignAt(strconv.FormatInt(at.Unix(), 10), body)
}

// SignAt is Sign with a timestamp of any form.
func (p *Platform) SignAt(timestamp, body string) http.Header {
	const nonce = "EcZ9Cmy4Xyx1i6RlJQzLcCyEqDa26NBz"
	sum := sha256.Sum256([]byte(timestamp + "\n" + nonce + "\n" + body + "\n"))
	signature, err := rsa.SignPKCS1v15(rand.Reader, p.Key, crypto.SHA256, sum[:])
	if err != nil {
		panic(err) // of a good key it cannot fail
	}
	return http.Header{
		"Content-Type":             {"application/json"},
		"Wechatpay-Timestamp":      {timestamp},
		"Wechatpay-Nonce":          {nonce},
		"Wechatpay-Serial":         {p.Serial},
		"Wechatpay-Signature":      {base64.StdEncoding.EncodeToString(signature)},
		"Wechatpay-Signature-Type": {"WECHATPAY2-SHA256-RSA2048"},
		"Request-Id":               {"08E9AB5C1D-0"},
	}
}
