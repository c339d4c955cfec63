package shop

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// key signs calls as Standard Webhooks 1.0 has it: HMAC-SHA256 over
// id.timestamp.body, so that a shop can check who called with any of its libraries.
type key []byte

// parseKey reads whsec_ and 24 to 64 bytes of base64. Its errors do not quote it.
func parseKey(secret string) (key, error) {
	text, found := strings.CutPrefix(secret, "whsec_")
	if !found {
		return nil, errors.New("must begin with whsec_")
	}
	k, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, errors.New("must be base64 after whsec_")
	}
	if len(k) < 24 || len(k) > 64 {
		return nil, errors.New("must hold 24 to 64 bytes")
	}
	return k, nil
}

// sign sets the three headers. The id stays over retries of one message, and the
// time is the attempt's.
func (k key) sign(h http.Header, id string, at time.Time, body []byte) {
	timestamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, k)
	mac.Write([]byte(id + "." + timestamp + "."))
	mac.Write(body)
	h.Set("webhook-id", id)
	h.Set("webhook-timestamp", timestamp)
	h.Set("webhook-signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
}
