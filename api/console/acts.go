package console

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/paysaga/paysaga/internal/payment"
)

// planPage says what an act will do before anybody asks for it.
type planPage struct {
	paymentPage
	Act   string
	Key   string
	Draft url.Values // as the form was filled in, if it was refused
}

func (s *server) consider(v *visit) error { return v.showPlan(http.StatusOK, nil) }

func (v *visit) showPlan(status int, no *refusal) error {
	id, act := chi.URLParam(v.r, "id"), chi.URLParam(v.r, "act")
	it, err := v.dossier(id)
	switch {
	case err != nil:
		return err
	case no == nil && !slices.Contains(it.Acts, act):
		return &refusal{Status: http.StatusConflict, Code: "wrong_stage"}
	}
	return v.show(status, "act.html", frame{
		Section: "search", Title: v.t("act." + act), Wrong: no,
		It: planPage{paymentPage: it, Act: act, Key: v.keyAfter(no), Draft: v.r.PostForm},
	})
}

// asked is the API's answer to every act.
type asked struct {
	RequestID string               `json:"request_id"`
	State     payment.RequestState `json:"state"`
}

// act asks for what the person confirmed.
func (s *server) act(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	id, act, field := chi.URLParam(v.r, "id"), chi.URLParam(v.r, "act"), v.r.PostForm.Get
	body := map[string]any{"reason": field("reason")}
	switch act {
	case "compensate":
		body["goods"] = field("goods")
	case "refunds":
		amountFen, ok := fen(field("amount"))
		if !ok {
			return v.showPlan(http.StatusUnprocessableEntity, &refusal{
				Status: http.StatusUnprocessableEntity, Code: "invalid_amount_fen", Detail: v.t("plan.amount.wrong"),
			})
		}
		body["amount_fen"] = amountFen
	case "resolve":
		body["outcome"], body["evidence"] = field("outcome"), strings.Fields(strings.ReplaceAll(field("evidence"), ",", " "))
	case "retry":
	default:
		return &refusal{Status: http.StatusNotFound, Code: "no_such_route"}
	}
	var took asked
	err := v.desk.post("/v1/payments/"+url.PathEscape(id)+"/"+act, field("key"), body, &took)
	if no, ok := refused(err); ok {
		return v.showPlan(no.Status, no)
	}
	if err != nil {
		return err
	}
	return v.done("/console/payments/"+url.PathEscape(id), v.title("plan.said", took.RequestID, text(v.lang, "request."+string(took.State))))
}
