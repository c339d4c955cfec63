package wechatpay

import (
	"cmp"
	"crypto/aes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/paysaga/paysaga/internal/payment"
)

// The two ways to sign in APIv2, as sign_type names them.
const (
	SignMD5  = "MD5"
	SignHMAC = "HMAC-SHA256"
)

// V2 opens the notifications of APIv2, which are XML: of payments, whose sign
// covers all fields, and of refunds, which nobody signs and whose req_info is
// encrypted under the key (APIv2, refund notification). What it opens it tells in the words of
// APIv3, so that one rule judges both and both are kept under one key.
type V2 struct {
	key  string
	only string
}

// NewV2 opens with the merchant's APIv2 key. only is the one way to sign that is
// taken; where it is empty, both are.
func NewV2(key, only string) *V2 { return &V2{key: key, only: only} }

// Open verifies and reads one notification. Its plaintext is JSON of our own
// making, with what is to be judged and nothing of the payer.
//
// A return_code FAIL that nobody signed says nothing about anything: the notice
// is empty. Kinds: Invalid "malformed" for what is no flat XML; Refused, with
// code "signature" or "req_info", where nothing proves that WeChat sent it.
func (v *V2) Open(body []byte) (payment.Notice, error) {
	doc, err := readXML(body, "xml")
	if err != nil || doc.nested {
		return payment.Notice{}, malformed("the body is not one strict, flat XML document")
	}
	fields := doc.fields
	failed, sealed := fields["return_code"] == "FAIL", fields["req_info"] != ""
	if failed && !sealed && fields["sign"] == "" {
		return payment.Notice{}, nil
	}
	if !sealed || fields["sign"] != "" {
		if err := v.verify(fields); err != nil {
			return payment.Notice{}, err
		}
	}
	refund := map[string]string{}
	if sealed {
		if refund, err = v.unseal(fields["req_info"]); err != nil {
			return payment.Notice{}, err
		}
	}
	switch {
	case failed:
		return notice("APIV2.FAIL", fields, map[string]any{}), nil
	case sealed:
		return refundNotice(refund, fields["sub_mch_id"]), nil
	}
	return paymentNotice(fields), nil
}

// verify checks the sign of all fields, those included that nobody has documented
// yet. A sign_type that is not told shows in the sign's length.
func (v *V2) verify(fields map[string]string) error {
	given := fields["sign"]
	kind := cmp.Or(fields["sign_type"], map[int]string{2 * md5.Size: SignMD5, 2 * sha256.Size: SignHMAC}[len(given)])
	if v.only != "" && kind != v.only {
		return refused("signature", "the sign is not of the kind that this account uses")
	}
	var sum []byte
	text := []byte(signedText(fields) + "key=" + v.key)
	switch kind {
	case SignMD5:
		md5sum := md5.Sum(text)
		sum = md5sum[:]
	case SignHMAC:
		mac := hmac.New(sha256.New, []byte(v.key))
		mac.Write(text)
		sum = mac.Sum(nil)
	default:
		return refused("signature", "the sign is missing, or of a kind we do not know")
	}
	if !hmac.Equal([]byte(strings.ToUpper(hex.EncodeToString(sum))), []byte(given)) { // in constant time
		return refused("signature", "the sign does not fit")
	}
	return nil
}

// signedText is all fields but the sign and the empty ones, in the order of their
// names.
func signedText(fields map[string]string) string {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if name != "sign" && fields[name] != "" {
			text.WriteString(name + "=" + fields[name] + "&")
		}
	}
	return text.String()
}

// unseal decrypts req_info: AES-256-ECB under the lower-case hex MD5 of the key,
// PKCS7, with a document of its own inside. ECB lets blocks be moved about, so
// what it says is no more than a reason to ask.
func (v *V2) unseal(info string) (map[string]string, error) {
	refuse := refused("req_info", "our key does not open req_info")
	text, err := base64.StdEncoding.DecodeString(info)
	if err != nil || len(text) == 0 || len(text)%aes.BlockSize != 0 {
		return nil, refuse
	}
	sum := md5.Sum([]byte(v.key))
	block, err := aes.NewCipher([]byte(hex.EncodeToString(sum[:])))
	if err != nil {
		return nil, refuse
	}
	for at := text; len(at) > 0; at = at[aes.BlockSize:] {
		block.Decrypt(at, at)
	}
	end := len(text) - int(text[len(text)-1])
	if end < len(text)-aes.BlockSize {
		return nil, refuse
	}
	doc, err := readXML(text[:end], "root")
	if err != nil || doc.nested {
		return nil, refuse
	}
	return doc.fields, nil
}

var wholeNumber = regexp.MustCompile(`^(0|[1-9][0-9]*)$`)

// paymentNotice tells a payment as APIv3 would. A result that is no success has an
// event type that a person will look at: APIv2 documents none such.
func paymentNotice(fields map[string]string) payment.Notice {
	event := "TRANSACTION.SUCCESS"
	if fields["return_code"] != "SUCCESS" || fields["result_code"] != "SUCCESS" {
		event = "TRANSACTION.FAIL"
	}
	amount := map[string]any{"currency": cmp.Or(fields["fee_type"], "CNY"), "total": fields["total_fee"]}
	if wholeNumber.MatchString(fields["total_fee"]) {
		amount["total"] = json.Number(fields["total_fee"])
	}
	content := map[string]any{
		"appid": fields["appid"], "mchid": fields["mch_id"],
		"transaction_id": fields["transaction_id"], "out_trade_no": fields["out_trade_no"],
		"trade_state": cmp.Or(fields["trade_state"], "SUCCESS"), "amount": amount,
	}
	if at, err := time.ParseInLocation("20060102150405", fields["time_end"], beijing); err == nil {
		content["success_time"] = at.Format(time.RFC3339)
	}
	return notice(event, fields, with(content, "sub_mchid", fields["sub_mch_id"]))
}

// refundNotice tells a refund as APIv3 would, whose statuses have other names.
func refundNotice(fields map[string]string, subMerchant string) payment.Notice {
	status := map[string]string{"SUCCESS": "SUCCESS", "CHANGE": "ABNORMAL", "REFUNDCLOSE": "CLOSED"}[fields["refund_status"]]
	content := map[string]any{
		"transaction_id": fields["transaction_id"], "out_trade_no": fields["out_trade_no"],
		"out_refund_no": fields["out_refund_no"], "refund_status": status,
	}
	return notice("REFUND."+cmp.Or(status, "UNKNOWN"), fields, with(content, "sub_mchid", subMerchant))
}

// with adds a member unless it is empty.
func with(content map[string]any, name, value string) map[string]any {
	if value != "" {
		content[name] = value
	}
	return content
}

// notice names a notification by what it says, because APIv2 gives it no id; a
// repeat may have another nonce.
func notice(event string, fields map[string]string, content map[string]any) payment.Notice {
	said := maps.Clone(fields)
	delete(said, "nonce_str")
	sum := sha256.Sum256([]byte(signedText(said)))
	plaintext, _ := json.Marshal(content) // texts and whole numbers: cannot fail
	return payment.Notice{ID: "v2-" + hex.EncodeToString(sum[:16]), EventType: event, Plaintext: plaintext}
}
