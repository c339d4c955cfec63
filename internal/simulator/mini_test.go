package simulator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// tells calls the mini-program's server and returns errcode and what else it said.
func (w *world) tells(path string, in any) (int, map[string]any) {
	w.t.Helper()
	raw, err := json.Marshal(in)
	if err != nil {
		w.t.Fatal(err)
	}
	r, err := http.NewRequest(http.MethodPost, w.wechat.URL+path, bytes.NewReader(raw))
	if err != nil {
		w.t.Fatal(err)
	}
	status, body := do(w.t, r)
	var out map[string]any
	if err := json.Unmarshal(body, &out); err != nil || status != http.StatusOK {
		w.t.Fatalf("%s: %d %s", path, status, body)
	}
	code, _ := out["errcode"].(float64)
	return int(code), out
}

// fetchToken asks for a token as its owner may.
func (w *world) fetchToken(more ...string) string {
	w.t.Helper()
	in := map[string]any{"grant_type": "client_credential", "appid": w.account.AppID, "secret": w.account.MiniAppSecret}
	for _, name := range more {
		in[name] = true
	}
	code, out := w.tells("/cgi-bin/stable_token", in)
	token, _ := out["access_token"].(string)
	if token == "" {
		w.t.Fatalf("no token: %d", code)
	}
	return token
}

func (w *world) paidBy(outTradeNo, openID string) string {
	w.t.Helper()
	if _, err := w.prepayJSAPI(outTradeNo, openID); err != nil {
		w.t.Fatal(code(err))
	}
	return w.pays(outTradeNo)
}

type object = map[string]any

func (w *world) message(openID string, data object) object {
	return object{"touser": openID, "template_id": w.account.Template, "data": data}
}

func (w *world) says(token string, in any) int {
	w.t.Helper()
	code, _ := w.tells("/cgi-bin/message/subscribe/send?access_token="+token, in)
	return code
}

func TestTokenLivesTwoHours(t *testing.T) {
	w := start(t, stopped)
	good := func(token string) int { return w.says(token, object{}) }
	const refused = 40037 // the token is good, the empty message is not
	first := w.fetchToken()
	if w.fetchToken() != first {
		t.Error("a second call made another token")
	}
	w.passes("1h54m")
	if w.fetchToken() != first {
		t.Error("the token was replaced too soon")
	}
	w.passes("2m") // into its last five minutes
	second := w.fetchToken()
	if second == first || good(first) != refused || good(second) != refused {
		t.Errorf("near the end: %d and %d, want both tokens to be good", good(first), good(second))
	}
	w.passes("5m")
	if good(first) != 42001 || good(second) != refused {
		t.Errorf("after two hours: %d and %d", good(first), good(second))
	}
	third := w.fetchToken("force_refresh")
	if third == second || good(second) != 40001 || good(third) != refused {
		t.Errorf("forced: %d and %d", good(second), good(third))
	}
	var out TokensExpired
	w.steer("/tokens/expire", nil, &out)
	if out.Expired != 1 || good(third) != 40001 || w.fetchToken() == third {
		t.Errorf("expired by hand: %+v, %d", out, good(third))
	}
	if good("") != 41001 || good("made-up") != 40001 {
		t.Error("no token, or an invented one, was good")
	}
	for want, in := range map[int]object{
		40002: {"grant_type": "else", "appid": w.account.AppID, "secret": w.account.MiniAppSecret},
		40013: {"grant_type": "client_credential", "appid": "wx0", "secret": w.account.MiniAppSecret},
		40125: {"grant_type": "client_credential", "appid": w.account.AppID, "secret": "guess"},
	} {
		if got, out := w.tells("/cgi-bin/stable_token", in); got != want || out["access_token"] != nil {
			t.Errorf("asked wrongly: %d, want %d", got, want)
		}
	}
}

