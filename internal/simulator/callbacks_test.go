package simulator

import (
	"bytes"
	"context"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/wechatpay-apiv3/wechatpay-go/core"
	"github.com/wechatpay-apiv3/wechatpay-go/core/auth/verifiers"
	"github.com/wechatpay-apiv3/wechatpay-go/core/notify"
)

// merchant receives callbacks with wechatpay-go's own handler and remembers them.
type merchant struct {
	*httptest.Server
	answer func(n int, good bool) int // status of the nth request, from 1

	mu   sync.Mutex
	seen []received
}

type received struct {
	Good       bool // signature and decryption
	ID         string
	Event      string
	Serial     string
	Nonce      string
	Probe      bool
	TradeState string
	Refund     string
	body       []byte
}

// sane answers 200 to what verifies and 401 to the rest.
func sane(_ int, good bool) int {
	if good {
		return http.StatusOK
	}
	return http.StatusUnauthorized
}

func (w *world) merchant(answer func(n int, good bool) int) *merchant {
	w.t.Helper()
	a := w.account
	certs := core.NewCertificateMapWithList([]*x509.Certificate{a.x509})
	handler, err := notify.NewRSANotifyHandler(a.APIv3Key,
		verifiers.NewSHA256WithRSACombinedVerifier(certs, a.PublicKeyID, a.public.key.PublicKey))
	if err != nil {
		w.t.Fatal(err)
	}
	m := &merchant{answer: answer}
	m.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		var content struct {
			TradeState   string `json:"trade_state"`
			RefundStatus string `json:"refund_status"`
		}
		note, err := handler.ParseNotifyRequest(context.Background(), r, &content)
		got := received{
			Good: err == nil, Serial: r.Header.Get("Wechatpay-Serial"), Nonce: r.Header.Get("Wechatpay-Nonce"),
			Probe:      strings.HasPrefix(r.Header.Get("Wechatpay-Signature"), "WECHATPAY/SIGNTEST/"),
			TradeState: content.TradeState, Refund: content.RefundStatus, body: body,
		}
		if err == nil {
			got.ID, got.Event = note.ID, note.EventType
		}
		m.mu.Lock()
		m.seen = append(m.seen, got)
		n := len(m.seen)
		m.mu.Unlock()
		rw.WriteHeader(m.answer(n, got.Good))
	}))
	w.t.Cleanup(m.Close)
	return m
}

func (m *merchant) received() []received {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]received{}, m.seen...)
}

// statuses are those of an order's deliveries once there are n of them.
func (w *world) statuses(outTradeNo string, n int) []int {
	w.t.Helper()
	eventually(w.t, "all deliveries are on record", func() bool { return len(w.known(outTradeNo).Deliveries) >= n })
	var list []int
	for _, d := range w.known(outTradeNo).Deliveries {
		list = append(list, d.Status)
	}
	return list
}

func TestPaymentCallbackIsBelieved(t *testing.T) {
	for key, serial := range map[string]func(*account) string{
		"public":      func(a *account) string { return a.PublicKeyID },
		"certificate": func(a *account) string { return a.cert.serial },
	} {
		t.Run(key, func(t *testing.T) {
			w := start(t)
			m := w.merchant(sane)
			w.steer("/orders/order-1/pay", PayRequest{AmountFen: 100, NotifyURL: m.URL, Key: key}, nil)
			if got := w.statuses("order-1", 1); !cmp.Equal(got, []int{200}) {
				t.Fatalf("statuses %v", got)
			}
			got := m.received()[0]
			if !got.Good || got.TradeState != "SUCCESS" || got.Event != "TRANSACTION.SUCCESS" || got.Serial != serial(w.account) {
				t.Errorf("received %+v", got)
			}
		})
	}
}

