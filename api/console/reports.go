package console

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/paysaga/paysaga/internal/payment"
)

type reportsPage struct {
	Reports []payment.Report
	More    string
}

// reports are the days that were compared, the newest first.
func (s *server) reports(v *visit) error {
	q := filled(v.r)
	var got list[payment.Report]
	if err := v.desk.get("/v1/reports"+asking(q), &got); err != nil {
		return err
	}
	return v.show(http.StatusOK, "reports.html", frame{
		Section: "reports", Title: v.t("reports.title"), It: reportsPage{Reports: got.Items, More: got.more("/console/reports", q)},
	})
}

// reportPage is one day: how both sides add up, and a page of what differs.
type reportPage struct {
	Report payment.Report `json:"report"`
	list[payment.Difference]
	More string `json:"-"`
}

// report shows a day, or as 2026-11-21.csv hands all of it out.
func (s *server) report(v *visit) error {
	day := chi.URLParam(v.r, "day")
	if csv, ok := strings.CutSuffix(day, ".csv"); ok {
		return v.desk.pass(v.w, "/v1/reports/"+url.PathEscape(csv)+"?format=csv")
	}
	q := filled(v.r)
	var it reportPage
	if err := v.desk.get("/v1/reports/"+url.PathEscape(day)+asking(q), &it); err != nil {
		return err
	}
	it.More = it.more("/console/reports/"+url.PathEscape(day), q)
	return v.show(http.StatusOK, "report.html", frame{Section: "reports", Title: v.title("report.title", day), It: it})
}
