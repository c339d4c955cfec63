package simulator

import (
	"cmp"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

var refundNo = regexp.MustCompile(`^[0-9A-Za-z_\-|*@]{1,64}$`)

// maxRefunds is how many part refunds WeChat allows per payment; a payment can be
// refunded for a year. That they must be a minute apart is up to Config.Spacing.
const (
	maxRefunds   = 50
	refundWithin = 365 * 24 * time.Hour
)

// refundRequest is the body of a refund call, as far as the simulator cares.
type refundRequest struct {
	TransactionID string `json:"transaction_id"`
	OutTradeNo    string `json:"out_trade_no"`
	OutRefundNo   string `json:"out_refund_no"`
	NotifyURL     string `json:"notify_url"`
	Amount        struct {
		Refund   int64  `json:"refund"`
		Total    int64  `json:"total"`
		Currency string `json:"currency"`
	} `json:"amount"`
}

func (r refundRequest) check() string {
	switch {
	case r.TransactionID == "" && r.OutTradeNo == "":
		return "transaction_id or out_trade_no is needed"
	case !refundNo.MatchString(r.OutRefundNo):
		return "out_refund_no must be 1 to 64 of 0-9 A-Z a-z _ - | * @"
	case r.Amount.Refund < 1:
		return "amount.refund must be at least 1"
	case r.Amount.Currency != "CNY":
		return "amount.currency must be CNY"
	case len(r.NotifyURL) > 256 || strings.Contains(r.NotifyURL, "?"):
		return "notify_url must be at most 256 long and without query"
	}
	return ""
}

// refundFaults are the planned refusals of a refund call; nothing is refunded.
var refundFaults = map[string]answer{
	"not_enough":            refuse(http.StatusForbidden, "NOT_ENOUGH", "the merchant's balance is too low"),
	"user_account_abnormal": refuse(http.StatusForbidden, "USER_ACCOUNT_ABNORMAL", "the payer's account is closed"),
	"invalid_request":       refuse(http.StatusBadRequest, "INVALID_REQUEST", "refused by plan"),
	"system_error":          refuse(http.StatusInternalServerError, "SYSTEM_ERROR", "system error, try again"),
}

// createRefund takes a refund on. 200 means accepted; how it ends is told by the
// callback and by queries.
func (s *simulator) createRefund(c *call) answer {
	if a, planned := refundFaults[c.mode]; planned {
		return a
	}
	var in refundRequest
	if err := json.Unmarshal(c.body, &in); err != nil {
		return refuse(http.StatusBadRequest, "PARAM_ERROR", "body is not a refund request")
	}
	if wrong := in.check(); wrong != "" {
		return refuse(http.StatusBadRequest, "PARAM_ERROR", wrong)
	}
	ending := map[string]string{"processing": "", "abnormal": "ABNORMAL", "closed": "CLOSED"}
	wish, planned := ending[c.mode]
	if !planned {
		wish = "SUCCESS"
	}
	r, a := s.begin(in, digest(c.body), wish)
	if r == nil {
		return a
	}
	if c.mode == "instant" {
		s.settle(r.OutRefundNo, "SUCCESS")
		return s.queryRefund(c)
	}
	switch {
	case r.Ending == "":
	case s.overtakes(r):
		s.settleFirst(r)
	default:
		s.background(func() { s.settleLater(r.OutRefundNo) })
	}
	return answer{http.StatusOK, refundAnswer(r)}
}

// begin records a new refund and returns it, or returns what to answer instead:
// the refund of that number as it stands, or a refusal.
func (s *simulator) begin(in refundRequest, asked, ending string) (r *refund, a answer) {
	s.ledger.change(func(b *book) []fact {
		if old := b.refunds[in.OutRefundNo]; old != nil {
			if a = (answer{http.StatusOK, refundAnswer(old)}); old.Params != asked {
				a = refuse(http.StatusBadRequest, "INVALID_REQUEST", "out_refund_no was used with other parameters")
			}
			return nil
		}
		p := b.payments[in.TransactionID]
		if p == nil && in.TransactionID == "" && len(b.of(in.OutTradeNo).payments) > 0 {
			p = b.payments[b.of(in.OutTradeNo).payments[0]]
		}
		if p == nil {
			a = refuse(http.StatusNotFound, "RESOURCE_NOT_EXISTS", "no such order")
			return nil
		}
		now := s.clock.now()
		if wrong := refundable(b, p, in, now); wrong != "" {
			a = refuse(http.StatusBadRequest, "INVALID_REQUEST", wrong)
			return nil
		}
		if s.tooSoon(b, p, now) {
			a = refuse(http.StatusTooManyRequests, "FREQUENCY_LIMITED", "the last refund of this order is too recent")
			return nil
		}
		r = &refund{
			OutRefundNo: in.OutRefundNo, RefundID: "5030000001" + now.In(beijing).Format("20060102") + digits(10),
			TransactionID: p.TransactionID, OutTradeNo: p.OutTradeNo,
			AmountFen: in.Amount.Refund, TotalFen: p.AmountFen, PayerTotalFen: p.PayerFen,
			Status: "PROCESSING", Ending: ending, NotifyURL: cmp.Or(in.NotifyURL, p.NotifyURL),
			Params: asked, CreateTime: now,
		}
		since := *p
		since.Refunded = true
		return []fact{{Refund: r}, {Payment: &since}}
	})
	return r, a
}

// refundable says why a payment cannot be refunded so, "" if it can.
func refundable(b *book, p *paid, in refundRequest, now time.Time) string {
	taken, count := b.refunded(p)
	switch {
	case in.OutTradeNo != "" && in.OutTradeNo != p.OutTradeNo:
		return "transaction_id and out_trade_no are of different orders"
	case p.TradeState != "SUCCESS":
		return "the order is not paid"
	case in.Amount.Total != p.AmountFen:
		return "amount.total is not the order's"
	case in.Amount.Refund > p.AmountFen-taken:
		return "refunds would exceed what was paid"
	case count >= maxRefunds:
		return "too many part refunds"
	case now.Sub(p.SuccessTime) > refundWithin:
		return "paid more than a year ago"
	}
	return ""
}

// refunded is how much of a payment is refunded or being so, and by how many refunds.
func (b *book) refunded(p *paid) (fen int64, count int) {
	for _, no := range b.of(p.OutTradeNo).refunds {
		if r := b.refunds[no]; r.TransactionID == p.TransactionID && r.Status != "CLOSED" {
			fen += r.AmountFen
			count++
		}
	}
	return fen, count
}

// refundedWhole says whether nothing of a payment is left to the merchant.
func (b *book) refundedWhole(p *paid) bool {
	fen, _ := b.refunded(p)
	return fen >= p.AmountFen
}

// tooSoon says whether the payment's last refund was asked for less than Spacing
// ago, whatever became of it.
func (s *simulator) tooSoon(b *book, p *paid, now time.Time) bool {
	return slices.ContainsFunc(b.of(p.OutTradeNo).refunds, func(no string) bool {
		r := b.refunds[no]
		return r.TransactionID == p.TransactionID && now.Sub(r.CreateTime) < s.Spacing
	})
}

// queryRefund answers by the merchant's refund number.
func (s *simulator) queryRefund(c *call) answer {
	a := refuse(http.StatusNotFound, "RESOURCE_NOT_EXISTS", "no such refund")
	s.ledger.read(func(b *book) {
		if r := b.refunds[c.number]; r != nil {
			a = answer{http.StatusOK, refundAnswer(r)}
		}
	})
	return a
}

// settleLater ends a refund by itself, unless a person does so first.
func (s *simulator) settleLater(outRefundNo string) {
	var r *refund
	s.ledger.read(func(b *book) { r = b.refunds[outRefundNo] })
	if s.clock.until(s.life, r.CreateTime.Add(s.RefundAfter)) {
		s.settle(outRefundNo, r.Ending)
	}
}

// overtakes says whether the refund's callback is planned to come before the
// answer to the refund call.
func (s *simulator) overtakes(r *refund) (yes bool) {
	s.ledger.read(func(b *book) { yes = b.of(r.OutTradeNo).scripts[callRefundNotify].Mode == modeReorder })
	return yes
}

// settleFirst ends a refund whose call is not answered yet, and comes back when
// the merchant has had its callback. The answer then says what was true before.
func (s *simulator) settleFirst(r *refund) {
	if n := s.conclude(r.OutRefundNo, r.Ending); n != nil {
		if gap, again := s.attempt(n.ID); again {
			s.deliver(n.ID, gap)
		}
	}
}

// settle moves a refund to its end and tells the merchant. It reports whether it
// could.
func (s *simulator) settle(outRefundNo, status string) bool {
	n := s.conclude(outRefundNo, status)
	if n != nil && !n.Done {
		s.deliver(n.ID, 0)
	}
	return n != nil
}

// conclude writes down that a refund has ended, and the notice of it, which it
// returns. It is nil if the refund cannot end so: SUCCESS and CLOSED are final,
// ABNORMAL waits for a person.
func (s *simulator) conclude(outRefundNo, status string) (n *notice) {
	s.ledger.change(func(b *book) []fact {
		old := b.refunds[outRefundNo]
		if old == nil || old.Status == "SUCCESS" || old.Status == "CLOSED" || old.Status == status {
			return nil
		}
		r := *old
		r.Status, r.Ending = status, ""
		if status == "SUCCESS" {
			r.SuccessTime = s.clock.now()
		}
		n = refundNotice(&r, s.clock.now())
		mode, used := b.of(r.OutTradeNo).take(callRefundNotify)
		n.SignTest = mode == "signtest"
		n.Done = mode == "lose" || n.URL == ""
		return append(used, fact{Refund: &r}, fact{Notice: n})
	})
	return n
}

// refundAnswer is a refund as the refund calls tell it: its state is "status".
func refundAnswer(r *refund) map[string]any {
	a := map[string]any{
		"refund_id": r.RefundID, "out_refund_no": r.OutRefundNo,
		"transaction_id": r.TransactionID, "out_trade_no": r.OutTradeNo,
		"channel": "ORIGINAL", "user_received_account": "支付用户零钱", "funds_account": "AVAILABLE",
		"create_time": wechatTime(r.CreateTime), "status": r.Status,
		"amount": map[string]any{
			"total": r.TotalFen, "refund": r.AmountFen, "payer_total": r.PayerTotalFen, "payer_refund": r.payerFen(),
			"settlement_total": r.TotalFen, "settlement_refund": r.AmountFen, "discount_refund": r.AmountFen - r.payerFen(),
			"currency": "CNY",
		},
	}
	if r.Status == "SUCCESS" {
		a["success_time"] = wechatTime(r.SuccessTime)
	}
	return a
}

// refundResource is a refund as its callback tells it: its state is
// "refund_status", and is the one the callback is about, even if a later one holds.
func refundResource(r *refund, mchID, status string) map[string]any {
	a := map[string]any{
		"mchid": mchID, "out_trade_no": r.OutTradeNo, "transaction_id": r.TransactionID,
		"out_refund_no": r.OutRefundNo, "refund_id": r.RefundID, "refund_status": status,
		"user_received_account": "支付用户零钱",
		"amount": map[string]any{
			"total": r.TotalFen, "refund": r.AmountFen, "payer_total": r.PayerTotalFen, "payer_refund": r.payerFen(),
		},
	}
	if status == "SUCCESS" {
		a["success_time"] = wechatTime(r.SuccessTime)
	}
	return a
}
