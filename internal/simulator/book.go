package simulator

import (
	"slices"
	"time"
)

// book is everything that has happened, found by its number. What it points to
// is never altered, only replaced.
type book struct {
	dossiers      map[string]*dossier // by out_trade_no
	payments      map[string]*paid    // by transaction_id
	refunds       map[string]*refund  // by out_refund_no
	shipments     map[string]*shipment
	notices       map[string]*notice
	shippingInfos map[string]*shippingInfo // by transaction_id
	tokens        map[string]*token        // by value
	token         string                   // the latest one
	dayPlans      map[string]*dayPlan      // by day
	ahead         time.Duration            // how far the world's clock has been moved
}

// dossier is all that belongs to one order number, ordered or not.
type dossier struct {
	order      *order
	payments   []string // transaction_ids, as they came
	refunds    []string // out_refund_nos
	shipments  []string // keys
	webhooks   []*webhook
	deliveries []Delivery
	calls      []called
	scripts    map[string]script // by call
	messages   []*subscribed
}

func newBook() *book {
	return &book{
		dossiers:      map[string]*dossier{},
		payments:      map[string]*paid{},
		refunds:       map[string]*refund{},
		shipments:     map[string]*shipment{},
		notices:       map[string]*notice{},
		shippingInfos: map[string]*shippingInfo{},
		tokens:        map[string]*token{},
		dayPlans:      map[string]*dayPlan{},
	}
}

// of returns the dossier of a number, an empty one if nothing is known.
func (b *book) of(outTradeNo string) *dossier {
	if d := b.dossiers[outTradeNo]; d != nil {
		return d
	}
	return &dossier{}
}

// apply puts one fact in its place. It is the only code that alters the book.
func (b *book) apply(f fact) {
	switch {
	case f.Order != nil:
		b.open(f.Order.OutTradeNo).order = f.Order
	case f.Payment != nil:
		d := b.open(f.Payment.OutTradeNo)
		d.payments = once(d.payments, f.Payment.TransactionID)
		b.payments[f.Payment.TransactionID] = f.Payment
	case f.Refund != nil:
		d := b.open(f.Refund.OutTradeNo)
		d.refunds = once(d.refunds, f.Refund.OutRefundNo)
		b.refunds[f.Refund.OutRefundNo] = f.Refund
	case f.Shipment != nil:
		d := b.open(f.Shipment.OutTradeNo)
		d.shipments = once(d.shipments, f.Shipment.Key)
		b.shipments[f.Shipment.Key] = f.Shipment
	case f.Webhook != nil:
		d := b.open(f.Webhook.OutTradeNo)
		d.webhooks = append(d.webhooks, f.Webhook)
	case f.Notice != nil:
		b.notices[f.Notice.ID] = f.Notice
	case f.Script != nil:
		d := b.open(f.Script.OutTradeNo)
		if d.scripts == nil {
			d.scripts = map[string]script{}
		}
		d.scripts[f.Script.Call] = *f.Script
	case f.Delivery != nil:
		d := b.open(f.Delivery.OutTradeNo)
		d.deliveries = append(d.deliveries, *f.Delivery)
	case f.Call != nil:
		d := b.open(f.Call.OutTradeNo)
		d.calls = append(d.calls, *f.Call)
	case f.Message != nil:
		d := b.open(f.Message.OutTradeNo)
		d.messages = append(d.messages, f.Message)
	case f.ShippingInfo != nil:
		b.shippingInfos[f.ShippingInfo.TransactionID] = f.ShippingInfo
	case f.Token != nil:
		b.tokens[f.Token.Value], b.token = f.Token, f.Token.Value
	case f.DayPlan != nil:
		b.dayPlans[f.DayPlan.Day] = f.DayPlan
	case f.Clock != nil:
		b.ahead = f.Clock.Ahead
	}
}

func (b *book) open(outTradeNo string) *dossier {
	d := b.dossiers[outTradeNo]
	if d == nil {
		d = &dossier{}
		b.dossiers[outTradeNo] = d
	}
	return d
}

