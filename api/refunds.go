package api

import (
	"net/http"

	"github.com/paysaga/paysaga/internal/payment"
)

// part is the body of a partial refund.
type part struct {
	AmountFen int64  `json:"amount_fen" jsonschema:"required,minimum=1"`
	Reason    string `json:"reason" jsonschema:"required"`
}

// refundPart asks for part of a payment to go back. Its number is taken with the
// request, so that whoever asks knows it before WeChat does.
func (s *Server) refundPart(w http.ResponseWriter, r *http.Request, by Caller) error {
	var body part
	if err := read(w, r, &body); err != nil {
		return err
	}
	if body.AmountFen <= 0 {
		return invalid("amount_fen", "must be at least 1 fen")
	}
	return s.ask(w, r, by, payment.Request{Kind: payment.PartialRefund, Reason: body.Reason, AmountFen: body.AmountFen})
}
