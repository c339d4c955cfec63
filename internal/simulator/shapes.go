package simulator

import "time"

// The shapes of the control port: JSON over loopback, no signature. Every
// request body may be empty where all its fields are optional; an unknown field
// is 422, so that a misspelt fault is not a fault that never happens. Errors are
// {"code","message"} with a status that says the same: 404 no such thing, 409
// right request in the wrong state, 422 a request that will stay wrong.
//
//	GET  /readyz                          200 {}
//	POST /orders/{out_trade_no}/pay       PayRequest → PayAnswer
//	POST /orders/{out_trade_no}/plan      Plan → Plan (what was set)
//	POST /orders/{out_trade_no}/refund    ConsoleRefund → RefundTruth
//	POST /orders/{out_trade_no}/dispatch  {} → ShipmentTruth (an accepted shipment leaves)
//	POST /transactions/{id}/notify        NotifyRequest → NotifyAnswer
//	POST /refunds/{out_refund_no}/notify  NotifyRequest → NotifyAnswer
//	POST /refunds/{out_refund_no}/succeed | abnormal | close   {} → RefundTruth
//	POST /notifications                   Notification → NotificationAnswer
//	POST /holds                           Hold → Hold
//	GET  /holds                           → [Hold]
//	POST /holds/release                   Release → Released
//	GET  /truth                           → [Truth]
//	GET  /truth/{out_trade_no}            → Truth

// PayRequest is the payer paying. With no field set the order is paid in full,
// now, and one callback is sent to the order's notify_url.
type PayRequest struct {
	TransactionID string     `json:"transaction_id,omitempty"` // default: 28 new digits
	AmountFen     int64      `json:"amount_fen,omitempty"`     // amount.total as told; default: the order's
	PayerFen      int64      `json:"payer_fen,omitempty"`      // what the payer gave after a coupon; default: AmountFen
	Currency      string     `json:"currency,omitempty"`       // default CNY
	AppID         string     `json:"appid,omitempty"`          // default: the order's
	MchID         string     `json:"mchid,omitempty"`          // default: the order's
	TradeState    string     `json:"trade_state,omitempty"`    // default SUCCESS; told by callback and query alike
	SuccessTime   *time.Time `json:"success_time,omitempty"`   // default: now
	NotifyURL     string     `json:"notify_url,omitempty"`     // with AmountFen: pay a number never ordered
	Again         bool       `json:"again,omitempty"`          // pay although the order is paid or closed
	Lose          bool       `json:"lose,omitempty"`           // no callback, ever
	Delay         string     `json:"delay,omitempty"`          // Go duration before the first callback
	SignTest      bool       `json:"signtest,omitempty"`       // the first attempt is a WECHATPAY/SIGNTEST/ probe
	Copies        int        `json:"copies,omitempty"`         // first attempts sent at the same moment; default 1
	Key           string     `json:"key,omitempty"`            // public (default) | certificate
}

// PayAnswer names the payment that was made.
type PayAnswer struct {
	TransactionID string `json:"transaction_id"`
	OutTradeNo    string `json:"out_trade_no"`
}

// Plan says how the next calls for one order misbehave. An empty mode leaves
// that call as it is, "normal" ends a plan. A times of 0 means always.
//
// Any call: fail (500, nothing done), hang (nothing done, no answer),
// execute_then_fail, execute_then_hang, execute_then_reset. Any WeChat call also:
// frequency_limited (429, nothing done), execute_then_frequency_limited,
// bad_signature (done, 2xx, signature of a SIGNTEST probe).
type Plan struct {
	// Shop (ship call): refuse (409), invalid (422), accept (202), undispatched
	// (201, but a cancel is still possible), or any of the above.
	Shop      string `json:"shop,omitempty"`
	ShopTimes int    `json:"shop_times,omitempty"`

	// Cancel: refuse (409), forget (404, nothing remembered), or any of the above.
	Cancel      string `json:"cancel,omitempty"`
	CancelTimes int    `json:"cancel_times,omitempty"`

	// Refund: processing (stays so), abnormal, closed (how it ends), instant
	// (SUCCESS in the answer), not_enough (403), user_account_abnormal (403),
	// invalid_request (400), system_error (= fail), or any of the above.
	Refund      string `json:"refund,omitempty"`
	RefundTimes int    `json:"refund_times,omitempty"`

	// RefundNotify: lose (no callback), signtest (a probe goes first).
	RefundNotify      string `json:"refund_notify,omitempty"`
	RefundNotifyTimes int    `json:"refund_notify_times,omitempty"`

	// Webhook (receiver of order events): gone (410), or any of the above.
	Webhook      string `json:"webhook,omitempty"`
	WebhookTimes int    `json:"webhook_times,omitempty"`

	RefundQuery      string `json:"refund_query,omitempty"`
	RefundQueryTimes int    `json:"refund_query_times,omitempty"`
	Query            string `json:"query,omitempty"`
	QueryTimes       int    `json:"query_times,omitempty"`
	Prepay           string `json:"prepay,omitempty"`
	PrepayTimes      int    `json:"prepay_times,omitempty"`
	Close            string `json:"close,omitempty"`
	CloseTimes       int    `json:"close_times,omitempty"`
}

