package simulator

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// clockSkew is how far a signed message's time may lie from ours. WeChat and
// Standard Webhooks agree on five minutes.
const clockSkew = 5 * time.Minute

// signer is one of the platform's own keys and the serial that names it.
type signer struct {
	serial string
	key    *rsa.PrivateKey
}

// sign returns the base64 RSASSA-PKCS1-v1_5 SHA-256 signature over lines, each
// ended by a line feed: the form of every APIv3 signature.
func sign(key *rsa.PrivateKey, lines ...string) (string, error) {
	sum := sha256.Sum256([]byte(strings.Join(lines, "\n") + "\n"))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		return "", fmt.Errorf("simulator: sign: %w", err)
	}
	return base64.StdEncoding.EncodeToString(signature), nil
}

// stamp signs body as WeChat signs answers and callbacks, into header.
func (s signer) stamp(header http.Header, timestamp string, body []byte) error {
	nonce := hexText(16)
	signature, err := sign(s.key, timestamp, nonce, string(body))
	if err != nil {
		return err
	}
	header.Set("Wechatpay-Timestamp", timestamp)
	header.Set("Wechatpay-Nonce", nonce)
	header.Set("Wechatpay-Serial", s.serial)
	header.Set("Wechatpay-Signature-Type", "WECHATPAY2-SHA256-RSA2048")
	header.Set("Wechatpay-Signature", signature)
	return nil
}

// falsify turns a good signature into the probe that WeChat mixes in to see
// whether anybody verifies: as long as a real one and valid base64, but false.
func falsify(header http.Header) {
	const probe = "WECHATPAY/SIGNTEST/"
	good := header.Get("Wechatpay-Signature")
	header.Set("Wechatpay-Signature", probe+good[len(probe):])
}

// seal encrypts a resource with AES-256-GCM as WeChat does and returns base64.
// A nonce of any length but zero is possible; real ones have 12 bytes.
func seal(apiV3Key, nonce, associatedData string, plaintext []byte) (string, error) {
	block, err := aes.NewCipher([]byte(apiV3Key))
	if err != nil {
		return "", fmt.Errorf("simulator: seal: %w", err)
	}
	gcm, err := cipher.NewGCMWithNonceSize(block, len(nonce))
	if err != nil {
		return "", fmt.Errorf("simulator: seal: %w", err)
	}
	return base64.StdEncoding.EncodeToString(gcm.Seal(nil, []byte(nonce), plaintext, []byte(associatedData))), nil
}

var (
	authorization  = regexp.MustCompile(`^WECHATPAY2-SHA256-RSA2048 ((?:[a-z_]+="[^"]*",?)+)$`)
	authorizedPair = regexp.MustCompile(`([a-z_]+)="([^"]*)"`)
)

// verifyMerchant checks a request's Authorization as WeChat does: whose it is,
// with which certificate, when, and the signature over method, path with query
// as sent, timestamp, nonce and the raw body.
func (a *account) verifyMerchant(r *http.Request, body []byte, now time.Time) error {
	match := authorization.FindStringSubmatch(r.Header.Get("Authorization"))
	if match == nil {
		return errors.New("no Authorization of type WECHATPAY2-SHA256-RSA2048")
	}
	said := map[string]string{}
	for _, pair := range authorizedPair.FindAllStringSubmatch(match[1], -1) {
		said[pair[1]] = pair[2]
	}
	seconds, err := strconv.ParseInt(said["timestamp"], 10, 64)
	switch {
	case said["mchid"] != a.MchID:
		return errors.New("mchid is not this merchant's")
	case said["serial_no"] != a.MchSerial:
		return errors.New("serial_no is not of this merchant's certificate")
	case said["nonce_str"] == "":
		return errors.New("no nonce_str")
	case err != nil || now.Sub(time.Unix(seconds, 0)).Abs() > clockSkew:
		return errors.New("timestamp is more than five minutes off")
	}
	signature, err := base64.StdEncoding.DecodeString(said["signature"])
	if err != nil {
		return errors.New("signature is not base64")
	}
	message := strings.Join([]string{r.Method, r.RequestURI, said["timestamp"], said["nonce_str"], string(body)}, "\n") + "\n"
	sum := sha256.Sum256([]byte(message))
	if rsa.VerifyPKCS1v15(&a.merchant.PublicKey, crypto.SHA256, sum[:], signature) != nil {
		return errors.New("signature does not fit the request")
	}
	return nil
}

// verifyWebhook checks the three webhook-* headers by the Standard Webhooks
// specification: HMAC-SHA256 over id.timestamp.body, keyed with the bytes of the
// secret; the header may offer several signatures, one good v1 is enough.
func verifyWebhook(secret string, h http.Header, body []byte, now time.Time) error {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return fmt.Errorf("simulator: webhook secret: %w", err)
	}
	id, timestamp := h.Get("webhook-id"), h.Get("webhook-timestamp")
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	switch {
	case id == "":
		return errors.New("no webhook-id")
	case err != nil || now.Sub(time.Unix(seconds, 0)).Abs() > clockSkew:
		return errors.New("webhook-timestamp is more than five minutes off")
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", id, timestamp, body)
	want := mac.Sum(nil)
	for offer := range strings.FieldsSeq(h.Get("webhook-signature")) {
		version, text, _ := strings.Cut(offer, ",")
		got, err := base64.StdEncoding.DecodeString(text)
		if version == "v1" && err == nil && hmac.Equal(got, want) {
			return nil
		}
	}
	return errors.New("no webhook-signature fits")
}

// random returns n random bytes; crypto/rand never fails.
func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// hexText returns 2n random hex digits.
func hexText(n int) string { return hex.EncodeToString(random(n)) }

// digits returns n random decimal digits.
func digits(n int) string {
	b := random(n)
	for i := range b {
		b[i] = '0' + b[i]%10
	}
	return string(b)
}
