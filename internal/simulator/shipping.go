package simulator

import (
	"encoding/json"
	"time"
	"unicode/utf8"
)

// shippingInfo is what the mini-program's order centre was told about the goods of
// one payment.
type shippingInfo struct {
	TransactionID string        `json:"transaction_id"`
	OutTradeNo    string        `json:"out_trade_no"`
	Uploads       int           `json:"uploads"` // that were taken: a second one is a re-ship
	UploadTime    time.Time     `json:"upload_time"`
	Last          shippingParts `json:"last"`
}

// maxUploads is the first upload and the one re-ship that an order may have.
const maxUploads = 2

type shippingParts struct {
	LogisticsType int           `json:"logistics_type"` // 1 express, 2 same city, 3 virtual, 4 pick-up
	DeliveryMode  int           `json:"delivery_mode"`  // 1 unified, 2 split
	AllDelivered  bool          `json:"is_all_delivered"`
	List          []shippedItem `json:"shipping_list"`
}

type shippedItem struct {
	TrackingNo     string         `json:"tracking_no,omitempty"`
	ExpressCompany string         `json:"express_company,omitempty"`
	ItemDesc       string         `json:"item_desc"`
	Contact        map[string]any `json:"contact,omitempty"`
}

// shippingRequest is the body of an upload.
type shippingRequest struct {
	OrderKey struct {
		Type          int    `json:"order_number_type"` // 1 mchid and out_trade_no, 2 transaction_id
		TransactionID string `json:"transaction_id"`
		MchID         string `json:"mchid"`
		OutTradeNo    string `json:"out_trade_no"`
	} `json:"order_key"`
	shippingParts
	UploadTime string `json:"upload_time"`
	Payer      struct {
		OpenID string `json:"openid"`
	} `json:"payer"`
}

// payment finds what the order key means, nil if there is no such payment.
func (in shippingRequest) payment(b *book, mchID string) *paid {
	k := in.OrderKey
	if k.Type == 2 {
		return b.payments[k.TransactionID]
	}
	if ids := b.of(k.OutTradeNo).payments; k.Type == 1 && k.MchID == mchID && len(ids) > 0 {
		return b.payments[ids[0]]
	}
	return nil
}

func (s *simulator) aboutShippingInfo(c *call) {
	var in shippingRequest
	json.Unmarshal(c.body, &in) // what cannot be read is refused later, by uploadShippingInfo
	s.ledger.read(func(b *book) {
		if p := in.payment(b, s.account.MchID); p != nil {
			c.outTradeNo, c.number = p.OutTradeNo, p.TransactionID
		}
	})
}

var tooEarly = told(10060001, "the payment order does not exist")

// shippingFaults are the planned refusals of an upload; nothing is taken.
var shippingFaults = map[string]answer{
	modeBusy:         toldBusy,
	modeInvalidToken: toldInvalidToken,
	"too_early":      tooEarly,
	"not_shippable":  told(10060004, "the order cannot be shipped in its state"),
	"unchanged":      told(10060023, "the shipping information is unchanged"),
}

// uploadShippingInfo takes over what was shipped. It is not idempotent: whatever a
// second upload says, it is the order's one re-ship, and a third is refused.
func (s *simulator) uploadShippingInfo(c *call) (a answer) {
	if a, planned := shippingFaults[c.mode]; planned {
		return a
	}
	var in shippingRequest
	if json.Unmarshal(c.body, &in) != nil {
		return told(47001, "data format error")
	}
	at, err := time.Parse(time.RFC3339, in.UploadTime)
	if err != nil {
		return told(268485216, "upload_time is not RFC 3339")
	}
	if in.OrderKey.Type != 1 && in.OrderKey.Type != 2 {
		return told(268485194, "order_number_type is not 1 or 2")
	}
	if a, wrong := in.check(); wrong {
		return a
	}
	s.ledger.change(func(b *book) []fact {
		p := in.payment(b, s.account.MchID)
		if p == nil {
			a = tooEarly
			return nil
		}
		info := shippingInfo{TransactionID: p.TransactionID, OutTradeNo: p.OutTradeNo}
		if old := b.shippingInfos[p.TransactionID]; old != nil {
			info = *old
		}
		switch {
		case p.OpenID != in.Payer.OpenID:
			a = told(10060031, "the openid is not the payer's")
		case p.TradeState != "SUCCESS" || b.refundedWhole(p):
			a = shippingFaults["not_shippable"]
		case info.Uploads >= maxUploads:
			a = told(10060003, "the order was shipped and its one re-ship is used up")
		case !at.After(info.UploadTime):
			a = told(268485216, "upload_time is not after the one before")
		default:
			a = toldOK
			info.Uploads, info.UploadTime, info.Last = info.Uploads+1, at, in.shippingParts
			return []fact{{ShippingInfo: &info}}
		}
		return nil
	})
	return a
}

// check finds what is wrong with the parts by themselves.
func (in shippingParts) check() (a answer, wrong bool) {
	switch {
	case in.LogisticsType < 1 || in.LogisticsType > 4:
		return told(10060005, "no such logistics_type"), true
	case in.DeliveryMode != 1 && in.DeliveryMode != 2:
		return told(268485224, "no such delivery_mode"), true
	case in.DeliveryMode == 1 && len(in.List) != 1:
		return told(268485228, "unified delivery has exactly one item"), true
	case len(in.List) < 1 || len(in.List) > 15:
		return told(10060024, "shipping_list must have 1 to 15 items"), true
	}
	express := in.LogisticsType == 1
	for _, item := range in.List {
		switch {
		case item.ItemDesc == "":
			return told(10060020, "item_desc is missing"), true
		case utf8.RuneCountInString(item.ItemDesc) > 120:
			return told(10060025, "item_desc is longer than 120"), true
		case express && (item.TrackingNo == "" || len(item.TrackingNo) > 128):
			return told(268485226, "express needs a tracking_no"), true
		case express && (item.ExpressCompany == "" || len(item.ExpressCompany) > 128):
			return told(268485227, "express needs an express_company"), true
		case express && item.ExpressCompany == "SF" && len(item.Contact) == 0:
			return told(10060014, "SF needs a contact"), true
		}
	}
	return answer{}, false
}