func once(list []string, key string) []string {
	if slices.Contains(list, key) {
		return list
	}
	return append(list, key)
}

// order is what was asked of WeChat by a prepay call.
type order struct {
	OutTradeNo  string    `json:"out_trade_no"`
	AppID       string    `json:"appid"`
	MchID       string    `json:"mchid"`
	Description string    `json:"description"`
	Attach      string    `json:"attach,omitempty"`
	AmountFen   int64     `json:"amount_fen"`
	Currency    string    `json:"currency"`
	NotifyURL   string    `json:"notify_url"`
	TradeType   string    `json:"trade_type"`
	State       string    `json:"state"`  // NOTPAY SUCCESS CLOSED; REFUND belongs to a payment
	Params      string    `json:"params"` // digest of what was asked, to tell a repeat from a change
	CodeURL     string    `json:"code_url,omitempty"`
	PrepayID    string    `json:"prepay_id,omitempty"` // every trade type but NATIVE
	OpenID      string    `json:"openid,omitempty"`    // of the one payer who may pay it: JSAPI
	Expires     time.Time `json:"time_expire,omitzero"`
	CreatedAt   time.Time `json:"created_at"`
}

// expired says whether it is too late to pay the order.
func (o *order) expired(now time.Time) bool {
	return !o.Expires.IsZero() && !now.Before(o.Expires)
}

// paid is one payment, with the words WeChat uses for it.
type paid struct {
	TransactionID string    `json:"transaction_id"`
	OutTradeNo    string    `json:"out_trade_no"`
	AmountFen     int64     `json:"amount_fen"` // amount.total
	PayerFen      int64     `json:"payer_fen"`  // amount.payer_total
	Currency      string    `json:"currency"`
	AppID         string    `json:"appid"`
	MchID         string    `json:"mchid"`
	Attach        string    `json:"attach,omitempty"`
	TradeType     string    `json:"trade_type"`
	TradeState    string    `json:"trade_state"` // as told when it was paid
	OpenID        string    `json:"openid"`
	NotifyURL     string    `json:"notify_url"`
	SuccessTime   time.Time `json:"success_time"`
	Refunded      bool      `json:"refunded,omitempty"` // a refund was taken on, whatever became of it
}

// state is what a query says now.
func (p *paid) state() string {
	if p.Refunded && p.TradeState == "SUCCESS" {
		return "REFUND"
	}
	return p.TradeState
}

// refund is one refund under one number.
type refund struct {
	OutRefundNo   string    `json:"out_refund_no"`
	RefundID      string    `json:"refund_id"`
	TransactionID string    `json:"transaction_id"`
	OutTradeNo    string    `json:"out_trade_no"`
	AmountFen     int64     `json:"amount_fen"`
	TotalFen      int64     `json:"total_fen"`
	PayerTotalFen int64     `json:"payer_total_fen"`
	Status        string    `json:"status"`           // PROCESSING SUCCESS ABNORMAL CLOSED
	Ending        string    `json:"ending,omitempty"` // what PROCESSING turns into by itself; empty: it stays
	NotifyURL     string    `json:"notify_url,omitempty"`
	Params        string    `json:"params"`
	CreateTime    time.Time `json:"create_time"`
	SuccessTime   time.Time `json:"success_time,omitzero"`
}

// payerFen is the payer's share: a coupon's part of a refund goes back to the coupon.
func (r *refund) payerFen() int64 {
	return (r.AmountFen*r.PayerTotalFen + r.TotalFen/2) / r.TotalFen
}

// called is one call of the merchant that had a good signature, as it arrived.
type called struct {
	Call       string `json:"call"`
	OutTradeNo string `json:"out_trade_no"`
	Number     string `json:"number,omitempty"` // out_refund_no, ship key or webhook-id
	Event      string `json:"event,omitempty"`  // type of a webhook
	Mode       string `json:"mode,omitempty"`   // the fault it met, if planned
}
