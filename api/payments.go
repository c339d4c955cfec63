package api

import (
	"context"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/paysaga/paysaga/internal/payment"
)

// payment shows all that is known of a payment: merchants those of their own
// orders, staff any.
func (s *Server) payment(w http.ResponseWriter, r *http.Request, by Caller) error {
	id, err := transactionID(r)
	if err != nil {
		return err
	}
	dossier, err := s.Desk.Dossier(r.Context(), id, by.owner())
	if err != nil {
		return err
	}
	now := time.Now()
	for i, request := range dossier.Requests {
		dossier.Requests[i].State = request.StateAt(now)
	}
	return reply(w, http.StatusOK, dossier)
}

// payments lists payments, the newest first: merchants those of their own orders,
// staff all.
func (s *Server) payments(w http.ResponseWriter, r *http.Request, by Caller) error {
	q := queryOf(r)
	wanted := payment.PaymentFilter{
		Owner:          by.owner(),
		Stage:          payment.Stage(q.choice("stage", stages...)),
		NeedsAttention: q.flag("needs_attention"),
		Number:         q.text("q"),
	}
	return list(w, r, q, func(ctx context.Context, page payment.Page[payment.PaymentPlace]) ([]payment.FoundPayment, error) {
		return s.Desk.Payments(ctx, wanted, page)
	}, payment.FoundPayment.Place)
}

// stages are the words a list of payments can be narrowed by.
var stages = []string{
	string(payment.Received), string(payment.Paid), string(payment.Shipped), string(payment.Completed), string(payment.Holding),
	string(payment.Compensating), string(payment.Refunded), string(payment.Quarantined), string(payment.Resolved),
}

// transactionID is the payment a route names. What cannot be a number of
// WeChat's is missing, and nobody has to ask the books.
func transactionID(r *http.Request) (string, error) {
	id := chi.URLParam(r, "transaction_id")
	if !payment.ValidTransactionID(id) {
		return "", noSuch("payment")
	}
	return id, nil
}
