package wechatmini

import (
	"context"
	"time"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

// How goods travel (logistics_type).
const express = 1

// withoutCarrier are the words by which a shop says, in the carrier's place, that
// no carrier is involved.
var withoutCarrier = map[string]int{"same_city": 2, "virtual": 3, "self_pickup": 4}

const (
	byTransactionID = 2 // order_number_type
	asOne           = 1 // delivery_mode: one parcel
	maxItem         = 120
)

// uploadLayout is RFC 3339 with milliseconds: a later upload must be later.
const uploadLayout = "2006-01-02T15:04:05.000Z07:00"

type shippingInfo struct {
	OrderKey struct {
		Type          int    `json:"order_number_type"`
		TransactionID string `json:"transaction_id"`
	} `json:"order_key"`
	LogisticsType int      `json:"logistics_type"`
	DeliveryMode  int      `json:"delivery_mode"`
	ShippingList  []parcel `json:"shipping_list"`
	UploadTime    string   `json:"upload_time"`
	Payer         struct {
		OpenID string `json:"openid"`
	} `json:"payer"`
}

type parcel struct {
	TrackingNo string   `json:"tracking_no,omitempty"`
	Company    string   `json:"express_company,omitempty"`
	Item       string   `json:"item_desc"`
	Contact    *contact `json:"contact,omitempty"`
}

type contact struct {
	Consignor string `json:"consignor_contact"`
}

// Report tells WeChat what was shipped (POST /wxa/sec/order/upload_shipping_info).
// The shop's carrier must be WeChat's code of it (SF, ZTO …), or one of same_city,
// virtual and self_pickup. A repeat counts as shipping again, which WeChat permits
// once: see Reported.
//
// Kinds: Conflict where WeChat thinks that it knows; Busy where it took nothing,
// with a minute's RetryAfter while it does not know the payment yet; Invalid for
// what it never will take; Unknown for everything else.
func (c *Client) Report(ctx context.Context, d activities.Delivery) error {
	info, err := c.shippingInfo(d)
	if err != nil {
		return err
	}
	err = c.ask(ctx, "shipping report", "/wxa/sec/order/upload_shipping_info", info, nil)
	if payment.CodeOf(err) == unchanged {
		return nil
	}
	return err
}

func (c *Client) shippingInfo(d activities.Delivery) (info shippingInfo, err error) {
	goods := parcel{Item: clip(d.Description, maxItem)}
	info.LogisticsType = withoutCarrier[d.Carrier]
	if info.LogisticsType == 0 {
		if d.Carrier == "" || d.TrackingNo == "" {
			return info, payment.Failf(payment.Invalid, "mini_no_tracking",
				"the shop named no carrier and tracking number; goods without say same_city, virtual or self_pickup as carrier")
		}
		info.LogisticsType = express
		goods.TrackingNo, goods.Company = d.TrackingNo, d.Carrier
		if c.consignor != "" {
			goods.Contact = &contact{c.consignor}
		}
	}
	info.OrderKey.Type, info.OrderKey.TransactionID = byTransactionID, d.TransactionID
	info.DeliveryMode = asOne
	info.ShippingList = []parcel{goods}
	info.UploadTime = time.Now().In(beijing).Format(uploadLayout)
	info.Payer.OpenID = string(d.OpenID)
	return info, nil
}

// Order states of WeChat's shipping management (order_state).
const (
	toShip   = 1
	refunded = 5
)

// Reported asks whether WeChat knows that the payment was shipped (POST
// /wxa/sec/order/get_order). Refused if it was refunded there, so that it no
// longer wants to know; Busy while it does not know the payment yet.
func (c *Client) Reported(ctx context.Context, transactionID string) (bool, error) {
	var said struct {
		Order struct {
			TransactionID string `json:"transaction_id"`
			State         int    `json:"order_state"`
		} `json:"order"`
	}
	err := c.ask(ctx, "shipping query", "/wxa/sec/order/get_order", map[string]string{"transaction_id": transactionID}, &said)
	switch state := said.Order.State; {
	case err != nil:
		return false, err
	case said.Order.TransactionID != transactionID || state < toShip:
		return false, payment.Failf(payment.Unknown, "mini_unusable_answer", "WeChat's answer to the shipping query names another order, or no state")
	case state == refunded:
		return false, payment.Failf(payment.Refused, "mini_refunded", "WeChat has the payment as refunded")
	default:
		return state > toShip, nil
	}
}
