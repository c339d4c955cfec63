package console

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/paysaga/paysaga/api"
	"github.com/paysaga/paysaga/internal/payment"
)

type approvalsPage struct {
	Requests []waiting
	More     string
}

// waiting is a request and what this person may do about it.
type waiting struct {
	payment.Request
	Own     bool
	Decides bool // an approver, and not their own
	Hand    bool // nobody proved who sent it
	Key     string
}

// approvals is what waits for a second person, the oldest first.
func (s *server) approvals(v *visit) error { return v.showApprovals(http.StatusOK, nil) }

func (v *visit) showApprovals(status int, no *refusal) error {
	q := filled(v.r)
	var got list[payment.Request]
	if err := v.desk.get("/v1/approvals"+asking(q), &got); err != nil {
		return err
	}
	it := approvalsPage{More: got.more("/console/approvals", q)}
	for _, request := range got.Items {
		own := request.Actor == v.who.Name
		it.Requests = append(it.Requests, waiting{
			Request: request, Own: own, Decides: v.who.Role == api.Approver && !own,
			Hand: strings.HasPrefix(request.Actor, payment.UnverifiedPrefix), Key: newKey(),
		})
	}
	return v.show(status, "approvals.html", frame{
		Section: "approvals", Title: v.t("approvals.title"), Live: true, Wrong: no, It: it,
	})
}

// decide approves or rejects.
func (s *server) decide(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	act := chi.URLParam(v.r, "act")
	if act != "approve" && act != "reject" {
		return &refusal{Status: http.StatusNotFound, Code: "no_such_route"}
	}
	path := "/v1/requests/" + url.PathEscape(chi.URLParam(v.r, "id")) + "/" + act
	err := v.desk.post(path, v.r.PostForm.Get("key")+"-"+act, map[string]string{"reason": v.r.PostForm.Get("reason")}, nil)
	if no, ok := refused(err); ok {
		return v.showApprovals(no.Status, no)
	}
	if err != nil {
		return err
	}
	return v.done("/console/approvals", v.title("approvals.said", v.t("act."+act)))
}
