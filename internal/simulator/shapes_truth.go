package simulator

import "time"

// Truth is all that really happened to one order, as WeChat and the shop saw it.
// Lists are never null. What belongs to no order has the empty out_trade_no.
type Truth struct {
	OutTradeNo    string              `json:"out_trade_no"`
	State         string              `json:"state,omitempty"` // at WeChat: NOTPAY SUCCESS REFUND CLOSED; empty if never ordered
	AmountFen     int64               `json:"amount_fen,omitempty"`
	Payments      []PaymentTruth      `json:"payments"`
	Refunds       []RefundTruth       `json:"refunds"`
	Shipments     []ShipmentTruth     `json:"shipments"`
	Webhooks      []WebhookTruth      `json:"webhooks"`
	Messages      []MessageTruth      `json:"messages"`
	ShippingInfos []ShippingInfoTruth `json:"shipping_infos"`
	Deliveries    []Delivery          `json:"deliveries"`
	Calls         map[string]int      `json:"calls"` // merchant's calls by name, misbehaving ones included
}

// PaymentTruth is one payment. State is SUCCESS, or REFUND once a refund was taken on.
type PaymentTruth struct {
	TransactionID string `json:"transaction_id"`
	AmountFen     int64  `json:"amount_fen"`
	State         string `json:"state"`
}

// RefundTruth is one refund. Requests counts how often it was asked for.
type RefundTruth struct {
	OutRefundNo   string `json:"out_refund_no"`
	TransactionID string `json:"transaction_id"`
	AmountFen     int64  `json:"amount_fen"`
	State         string `json:"state"` // PROCESSING SUCCESS ABNORMAL CLOSED
	Requests      int    `json:"requests"`
}

// ShipmentTruth is what the shop knows about one key. Effects is 1 if goods were
// set in motion under it, cancelled later or not; the sum over an order is the
// number of times it was shipped.
type ShipmentTruth struct {
	Key           string `json:"key"`
	TransactionID string `json:"transaction_id"`
	ShipmentID    string `json:"shipment_id,omitempty"`
	AmountFen     int64  `json:"amount_fen"` // as the ship call said
	Effects       int    `json:"effects"`
	State         string `json:"state"` // accepted dispatched cancelled refused barred
	Requests      int    `json:"requests"`
}

// WebhookTruth is one event the shop was told, however often.
type WebhookTruth struct {
	ID         string `json:"id"`
	Type       string `json:"type"`
	Deliveries int    `json:"deliveries"` // arrivals with a good signature
	Taken      int    `json:"taken"`      // of those, the ones recorded by the shop
}

// MessageTruth is what one payer was sent by one template.
type MessageTruth struct {
	Reader     string `json:"reader"` // first 16 hex digits of the SHA-256 of the openid
	TemplateID string `json:"template_id"`
	Requests   int    `json:"requests"` // calls with a good token
	Count      int    `json:"count"`    // messages that the payer got
}

// ShippingInfoTruth is what the mini-program's order centre was told about the
// goods of one payment.
type ShippingInfoTruth struct {
	TransactionID string `json:"transaction_id"`
	OutTradeNo    string `json:"out_trade_no"`
	Requests      int    `json:"requests"` // uploads with a good token
	Uploads       int    `json:"uploads"`  // of those, the ones taken: 2 is a re-ship
}

// Delivery is one attempt to hand over a callback.
type Delivery struct {
	NotificationID string    `json:"notification_id"`
	EventType      string    `json:"event_type"`
	OutTradeNo     string    `json:"out_trade_no"`
	TransactionID  string    `json:"transaction_id"`
	OutRefundNo    string    `json:"out_refund_no,omitempty"`
	URL            string    `json:"url"`
	Status         int       `json:"status"`          // HTTP status, 0 if no answer came in 5 s
	False          bool      `json:"false,omitempty"` // a probe or spoilt on purpose: must not be answered 2xx
	At             time.Time `json:"at"`              // by the pretend world's clock
}
