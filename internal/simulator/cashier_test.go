package simulator

import (
	"bytes"
	"context"
	"encoding/base64"
	"image/png"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"rsc.io/qr"

	"github.com/wechatpay-apiv3/wechatpay-go/core"
	"github.com/wechatpay-apiv3/wechatpay-go/services/payments/native"
)

// page fetches a page of the control port, or posts a button of it, and follows
// where it leads.
func (w *world) page(path, how string) (int, string) {
	w.t.Helper()
	r, err := http.NewRequest(http.MethodGet, w.control.URL+path, nil)
	if how != "" {
		r, err = http.NewRequest(http.MethodPost, w.control.URL+path, strings.NewReader(url.Values{"how": {how}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if err != nil {
		w.t.Fatal(err)
	}
	status, body := do(w.t, r)
	return status, string(body)
}

var image = regexp.MustCompile(`src="data:image/png;base64,([^"]+)"`)

func TestCashierShowsWhatIsToBePaid(t *testing.T) {
	w := start(t)
	api := native.NativeApiService{Client: w.sdk()}
	answer, _, err := api.Prepay(context.Background(), native.PrepayRequest{
		Appid: &w.account.AppID, Mchid: &w.account.MchID, OutTradeNo: core.String("order|1*"), Description: core.String("tea <b>& cake"),
		NotifyUrl: never, Amount: &native.Amount{Total: core.Int64(12805)},
	})
	if err != nil {
		t.Fatal(code(err))
	}
	status, door := w.page("/cashier?code_url="+url.QueryEscape(*answer.CodeUrl), "") // whoever has the QR code finds the page
	statusToo, html := w.page("/cashier/order%7C1*", "")
	if status != http.StatusOK || statusToo != http.StatusOK || door != html {
		t.Fatalf("%d %d", status, statusToo)
	}
	for _, text := range []string{"tea &lt;b&gt;&amp; cake", "¥128.05", "order|1*", `value="once"`, `value="twice"`, `name="viewport"`} {
		if !strings.Contains(html, text) {
			t.Errorf("the page does not show %s", text)
		}
	}
	if strings.Contains(html, "//") && regexp.MustCompile(`(src|href|action|url\()\s*=?\s*["']?(https?:)?//`).MatchString(html) {
		t.Error("the page fetches something from elsewhere")
	}
	match := image.FindStringSubmatch(html)
	if match == nil {
		t.Fatal("no picture")
	}
	raw, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(match[1], "&#43;", "+"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := png.Decode(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	want, err := qr.Encode(*answer.CodeUrl, qr.M)
	if err != nil {
		t.Fatal(err)
	}
	for y := range got.Bounds().Dy() {
		for x := range got.Bounds().Dx() {
			light, _, _, _ := got.At(x, y).RGBA()
			if black := want.Black(x/want.Scale-4, y/want.Scale-4); black != (light == 0) { // four modules of white all around
				t.Fatalf("the picture differs at %d,%d", x, y)
			}
		}
	}
	if _, html := w.page("/cashier", ""); !strings.Contains(html, `href="/cashier/order%7c1*"`) {
		t.Errorf("the list of orders does not lead to it: %s", html)
	}
}

func TestPayingAtTheCashier(t *testing.T) {
	w := start(t)
	for _, no := range []string{"order-1", "order-2"} {
		if _, err := w.prepay(no, 100); err != nil {
			t.Fatal(code(err))
		}
	}
	status, html := w.page("/cashier/order-1", "once")
	payments := w.known("order-1").Payments
	if status != http.StatusOK || len(payments) != 1 || !strings.Contains(html, payments[0].TransactionID) || strings.Contains(html, `value="once"`) {
		t.Errorf("paid: %d, %d payments", status, len(payments))
	}
	if status, html = w.page("/cashier/order-1", "once"); status != http.StatusConflict || !strings.Contains(html, `role="alert"`) {
		t.Errorf("paid again by mistake: %d", status)
	}
	if status, _ = w.page("/cashier/order-1", "again"); status != http.StatusOK || len(w.known("order-1").Payments) != 2 {
		t.Errorf("paid again on purpose: %d", status)
	}
	if status, _ = w.page("/cashier/order-2", "twice"); status != http.StatusOK || len(w.known("order-2").Payments) != 2 {
		t.Errorf("paid twice: %d", status)
	}
	if status, _ = w.page("/cashier/order-2", "thrice"); status != http.StatusUnprocessableEntity {
		t.Errorf("a button that is not there: %d", status)
	}
	if status, _ = w.page("/cashier/order-3", ""); status != http.StatusNotFound {
		t.Errorf("an order never made: %d", status)
	}
	if _, html := w.page("/cashier", ""); strings.Contains(html, "order-1") {
		t.Error("a paid order still waits")
	}
}

func TestPhoneIsSentToTheCashier(t *testing.T) {
	w := start(t, stopped)
	h5URL, err := w.prepayH5("order-1", "203.0.113.7", "Wap")
	if err != nil {
		t.Fatal(code(err))
	}
	path, ours := strings.CutPrefix(h5URL, w.control.URL)
	if !ours {
		t.Fatalf("h5_url is %s", h5URL)
	}
	if status, html := w.page(path+"&redirect_url=x", ""); status != http.StatusOK || !strings.Contains(html, "¥1.00") {
		t.Errorf("the page of h5_url: %d", status)
	}
	if err := w.prepayUntil("order-2", w.clock.now().Add(time.Minute)); err != nil {
		t.Fatal(code(err))
	}
	for _, step := range []struct {
		how   string
		looks bool // again by itself, since more is about to happen
	}{{"", false}, {"once", true}, {"", true}} {
		if _, html := w.page(path, step.how); strings.Contains(html, `http-equiv="refresh"`) != step.looks {
			t.Errorf("the page looks again: want %v after %q", step.looks, step.how)
		}
	}
	w.passes("1m")
	if _, html := w.page(path, ""); strings.Contains(html, `http-equiv="refresh"`) {
		t.Error("the page looks again for ever")
	}
	if status, html := w.page("/cashier/order-2", "once"); status != http.StatusConflict || strings.Contains(html, "data:image") {
		t.Errorf("paying too late: %d", status)
	}
}
