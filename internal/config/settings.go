package config

import (
	"encoding/hex"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/paysaga/paysaga/internal/payment"
	"github.com/paysaga/paysaga/internal/sealed"
)

// Database is where the books are.
type Database struct {
	URL Secret `name:"database-url" env:"DATABASE_URL" help:"Postgres (15 or later) that holds the books."`
}

// Check notes what is wrong.
func (d Database) Check(m *Mistakes) { m.need("DATABASE_URL", string(d.URL)) }

// Histories is how what Temporal keeps is kept from who reads it there.
type Histories struct {
	PayloadKeys Secret `env:"PAYLOAD_KEYS" help:"Keys that Temporal's histories are encrypted under, one id:base64 of 32 random bytes a line; the first encrypts, all decrypt. Empty to encrypt nothing."`
}

// Keys returns the ring of keys.
func (h Histories) Keys(m *Mistakes) sealed.Keys {
	keys, err := sealed.ParseKeys(string(h.PayloadKeys))
	if err != nil {
		m.Add("PAYLOAD_KEYS", "%v", err)
	}
	return keys
}

// Log is how much is said.
type Log struct {
	Level string `name:"log-level" env:"LOG_LEVEL" default:"info" help:"debug, info, warn or error."`
}

// Parse returns the level.
func (l Log) Parse(m *Mistakes) slog.Level {
	var level slog.Level
	if err := level.UnmarshalText([]byte(l.Level)); err != nil {
		m.Add("LOG_LEVEL", "must be debug, info, warn or error")
	}
	return level
}

// Cases says who owns what needs a person, and how long they have.
type Cases struct {
	Owners   string `name:"case-owners" env:"CASE_OWNERS" help:"Owner by kind of case: kind=name,…; the kind * is everybody else's." default:"*=support"`
	DueAfter string `name:"case-due-after" env:"CASE_DUE_AFTER" help:"How long the owner of a case has before it is overdue." default:"24h"`
}

// Due returns how long an owner has.
func (c Cases) Due(m *Mistakes) time.Duration { return m.duration("CASE_DUE_AFTER", c.DueAfter) }

// Parse returns owner by kind; the kind "*" stands for all others.
func (c Cases) Parse(m *Mistakes) map[payment.CaseKind]string {
	owners := map[payment.CaseKind]string{"*": "support"}
	for pair := range strings.SplitSeq(c.Owners, ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		kind, owner, ok := strings.Cut(strings.TrimSpace(pair), "=")
		if !ok || kind == "" || strings.TrimSpace(owner) == "" {
			m.Add("CASE_OWNERS", "must be kind=name pairs, separated by commas")
			continue
		}
		owners[payment.CaseKind(kind)] = strings.TrimSpace(owner)
	}
	return owners
}

// Bills says which of WeChat's daily bills are fetched, besides the trade bill.
type Bills struct {
	FundFlow string `name:"fund-flow-bill" env:"FUND_FLOW_BILL" default:"off" help:"on or off: also fetch the daily fund-flow bill, and hold it against the trade bill."`
}

// FundFlowBill tells whether the fund-flow bill is fetched.
func (b Bills) FundFlowBill(m *Mistakes) bool {
	if b.FundFlow != "on" && b.FundFlow != "off" {
		m.Add("FUND_FLOW_BILL", "must be on or off")
	}
	return b.FundFlow == "on"
}

// Sweeping is how often is looked for what a crash left behind.
type Sweeping struct {
	Every string `name:"sweep-every" env:"SWEEP_EVERY" default:"5s" help:"How often is looked for payments without a run."`
}

// Parse returns the interval.
func (s Sweeping) Parse(m *Mistakes) time.Duration { return m.duration("SWEEP_EVERY", s.Every) }

// Unpaid is when is asked about orders that nobody paid.
type Unpaid struct {
	QueryAt string `name:"order-query-at" env:"ORDER_QUERY_AT" default:"5s,30s,1m,3m,5m,10m,30m" help:"When, after an order was made, WeChat is asked whether it was paid; later, it is closed as it expires."`
}

