package api

import (
	"context"
	"net/http"

	"github.com/paysaga/paysaga/internal/payment"
)

// approvals is what waits for a second person, the oldest first.
func (s *Server) approvals(w http.ResponseWriter, r *http.Request, _ Caller) error {
	return list(w, r, queryOf(r), func(ctx context.Context, page payment.Page[payment.RequestPlace]) ([]payment.Request, error) {
		return s.Desk.Approvals(ctx, page)
	}, payment.Request.Place)
}
