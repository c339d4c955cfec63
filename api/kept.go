package api

import (
	"context"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/paysaga/paysaga/internal/payment"
)

// Archive is what the inbox shows of itself.
type Archive interface {
	// KeptNews is a page of what was kept, the youngest first.
	KeptNews(ctx context.Context, wanted payment.KeptFilter, page payment.Page[payment.KeptPlace]) ([]payment.Kept, error)
	// KeptFile is one piece of news and how often it came; NotFound if there is none.
	KeptFile(ctx context.Context, id string, withBody bool) (payment.KeptFile, error)
}

// Runs tells what became of a payment's saga.
type Runs interface {
	// LatestRun is the latest run; NotFound if Temporal knows none.
	LatestRun(ctx context.Context, transactionID string) (payment.Run, error)
}

// What news in the inbox can be.
var (
	keptKinds    = []string{"payment", "refund", "other", "unreadable"}
	keptVerdicts = words(payment.Accepted, payment.ForAPerson, payment.Noted, payment.Malformed, payment.CannotDecrypt)
)

// runWithin is how long an answer waits for Temporal's word, which is not what was
// asked for.
const runWithin = 2 * time.Second

// inbox lists what WeChat sent, and what our own questions found.
func (s *Server) inbox(w http.ResponseWriter, r *http.Request, _ Caller) error {
	q := queryOf(r)
	wanted := payment.KeptFilter{
		Kind:    q.choice("kind", keptKinds...),
		Verdict: payment.Verdict(q.choice("verdict", keptVerdicts...)),
		Done:    q.flag("done"),
		Number:  q.text("q"),
	}
	return list(w, r, q, func(ctx context.Context, page payment.Page[payment.KeptPlace]) ([]payment.Kept, error) {
		return s.Desk.KeptNews(ctx, wanted, page)
	}, payment.Kept.Place)
}

// news shows one piece of news, each time it came, and the run it led to. The bytes
// are the operator's: encrypted as they are, support has no use for them.
func (s *Server) news(w http.ResponseWriter, r *http.Request, by Caller) error {
	file, err := s.Desk.KeptFile(r.Context(), chi.URLParam(r, "id"), by.Role == Operator)
	if err != nil {
		return err
	}
	if payment.ValidTransactionID(file.TransactionID) {
		file.Run = s.runOf(r.Context(), file.TransactionID)
	}
	return reply(w, http.StatusOK, file)
}

func (s *Server) runOf(ctx context.Context, transactionID string) *payment.Run {
	ctx, cancel := context.WithTimeout(ctx, runWithin)
	defer cancel()
	run, err := s.Runs.LatestRun(ctx, transactionID)
	switch {
	case payment.KindOf(err) == payment.NotFound:
		run.Status = "none"
	case err != nil:
		run.Status = "unknown"
	}
	run.WorkflowID = transactionID
	return &run
}