func TestRetriesStopWhenTaken(t *testing.T) {
	w := start(t)
	m := w.merchant(func(n int, good bool) int {
		return []int{0, http.StatusInternalServerError, http.StatusCreated, http.StatusNoContent}[n] // 201 is no yes
	})
	w.steer("/orders/order-1/pay", PayRequest{AmountFen: 100, NotifyURL: m.URL}, nil)
	eventually(t, "the notice is done", func() bool { return w.noticeOf("order-1").Done })
	if got := w.statuses("order-1", 3); !cmp.Equal(got, []int{500, 201, 204}) {
		t.Errorf("statuses %v", got)
	}
	seen := m.received()
	if seen[0].ID == "" || seen[0].ID != seen[1].ID || seen[1].ID != seen[2].ID {
		t.Error("the notification's id changed between attempts")
	}
	if seen[0].Nonce == seen[1].Nonce {
		t.Error("an attempt was not signed anew")
	}
}

func (w *world) noticeOf(outTradeNo string) (found notice) {
	w.ledger.read(func(b *book) {
		for _, n := range b.notices {
			if n.OutTradeNo == outTradeNo {
				found = *n
			}
		}
	})
	return found
}

func TestRetriesEndWithTheSchedule(t *testing.T) {
	w := start(t)
	m := w.merchant(func(int, bool) int { return http.StatusServiceUnavailable })
	w.steer("/orders/order-1/pay", PayRequest{AmountFen: 100, NotifyURL: m.URL}, nil)
	eventually(t, "WeChat gives up", func() bool { return w.noticeOf("order-1").Done })
	if got := w.statuses("order-1", 4); !cmp.Equal(got, []int{503, 503, 503, 503}) {
		t.Errorf("statuses %v, want one attempt and three retries", got)
	}
}

func TestProbeGoesFirst(t *testing.T) {
	w := start(t)
	m := w.merchant(sane)
	w.steer("/orders/order-1/pay", PayRequest{AmountFen: 100, NotifyURL: m.URL, SignTest: true}, nil)
	if got := w.statuses("order-1", 2); !cmp.Equal(got, []int{401, 200}) {
		t.Fatalf("statuses %v", got)
	}
	seen := m.received()
	if !seen[0].Probe || seen[0].Good || seen[1].Probe || !seen[1].Good {
		t.Errorf("received %+v", seen)
	}
}

func TestCallbackLostThenCopied(t *testing.T) {
	w := start(t)
	m, other := w.merchant(sane), w.merchant(sane)
	var paid PayAnswer
	w.steer("/orders/order-1/pay", PayRequest{AmountFen: 100, NotifyURL: m.URL, Lose: true}, &paid)
	var told NotifyAnswer
	w.steer("/transactions/"+paid.TransactionID+"/notify", NotifyRequest{Copies: 6, URLs: []string{m.URL, other.URL}}, &told)
	if !cmp.Equal(told.Statuses, []int{200, 200, 200, 200, 200, 200}) {
		t.Errorf("statuses %v", told.Statuses)
	}
	if a, b := len(m.received()), len(other.received()); a != 3 || b != 3 {
		t.Errorf("%d and %d copies, want three each and none before", a, b)
	}
	for _, tamper := range []string{"signature", "ciphertext", "body"} {
		w.steer("/transactions/"+paid.TransactionID+"/notify", NotifyRequest{Tamper: tamper}, &told)
		if !cmp.Equal(told.Statuses, []int{401}) {
			t.Errorf("spoilt %s: statuses %v", tamper, told.Statuses)
		}
	}
	w.steer("/orders/order-2/pay", PayRequest{AmountFen: 100, NotifyURL: m.URL, Copies: 5}, nil)
	if got := w.statuses("order-2", 5); !cmp.Equal(got, []int{200, 200, 200, 200, 200}) {
		t.Errorf("five at once: statuses %v", got)
	}
}