func TestMessageIsHeardAsOftenAsItIsSent(t *testing.T) {
	w := start(t)
	token := w.fetchToken()
	w.paidBy("order-1", "oAnn")
	w.paidBy("order-2", "oAnn")
	thing := func(text string) object { return object{"thing1": object{"value": text}} }
	for name, tc := range map[string]struct {
		in   object
		want int
	}{
		"somebody who never paid":   {w.message("oNobody", thing("tea")), 40003},
		"another template":          {object{"touser": "oAnn", "template_id": "T", "data": thing("tea")}, 40037},
		"nothing to say":            {w.message("oAnn", object{}), 47003},
		"an empty value":            {w.message("oAnn", thing("")), 47003},
		"21 characters":             {w.message("oAnn", thing(strings.Repeat("茶", 21))), 47003},
		"20 characters":             {w.message("oAnn", thing(strings.Repeat("茶", 20))), 0},
		"a key of no kind":          {w.message("oAnn", object{"tea": object{"value": "tea"}}), 47003},
		"named by its order number": {w.message("oAnn", object{"character_string1": object{"value": "order-1"}}), 0},
	} {
		if got := w.says(token, tc.in); got != tc.want {
			t.Errorf("%s: %d, want %d", name, got, tc.want)
		}
	}
	named := w.message("oAnn", object{"character_string1": object{"value": "order-1"}})
	w.steer("/orders/order-1/plan", Plan{Message: "no_consent", MessageTimes: 1}, nil)
	if got := w.says(token, named); got != 43101 {
		t.Errorf("without consent: %d", got)
	}
	w.steer("/orders/order-1/plan", Plan{Message: "busy", MessageTimes: 1}, nil)
	if got := w.says(token, named); got != -1 {
		t.Errorf("busy: %d", got)
	}
	w.steer("/orders/order-1/plan", Plan{Message: "invalid_token", MessageTimes: 1}, nil)
	if got := w.says(token, named); got != 40001 {
		t.Errorf("the token is said to be invalid: %d", got)
	}
	if got := w.says(token, named); got != 0 {
		t.Errorf("the same again: %d", got)
	}
	want := []MessageTruth{{Reader: readerOf("oAnn"), TemplateID: w.account.Template, Requests: 5, Count: 2}}
	if diff := cmp.Diff(want, w.known("order-1").Messages); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
	latest := w.known("order-2").Messages // what names no order is about the latest
	if !slices.ContainsFunc(latest, func(m MessageTruth) bool { return m.TemplateID == w.account.Template && m.Count == 1 }) {
		t.Errorf("of the order paid last: %+v", latest)
	}
	if strings.Contains(readFile(t, w.Data+"/ledger.jsonl"), `"reader":"oAnn`) {
		t.Error("the ledger tells who reads messages")
	}
}

// upload is a good upload of a payment's shipping information.
func (w *world) upload(transactionID, openID string, at time.Time) object {
	return object{
		"order_key":      object{"order_number_type": 2, "transaction_id": transactionID},
		"logistics_type": 1, "delivery_mode": 1,
		"shipping_list": []object{{"tracking_no": "YT1", "express_company": "YTO", "item_desc": "tea"}},
		"upload_time":   at.Format(time.RFC3339Nano), "payer": object{"openid": openID},
	}
}

func (w *world) uploads(token string, in any) int {
	w.t.Helper()
	code, _ := w.tells("/wxa/sec/order/upload_shipping_info?access_token="+token, in)
	return code
}

func TestUploadIsNotIdempotent(t *testing.T) {
	w := start(t)
	token := w.fetchToken()
	id := w.paidBy("order-1", "oAnn")
	now := time.Now()
	state := func() string {
		code, out := w.tells("/wxa/sec/order/get_order?access_token="+token, object{"merchant_id": w.account.MchID, "merchant_trade_no": "order-1"})
		if code != 0 {
			return fmt.Sprint(code)
		}
		order := out["order"].(object)
		return fmt.Sprint(order["order_state"], order["shipping"].(object)["finish_shipping_count"])
	}
	w.steer("/orders/order-1/plan", Plan{ShippingInfo: "too_early", ShippingInfoTimes: 2, ShippingQuery: "too_early", ShippingQueryTimes: 1}, nil)
	if got := state(); got != "10060001" {
		t.Errorf("asked too early: %s", got)
	}
	if got := state(); got != "1 0" {
		t.Errorf("before the upload: %s", got)
	}
	for i, step := range []struct {
		what string
		in   object
		want int
	}{
		{"too early", w.upload(id, "oAnn", now), 10060001},
		{"still too early", w.upload(id, "oAnn", now), 10060001},
		{"now", w.upload(id, "oAnn", now), 0},
		{"at the same time", w.upload(id, "oAnn", now), 268485216},
		{"once more", w.upload(id, "oAnn", now.Add(time.Second)), 0},
		{"a third time", w.upload(id, "oAnn", now.Add(time.Minute)), 10060003},
	} {
		if got := w.uploads(token, step.in); got != step.want {
			t.Errorf("upload %d, %s: %d, want %d", i+1, step.what, got, step.want)
		}
	}
	if got := state(); got != "2 2" {
		t.Errorf("after the uploads: %s", got)
	}
	want := []ShippingInfoTruth{{TransactionID: id, OutTradeNo: "order-1", Requests: 6, Uploads: 2}}
	if diff := cmp.Diff(want, w.known("order-1").ShippingInfos); diff != "" {
		t.Errorf("shipping infos (-want +got):\n%s", diff)
	}
	w.end()
	if diff := cmp.Diff(want, startAgain(t, w.Config).known("order-1").ShippingInfos); diff != "" {
		t.Errorf("after a restart (-want +got):\n%s", diff)
	}
}

