package simulator

import (
	"cmp"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// signMessage signs what WeChat's message server sends: the SHA-1 of token, time
// and nonce in the order of their bytes. It does not cover the body.
func signMessage(parts ...string) string {
	slices.Sort(parts)
	sum := sha1.Sum([]byte(strings.Join(parts, "")))
	return hex.EncodeToString(sum[:])
}

// sendMessage sends the message server's URL check or one of its pushes.
func (s *simulator) sendMessage(r *http.Request, in Message) (NotificationAnswer, error) {
	target, err := url.Parse(in.URL)
	switch {
	case in.URL == "" || err != nil:
		return NotificationAnswer{}, invalid("url is needed")
	case in.Kind != "echo" && in.Kind != "push":
		return NotificationAnswer{}, invalid("kind must be echo or push")
	case in.Tamper != "" && in.Tamper != tamperSignature:
		return NotificationAnswer{}, invalid("tamper must be signature")
	case !slices.Contains([]string{"", "xml", "json"}, in.Format):
		return NotificationAnswer{}, invalid("format must be xml or json")
	}
	token := s.account.MessageToken
	if in.Tamper == tamperSignature {
		token = hexText(16)
	}
	timestamp, nonce := cmp.Or(in.Timestamp, unixNow()), cmp.Or(in.Nonce, digits(10))
	query := target.Query()
	query.Set("signature", signMessage(token, timestamp, nonce))
	query.Set("timestamp", timestamp)
	query.Set("nonce", nonce)
	m := message{method: http.MethodGet, header: http.Header{"User-Agent": {"Mozilla/4.0"}, "Accept": {"*/*"}}}
	if in.Kind == "echo" {
		query.Set("echostr", cmp.Or(in.EchoStr, digits(19)))
	} else {
		m.method = http.MethodPost
		m.body, m.header["Content-Type"] = s.push(in)
	}
	target.RawQuery = query.Encode()
	m.url = target.String()
	return s.ask(r, m), nil
}

// push is the body of a push and its type. What it says of an order is taken from
// the order's first payment.
func (s *simulator) push(in Message) (body []byte, contentType []string) {
	fields := map[string]string{
		"ToUserName": "gh_" + hexText(6), "FromUserName": "oSim" + hexText(12),
		"CreateTime": strconv.FormatInt(time.Now().Unix(), 10), "MsgType": "event", "Event": in.Event,
	}
	s.ledger.read(func(b *book) {
		if ids := b.of(in.OutTradeNo).payments; len(ids) > 0 {
			p := b.payments[ids[0]]
			fields["transaction_id"], fields["merchant_id"], fields["merchant_trade_no"] = p.TransactionID, p.MchID, p.OutTradeNo
			fields["pay_time"] = strconv.FormatInt(p.SuccessTime.Unix(), 10)
		}
	})
	maps.Copy(fields, in.Fields)
	switch {
	case in.RawBody != nil:
		body = []byte(*in.RawBody)
	case in.Format == "json":
		body, _ = json.Marshal(pushJSON(fields)) // strings and numbers: cannot fail
		return body, []string{"application/json"}
	default:
		body = writeXML("xml", fields)
	}
	return body, []string{"text/xml"}
}

// pushJSON is a push in JSON, in which times are numbers.
func pushJSON(fields map[string]string) map[string]any {
	out := map[string]any{}
	for name, value := range fields {
		if n, err := strconv.ParseInt(value, 10, 64); err == nil && slices.Contains([]string{"CreateTime", "pay_time"}, name) {
			out[name] = n
		} else if value != "" {
			out[name] = value
		}
	}
	return out
}
