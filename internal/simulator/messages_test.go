package simulator

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestSignatureOfTheMessageServer(t *testing.T) {
	if got := signMessage("b", "c", "a"); got != "a9993e364706816aba3e25717850c26c9cd0d89d" { // SHA-1 of "abc"
		t.Errorf("signature %s", got)
	}
}

// listener is a merchant's message URL: it echoes and remembers.
type listener struct {
	*httptest.Server
	method, contentType string
	body                []byte
}

func (w *world) listener() *listener {
	l := &listener{}
	l.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		l.method, l.contentType = r.Method, r.Header.Get("Content-Type")
		l.body, _ = io.ReadAll(r.Body)
		if q.Get("signature") != signMessage(w.account.MessageToken, q.Get("timestamp"), q.Get("nonce")) || q.Get("at") != "home" {
			rw.WriteHeader(http.StatusForbidden)
			return
		}
		io.WriteString(rw, q.Get("echostr"))
	}))
	w.t.Cleanup(l.Close)
	return l
}

func TestMessageServerChecksAndPushes(t *testing.T) {
	w := start(t)
	l := w.listener()
	id := w.pays("order-1")
	send := func(in Message) NotificationAnswer {
		t.Helper()
		in.URL = l.URL + "/?at=home"
		var out NotificationAnswer
		w.steer("/messages", in, &out)
		return out
	}
	if got := send(Message{Kind: "echo", EchoStr: "5837397593"}); got.Status != http.StatusOK || got.Body != "5837397593" || l.method != http.MethodGet {
		t.Errorf("the check: %+v", got)
	}
	for _, kind := range []string{"echo", "push"} {
		if got := send(Message{Kind: kind, Tamper: "signature"}); got.Status != http.StatusForbidden {
			t.Errorf("%s, signed with another token: %+v", kind, got)
		}
	}
	push := Message{Kind: "push", Event: "trade_manage_remind_shipping", OutTradeNo: "order-1", Fields: map[string]string{"msg": "ship it", "merchant_id": ""}}
	if got := send(push); got.Status != http.StatusOK || l.method != http.MethodPost || l.contentType != "text/xml" {
		t.Errorf("the push: %+v as %s", got, l.contentType)
	}
	fields := readXML(t, l.body)
	_, hasMerchant := fields["merchant_id"]
	if fields["Event"] != push.Event || fields["transaction_id"] != id || fields["merchant_trade_no"] != "order-1" || fields["msg"] != "ship it" || hasMerchant {
		t.Errorf("pushed %v", fields)
	}
	push.Format = "json"
	send(push)
	var told struct {
		Event         string
		TransactionID string `json:"transaction_id"`
		PayTime       int64  `json:"pay_time"`
	}
	if err := json.Unmarshal(l.body, &told); err != nil || told.Event != push.Event || told.TransactionID != id || told.PayTime == 0 {
		t.Errorf("pushed as JSON %s: %v", l.body, err)
	}
	raw := "<xml"
	if send(Message{Kind: "push", RawBody: &raw}); string(l.body) != raw {
		t.Errorf("pushed %s", l.body)
	}
	for name, in := range map[string]Message{
		"no address":    {Kind: "echo"},
		"no kind":       {URL: l.URL},
		"no such form":  {URL: l.URL, Kind: "push", Format: "yaml"},
		"no such spoil": {URL: l.URL, Kind: "push", Tamper: "body"},
	} {
		if status, _ := w.try(http.MethodPost, "/messages", in); status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d", name, status)
		}
	}
}
