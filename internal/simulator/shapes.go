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
//	POST /orders/{out_trade_no}/dispatch  Leaving → ShipmentTruth (an accepted shipment leaves)
//	POST /transactions/{id}/notify        NotifyRequest → NotifyAnswer
//	POST /refunds/{out_refund_no}/notify  NotifyRequest → NotifyAnswer
//	POST /refunds/{out_refund_no}/succeed | abnormal | close   {} → RefundTruth
//	POST /notifications                   Notification → NotificationAnswer
//	POST /v2/notifications                V2Notification → NotificationAnswer
//	POST /messages                        Message → NotificationAnswer
//	POST /bills/{day}/plan                BillPlan → BillPlan (the whole plan of that day, YYYY-MM-DD in Beijing)
//	POST /tokens/expire                   {} → TokensExpired (calls are told 40001 from now on)
//	POST /clock/advance                   ClockAdvance → ClockTime
//	GET  /clock                           → ClockTime
//	POST /holds                           Hold → Hold
//	GET  /holds                           → [Hold]
//	POST /holds/release                   Release → Released
//	GET  /truth                           → [Truth]
//	GET  /truth/{out_trade_no}            → Truth
//
// For people, in a browser: /cashier lists what can be paid, /cashier/{out_trade_no}
// is the page on which it is.

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
	SuccessTime   *time.Time `json:"success_time,omitempty"`   // default: now; given, an expired order can be paid
	NotifyURL     string     `json:"notify_url,omitempty"`     // with AmountFen: pay a number never ordered
	Again         bool       `json:"again,omitempty"`          // pay although the order is paid, closed or expired
	V2            bool       `json:"v2,omitempty"`             // told by APIv2, to the order's notify_url with /v2 at its end
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

	// RefundNotify: lose (no callback), signtest (a probe goes first), reorder (the
	// refund call is answered only after the callback was, and still says PROCESSING).
	RefundNotify      string `json:"refund_notify,omitempty"`
	RefundNotifyTimes int    `json:"refund_notify_times,omitempty"`

	// Webhook (receiver of order events): gone (410), or any of the above.
	Webhook      string `json:"webhook,omitempty"`
	WebhookTimes int    `json:"webhook_times,omitempty"`

	// The mini-program's calls can be fail, hang and execute_then_… as any other, or
	// busy (-1) or invalid_token (40001). Message, the subscribe message, also
	// no_consent (43101).
	Message      string `json:"message,omitempty"`
	MessageTimes int    `json:"message_times,omitempty"`

	// ShippingInfo, the upload: too_early (10060001), not_shippable (10060004),
	// unchanged (10060023).
	ShippingInfo      string `json:"shipping_info,omitempty"`
	ShippingInfoTimes int    `json:"shipping_info_times,omitempty"`

	// ShippingQuery, get_order: too_early (10060001).
	ShippingQuery      string `json:"shipping_query,omitempty"`
	ShippingQueryTimes int    `json:"shipping_query_times,omitempty"`

	RefundQuery      string `json:"refund_query,omitempty"`
	RefundQueryTimes int    `json:"refund_query_times,omitempty"`
	Query            string `json:"query,omitempty"`
	QueryTimes       int    `json:"query_times,omitempty"`
	Prepay           string `json:"prepay,omitempty"`
	PrepayTimes      int    `json:"prepay_times,omitempty"`
	Close            string `json:"close,omitempty"`
	CloseTimes       int    `json:"close_times,omitempty"`
}

// Leaving is a shipment that leaves; Anyway lets a cancelled one leave as well.
type Leaving struct {
	Anyway bool `json:"anyway,omitempty"`
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
	Status   string   `json:"status,omitempty"` // refunds: an earlier status to tell, late; default: the present one
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

// V2Notification is an APIv2 notification, in XML, of a payment or refund that
// exists. A refund's is not signed; what it tells is sealed in req_info.
type V2Notification struct {
	URL           string `json:"url"`
	Kind          string `json:"kind,omitempty"` // payment (default) | refund
	OutTradeNo    string `json:"out_trade_no"`
	TransactionID string `json:"transaction_id,omitempty"` // default: the order's first payment
	OutRefundNo   string `json:"out_refund_no,omitempty"`  // default: the order's latest refund
	SignType      string `json:"sign_type,omitempty"`      // MD5 (default) | HMAC-SHA256

	// Fields are set before signing or sealing; an empty value leaves a field out.
	// For a refund, what is not of the outer document goes into req_info.
	Fields  map[string]string `json:"fields,omitempty"`
	Tamper  string            `json:"tamper,omitempty"`   // signature | body (total_fee differs from what is signed) | ciphertext
	RawBody *string           `json:"raw_body,omitempty"` // replaces the whole document, sent as it is
}

// Message is what the message server of a mini-program or official account sends:
// the check of the URL (GET, echostr) or a push (POST).
type Message struct {
	URL        string            `json:"url"`
	Kind       string            `json:"kind"`                   // echo | push
	EchoStr    string            `json:"echostr,omitempty"`      // default: 19 new digits
	Event      string            `json:"event,omitempty"`        // e.g. trade_manage_remind_shipping
	OutTradeNo string            `json:"out_trade_no,omitempty"` // fills in the numbers of this order's first payment
	Fields     map[string]string `json:"fields,omitempty"`       // set in the push; an empty value leaves a field out
	Format     string            `json:"format,omitempty"`       // xml (default) | json
	RawBody    *string           `json:"raw_body,omitempty"`     // replaces the push, sent as it is
	Timestamp  string            `json:"timestamp,omitempty"`    // default: now
	Nonce      string            `json:"nonce,omitempty"`        // default: ten new digits
	Tamper     string            `json:"tamper,omitempty"`       // signature: signed with another token
}

// TokensExpired counts the tokens that were good until now.
type TokensExpired struct {
	Expired int `json:"expired"`
}

// ClockAdvance says how much time passes, as a Go duration. What falls due by it
// happens at once: retries of callbacks, ends of refunds, expiry of orders and
// tokens. Signatures keep the machine's time. The merchant's clock is not moved: to
// it, what is paid from then on was paid that much later, after the expiry perhaps.
type ClockAdvance struct {
	By string `json:"by"`
}

// ClockTime is the pretend world's time.
type ClockTime struct {
	Now   time.Time `json:"now"`
	Ahead string    `json:"ahead"` // how far it has been moved, as a Go duration
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
	// Call is prepay, query, close, refund, refund_query, message, shipping_info,
	// shipping_query, ship, ship_query, cancel or webhook.
	Call       string `json:"call"`
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
