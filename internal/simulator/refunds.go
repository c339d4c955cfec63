package simulator

import (
	"cmp"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"time"
)

var refundNo = regexp.MustCompile(`^[0-9A-Za-z_\-|*@]{1,64}$`)

// maxRefunds is how many part refunds WeChat allows per payment; a payment can be
// refunded for a year.
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
	if r.Ending != "" {
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
		if wrong := refundable(b, p, in); wrong != "" {
			a = refuse(http.StatusBadRequest, "INVALID_REQUEST", wrong)
			return nil
		}
		now := time.Now()
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
func refundable(b *book, p *paid, in refundRequest) string {
	var taken int64
	var count int
	for _, no := range b.of(p.OutTradeNo).refunds {
		if r := b.refunds[no]; r.TransactionID == p.TransactionID && r.Status != "CLOSED" {
			taken += r.AmountFen
			count++
		}
	}
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
	case time.Since(p.SuccessTime) > refundWithin:
		return "paid more than a year ago"
	}
	return ""
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
	if s.wait(time.Until(r.CreateTime.Add(s.RefundAfter))) {
		s.settle(outRefundNo, r.Ending)
	}
}

// settle moves a refund to its end and tells the merchant. It reports whether it
// could: SUCCESS and CLOSED are final, ABNORMAL waits for a person.
func (s *simulator) settle(outRefundNo, status string) bool {
	var n *notice
	s.ledger.change(func(b *book) []fact {
		old := b.refunds[outRefundNo]
		if old == nil || old.Status == "SUCCESS" || old.Status == "CLOSED" || old.Status == status {
			return nil
		}
		r := *old
		r.Status, r.Ending = status, ""
		if status == "SUCCESS" {
			r.SuccessTime = time.Now()
		}
		n = refundNotice(&r)
		mode, used := b.of(r.OutTradeNo).take(callRefundNotify)
		n.SignTest = mode == "signtest"
		n.Done = mode == "lose" || n.URL == ""
		return append(used, fact{Refund: &r}, fact{Notice: n})
	})
	if n != nil && !n.Done {
		s.deliver(n.ID, 0)
	}
	return n != nil
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