// Parse returns the moments, counted from an order's creation.
func (u Unpaid) Parse(m *Mistakes) []time.Duration {
	moments := m.durations("ORDER_QUERY_AT", u.QueryAt)
	for i := 1; i < len(moments); i++ {
		if moments[i] <= moments[i-1] {
			m.Add("ORDER_QUERY_AT", "each must be later than the one before it")
			break
		}
	}
	return moments
}

// Saga is how long a saga waits for what.
type Saga struct {
	ShipAttemptTimeout   string `env:"SHIP_ATTEMPT_TIMEOUT" default:"30s" help:"One attempt to ship."`
	ShipGiveUpAfter      string `env:"SHIP_GIVE_UP_AFTER" default:"2h" help:"How long the shop may be silent before a person is asked."`
	DispatchOverdueAfter string `env:"DISPATCH_OVERDUE_AFTER" default:"72h" help:"How long an accepted shipment may wait to be dispatched before a person is asked."`
	NotifyGiveUpAfter    string `env:"NOTIFY_GIVE_UP_AFTER" default:"6h" help:"How long the shop's webhook is tried."`
	HoldFor              string `env:"HOLD_FOR" default:"72h" help:"How long a payment with an unknown shipment waits for a person before it is refunded."`
	UnknownOrderWait     string `env:"UNKNOWN_ORDER_WAIT" default:"60s" help:"How long an unknown order may still turn up."`
	RefundPoll           string `env:"REFUND_POLL" default:"1m,5m,10m,20m,30m" help:"When WeChat is asked about a refund; the last one repeats."`
	RefundSpacing        string `env:"REFUND_SPACING" default:"1m" help:"Distance between refunds of one payment."`
	RetryMaxInterval     string `env:"RETRY_MAX_INTERVAL" default:"2m" help:"Longest pause between two tries."`
	QueryBeforeShip      string `name:"query-before-ship-above-fen" env:"QUERY_BEFORE_SHIP_ABOVE_FEN" default:"off" help:"Above this many fen WeChat is asked before anything ships; off asks for none."`
	RequestWait          string `env:"REQUEST_WAIT" default:"60s" help:"How long a run of a finished payment waits for a request."`
}

// Parse returns the terms.
func (s Saga) Parse(m *Mistakes) payment.Terms {
	return payment.Terms{
		ShipAttemptTimeout:   m.duration("SHIP_ATTEMPT_TIMEOUT", s.ShipAttemptTimeout),
		ShipGiveUpAfter:      m.duration("SHIP_GIVE_UP_AFTER", s.ShipGiveUpAfter),
		DispatchOverdueAfter: m.duration("DISPATCH_OVERDUE_AFTER", s.DispatchOverdueAfter),
		NotifyGiveUpAfter:    m.duration("NOTIFY_GIVE_UP_AFTER", s.NotifyGiveUpAfter),
		HoldFor:              m.duration("HOLD_FOR", s.HoldFor),
		UnknownOrderWait:     m.duration("UNKNOWN_ORDER_WAIT", s.UnknownOrderWait),
		RefundPoll:           m.durations("REFUND_POLL", s.RefundPoll),
		RefundSpacing:        m.duration("REFUND_SPACING", s.RefundSpacing),
		RetryMaxInterval:     m.duration("RETRY_MAX_INTERVAL", s.RetryMaxInterval),
		RequestWait:          m.duration("REQUEST_WAIT", s.RequestWait),
	}
}

// AskAboveFen returns the amount above which WeChat is asked before anything
// ships; nil if for none.
func (s Saga) AskAboveFen(m *Mistakes) *int64 {
	if s.QueryBeforeShip == "off" {
		return nil
	}
	return new(m.fen("QUERY_BEFORE_SHIP_ABOVE_FEN", s.QueryBeforeShip))
}

// Public is where WeChat and shops reach the api.
type Public struct {
	URL string `name:"public-url" env:"PUBLIC_URL" help:"Where WeChat reaches this api; builds notify_url. Its host is the only one served under /callbacks."`
}

