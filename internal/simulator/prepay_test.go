package simulator

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wechatpay-apiv3/wechatpay-go/core"
	"github.com/wechatpay-apiv3/wechatpay-go/services/payments/app"
	"github.com/wechatpay-apiv3/wechatpay-go/services/payments/h5"
	"github.com/wechatpay-apiv3/wechatpay-go/services/payments/jsapi"
	"github.com/wechatpay-apiv3/wechatpay-go/services/payments/native"
)

var never = core.String("http://127.0.0.1:1/never")

func (w *world) prepayJSAPI(outTradeNo, openID string) (string, error) {
	api := jsapi.JsapiApiService{Client: w.sdk()}
	answer, _, err := api.Prepay(context.Background(), jsapi.PrepayRequest{
		Appid: &w.account.AppID, Mchid: &w.account.MchID, OutTradeNo: &outTradeNo, Description: core.String("tea"), NotifyUrl: never,
		Amount: &jsapi.Amount{Total: core.Int64(100)}, Payer: &jsapi.Payer{Openid: &openID},
	})
	if err != nil {
		return "", err
	}
	return *answer.PrepayId, nil
}

func (w *world) prepayApp(outTradeNo string) (string, error) {
	api := app.AppApiService{Client: w.sdk()}
	answer, _, err := api.Prepay(context.Background(), app.PrepayRequest{
		Appid: &w.account.AppID, Mchid: &w.account.MchID, OutTradeNo: &outTradeNo, Description: core.String("tea"), NotifyUrl: never,
		Amount: &app.Amount{Total: core.Int64(100)},
	})
	if err != nil {
		return "", err
	}
	return *answer.PrepayId, nil
}

func (w *world) prepayH5(outTradeNo, ip, kind string) (string, error) {
	api := h5.H5ApiService{Client: w.sdk()}
	answer, _, err := api.Prepay(context.Background(), h5.PrepayRequest{
		Appid: &w.account.AppID, Mchid: &w.account.MchID, OutTradeNo: &outTradeNo, Description: core.String("tea"), NotifyUrl: never,
		Amount:    &h5.Amount{Total: core.Int64(100)},
		SceneInfo: &h5.SceneInfo{PayerClientIp: &ip, H5Info: &h5.H5Info{Type: &kind}},
	})
	if err != nil {
		return "", err
	}
	return *answer.H5Url, nil
}

func (w *world) prepayUntil(outTradeNo string, expires time.Time) error {
	api := native.NativeApiService{Client: w.sdk()}
	_, _, err := api.Prepay(context.Background(), native.PrepayRequest{
		Appid: &w.account.AppID, Mchid: &w.account.MchID, OutTradeNo: &outTradeNo, Description: core.String("tea"), NotifyUrl: never,
		Amount: &native.Amount{Total: core.Int64(100)}, TimeExpire: &expires,
	})
	return err
}

func TestEveryTradeTypeIsOfferedItsOwnWay(t *testing.T) {
	w := start(t)
	for name, tc := range map[string]struct {
		prepay    func() (string, error)
		prefix    string
		tradeType string
		openID    string
	}{
		"jsapi": {func() (string, error) { return w.prepayJSAPI("order-jsapi", "oTeaDrinker") }, "wx2", "JSAPI", "oTeaDrinker"},
		"app":   {func() (string, error) { return w.prepayApp("order-app") }, "wx2", "APP", ""},
		"h5":    {func() (string, error) { return w.prepayH5("order-h5", "203.0.113.7", "Wap") }, w.control.URL + "/cashier/order-h5?", "MWEB", ""},
	} {
		t.Run(name, func(t *testing.T) {
			offer, err := tc.prepay()
			if err != nil {
				t.Fatal(code(err))
			}
			if !strings.HasPrefix(offer, tc.prefix) {
				t.Errorf("offered %s", offer)
			}
			if again, err := tc.prepay(); err != nil || again != offer {
				t.Errorf("the same prepay again: %s, %s", again, code(err))
			}
			if _, err := w.prepay("order-"+name, 100); code(err) != "400 INVALID_REQUEST" {
				t.Errorf("the same number as a native order: %s", code(err))
			}
			var paid PayAnswer
			w.steer("/orders/order-"+name+"/pay", PayRequest{Lose: true}, &paid)
			api := jsapi.JsapiApiService{Client: w.sdk()}
			tx, _, err := api.QueryOrderById(context.Background(), jsapi.QueryOrderByIdRequest{TransactionId: &paid.TransactionID, Mchid: &w.account.MchID})
			if err != nil {
				t.Fatal(code(err))
			}
			if *tx.TradeType != tc.tradeType || tc.openID != "" && *tx.Payer.Openid != tc.openID {
				t.Errorf("paid as %s by %s", *tx.TradeType, *tx.Payer.Openid)
			}
		})
	}
}

