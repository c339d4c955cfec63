package wechatpay

import (
	"bytes"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	"github.com/paysaga/paysaga/internal/strictjson"
)

// Messages reads what WeChat's message server sends to an official account or a
// mini-program: a check of the address, and pushes.
type Messages struct{ token string }

// NewMessages reads with the token that the merchant gave WeChat.
func NewMessages(token string) *Messages { return &Messages{token: token} }

// Verify checks that whoever made the query knows the token: signature is the
// SHA-1 of token, timestamp and nonce in the order of their bytes. It covers
// neither body nor echostr, and WeChat documents no time after which it ends.
// Kind Refused, code "message".
func (m *Messages) Verify(query url.Values) error {
	parts := []string{m.token}
	for _, name := range []string{"timestamp", "nonce"} {
		if values := query[name]; len(values) == 1 && values[0] != "" {
			parts = append(parts, values[0])
		}
	}
	if len(parts) != 3 || len(query["signature"]) != 1 {
		return refused("message", "signature, timestamp and nonce are not there exactly once")
	}
	slices.Sort(parts)
	sum := sha1.Sum([]byte(strings.Join(parts, "")))
	if subtle.ConstantTimeCompare([]byte(hex.EncodeToString(sum[:])), []byte(query.Get("signature"))) != 1 {
		return refused("message", "the signature does not fit")
	}
	return nil
}

// Read reads a push, XML or JSON as the merchant chose at WeChat, into its texts
// and numbers; lists and objects among them are read over. Kind Invalid,
// "malformed", for what is neither.
func (m *Messages) Read(body []byte) (map[string]string, error) {
	if !bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{")) {
		doc, err := readXML(body, "xml")
		if err != nil {
			return nil, malformed("the push is not one strict XML document")
		}
		return doc.fields, nil
	}
	object, err := strictjson.Parse(body)
	if err != nil {
		return nil, malformed("the push is not one strict JSON object")
	}
	fields := map[string]string{}
	for name, value := range object {
		switch value := value.(type) {
		case string:
			fields[name] = value
		case json.Number:
			fields[name] = value.String()
		}
	}
	return fields, nil
}
