package wechatpay

import (
	"context"
	"net/url"
	"regexp"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

// maxReason is WeChat's bound on a refund's reason, in characters; the payer
// reads it.
const maxReason = 80

var refundNumber = regexp.MustCompile(`^[0-9A-Za-z_\-|*@]{1,64}$`)

var refundStates = map[string]payment.RefundState{
	"PROCESSING": payment.RefundProcessing,
	"SUCCESS":    payment.RefundSuccess,
	"CLOSED":     payment.RefundClosed,
	"ABNORMAL":   payment.RefundAbnormal,
}

type refundAmount struct {
	Refund   int64  `json:"refund"` // fen
	Total    int64  `json:"total"`  // fen, of the payment
	Currency string `json:"currency"`
}

type refundBody struct {
	TransactionID string       `json:"transaction_id"`
	OutRefundNo   string       `json:"out_refund_no"`
	Reason        string       `json:"reason,omitempty"`
	NotifyURL     string       `json:"notify_url"`
	Amount        refundAmount `json:"amount"`
}

// refundAnswer is a refund as WeChat's answers tell it; in callbacks the state has
// another name.
type refundAnswer struct {
	TransactionID string       `json:"transaction_id"`
	OutRefundNo   string       `json:"out_refund_no"`
	RefundID      string       `json:"refund_id"`
	Status        string       `json:"status"`
	Amount        refundAmount `json:"amount"`
}

// Refund asks WeChat to give r.AmountFen of r.TotalFen back. Its yes means that it
// took the request on, not that anybody was refunded.
//
// Idempotent by r.OutRefundNo, as long as nothing else of r changes. Kinds:
// Refused if it will not; Busy if the merchant's balance is too low or the rate
// too high; Unknown without an answer. None of them proves that no refund
// exists: query before repeating, and repeat under the same number
// (merchant/4014959631).
func (c *Client) Refund(ctx context.Context, r payment.Refund) (activities.RefundWord, error) {
	var answer refundAnswer
	err := c.post(ctx, "refund", "/v3/refund/domestic/refunds", refundBody{
		TransactionID: r.TransactionID,
		OutRefundNo:   r.OutRefundNo,
		Reason:        shorten(r.Reason, maxReason),
		NotifyURL:     c.notifyURL,
		Amount:        refundAmount{Refund: r.AmountFen, Total: r.TotalFen, Currency: "CNY"},
	}, &answer)
	if err == nil && answer.TransactionID != r.TransactionID {
		err = unusable("refund")
	}
	if err != nil {
		return activities.RefundWord{}, err
	}
	return answer.word("refund", r.OutRefundNo)
}

// QueryRefund asks what became of a refund. NotFound means that WeChat never took
// it on, so that it may be sent again under its number.
func (c *Client) QueryRefund(ctx context.Context, outRefundNo string) (activities.RefundWord, error) {
	if !refundNumber.MatchString(outRefundNo) {
		return activities.RefundWord{}, impossible("refund")
	}
	var answer refundAnswer
	if err := c.get(ctx, "refund query", "/v3/refund/domestic/refunds/"+url.PathEscape(outRefundNo), &answer); err != nil {
		return activities.RefundWord{}, err
	}
	return answer.word("refund query", outRefundNo)
}

// word believes an answer only if it is about the refund asked for, in a state
// that we know.
func (a refundAnswer) word(what, outRefundNo string) (activities.RefundWord, error) {
	state, known := refundStates[a.Status]
	if !known || a.OutRefundNo != outRefundNo {
		return activities.RefundWord{}, unusable(what)
	}
	return activities.RefundWord{
		TransactionID: a.TransactionID,
		OutRefundNo:   a.OutRefundNo,
		RefundID:      a.RefundID,
		State:         state,
		AmountFen:     a.Amount.Refund,
	}, nil
}

// shorten keeps the first n characters.
func shorten(text string, n int) string {
	for i := range text {
		if n == 0 {
			return text[:i]
		}
		n--
	}
	return text
}