func TestOrderOfOneTradeTypeIsNotSoldAsAnother(t *testing.T) {
	w := start(t)
	if _, err := w.prepayApp("order-1"); err != nil {
		t.Fatal(code(err))
	}
	api := native.NativeApiService{Client: w.sdk()}
	_, _, err := api.Prepay(context.Background(), native.PrepayRequest{ // the very same body
		Appid: &w.account.AppID, Mchid: &w.account.MchID, OutTradeNo: core.String("order-1"), Description: core.String("tea"), NotifyUrl: never,
		Amount: &native.Amount{Total: core.Int64(100)},
	})
	if code(err) != "400 INVALID_REQUEST" {
		t.Errorf("an app order as a native one: %s", code(err))
	}
}

func TestTradeTypesMissNothingOfTheirOwn(t *testing.T) {
	w := start(t)
	_, noOpenID := w.prepayJSAPI("order-1", "")
	_, noAddress := w.prepayH5("order-1", "", "Wap")
	_, ownAddress := w.prepayH5("order-1", "127.0.0.1", "Wap")
	_, noType := w.prepayH5("order-1", "203.0.113.7", "Fax")
	for what, err := range map[string]error{
		"jsapi without an openid": noOpenID, "h5 without an address": noAddress,
		"h5 from WeChat itself": ownAddress, "h5 of no type": noType,
		"an order that expired before it was made": w.prepayUntil("order-1", time.Now().Add(-time.Second)),
	} {
		if code(err) != "400 PARAM_ERROR" {
			t.Errorf("%s: %s", what, code(err))
		}
	}
}

func TestExpiredOrderIsNotPaid(t *testing.T) {
	w := start(t, func(c *Config) { c.Clock = "stopped" })
	expires := w.clock.now().Add(time.Hour)
	for _, no := range []string{"in-time", "too-late", "insists", "paid-early"} {
		if err := w.prepayUntil(no, expires); err != nil {
			t.Fatal(code(err))
		}
	}
	pay := func(no string, in PayRequest) int {
		in.Lose = true
		status, _ := w.try(http.MethodPost, "/orders/"+no+"/pay", in)
		return status
	}
	w.steer("/clock/advance", ClockAdvance{By: "59m59s"}, nil)
	if got := pay("in-time", PayRequest{}); got != http.StatusOK {
		t.Errorf("paying in the last second: %d", got)
	}
	w.steer("/clock/advance", ClockAdvance{By: "2s"}, nil)
	early := expires.Add(-time.Minute)
	for no, step := range map[string]struct {
		in   PayRequest
		want int
	}{
		"too-late":   {PayRequest{}, http.StatusConflict},
		"insists":    {PayRequest{Again: true}, http.StatusOK},
		"paid-early": {PayRequest{SuccessTime: &early}, http.StatusOK},
	} {
		if got := pay(no, step.in); got != step.want {
			t.Errorf("%s: %d, want %d", no, got, step.want)
		}
	}
	if n := len(w.known("too-late").Payments); n != 0 {
		t.Errorf("refused, and %d payments", n)
	}
}
