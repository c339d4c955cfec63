package wechattest

import (
	"bytes"
	"crypto/aes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Texts are the elements of an XML message, by name.
type Texts map[string]string

// With returns a copy in which some elements are others; an empty text removes one.
func (f Texts) With(changes Texts) Texts {
	changed := maps.Clone(f)
	for name, text := range changes {
		changed[name] = text
		if text == "" {
			delete(changed, name)
		}
	}
	return changed
}

// XML is the message as one document.
func (f Texts) XML(root string) string {
	var document bytes.Buffer
	document.WriteString("<" + root + ">\n")
	for _, name := range slices.Sorted(maps.Keys(f)) {
		document.WriteString("<" + name + ">")
		_ = xml.EscapeText(&document, []byte(f[name])) // a Buffer takes everything
		document.WriteString("</" + name + ">\n")
	}
	document.WriteString("</" + root + ">")
	return document.String()
}

// Signed is the message with APIv2's sign, of the kind MD5 or HMAC-SHA256.
func (f Texts) Signed(key, kind string) Texts {
	var pairs []string
	for name, text := range f {
		if text != "" && name != "sign" {
			pairs = append(pairs, name+"="+text)
		}
	}
	slices.Sort(pairs)
	text := []byte(strings.Join(append(pairs, "key="+key), "&"))
	sum := md5.Sum(text)
	sign := sum[:]
	if kind == "HMAC-SHA256" {
		mac := hmac.New(sha256.New, []byte(key))
		mac.Write(text)
		sign = mac.Sum(nil)
	}
	return f.With(Texts{"sign": strings.ToUpper(hex.EncodeToString(sign))})
}

// Paid is APIv2's notification of a payment, not signed yet. It tells what
// Transaction tells.
func Paid(transactionID, outTradeNo string, fen int64) Texts {
	return Texts{
		"return_code": "SUCCESS", "result_code": "SUCCESS", "appid": "wxd678efh567hg6787", "mch_id": "1230000109",
		"nonce_str": "5K8264ILTKCH16CQ2502SI8ZNMTM67VS", "openid": OpenID, "is_subscribe": "N",
		"trade_type": "NATIVE", "bank_type": "OTHERS", "total_fee": strconv.FormatInt(fen, 10), "fee_type": "CNY",
		"cash_fee": strconv.FormatInt(fen, 10), "transaction_id": transactionID, "out_trade_no": outTradeNo,
		"time_end": "20261122103456", "attach": "tea & <milk>",
	}
}

// RefundTold is APIv2's notification of a refund, with what it tells sealed in it.
func RefundTold(key string, inside Texts) Texts {
	return Texts{
		"return_code": "SUCCESS", "appid": "wxd678efh567hg6787", "mch_id": "1230000109",
		"nonce_str": "5K8264ILTKCH16CQ2502SI8ZNMTM67VS", "req_info": SealV2(key, inside.XML("root")),
	}
}

// SealV2 encrypts req_info.
func SealV2(key, plaintext string) string {
	sum := md5.Sum([]byte(key))
	block, err := aes.NewCipher([]byte(hex.EncodeToString(sum[:])))
	if err != nil {
		panic(err) // of 32 bytes it cannot fail
	}
	pad := aes.BlockSize - len(plaintext)%aes.BlockSize
	sealed := append([]byte(plaintext), bytes.Repeat([]byte{byte(pad)}, pad)...)
	for at := sealed; len(at) > 0; at = at[aes.BlockSize:] {
		block.Encrypt(at, at)
	}
	return base64.StdEncoding.EncodeToString(sealed)
}

// MessageQuery is what WeChat's message server puts behind the address.
func MessageQuery(token, timestamp, nonce string) url.Values {
	parts := []string{token, timestamp, nonce}
	slices.Sort(parts)
	sum := sha1.Sum([]byte(strings.Join(parts, "")))
	return url.Values{"signature": {hex.EncodeToString(sum[:])}, "timestamp": {timestamp}, "nonce": {nonce}}
}
