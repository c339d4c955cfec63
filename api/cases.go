package api

import (
	"context"
	"net/http"

	"github.com/paysaga/paysaga/internal/payment"
)

// cases is the work list: what needs a person, overdue first.
func (s *Server) cases(w http.ResponseWriter, r *http.Request, _ Caller) error {
	q := queryOf(r)
	wanted := payment.CaseFilter{
		State:   q.choice("state", "open", "closed"),
		Kind:    payment.CaseKind(q.word("kind")),
		Owner:   q.text("owner"),
		Overdue: q.flag("overdue"),
		Number:  q.text("q"),
	}
	return list(w, r, q, func(ctx context.Context, page payment.Page[payment.CasePlace]) ([]payment.Case, error) {
		return s.Desk.Cases(ctx, wanted, page)
	}, payment.Case.Place)
}
