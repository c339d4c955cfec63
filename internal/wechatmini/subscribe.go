package wechatmini

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

// Template is a subscribe message as the mini-program's console has it: its id,
// and what each of its fields shows.
type Template struct {
	ID     string
	Fields map[string]string // field (thing1, amount2 …) to what it shows, one of facts
}

// facts is what a field may show.
var facts = map[string]func(activities.Delivery) string{
	"out_trade_no":   func(d activities.Delivery) string { return d.OutTradeNo },
	"transaction_id": func(d activities.Delivery) string { return d.TransactionID },
	"description":    func(d activities.Delivery) string { return d.Description },
	"amount":         func(d activities.Delivery) string { return payment.Yuan(d.AmountFen) },
	"carrier":        func(d activities.Delivery) string { return d.Carrier },
	"tracking_no":    func(d activities.Delivery) string { return d.TrackingNo },
	"shipped_at":     func(d activities.Delivery) string { return d.ShippedAt.In(beijing).Format(time.DateTime) },
}

var beijing = time.FixedZone("Beijing", 8*60*60)

// longest is how many characters a field of a type takes; more is refused (47003).
var longest = map[string]int{"thing": 20, "character_string": 32, "number": 32, "letter": 32}

// nothing stands where a fact is empty: an empty field is refused as well.
const nothing = "-"

func (t Template) check() error {
	for _, field := range slices.Sorted(maps.Keys(t.Fields)) {
		if facts[t.Fields[field]] == nil {
			return fmt.Errorf("wechatmini: the template's field %s may show one of %s",
				field, strings.Join(slices.Sorted(maps.Keys(facts)), ", "))
		}
	}
	return nil
}

type value struct {
	Value string `json:"value"`
}

func (t Template) fill(d activities.Delivery) map[string]value {
	data := map[string]value{}
	for field, fact := range t.Fields {
		text := strings.TrimSpace(facts[fact](d))
		if most, bounded := longest[strings.TrimRight(field, "0123456789")]; bounded {
			text = clip(text, most)
		}
		if text == "" {
			text = nothing
		}
		data[field] = value{text}
	}
	return data
}

// Send sends the payer the subscribe message (POST /cgi-bin/message/subscribe/send).
// It has no key: the same call twice is two messages.
//
// Kinds: Refused for 43101, the payer gave no consent; Invalid for what the
// template or account does not permit; Busy if WeChat says that it did not send
// it, or was not reached; Unknown for everything else.
func (c *Client) Send(ctx context.Context, d activities.Delivery) error {
	return c.ask(ctx, "subscribe message", "/cgi-bin/message/subscribe/send", struct {
		ToUser     string           `json:"touser"`
		TemplateID string           `json:"template_id"`
		Data       map[string]value `json:"data"`
	}{string(d.OpenID), c.template.ID, c.template.fill(d)}, nil)
}

// clip keeps the first n characters.
func clip(text string, n int) string {
	runes := []rune(text)
	return string(runes[:min(len(runes), n)])
}
