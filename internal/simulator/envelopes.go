package simulator

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// envelope is the body of a callback, fields in WeChat's order.
type envelope struct {
	ID           string   `json:"id"`
	CreateTime   string   `json:"create_time"`
	ResourceType string   `json:"resource_type"`
	EventType    string   `json:"event_type"`
	Summary      string   `json:"summary"`
	Resource     resource `json:"resource"`
}

type resource struct {
	OriginalType   string `json:"original_type"`
	Algorithm      string `json:"algorithm"`
	Ciphertext     string `json:"ciphertext"`
	AssociatedData string `json:"associated_data"`
	Nonce          string `json:"nonce"`
}

var summaries = map[string]string{
	"TRANSACTION.SUCCESS": "支付成功", "REFUND.SUCCESS": "退款成功", "REFUND.ABNORMAL": "退款异常", "REFUND.CLOSED": "退款关闭",
}

// originalType is what a resource is called inside: transaction or refund.
func originalType(event string) string {
	if strings.HasPrefix(event, "REFUND.") {
		return "refund"
	}
	return "transaction"
}

// The ways to spoil a callback on purpose.
const (
	tamperSignature  = "signature"  // signed with a key that is not WeChat's
	tamperCiphertext = "ciphertext" // a bit of the GCM tag flipped, then signed well
	tamperBody       = "body"       // a space added after signing
)

func isTamper(t string) bool {
	return slices.Contains([]string{"", tamperSignature, tamperCiphertext, tamperBody}, t)
}

func isKind(key string) bool { return slices.Contains([]string{"", "public", "certificate"}, key) }

// write seals and signs one letter of a notice.
func (s *simulator) write(n *notice, l letter) (message, error) {
	if n.V2 != "" {
		return s.writeV2(n, l)
	}
	plaintext, err := s.resource(n)
	if err != nil {
		return message{}, err
	}
	kind := originalType(n.EventType)
	nonce := hexText(6)
	sealed, err := seal(s.account.APIv3Key, nonce, kind, plaintext)
	if err != nil {
		return message{}, err
	}
	if l.tamper == tamperCiphertext {
		sealed = flipLast(sealed)
	}
	body, err := json.Marshal(envelope{
		ID: n.ID, CreateTime: wechatTime(n.CreateTime), ResourceType: "encrypt-resource",
		EventType: n.EventType, Summary: summaries[n.EventType],
		Resource: resource{kind, "AEAD_AES_256_GCM", sealed, kind, nonce},
	})
	if err != nil {
		return message{}, err
	}
	return s.address(l, unixNow(), body)
}

// address signs a body and puts it under WeChat's headers.
func (s *simulator) address(l letter, timestamp string, body []byte) (message, error) {
	key := s.account.public
	if l.key == "certificate" {
		key = s.account.cert
	}
	if l.tamper == tamperSignature {
		key.key = s.account.merchant
	}
	m := message{method: http.MethodPost, url: l.url, body: body, header: http.Header{
		"Content-Type": {"application/json"},
		"User-Agent":   {"Mozilla/4.0"},
		"Accept":       {"*/*"},
		"Pragma":       {"no-cache"},
	}}
	if err := key.stamp(m.header, timestamp, body); err != nil {
		return message{}, err
	}
	if l.signTest {
		falsify(m.header)
	}
	if l.tamper == tamperBody {
		m.body = append(slices.Clone(body), ' ')
	}
	return m, nil
}

// flipLast flips one bit of the last byte behind a base64 text.
func flipLast(text string) string {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(raw) == 0 {
		return text
	}
	raw[len(raw)-1] ^= 1
	return base64.StdEncoding.EncodeToString(raw)
}
