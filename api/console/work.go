package console

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/paysaga/paysaga/internal/payment"
)

// maxForm bounds what a form sends, in bytes: a hundred numbers and a reason.
const maxForm = 16 << 10

// list is one page of any of the API's lists.
type list[T any] struct {
	Items      []T    `json:"items"`
	NextCursor string `json:"next_cursor"`
}

// more is the address of the next page, empty on the last.
func (l list[T]) more(path string, q url.Values) string {
	if l.NextCursor == "" {
		return ""
	}
	next := url.Values{}
	for name, values := range q {
		next[name] = values
	}
	next.Set("cursor", l.NextCursor)
	return path + "?" + next.Encode()
}

// filled is the part of a query that says something, of the names a page knows.
func filled(r *http.Request, names ...string) url.Values {
	q := url.Values{}
	for _, name := range append(names, "cursor") {
		if value := r.URL.Query().Get(name); value != "" {
			q.Set(name, value)
		}
	}
	return q
}

// workPage is the first page: who must do what, overdue first.
type workPage struct {
	Cases []payment.Case
	More  string
	State string
	Owner string
	Kind  string
	Kinds []string
}

// asking is a query as a path ends with it, or nothing.
func asking(q url.Values) string {
	if len(q) == 0 {
		return ""
	}
	return "?" + q.Encode()
}

// cases is what needs a person.
func (s *server) cases(v *visit) error {
	q := filled(v.r, "state", "owner", "kind")
	if q.Get("state") == "" {
		q.Set("state", "open")
	}
	var found list[payment.Case]
	if err := v.desk.get("/v1/cases"+asking(q), &found); err != nil {
		return err
	}
	return v.show(http.StatusOK, "cases.html", frame{
		Section: "cases", Title: v.t("cases.title"), Live: true,
		It: workPage{
			Cases: found.Items, More: found.more("/console/", q),
			State: q.Get("state"), Owner: q.Get("owner"), Kind: q.Get("kind"), Kinds: kinds(),
		},
	})
}

// kinds are the kinds of case that the pages have a name for.
func kinds() []string {
	var all []string
	for key := range caseTexts {
		if kind, ok := strings.CutPrefix(key, "case."); ok {
			all = append(all, kind)
		}
	}
	slices.Sort(all)
	return all
}

type casePage struct {
	Case  payment.CaseFile
	Key   string // of the next act
	Draft url.Values
}

func (s *server) theCase(v *visit) error { return v.showCase(http.StatusOK, nil) }

func (v *visit) showCase(status int, no *refusal) error {
	var found payment.CaseFile
	if err := v.desk.get("/v1/cases/"+url.PathEscape(chi.URLParam(v.r, "id")), &found); err != nil {
		return err
	}
	return v.show(status, "case.html", frame{
		Section: "cases", Title: v.t("case.title"), Wrong: no,
		It: casePage{Case: found, Key: v.keyAfter(no), Draft: v.r.PostForm},
	})
}

// actOnCase notes, hands over or closes.
func (s *server) actOnCase(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	id, act, field := chi.URLParam(v.r, "id"), chi.URLParam(v.r, "act"), v.r.PostForm.Get
	var body map[string]string
	switch act {
	case "notes":
		body = map[string]string{"text": field("text")}
	case "assign":
		body = map[string]string{"owner": field("owner"), "reason": field("reason")}
	case "close":
		body = map[string]string{"resolution": field("resolution"), "reason": field("reason")}
	default:
		return &refusal{Status: http.StatusNotFound, Code: "no_such_route"}
	}
	err := v.desk.post("/v1/cases/"+url.PathEscape(id)+"/"+act, field("key")+"-"+act, body, nil) // one page, three forms
	if no, ok := refused(err); ok {
		return v.showCase(no.Status, no)
	}
	if err != nil {
		return err
	}
	return v.done("/console/cases/"+url.PathEscape(id), v.t("case.said."+act))
}