func TestRefundCallbacks(t *testing.T) {
	for plan, want := range map[string]received{
		"normal":   {Good: true, Event: "REFUND.SUCCESS", Refund: "SUCCESS"},
		"abnormal": {Good: true, Event: "REFUND.ABNORMAL", Refund: "ABNORMAL"},
		"closed":   {Good: true, Event: "REFUND.CLOSED", Refund: "CLOSED"},
	} {
		t.Run(plan, func(t *testing.T) {
			w := start(t)
			m := w.merchant(sane)
			var paid PayAnswer
			w.steer("/orders/order-1/pay", PayRequest{AmountFen: 100, NotifyURL: m.URL, Lose: true}, &paid)
			w.steer("/orders/order-1/plan", Plan{Refund: plan}, nil)
			if _, err := w.refund(paid.TransactionID, "R1", 100, 100); err != nil {
				t.Fatal(code(err))
			}
			if got := w.statuses("order-1", 1); !cmp.Equal(got, []int{200}) {
				t.Fatalf("statuses %v", got)
			}
			got := m.received()[0]
			got = received{Good: got.Good, Event: got.Event, Refund: got.Refund}
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(received{})); diff != "" {
				t.Errorf("callback (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRefundCallbackIsLost(t *testing.T) {
	w := start(t)
	m := w.merchant(sane)
	var paid PayAnswer
	w.steer("/orders/order-1/pay", PayRequest{AmountFen: 100, NotifyURL: m.URL, Lose: true}, &paid)
	w.steer("/orders/order-1/plan", Plan{RefundNotify: "lose"}, nil)
	if _, err := w.refund(paid.TransactionID, "R1", 100, 100); err != nil {
		t.Fatal(code(err))
	}
	eventually(t, "the refund succeeded", func() bool { return w.queryRefundStatus("R1") == "SUCCESS" })
	w.end() // nothing is under way any more
	if got := m.received(); len(got) != 0 {
		t.Errorf("received %+v", got)
	}
}

func TestRefundCallbackOvertakesTheAnswer(t *testing.T) {
	w := start(t)
	m := w.merchant(func(n int, good bool) int {
		if n == 1 {
			return http.StatusServiceUnavailable // refused once, it is repeated as any other
		}
		return sane(n, good)
	})
	var paid PayAnswer
	w.steer("/orders/order-1/pay", PayRequest{AmountFen: 100, NotifyURL: m.URL, Lose: true}, &paid)
	w.steer("/orders/order-1/plan", Plan{RefundNotify: "reorder"}, nil)
	answer, err := w.refund(paid.TransactionID, "R1", 100, 100)
	if err != nil {
		t.Fatal(code(err))
	}
	if got := m.received(); len(got) == 0 || got[0].Refund != "SUCCESS" {
		t.Errorf("before the answer came %+v", got)
	}
	if *answer.Status != "PROCESSING" || w.queryRefundStatus("R1") != "SUCCESS" {
		t.Errorf("the answer says %s, the query %s", *answer.Status, w.queryRefundStatus("R1"))
	}
	if got := w.statuses("order-1", 2); !cmp.Equal(got, []int{503, 200}) {
		t.Errorf("statuses %v", got)
	}
}

func TestEarlierStatusIsToldLate(t *testing.T) {
	w := start(t)
	m := w.merchant(sane)
	id := w.pays("order-1")
	w.steer("/orders/order-1/plan", Plan{Refund: "abnormal"}, nil)
	if _, err := w.refund(id, "R1", 100, 100); err != nil {
		t.Fatal(code(err))
	}
	eventually(t, "the refund is abnormal", func() bool { return w.queryRefundStatus("R1") == "ABNORMAL" })
	w.steer("/refunds/R1/succeed", nil, nil)
	w.steer("/refunds/R1/notify", NotifyRequest{URLs: []string{m.URL}, Status: "ABNORMAL"}, nil)
	w.steer("/refunds/R1/notify", NotifyRequest{URLs: []string{m.URL}}, nil)
	seen := m.received()
	if seen[0].Event != "REFUND.ABNORMAL" || seen[0].Refund != "ABNORMAL" || seen[1].Refund != "SUCCESS" {
		t.Errorf("received %+v", seen)
	}
	if status, _ := w.try(http.MethodPost, "/refunds/R1/notify", NotifyRequest{Status: "CLOSED"}); status != http.StatusNotFound {
		t.Errorf("a status that never was: %d", status)
	}
}

func TestAnyNotification(t *testing.T) {
	w := start(t)
	m := w.merchant(sane)
	text := func(s string) *string { return &s }
	for name, tc := range map[string]struct {
		send Notification
		want int
	}{
		"good, whatever it says":       {Notification{Plaintext: `{"trade_state":"NOTPAY"}`}, 200},
		"signed with the certificate":  {Notification{Plaintext: `{}`, Key: "certificate"}, 200},
		"just in time":                 {Notification{Plaintext: `{}`, TimestampOffset: "-290s"}, 200},
		"too old":                      {Notification{Plaintext: `{}`, TimestampOffset: "-301s"}, 401},
		"time is no number":            {Notification{Plaintext: `{}`, Timestamp: "abc"}, 401},
		"sealed with another key":      {Notification{Plaintext: `{}`, APIv3Key: "0123456789abcdef0123456789abcdef"}, 401},
		"other associated data inside": {Notification{Plaintext: `{}`, AssociatedData: text("else")}, 200},
		"ciphertext is no base64":      {Notification{Ciphertext: text("?")}, 401},
		"body is no JSON, signed well": {Notification{RawBody: text("hello")}, 401},
		"body is not even text":        {Notification{RawBodyBase64: "//4="}, 401},
		"plaintext is no JSON":         {Notification{PlaintextBase64: "//4="}, 401},
		"a header is missing":          {Notification{Plaintext: `{}`, Headers: map[string][]string{"Wechatpay-Serial": {}}}, 401},
		"a header is replaced":         {Notification{Plaintext: `{}`, Headers: map[string][]string{"Wechatpay-Nonce": {"another"}}}, 401},
		"a header is in lower case":    {Notification{Plaintext: `{}`, Headers: map[string][]string{"wechatpay-signature-type": {"WECHATPAY2-SHA256-RSA2048"}}}, 200},
		"a probe":                      {Notification{Plaintext: `{}`, SignTest: true}, 401},
		"spoilt after sealing":         {Notification{Plaintext: `{}`, Tamper: "ciphertext"}, 401},
		"spoilt after signing":         {Notification{Plaintext: `{}`, Tamper: "body"}, 401},
		"signed with the wrong key":    {Notification{Plaintext: `{}`, Tamper: "signature"}, 401},
	} {
		t.Run(name, func(t *testing.T) {
			tc.send.URL = m.URL
			var got NotificationAnswer
			w.steer("/notifications", tc.send, &got)
			if got.Status != tc.want {
				t.Errorf("status %d (%s), want %d", got.Status, got.Error, tc.want)
			}
		})
	}
	before := len(m.received())
	var got NotificationAnswer
	w.steer("/notifications", Notification{URL: m.URL, RawBody: text("")}, &got)
	if seen := m.received()[before]; len(seen.body) != 0 {
		t.Errorf("an empty raw body arrived as %q", seen.body)
	}
	w.steer("/notifications", Notification{URL: "http://127.0.0.1:1/nobody"}, &got)
	if got.Status != 0 || got.Error == "" {
		t.Errorf("nobody there: %+v", got)
	}
	if status, _ := w.try(http.MethodPost, "/notifications", map[string]any{"url": m.URL, "tampr": "body"}); status != http.StatusUnprocessableEntity {
		t.Errorf("a misspelt field: %d", status)
	}
}

func TestWeChatsOwnSchedule(t *testing.T) {
	var sum time.Duration
	for _, gap := range WeChatRetry {
		sum += gap
	}
	if len(WeChatRetry) != 15 || sum != 24*time.Hour+4*time.Minute {
		t.Errorf("%d retries over %s, want 15 over 24h4m", len(WeChatRetry), sum)
	}
}
