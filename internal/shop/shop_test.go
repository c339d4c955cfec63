package shop_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
	"github.com/paysaga/paysaga/internal/shop"
)

const (
	fulfilmentSecret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"
	webhookSecret    = "whsec_emFZQnhDd0R2RXVGdEdzSHJJcUpwS29MbU4="
	canary           = "canary-9f2b" // planted in answers, and never to be found in an error
)

// fakeShop answers every call the same way and remembers who signed it. It checks
// signatures with the official library of the specification, not with our code.
type fakeShop struct {
	status int
	body   string
	header http.Header

	mu    sync.Mutex
	calls []heard
}

// heard is one call as the shop saw it.
type heard struct {
	Call   string // method, path, Idempotency-Key
	Body   string
	ID     string
	Signed bool
}

func (f *fakeShop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	secret := fulfilmentSecret
	if r.URL.Path == "/hooks" {
		secret = webhookSecret
	}
	verifier, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		panic(err)
	}
	f.mu.Lock()
	f.calls = append(f.calls, heard{
		Call:   strings.TrimSpace(r.Method + " " + r.URL.EscapedPath() + " " + r.Header.Get("Idempotency-Key")),
		Body:   string(body),
		ID:     r.Header.Get("webhook-id"),
		Signed: verifier.Verify(body, r.Header) == nil,
	})
	f.mu.Unlock()
	for name, values := range f.header {
		w.Header()[name] = values
	}
	w.WriteHeader(f.status)
	io.WriteString(w, f.body)
}

