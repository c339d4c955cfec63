package wechatpay

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/wechatpay-apiv3/wechatpay-go/core/auth"
	"github.com/wechatpay-apiv3/wechatpay-go/core/auth/verifiers"
	"github.com/wechatpay-apiv3/wechatpay-go/utils"

	"github.com/paysaga/paysaga/internal/payment"
)

// KeyMaterial is what WeChat Pay's console gives a merchant to check and open
// messages with. During WeChat's move from platform certificates to the public
// key, which takes a week, both kinds sign (D:4012154180).
type KeyMaterial struct {
	PublicKeyID    string // PUB_KEY_ID_…; goes with PublicKey
	PublicKey      string // PEM, PUBLIC KEY
	PlatformCerts  string // PEM, any number of CERTIFICATE
	APIv3Key       string // 32 bytes
	APIv3KeyBefore string // 32 bytes, or empty; WeChat's retries may still be under it
}

// Keys verifies and opens what WeChat sends. All methods may be called at once,
// Replace among them. It is wechatpay-go's auth.Verifier.
type Keys struct {
	Now func() time.Time

	ring atomic.Pointer[ring]
}

var _ auth.Verifier = (*Keys)(nil)

// ring is one consistent set of keys, never changed once it is in use.
type ring struct {
	bySerial map[string]verifyKey
	accept   string // the serial we ask WeChat to sign its answers with
	apiV3    []string
	from     KeyMaterial
}

// verifyKey is one key that may have signed a message. A bare public key has no
// end; a certificate is only good within its dates.
type verifyKey struct {
	auth.Verifier
	notBefore, notAfter time.Time
}

func (k verifyKey) goodAt(now time.Time) bool {
	return k.notAfter.IsZero() || !now.Before(k.notBefore) && !now.After(k.notAfter)
}

// NewKeys reads material. The error says what is wrong with which part, and
// repeats none of it.
func NewKeys(material KeyMaterial) (*Keys, error) {
	keys := &Keys{Now: time.Now}
	if err := keys.Replace(material); err != nil {
		return nil, err
	}
	return keys, nil
}

// Replace swaps all keys at once. On an error the keys stay as they were.
func (k *Keys) Replace(material KeyMaterial) error {
	next, err := newRing(material, k.Now())
	if err != nil {
		return err
	}
	k.ring.Store(next)
	return nil
}

// Verify checks a signature with the key that serial names. Kinds: Refused, with
// code "serial" for a key that is unknown or out of its dates, and "signature".
func (k *Keys) Verify(ctx context.Context, serial, message, signature string) error {
	key, ok := k.ring.Load().bySerial[serial]
	if !ok || !key.goodAt(k.Now()) {
		return refused("serial", "no key in force has this serial")
	}
	if key.Verifier.Verify(ctx, serial, message, signature) != nil {
		return refused("signature", "the signature does not fit")
	}
	return nil
}

// GetSerial is the serial of the key we would like WeChat to sign answers with:
// the public key where there is one, else the certificate that lasts longest.
func (k *Keys) GetSerial(context.Context) (string, error) { return k.ring.Load().accept, nil }

// Serials names the keys that may have signed a message, and says which of them
// are out of their dates.
func (k *Keys) Serials() []string {
	var all []string
	for serial, key := range k.ring.Load().bySerial {
		if !key.goodAt(k.Now()) {
			serial += " (out of its dates)"
		}
		all = append(all, serial)
	}
	slices.Sort(all)
	return all
}

func refused(code, text string) error { return payment.Fail(payment.Refused, code, text, nil) }

func newRing(m KeyMaterial, now time.Time) (*ring, error) {
	r := &ring{bySerial: map[string]verifyKey{}, from: m}
	if err := r.addCertificates(m.PlatformCerts, now); err != nil {
		return nil, err
	}
	if m.PublicKey != "" || m.PublicKeyID != "" {
		if err := r.addPublicKey(m.PublicKeyID, m.PublicKey); err != nil {
			return nil, err
		}
	}
	if len(r.bySerial) == 0 {
		return nil, badKey("neither a public key nor a platform certificate is given")
	}
	for _, key := range []string{m.APIv3Key, m.APIv3KeyBefore} {
		switch len(key) {
		case 32:
			r.apiV3 = append(r.apiV3, key)
		case 0:
		default:
			return nil, badKey("an APIv3 key has %d bytes; WeChat's have 32", len(key))
		}
	}
	if m.APIv3Key == "" {
		return nil, badKey("the APIv3 key is missing")
	}
	return r, nil
}

func (r *ring) addPublicKey(id, text string) error {
	if id == "" || text == "" {
		return badKey("a public key and its id go together")
	}
	key, err := utils.LoadPublicKey(text)
	if err != nil { // the SDK's text may hold the key
		return badKey("the public key is no PEM block PUBLIC KEY with an RSA key")
	}
	r.accept = id
	return r.add(id, key, verifyKey{})
}

func (r *ring) addCertificates(bundle string, now time.Time) error {
	var longest time.Time
	rest := []byte(bundle)
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if block.Type != "CERTIFICATE" || err != nil {
			return badKey("the platform certificates hold a PEM block that is no CERTIFICATE")
		}
		key, ok := cert.PublicKey.(*rsa.PublicKey)
		if !ok {
			return badKey("a platform certificate has no RSA key")
		}
		serial := utils.GetCertificateSerialNumber(*cert)
		dated := verifyKey{notBefore: cert.NotBefore, notAfter: cert.NotAfter}
		if err := r.add(serial, key, dated); err != nil {
			return err
		}
		if !dated.goodAt(now) {
			slog.Warn("platform certificate is out of its dates, its signatures are refused",
				"serial", serial, "from", cert.NotBefore, "until", cert.NotAfter)
		} else if cert.NotAfter.After(longest) {
			longest, r.accept = cert.NotAfter, serial
		}
	}
	if bundle != "" && len(r.bySerial) == 0 {
		return badKey("the platform certificates hold no PEM block")
	}
	return nil
}

func (r *ring) add(serial string, key *rsa.PublicKey, dated verifyKey) error {
	if key.N.BitLen() < 2048 {
		return badKey("an RSA key has %d bits; WeChat's have 2048", key.N.BitLen())
	}
	dated.Verifier = verifiers.NewSHA256WithRSAPubkeyVerifier(serial, *key)
	r.bySerial[serial] = dated
	return nil
}

func badKey(format string, args ...any) error {
	return payment.Failf(payment.Invalid, "bad_key", format, args...)
}