// NotifyRequest delivers a payment's or refund's notification again: all copies
// start at the same moment, spread over the addresses in turn. They carry the
// same notification id as the first one and do not touch its retries, save that
// a 200 or 204 ends them.
type NotifyRequest struct {
	Copies   int      `json:"copies,omitempty"` // default 1
	URLs     []string `json:"urls,omitempty"`   // default: the notify_url
	SignTest bool     `json:"signtest,omitempty"`
	Key      string   `json:"key,omitempty"`    // public (default) | certificate
	Tamper   string   `json:"tamper,omitempty"` // signature | ciphertext | body: what is spoilt, see tamper
}

// NotifyAnswer holds the HTTP status of each copy, 0 where no answer came.
type NotifyAnswer struct {
	Statuses []int `json:"statuses"`
}

// Notification is one callback with any content at all. Nothing is recorded as
// paid or refunded by it. What is left out is what WeChat would send.
type Notification struct {
	URL    string `json:"url"`
	Method string `json:"method,omitempty"` // default POST

	// The envelope. Resource is sealed into it unless RawBody is given.
	ID              string  `json:"id,omitempty"`
	CreateTime      string  `json:"create_time,omitempty"`
	EventType       string  `json:"event_type,omitempty"`    // default TRANSACTION.SUCCESS
	ResourceType    string  `json:"resource_type,omitempty"` // default encrypt-resource
	OriginalType    string  `json:"original_type,omitempty"` // default by event type
	Algorithm       string  `json:"algorithm,omitempty"`
	AssociatedData  *string `json:"associated_data,omitempty"`
	Nonce           *string `json:"nonce,omitempty"` // the GCM nonce; any length
	Plaintext       string  `json:"resource_plaintext,omitempty"`
	PlaintextBase64 string  `json:"resource_plaintext_base64,omitempty"` // for bytes that are not text
	Ciphertext      *string `json:"ciphertext,omitempty"`                // base64 as sent, instead of sealing
	APIv3Key        string  `json:"api_v3_key,omitempty"`                // 32 bytes, to seal with another key

	// RawBody replaces the whole envelope and is signed as it is.
	RawBody       *string `json:"raw_body,omitempty"`
	RawBodyBase64 string  `json:"raw_body_base64,omitempty"`

	Key             string              `json:"key,omitempty"`              // public (default) | certificate
	Timestamp       string              `json:"timestamp,omitempty"`        // literal, signed as it is
	TimestampOffset string              `json:"timestamp_offset,omitempty"` // Go duration added to now
	SignTest        bool                `json:"signtest,omitempty"`
	Tamper          string              `json:"tamper,omitempty"`  // signature | ciphertext | body
	Headers         map[string][]string `json:"headers,omitempty"` // set after signing; an empty list removes
}

// NotificationAnswer is what the receiver said; Status 0 and Error where it said nothing.
type NotificationAnswer struct {
	Status int    `json:"status"`
	Body   string `json:"body"`
	Error  string `json:"error,omitempty"`
}

// ConsoleRefund is a refund made by hand in WeChat's console.
type ConsoleRefund struct {
	OutRefundNo   string `json:"out_refund_no"`
	TransactionID string `json:"transaction_id,omitempty"` // default: the order's first payment
	AmountFen     int64  `json:"amount_fen"`
	NotifyURL     string `json:"notify_url,omitempty"` // default: the order's
}

// Hold makes a call wait. Held before, it has not been executed yet and will be
// when released, even if the caller has gone: its bytes had arrived. Held after,
// it has been executed and only the answer is withheld.
type Hold struct {
	Call       string `json:"call"` // prepay | query | close | refund | refund_query | ship | ship_query | cancel | webhook
	OutTradeNo string `json:"out_trade_no"`
	When       string `json:"when"`            // before | after; default before
	Times      int    `json:"times,omitempty"` // how many calls it catches; default 1, -1 all until released
	Waiting    int    `json:"waiting"`         // calls waiting in it now; only in answers
}

// Release ends the holds of an order, or only those of one call. Drop forgets
// the waiting calls instead: not executed if held before, never answered.
type Release struct {
	OutTradeNo string `json:"out_trade_no"`
	Call       string `json:"call,omitempty"`
	Drop       bool   `json:"drop,omitempty"`
}

// Released counts the calls that were waiting.
type Released struct {
	Released int `json:"released"`
}

// Truth is all that really happened to one order, as WeChat and the shop saw it.
// Lists are never null. What belongs to no order has the empty out_trade_no.
type Truth struct {
	OutTradeNo string          `json:"out_trade_no"`
	State      string          `json:"state,omitempty"` // at WeChat: NOTPAY SUCCESS REFUND CLOSED; empty if never ordered
	AmountFen  int64           `json:"amount_fen,omitempty"`
	Payments   []PaymentTruth  `json:"payments"`
	Refunds    []RefundTruth   `json:"refunds"`
	Shipments  []ShipmentTruth `json:"shipments"`
	Webhooks   []WebhookTruth  `json:"webhooks"`
	Deliveries []Delivery      `json:"deliveries"`
	Calls      map[string]int  `json:"calls"` // merchant's calls by name, misbehaving ones included
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
	At             time.Time `json:"at"`
}
