package api

import (
	"context"
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/paysaga/paysaga/internal/payment"
)

// Mail is what others are told, and the shop above all.
type Mail interface {
	Webhooks(ctx context.Context, wanted payment.WebhookFilter, page payment.Page[payment.WebhookPlace]) ([]payment.Webhook, error)
	// Resend has a message that ended told again; Conflict where it may not be.
	Resend(ctx context.Context, wish payment.Resend) error
}

// webhookStates are what can become of a message.
var webhookStates = []string{"pending", "delivered", "stopped", "rejected", "unknown", "gave_up"}

// webhooks lists what others are told, the newest first.
func (s *Server) webhooks(w http.ResponseWriter, r *http.Request, _ Caller) error {
	q := queryOf(r)
	wanted := payment.WebhookFilter{
		State:  q.choice("state", webhookStates...),
		Event:  q.word("event"),
		Number: q.text("q"),
	}
	return list(w, r, q, func(ctx context.Context, page payment.Page[payment.WebhookPlace]) ([]payment.Webhook, error) {
		return s.Desk.Webhooks(ctx, wanted, page)
	}, payment.Webhook.Place)
}

// resendTaken is the answer to a wish to send again: the list shows what came of it.
type resendTaken struct {
	ID        string `json:"id"`
	State     string `json:"state"`
	StatusURL string `json:"status_url"`
}

// resend has a message sent again, under the webhook-id it had.
func (s *Server) resend(w http.ResponseWriter, r *http.Request, by Caller) error {
	id := chi.URLParam(r, "id")
	if !number.MatchString(id) {
		return noSuch("webhook")
	}
	var body reasoned
	if err := read(w, r, &body); err != nil {
		return err
	}
	reason, err := trimmed(body.Reason)
	if err != nil {
		return err
	}
	if err := s.Desk.Resend(r.Context(), payment.Resend{ID: id, By: by.Name, Reason: reason}); err != nil {
		return err
	}
	return reply(w, http.StatusAccepted, resendTaken{id, "pending", "/v1/webhooks?q=" + id})
}
