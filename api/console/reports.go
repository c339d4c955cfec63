package console

import (
	"net/http"
	"net/url"
	"time"

	"github.com/go-chi/chi/v5"
)

// sums is one side of a reconciliation.
type sums struct {
	Payments    int64 `json:"payments"`
	PaidFen     int64 `json:"paid_fen"`
	Refunds     int64 `json:"refunds"`
	RefundedFen int64 `json:"refunded_fen"`
}

// report is what GET /v1/reports/{date} answers, and in a list its head alone.
type report struct {
	Day         string       `json:"day"`
	State       string       `json:"state"`
	At          time.Time    `json:"at"`
	Bill        sums         `json:"bill"`
	Books       sums         `json:"books"`
	FeeMilliFen int64        `json:"fee_milli_fen"`
	Differences []difference `json:"differences"`
	Count       int64        `json:"difference_count"`
}

type difference struct {
	Kind      string `json:"kind"`
	Subject   string `json:"subject"`
	OursFen   int64  `json:"ours_fen"`
	TheirsFen int64  `json:"theirs_fen"`
	Detail    string `json:"detail"`
	Became    string `json:"became"`
}

// reports are the days that were compared, the newest first.
func (s *server) reports(v *visit) error {
	q := filled(v.r)
	var got list[report]
	if err := v.desk.get("/v1/reports"+v.ask(q), &got); err != nil {
		return err
	}
	return v.show(http.StatusOK, "reports.html", frame{
		Section: "reports", Title: v.t("reports.title"), It: map[string]any{"Reports": got.Items, "More": got.more("/console/reports", q)},
	})
}

func (s *server) report(v *visit) error {
	var got report
	if err := v.desk.get("/v1/reports/"+url.PathEscape(chi.URLParam(v.r, "day")), &got); err != nil {
		return err
	}
	return v.show(http.StatusOK, "report.html", frame{Section: "reports", Title: v.title("report.title", got.Day), It: got})
}
