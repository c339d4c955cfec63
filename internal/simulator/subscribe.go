package simulator

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"regexp"
	"strings"
	"unicode/utf8"
)

// subscribed is a message that a payer was sent.
type subscribed struct {
	OutTradeNo string `json:"out_trade_no"`
	Reader     string `json:"reader"` // see readerOf
	Template   string `json:"template_id"`
}

// readerOf is how a reader is known in the ledger and in truths: not by openid.
func readerOf(openID string) string {
	sum := sha256.Sum256([]byte(openID))
	return hex.EncodeToString(sum[:8])
}

type subscribeRequest struct {
	ToUser   string `json:"touser"`
	Template string `json:"template_id"`
	Page     string `json:"page"`
	Data     map[string]struct {
		Value string `json:"value"`
	} `json:"data"`
}

// aboutMessage finds the order of a message. It names no order but in its text; if
// it names none there, it is about what its reader paid last.
func (s *simulator) aboutMessage(c *call) {
	var in subscribeRequest
	json.Unmarshal(c.body, &in) // what cannot be read is refused later, by sendSubscribed
	c.number, c.event = readerOf(in.ToUser), in.Template
	s.ledger.read(func(b *book) {
		var best *paid
		named := false
		for _, p := range b.payments {
			if p.OpenID != in.ToUser {
				continue
			}
			names := in.names(p)
			if best == nil || names && !named || names == named && p.SuccessTime.After(best.SuccessTime) {
				best, named = p, names
			}
		}
		if best != nil {
			c.outTradeNo = best.OutTradeNo
		}
	})
}

func (in subscribeRequest) names(p *paid) bool {
	for _, field := range in.Data {
		if field.Value == p.OutTradeNo || field.Value == p.TransactionID {
			return true
		}
	}
	return strings.Contains(in.Page, p.OutTradeNo)
}

var subscribeKey = regexp.MustCompile(`^(thing|number|letter|symbol|character_string|time|date|amount|phone_number|car_number|name|phrase)\d+$`)

// longest is how much a value may hold, by the kind of its key.
var longest = map[string]int{"thing": 20, "number": 32, "letter": 32, "character_string": 32}

// sendSubscribed gives a payer a message. It knows no key by which a repeated call
// could be told from another message: who calls twice is heard twice.
func (s *simulator) sendSubscribed(c *call) answer {
	switch c.mode {
	case modeBusy:
		return toldBusy
	case modeInvalidToken:
		return toldInvalidToken
	case "no_consent":
		return told(43101, "user refuse to accept the msg")
	}
	var in subscribeRequest
	switch err := json.Unmarshal(c.body, &in); {
	case err != nil:
		return told(47001, "data format error")
	case in.Template != s.account.Template:
		return told(40037, "invalid template_id")
	case c.outTradeNo == "": // nobody who ever paid here
		return told(40003, "invalid openid")
	case len(in.Data) == 0:
		return told(47003, "argument invalid! data is empty")
	}
	for key, field := range in.Data {
		kind := subscribeKey.FindStringSubmatch(key)
		if kind == nil || field.Value == "" {
			return told(47003, "argument invalid! "+key)
		}
		if limit, limited := longest[kind[1]]; limited && utf8.RuneCountInString(field.Value) > limit {
			return told(47003, "argument invalid! "+key+" is too long")
		}
	}
	s.ledger.change(func(*book) []fact {
		return []fact{{Message: &subscribed{c.outTradeNo, c.number, in.Template}}}
	})
	return toldOK
}
