package wechatpay

import (
	"context"
	"encoding/base64"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/wechatpay-apiv3/wechatpay-go/utils"

	"github.com/paysaga/paysaga/internal/payment"
	"github.com/paysaga/paysaga/internal/strictjson"
)

// window is how far the time of a delivery may lie from ours, either way and
// exclusive (D:4013053420). WeChat signs each retry anew, so an old event comes
// with a young time.
const window = 300 * time.Second

// probe begins the false signatures that WeChat mixes in to see whether anybody
// verifies. They are refused like any other; only the count tells them apart.
const probe = "WECHATPAY/SIGNTEST/"

const (
	rsaSignature = "WECHATPAY2-SHA256-RSA2048"
	aesGCM       = "AEAD_AES_256_GCM"
	nonceBytes   = 12
	tagBytes     = 16
)

// Open verifies and decrypts one callback: header shape, time, serial, signature
// over the raw body, envelope, resource. Nothing of the body is looked at before
// its signature is good. The cryptography is wechatpay-go's; it panics on signed
// bodies of odd shape, so the shape is checked first.
//
// Kinds: Refused, whose code says where it failed (headers, time, serial,
// signature, signtest); Invalid "malformed" for a signed body that is no
// envelope; Internal "cannot_decrypt" where no APIv3 key opens it. With the last
// the notice holds what the envelope says.
func (k *Keys) Open(ctx context.Context, header http.Header, body []byte) (payment.Notice, error) {
	signed, err := readSignature(header)
	if err != nil {
		return payment.Notice{}, err
	}
	if age := k.Now().Sub(signed.at); age <= -window || age >= window {
		return payment.Notice{}, refused("time", "the delivery's time is five minutes off or more")
	}
	message := signed.timestamp + "\n" + signed.nonce + "\n" + string(body) + "\n"
	if err := k.Verify(ctx, signed.serial, message, signed.signature); err != nil {
		if strings.HasPrefix(signed.signature, probe) && payment.CodeOf(err) == "signature" {
			return payment.Notice{}, refused("signtest", "WeChat's probe with a false signature")
		}
		return payment.Notice{}, err
	}
	sealed, err := readEnvelope(body)
	if err != nil {
		return payment.Notice{}, err
	}
	return k.unseal(sealed)
}

// signature is the four headers, each of good shape.
type signature struct {
	timestamp, nonce, serial, signature string
	at                                  time.Time
}

// Lengths are generous: real nonces have 12 or 32 characters, serials 40.
var (
	timestampShape = regexp.MustCompile(`^[1-9][0-9]{0,11}$`)
	nonceShape     = regexp.MustCompile(`^[!-~]{1,128}$`)
	serialShape    = regexp.MustCompile(`^[0-9A-Za-z_]{1,64}$`)
	signatureShape = regexp.MustCompile(`^[0-9A-Za-z+/]{4,1000}={0,2}$`)
)

// readSignature reads each header exactly once: of two, wechatpay-go would take
// the first, and a proxy in front of us perhaps the second.
func readSignature(h http.Header) (signature, error) {
	s := signature{}
	for _, field := range []struct {
		name  string
		shape *regexp.Regexp
		into  *string
		code  string
	}{
		{"Wechatpay-Timestamp", timestampShape, &s.timestamp, "time"},
		{"Wechatpay-Nonce", nonceShape, &s.nonce, "headers"},
		{"Wechatpay-Serial", serialShape, &s.serial, "serial"},
		{"Wechatpay-Signature", signatureShape, &s.signature, "signature"},
	} {
		values := h.Values(field.name)
		if len(values) != 1 || values[0] == "" {
			return s, refused("headers", field.name+" is not there exactly once")
		}
		if !field.shape.MatchString(values[0]) {
			return s, refused(field.code, field.name+" has an odd shape")
		}
		*field.into = values[0]
	}
	if kinds := h.Values("Wechatpay-Signature-Type"); len(kinds) > 1 || len(kinds) == 1 && kinds[0] != rsaSignature {
		return s, refused("headers", "the signature is of a type we do not speak")
	}
	seconds, err := strconv.ParseInt(s.timestamp, 10, 64)
	s.at = time.Unix(seconds, 0)
	if err != nil {
		return s, refused("time", "the time is no number of seconds")
	}
	return s, nil
}

// sealed is an envelope of good shape.
type sealed struct {
	payment.Notice
	nonce, associatedData, ciphertext string
}

var label = regexp.MustCompile(`^[!-~]{1,64}$`)

// readEnvelope takes extra fields, and nothing else that WeChat does not send.
// create_time is not read: nothing hangs on it, and other products write it in
// other forms.
func readEnvelope(body []byte) (sealed, error) {
	envelope, err := strictjson.Parse(body)
	if err != nil {
		return sealed{}, malformed("the body is not one strict JSON object")
	}
	id, _ := envelope.Text("id")
	event, _ := envelope.Text("event_type")
	kind, _ := envelope.Text("resource_type")
	resource, _ := envelope.Object("resource")
	original, _ := resource.Text("original_type")
	algorithm, _ := resource.Text("algorithm")
	nonce, _ := resource.Text("nonce")
	ciphertext, _ := resource.Text("ciphertext")
	associated, isText := resource.Text("associated_data")

	raw, err := base64.StdEncoding.DecodeString(ciphertext)
	switch {
	case !label.MatchString(id) || !label.MatchString(event):
		return sealed{}, malformed("id or event_type is absent or odd")
	case kind != "encrypt-resource":
		return sealed{}, malformed("resource_type is not encrypt-resource")
	case algorithm != aesGCM:
		return sealed{}, malformed("the algorithm is not " + aesGCM)
	case len(nonce) != nonceBytes:
		return sealed{}, malformed("the nonce has not 12 bytes")
	case err != nil || len(raw) < tagBytes:
		return sealed{}, malformed("the ciphertext is no base64 or shorter than its tag")
	case !isText && resource["associated_data"] != nil:
		return sealed{}, malformed("associated_data is not text")
	}
	return sealed{
		Notice: payment.Notice{ID: id, EventType: event, OriginalType: original},
		nonce:  nonce, associatedData: associated, ciphertext: ciphertext,
	}, nil
}

// unseal tries the current APIv3 key and then the one before it: WeChat's
// retries of up to a day may still be under the old one.
func (k *Keys) unseal(s sealed) (payment.Notice, error) {
	for _, key := range k.ring.Load().apiV3 {
		plaintext, err := utils.DecryptAES256GCM(key, s.associatedData, s.nonce, s.ciphertext)
		if err == nil {
			s.Plaintext = []byte(plaintext)
			return s.Notice, nil
		}
	}
	return s.Notice, payment.Fail(payment.Internal, "cannot_decrypt", "no APIv3 key of ours opens the resource", nil)
}

func malformed(text string) error { return payment.Fail(payment.Invalid, "malformed", text, nil) }
