package simulator

import (
	"bytes"
	"crypto/aes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The two ways to sign in APIv2, by the names that sign_type has for them.
const (
	signMD5  = "MD5"
	signHMAC = "HMAC-SHA256"
)

// signV2 signs all fields that are not empty, in the order of their names, with
// the key at the end: upper-case hex.
func signV2(fields map[string]string, key, signType string) string {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if name != "sign" && fields[name] != "" {
			fmt.Fprintf(&text, "%s=%s&", name, fields[name])
		}
	}
	text.WriteString("key=" + key)
	hash := md5.New()
	if signType == signHMAC {
		hash = hmac.New(sha256.New, []byte(key))
	}
	hash.Write([]byte(text.String()))
	return strings.ToUpper(hex.EncodeToString(hash.Sum(nil)))
}

// writeXML is fields as elements of one document, in the order of their names.
// Empty ones are left out.
func writeXML(root string, fields map[string]string) []byte {
	var text bytes.Buffer
	text.WriteString("<" + root + ">\n")
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if value := fields[name]; value != "" {
			safe := strings.ReplaceAll(value, "]]>", "]]]]><![CDATA[>")
			fmt.Fprintf(&text, "<%s><![CDATA[%s]]></%s>\n", name, safe, name)
		}
	}
	text.WriteString("</" + root + ">")
	return text.Bytes()
}

// saysSuccess says whether an answer to an APIv2 notification takes it over.
func saysSuccess(answered []byte) bool {
	var out struct {
		ReturnCode string `xml:"return_code"`
	}
	return xml.Unmarshal(answered, &out) == nil && out.ReturnCode == "SUCCESS"
}

// sealV2 encrypts what a refund notification tells: AES-256-ECB with PKCS7 padding
// under the MD5 of the key, as base64.
func sealV2(key string, plaintext []byte) (string, error) {
	sum := md5.Sum([]byte(key))
	block, err := aes.NewCipher([]byte(hex.EncodeToString(sum[:])))
	if err != nil {
		return "", fmt.Errorf("simulator: seal: %w", err)
	}
	pad := aes.BlockSize - len(plaintext)%aes.BlockSize
	sealed := append(slices.Clone(plaintext), bytes.Repeat([]byte{byte(pad)}, pad)...)
	for at := sealed; len(at) > 0; at = at[aes.BlockSize:] {
		block.Encrypt(at, at)
	}
	return base64.StdEncoding.EncodeToString(sealed), nil
}

// paymentFields is a payment as an APIv2 notification tells it.
func paymentFields(p *paid) map[string]string {
	fields := map[string]string{
		"return_code": "SUCCESS", "result_code": "SUCCESS",
		"appid": p.AppID, "mch_id": p.MchID, "nonce_str": hexText(16),
		"openid": p.OpenID, "is_subscribe": "N", "trade_type": p.TradeType, "bank_type": "OTHERS",
		"total_fee": strconv.FormatInt(p.AmountFen, 10), "fee_type": p.Currency,
		"cash_fee": strconv.FormatInt(p.PayerFen, 10), "attach": p.Attach,
		"transaction_id": p.TransactionID, "out_trade_no": p.OutTradeNo,
		"time_end": p.SuccessTime.In(beijing).Format("20060102150405"),
	}
	if coupon := p.AmountFen - p.PayerFen; coupon > 0 {
		fields["coupon_count"], fields["coupon_id_0"], fields["coupon_type_0"] = "1", "109519", "CASH"
		fields["coupon_fee"], fields["coupon_fee_0"] = strconv.FormatInt(coupon, 10), strconv.FormatInt(coupon, 10)
	}
	return fields
}

// refundFields is what is sealed into a refund's notification. ABNORMAL and CLOSED
// have other names there.
func refundFields(r *refund) map[string]string {
	status := map[string]string{"ABNORMAL": "CHANGE", "CLOSED": "REFUNDCLOSE"}[r.Status]
	fields := map[string]string{
		"transaction_id": r.TransactionID, "out_trade_no": r.OutTradeNo,
		"refund_id": r.RefundID, "out_refund_no": r.OutRefundNo,
		"total_fee": strconv.FormatInt(r.TotalFen, 10), "settlement_total_fee": strconv.FormatInt(r.TotalFen, 10),
		"refund_fee": strconv.FormatInt(r.AmountFen, 10), "settlement_refund_fee": strconv.FormatInt(r.AmountFen, 10),
		"refund_status": status, "refund_recv_accout": "支付用户零钱",
		"refund_account": "REFUND_SOURCE_RECHARGE_FUNDS", "refund_request_source": "API",
	}
	if r.Status == "SUCCESS" {
		fields["refund_status"], fields["success_time"] = "SUCCESS", r.SuccessTime.In(beijing).Format(time.DateTime)
	}
	return fields
}