func TestUploadsThatAreRefused(t *testing.T) {
	w := start(t)
	token := w.fetchToken()
	id := w.paidBy("order-1", "oAnn")
	change := func(name string, value any) object {
		in := w.upload(id, "oAnn", time.Now())
		in[name] = value
		return in
	}
	list := func(item object) object { return change("shipping_list", []object{item}) }
	item := object{"item_desc": "tea", "tracking_no": "1", "express_company": "YTO"}
	for name, tc := range map[string]struct {
		in   any
		want int
	}{
		"no JSON object":                  {"hello", 47001},
		"a payment nobody knows":          {w.upload("4200", "oAnn", time.Now()), 10060001},
		"another merchant's order":        {change("order_key", object{"order_number_type": 1, "mchid": "1", "out_trade_no": "order-1"}), 10060001},
		"no kind of number":               {change("order_key", object{"transaction_id": id}), 268485194},
		"another payer":                   {w.upload(id, "oBob", time.Now()), 10060031},
		"no logistics":                    {change("logistics_type", 0), 10060005},
		"no delivery mode":                {change("delivery_mode", 3), 268485224},
		"unified, and two items":          {change("shipping_list", []object{item, item}), 268485228},
		"no items":                        {change("shipping_list", []object{}), 268485228},
		"nothing said of the goods":       {list(object{"tracking_no": "1", "express_company": "YTO"}), 10060020},
		"too much said of them":           {list(object{"item_desc": strings.Repeat("茶", 121), "tracking_no": "1", "express_company": "YTO"}), 10060025},
		"express without a number":        {list(object{"item_desc": "tea", "express_company": "YTO"}), 268485226},
		"express by nobody":               {list(object{"item_desc": "tea", "tracking_no": "1"}), 268485227},
		"SF without a contact":            {list(object{"item_desc": "tea", "tracking_no": "1", "express_company": "SF"}), 10060014},
		"an upload time without a zone":   {change("upload_time", "2026-11-22T10:00:00"), 268485216},
		"an upload time that is a number": {change("upload_time", 5), 47001},
	} {
		if got := w.uploads(token, tc.in); got != tc.want {
			t.Errorf("%s: %d, want %d", name, got, tc.want)
		}
	}
	split := change("delivery_mode", 2)
	split["shipping_list"] = []object{}
	if got := w.uploads(token, split); got != 10060024 {
		t.Errorf("split into nothing: %d", got)
	}
	if _, err := w.refund(id, "R1", 100, 100); err != nil {
		t.Fatal(code(err))
	}
	if got := w.uploads(token, w.upload(id, "oAnn", time.Now())); got != 10060004 {
		t.Errorf("after the refund: %d", got)
	}
	_, out := w.tells("/wxa/sec/order/get_order?access_token="+token, object{"transaction_id": id})
	if order, _ := out["order"].(object); order["order_state"] != 5.0 || order["openid"] != "oAnn" {
		t.Errorf("after the refund the order is %v", order)
	}
	for _, info := range w.known("order-1").ShippingInfos {
		if info.Uploads != 0 {
			t.Errorf("refused, and yet %+v", info)
		}
	}
}
