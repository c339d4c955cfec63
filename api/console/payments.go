package console

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/paysaga/paysaga/api"
	"github.com/paysaga/paysaga/internal/payment"
)

// found is one payment in a search, as GET /v1/payments lists it.
type found struct {
	TransactionID  string        `json:"transaction_id"`
	OutTradeNo     string        `json:"out_trade_no"`
	AmountFen      int64         `json:"amount_fen"`
	RefundedFen    int64         `json:"refunded_fen"`
	Stage          payment.Stage `json:"stage"`
	NeedsAttention bool          `json:"needs_attention"`
}

type searchPage struct {
	Q, Stage string
	Needs    bool
	Asked    bool
	Stages   []string
	Payments []found
	More     string
}

var stages = []string{"received", "paid", "shipped", "completed", "holding", "compensating", "refunded", "quarantined", "resolved"}

// search finds payments by any number. The one that is meant is shown at once.
func (s *server) search(v *visit) error {
	q := filled(v.r, "q", "stage", "needs_attention")
	var got list[found]
	if err := v.desk.get("/v1/payments"+asking(q), &got); err != nil {
		return err
	}
	if len(got.Items) == 1 && got.Items[0].TransactionID == q.Get("q") {
		http.Redirect(v.w, v.r, "/console/payments/"+got.Items[0].TransactionID, http.StatusSeeOther)
		return nil
	}
	return v.show(http.StatusOK, "search.html", frame{
		Section: "search", Title: v.t("search.title"),
		It: searchPage{
			Q: q.Get("q"), Stage: q.Get("stage"), Needs: q.Get("needs_attention") == "true", Asked: len(q) > 0,
			Stages: stages, Payments: got.Items, More: got.more("/console/search", q),
		},
	})
}

// paymentPage is all that is known of one payment.
type paymentPage struct {
	payment.Dossier
	LeftFen      int64 // what no refund has taken
	RefundingFen int64 // asked of WeChat, and not ended
	Acts         []string
	Open         bool // a request is open, so no other can be made
	Line         []moment
	Run          string // its address in the Temporal UI
}

// moment is one line of the timeline.
type moment struct {
	At    time.Time
	Who   string
	Look  string // how it is marked: move, person or trouble
	Was   string // both empty where the stage did not move
	Stage string
	Text  string
}

// arrival is one callback about a payment, as GET /v1/inbox lists it.
type arrival struct {
	EventType  string    `json:"event_type"`
	Verdict    string    `json:"verdict"`
	ReceivedAt time.Time `json:"received_at"`
}

func (s *server) payment(v *visit) error {
	id := chi.URLParam(v.r, "id")
	it, err := v.dossier(id)
	if err != nil {
		return err
	}
	return v.show(http.StatusOK, "payment.html", frame{
		Section: "search", Title: v.title("pay.title", id), Live: it.Open || !it.Stage.Final() && !it.Stage.Waiting() || it.RefundingFen > 0,
		It: it,
	})
}

// dossier reads a payment, and what WeChat called about it.
func (v *visit) dossier(id string) (paymentPage, error) {
	it := paymentPage{}
	if err := v.desk.get("/v1/payments/"+url.PathEscape(id), &it.Dossier); err != nil {
		return it, err
	}
	var calls list[arrival]
	if err := v.desk.get("/v1/inbox?q="+url.QueryEscape(id), &calls); err != nil {
		return it, err
	}
	it.LeftFen = it.AmountFen
	for _, r := range it.Refunds {
		switch r.State {
		case payment.RefundRequested, payment.RefundProcessing, payment.RefundAbnormal:
			it.RefundingFen += r.AmountFen
			it.LeftFen -= r.AmountFen
		case payment.RefundSuccess:
			it.LeftFen -= r.AmountFen
		}
	}
	it.LeftFen = max(it.LeftFen, 0)
	it.Open = slices.ContainsFunc(it.Requests, func(q payment.Request) bool { return q.State.Open() })
	it.Acts = acts(v.who.Role, it)
	it.Line = v.line(it, calls.Items)
	if v.TemporalUI != nil {
		it.Run = v.TemporalUI.JoinPath("namespaces", v.Namespace, "workflows", id).String()
	}
	return it, nil
}

// acts are the acts that a role may ask for of a payment as it stands; the API
// judges them all the same.
func acts(role api.Role, it paymentPage) []string {
	if it.Open {
		return nil
	}
	var all []string
	for _, a := range []struct {
		name  string
		kind  payment.RequestKind
		roles []api.Role
	}{
		{"retry", payment.Retry, []api.Role{api.Support, api.Approver, api.Operator}},
		{"refunds", payment.PartialRefund, []api.Role{api.Support, api.Approver}},
		{"compensate", payment.Compensate, []api.Role{api.Support, api.Approver}},
		{"resolve", payment.Resolve, []api.Role{api.Support, api.Approver}},
	} {
		if slices.Contains(a.roles, role) && slices.Contains(payment.Askable[a.kind], it.Stage) &&
			(a.kind != payment.PartialRefund || it.LeftFen > 0) {
			all = append(all, a.name)
		}
	}
	return all
}

// line is everything that happened, in one order: what the books wrote down, what
// WeChat called, what people asked for, and what needed one.
func (v *visit) line(it paymentPage, calls []arrival) []moment {
	var all []moment
	for _, e := range it.Timeline {
		m := moment{At: e.At, Was: e.Was, Stage: e.Became, Text: e.What}
		if e.Became != "" {
			m.Look = "move"
		}
		if e.Actor != "paysaga" {
			m.Who, m.Look = e.Actor, "person"
		}
		all = append(all, m)
	}
	for _, c := range calls {
		all = append(all, moment{At: c.ReceivedAt, Text: v.title("pay.callback", cmp.Or(c.EventType, c.Verdict))})
	}
	for _, q := range it.Requests {
		all = append(all, moment{At: q.CreatedAt, Who: q.Actor, Look: "person", Text: v.title("pay.asked", v.t("act."+string(q.Kind)), q.Reason)})
	}
	for _, c := range it.Cases {
		all = append(all, moment{At: c.OpenedAt, Look: "trouble", Text: v.title("pay.caseopened", v.t("case."+string(c.Kind)))})
	}
	slices.SortStableFunc(all, func(a, b moment) int { return a.At.Compare(b.At) })
	return all
}