// open starts a shop with that answer and a client of it.
func open(t *testing.T, f *fakeShop) *shop.Client {
	t.Helper()
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	client, err := shop.New(shop.Config{
		FulfilmentURL: server.URL + "/f/", FulfilmentSecret: fulfilmentSecret,
		WebhookURL: server.URL + "/hooks", WebhookSecret: webhookSecret,
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

var parcel = activities.Parcel{
	Key: "ship-4200000001", OutTradeNo: "ORDER|1*", TransactionID: "4200000001",
	AmountFen: 12850, Currency: "CNY", Shipping: json.RawMessage(`{"to":"<Ann & Bo>"}`),
}

// The four calls, as one shape: what came of it, and how it failed.
var (
	ship = func(t *testing.T, c *shop.Client) (activities.Dispatch, error) { return c.Ship(t.Context(), parcel) }
	find = func(t *testing.T, c *shop.Client) (activities.Dispatch, error) {
		return c.Find(t.Context(), parcel.OutTradeNo)
	}
	cancel = func(t *testing.T, c *shop.Client) (activities.Dispatch, error) {
		return activities.Dispatch{}, c.Cancel(t.Context(), parcel)
	}
	tell = func(t *testing.T, c *shop.Client) (activities.Dispatch, error) {
		return activities.Dispatch{}, c.Tell(t.Context(), activities.Message{ID: "told-1", Payload: json.RawMessage(`{"type":"order.shipped"}`)})
	}
)

func TestAnswers(t *testing.T) {
	const sent = `{"shipment_id":"S1","carrier":"SF","tracking_no":"T9"}`
	dispatched := activities.Dispatch{State: payment.ShipDispatched, ShipmentID: "S1", Carrier: "SF", TrackingNo: "T9"}
	failed := func(kind payment.Kind, code string) error { return payment.Failf(kind, code, "") }

	for ending, tc := range map[string]struct {
		call   func(*testing.T, *shop.Client) (activities.Dispatch, error)
		status int
		body   string
		header http.Header
		want   activities.Dispatch
		err    error
	}{
		"the shop ships":                    {call: ship, status: 201, body: sent, want: dispatched},
		"the shop had shipped that key":     {call: ship, status: 200, body: sent, want: dispatched},
		"the shop will ship later":          {call: ship, status: 202, body: `{"shipment_id":"S1"}`, want: activities.Dispatch{State: payment.ShipAccepted, ShipmentID: "S1"}},
		"the shop is out of stock":          {call: ship, status: 409, body: `{"code":"SOLD_OUT","message":" no more\r\nof it "}`, err: failed(payment.Refused, "SOLD_OUT")},
		"the shop cannot ship such a thing": {call: ship, status: 422, body: `{"code":"bad.address"}`, err: failed(payment.Refused, "bad.address")},
		"the shop says no without a reason": {call: ship, status: 409, body: canary, err: failed(payment.Refused, "shop_refused")},
		"the shop's code is no code":        {call: ship, status: 409, body: `{"code":"` + canary + ` <script>"}`, err: failed(payment.Refused, "shop_refused")},
		"the shop's no is endless":          {call: ship, status: 409, body: `{"code":"X"}` + strings.Repeat(" ", 1<<20), err: failed(payment.Refused, "shop_refused")},
		"shipped, but what":                 {call: ship, status: 200, body: `{}`, err: failed(payment.Unknown, "shop_unusable_answer")},
		"shipped, but in prose":             {call: ship, status: 200, body: canary, err: failed(payment.Unknown, "shop_unusable_answer")},
		"shipped under an unprintable id":   {call: ship, status: 200, body: `{"shipment_id":"S\u0000` + canary + `"}`, err: failed(payment.Unknown, "shop_unusable_answer")},
		"shipped under an endless id":       {call: ship, status: 200, body: `{"shipment_id":"` + strings.Repeat("S", 129) + `"}`, err: failed(payment.Unknown, "shop_unusable_answer")},
		"shipped, and talks for ever":       {call: ship, status: 200, body: sent + strings.Repeat(" ", 1<<20), err: failed(payment.Unknown, "shop_unusable_answer")},
		"the carrier's name is no line":     {call: ship, status: 200, body: `{"shipment_id":"S1","carrier":"\u202eS\nF\u0000","tracking_no":"` + strings.Repeat("9", 500) + `"}`, want: activities.Dispatch{State: payment.ShipDispatched, ShipmentID: "S1", Carrier: "S F", TrackingNo: strings.Repeat("9", 128)}},
		"ship meets a wrong address":        {call: ship, status: 404, body: canary, err: failed(payment.Unknown, "shop_unclear")},
		"ship meets a wrong secret":         {call: ship, status: 401, body: canary, err: failed(payment.Unknown, "shop_unclear")},
		"ship meets a bad request":          {call: ship, status: 400, err: failed(payment.Unknown, "shop_unclear")},
		"ship meets a rate limit":           {call: ship, status: 429, err: failed(payment.Unknown, "shop_unclear")},
		"ship meets a broken shop":          {call: ship, status: 500, body: canary, err: failed(payment.Unknown, "shop_unclear")},
		"ship meets a 204":                  {call: ship, status: 204, err: failed(payment.Unknown, "shop_unclear")},
		"ship is sent elsewhere":            {call: ship, status: 307, header: http.Header{"Location": {"/elsewhere"}}, err: failed(payment.Unknown, "shop_unclear")},

		"found on its way":          {call: find, status: 200, body: `{"status":"dispatched",` + sent[1:], want: dispatched},
		"found waiting":             {call: find, status: 200, body: `{"shipment_id":"S1","status":"accepted"}`, want: activities.Dispatch{State: payment.ShipAccepted, ShipmentID: "S1"}},
		"found cancelled":           {call: find, status: 200, body: `{"shipment_id":"S1","status":"cancelled"}`, want: activities.Dispatch{State: payment.ShipCancelled, ShipmentID: "S1"}},
		"found in an unknown state": {call: find, status: 200, body: `{"shipment_id":"S1","status":"requested"}`, err: failed(payment.Unknown, "shop_unusable_answer")},
		"found in no state":         {call: find, status: 200, body: sent, err: failed(payment.Unknown, "shop_unusable_answer")},
		"not found":                 {call: find, status: 404, body: canary, err: failed(payment.NotFound, "no_shipment")},
		"a question is no conflict": {call: find, status: 409, body: canary, err: failed(payment.Unknown, "shop_unclear")},
		"the question goes astray":  {call: find, status: 302, header: http.Header{"Location": {"/elsewhere"}}, err: failed(payment.Unknown, "shop_unclear")},
		"the shop cannot say":       {call: find, status: 503, err: failed(payment.Unknown, "shop_unclear")},

		"never to be shipped":             {call: cancel, status: 200, body: canary},
		"never to be shipped, silently":   {call: cancel, status: 204},
		"cancelling is only promised":     {call: cancel, status: 202, err: failed(payment.Unknown, "shop_unclear")},
		"too late to cancel":              {call: cancel, status: 409, body: `{"code":"DISPATCHED"}`, err: failed(payment.Refused, "DISPATCHED")},
		"a shop without memory":           {call: cancel, status: 404, err: failed(payment.NotFound, "no_shipment")},
		"cancel is not understood":        {call: cancel, status: 422, err: failed(payment.Unknown, "shop_unclear")},
		"cancel meets a broken shop":      {call: cancel, status: 502, body: canary, err: failed(payment.Unknown, "shop_unclear")},
		"the shop was told":               {call: tell, status: 200, body: canary},
		"the shop was told and will see":  {call: tell, status: 202},
		"the shop wants no more webhooks": {call: tell, status: 410, err: failed(payment.Refused, "webhook_gone")},
		"nobody home at the webhook":      {call: tell, status: 404, body: canary, err: failed(payment.Unknown, "shop_unclear")},
		"the webhook has moved":           {call: tell, status: 301, header: http.Header{"Location": {"/elsewhere"}}, err: failed(payment.Unknown, "shop_unclear")},
		"the webhook is broken":           {call: tell, status: 500, err: failed(payment.Unknown, "shop_unclear")},
	} {
		t.Run(ending, func(t *testing.T) {
			t.Parallel()
			f := &fakeShop{status: tc.status, body: tc.body, header: tc.header}
			got, err := tc.call(t, open(t, f))
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("what the shop said (-want +got):\n%s", diff)
			}
			if payment.KindOf(err) != payment.KindOf(tc.err) || payment.CodeOf(err) != payment.CodeOf(tc.err) {
				t.Errorf("error %v, want %s %s", err, payment.KindOf(tc.err), payment.CodeOf(tc.err))
			}
			if err != nil && (strings.Contains(fmt.Sprintf("%v %+v", err, err), canary) || strings.ContainsAny(err.Error(), "\r\n\x00")) {
				t.Errorf("the error repeats what a stranger said: %q", err)
			}
			if len(f.calls) != 1 || !f.calls[0].Signed {
				t.Errorf("the shop heard %+v, want one signed call: a redirect is not followed", f.calls)
			}
		})
	}
}

func TestTheShopsNoIsQuotedInOneShortLine(t *testing.T) {
	long := "缺货\u202e\n" + strings.Repeat("很", 500)
	body, _ := json.Marshal(map[string]string{"code": "SOLD_OUT", "message": long})
	_, err := ship(t, open(t, &fakeShop{status: 409, body: string(body)}))
	want := "SOLD_OUT: 缺货  " + strings.Repeat("很", 200-4)
	if err == nil || err.Error() != want {
		t.Errorf("refusal reads\n%v\nwant\n%s", err, want)
	}
}

func TestWhatTheShopHears(t *testing.T) {
	f := &fakeShop{status: 500}
	client := open(t, f)
	for _, call := range []func(*testing.T, *shop.Client) (activities.Dispatch, error){ship, ship, find, find, cancel, cancel, tell} {
		if _, err := call(t, client); payment.KindOf(err) != payment.Unknown {
			t.Fatalf("error %v, want unknown", err)
		}
	}
	if f.calls[2].ID == f.calls[3].ID {
		t.Errorf("two questions have one webhook-id %q", f.calls[2].ID)
	}
	f.calls[2].ID, f.calls[3].ID = "once", "once"

	asked := heard{Call: "POST /f/shipments ship-4200000001", ID: "ship-4200000001", Signed: true,
		Body: `{"out_trade_no":"ORDER|1*","transaction_id":"4200000001","amount_fen":12850,"currency":"CNY","shipping":{"to":"\u003cAnn \u0026 Bo\u003e"}}`}
	question := heard{Call: "GET /f/shipments/ORDER%7C1%2A", ID: "once", Signed: true}
	stop := heard{Call: "POST /f/shipments/ORDER%7C1%2A/cancel", ID: "cancel-4200000001", Signed: true,
		Body: `{"ship_key":"ship-4200000001","transaction_id":"4200000001"}`}
	event := heard{Call: "POST /hooks", ID: "told-1", Signed: true, Body: `{"type":"order.shipped"}`}
	if diff := cmp.Diff([]heard{asked, asked, question, question, stop, stop, event}, f.calls); diff != "" {
		t.Errorf("what the shop heard (-want +got):\n%s", diff)
	}
}

func TestANumberIsOnePartOfThePath(t *testing.T) {
	f := &fakeShop{status: 404}
	open(t, f).Find(t.Context(), "A/../B?c=d%2F")
	if want := "GET /f/shipments/A%2F..%2FB%3Fc=d%252F"; len(f.calls) != 1 || f.calls[0].Call != want {
		t.Errorf("the shop heard %+v, want %s", f.calls, want)
	}
}

func TestWithoutAWebhookMessagesStop(t *testing.T) {
	client, err := shop.New(shop.Config{FulfilmentURL: "http://127.0.0.1:9", FulfilmentSecret: fulfilmentSecret})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tell(t, client); payment.KindOf(err) != payment.Refused || payment.CodeOf(err) != "no_webhook" {
		t.Errorf("error %v, want refused no_webhook", err)
	}
}

func TestNewNamesEveryMistakeAndQuotesNone(t *testing.T) {
	_, err := shop.New(shop.Config{
		FulfilmentURL: "ftp://" + canary, FulfilmentSecret: canary,
		WebhookURL: "https://x/?" + canary, WebhookSecret: "whsec_c2hvcnQ=",
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"fulfilment secret: must begin", "fulfilment URL", "webhook secret: must hold", "webhook URL"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not mentioned in %q", want, err)
		}
	}
	if strings.Contains(err.Error(), canary) {
		t.Errorf("the error quotes a setting: %q", err)
	}
}
