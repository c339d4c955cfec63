package wechatpay

import (
	"context"
	"crypto/rand"
	"strconv"
	"strings"
	"time"

	"github.com/paysaga/paysaga/internal/payment"
)

// ClientParameters is what opens WeChat's cashier for an offered order, signed
// and under the names it goes by there: for jsapi the argument of
// wx.requestPayment and getBrandWCPayRequest, for app that of the SDK's PayReq.
// Other orders are paid by their offer alone, and have none.
//
// They are signed anew each time, and good as long as the prepay_id is.
func (c *Client) ClientParameters(ctx context.Context, order payment.Order) (map[string]string, error) {
	return c.clientParameters(ctx, order, strconv.FormatInt(time.Now().Unix(), 10), rand.Text())
}

func (c *Client) clientParameters(ctx context.Context, order payment.Order, timestamp, nonce string) (map[string]string, error) {
	switch order.TradeType {
	case payment.JSAPI:
		bundle := "prepay_id=" + order.Offer
		signature, err := c.sign(ctx, order.AppID, timestamp, nonce, bundle)
		return map[string]string{
			"appId": order.AppID, "timeStamp": timestamp, "nonceStr": nonce,
			"package": bundle, "signType": "RSA", "paySign": signature,
		}, err
	case payment.App: // signs the bare id
		signature, err := c.sign(ctx, order.AppID, timestamp, nonce, order.Offer)
		return map[string]string{
			"appId": order.AppID, "partnerId": c.mchID, "prepayId": order.Offer, "package": "Sign=WXPay",
			"timeStamp": timestamp, "nonceStr": nonce, "sign": signature,
		}, err
	}
	return nil, nil
}

// sign signs lines as WeChat wants them, each with a line end.
func (c *Client) sign(ctx context.Context, lines ...string) (string, error) {
	made, err := c.api.Sign(ctx, strings.Join(lines, "\n")+"\n")
	if err != nil {
		return "", payment.Failf(payment.Internal, "cannot_sign", "the merchant's key does not sign")
	}
	return made.Signature, nil
}