// Parse returns the URL, without a trailing slash.
func (p Public) Parse(m *Mistakes) *url.URL {
	if !m.need("PUBLIC_URL", p.URL) {
		return &url.URL{}
	}
	return m.url("PUBLIC_URL", strings.TrimRight(p.URL, "/"))
}

// Shop is where the merchant's own systems are.
type Shop struct {
	FulfilmentURL    string `env:"FULFILMENT_URL" help:"The shop's base URL: POST …/shipments and so on."`
	FulfilmentSecret Secret `env:"FULFILMENT_SECRET" help:"whsec_… that signs calls to the shop."`
	WebhookURL       string `env:"WEBHOOK_URL" help:"Where the shop takes events; empty to send none."`
	WebhookSecret    Secret `env:"WEBHOOK_SECRET" help:"whsec_… that signs events."`
}

// Check notes what is wrong.
func (s Shop) Check(m *Mistakes) {
	if m.need("FULFILMENT_URL", s.FulfilmentURL) {
		m.url("FULFILMENT_URL", s.FulfilmentURL)
	}
	m.need("FULFILMENT_SECRET", string(s.FulfilmentSecret))
	if s.WebhookURL != "" {
		m.url("WEBHOOK_URL", s.WebhookURL)
		m.need("WEBHOOK_SECRET", string(s.WebhookSecret))
	}
}

// Desk is what the api itself needs.
type Desk struct {
	Addr          string `name:"api-addr" env:"API_ADDR" default:":8080" help:"Where the api listens."`
	AdminAddr     string `name:"admin-addr" env:"ADMIN_ADDR" default:"127.0.0.1:8081" help:"Metrics and health; not public."`
	Tokens        Secret `name:"api-tokens" env:"API_TOKENS" help:"One role:name:sha256hex a line."`
	LatePayment   string `env:"LATE_PAYMENT" default:"refund" help:"What becomes of money that comes too late: refund or reopen."`
	ApprovalAbove string `name:"approval-above-fen" env:"APPROVAL_ABOVE_FEN" default:"100000" help:"Refunds by hand above this many fen need a second person."`
}

// Check notes what is wrong with the addresses and tokens.
func (d Desk) Check(m *Mistakes) {
	m.address("API_ADDR", d.Addr)
	m.address("ADMIN_ADDR", d.AdminAddr)
	for line := range strings.Lines(string(d.Tokens)) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		part := strings.Split(line, ":")
		if len(part) != 3 || part[0] == "" || part[1] == "" {
			m.Add("API_TOKENS", "each line must be role:name:sha256hex")
			continue
		}
		if sum, err := hex.DecodeString(part[2]); err != nil || len(sum) != 32 || part[2] != strings.ToLower(part[2]) {
			m.Add("API_TOKENS", "the third part must be the lower-case hex of the token's SHA-256")
		}
		switch part[0] {
		case "merchant", "support", "approver", "operator":
		default:
			m.Add("API_TOKENS", "a role must be merchant, support, approver or operator")
		}
	}
}

// Late returns what becomes of money that comes too late.
func (d Desk) Late(m *Mistakes) payment.LatePayment {
	late := payment.LatePayment(d.LatePayment)
	if late != payment.LateRefund && late != payment.LateReopen {
		m.Add("LATE_PAYMENT", "must be refund or reopen")
	}
	return late
}

// ApprovalAboveFen returns the amount above which a second person is needed.
func (d Desk) ApprovalAboveFen(m *Mistakes) int64 {
	return m.fen("APPROVAL_ABOVE_FEN", d.ApprovalAbove)
}

// Engine is what the worker itself needs.
type Engine struct {
	AdminAddr string `name:"admin-addr" env:"ADMIN_ADDR" default:"127.0.0.1:8082" help:"Metrics and health; not public."`
}

// Check notes what is wrong.
func (e Engine) Check(m *Mistakes) { m.address("ADMIN_ADDR", e.AdminAddr) }
