package api

import (
	"encoding/csv"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/paysaga/paysaga/internal/payment"
)

// reports lists the days whose bill was held against the books, the newest first.
func (s *Server) reports(w http.ResponseWriter, r *http.Request, _ Caller) error {
	q := queryOf(r)
	if after := cursor[payment.ReportPlace](q); after != nil && !isDay(after.Day) {
		q.wrong("cursor", "must be the next_cursor of the page before")
	}
	return list(w, r, q, s.Desk.Reports, payment.Report.Place)
}

// dayReport is a day's report and one page of its differences.
type dayReport struct {
	Report payment.Report `json:"report"`
	pageOf[payment.Difference]
}

// report shows one day: how the two sides add up, and every difference with what
// became of it, as JSON by the page or all of it as CSV.
func (s *Server) report(w http.ResponseWriter, r *http.Request, _ Caller) error {
	day := chi.URLParam(r, "date")
	if !isDay(day) {
		return noSuch("report")
	}
	q := queryOf(r)
	format, limit, after := q.choice("format", "json", "csv"), q.limit(), cursor[payment.DifferencePlace](q)
	if err := q.mistake(); err != nil {
		return err
	}
	report, err := s.Desk.Report(r.Context(), day)
	if err != nil {
		return err
	}
	if format == "csv" {
		return s.reportCSV(w, r, report)
	}
	items, err := s.Desk.Differences(r.Context(), day, payment.Page[payment.DifferencePlace]{After: after, Limit: limit + 1})
	if err != nil {
		return err
	}
	page := dayReport{Report: report}
	page.Items = append([]payment.Difference{}, items[:min(limit, len(items))]...)
	if len(items) > limit {
		page.NextCursor = encodeCursor(items[limit-1].Place())
	}
	return reply(w, http.StatusOK, page)
}

func isDay(day string) bool {
	_, _, err := payment.DayBounds(day)
	return err == nil
}

// rowsAtOnce is how many differences are read for a CSV at a time.
const rowsAtOnce = 2000

var csvHeader = []string{
	"date", "what", "subject", "transaction_id", "out_trade_no", "ours", "theirs", "ours_fen", "theirs_fen", "became", "gone", "detail",
}

// reportCSV streams a report: the sums first, then a row a difference. Once it has
// begun, what goes wrong can only cut it short.
func (s *Server) reportCSV(w http.ResponseWriter, r *http.Request, report payment.Report) error {
	page := payment.Page[payment.DifferencePlace]{Limit: rowsAtOnce}
	rows, err := s.Desk.Differences(r.Context(), report.Day, page)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="paysaga-`+report.Day+`.csv"`)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	out := csv.NewWriter(w)
	out.UseCRLF = true
	_ = out.Write(csvHeader) // what cannot be written is noticed at the flush
	for _, sum := range []struct {
		name string
		payment.Sides
	}{{"payments", report.Payments}, {"refunds", report.Refunds}} {
		_ = out.Write([]string{report.Day, sum.name, "", "", "", number64(sum.Ours), number64(sum.Theirs), number64(sum.OursFen), number64(sum.TheirsFen), "", "", ""})
	}
	for len(rows) > 0 && err == nil {
		for _, d := range rows {
			_ = out.Write(csvRow(report.Day, d))
		}
		page.After = new(rows[len(rows)-1].Place())
		rows, err = s.Desk.Differences(r.Context(), report.Day, page)
	}
	if out.Flush(); err != nil || out.Error() != nil {
		panic(http.ErrAbortHandler) // half a report must not look like a whole one
	}
	return nil
}

func csvRow(day string, d payment.Difference) []string {
	fen := func(amount *int64) string {
		if amount == nil {
			return ""
		}
		return number64(*amount)
	}
	gone := ""
	if !d.GoneAt.IsZero() {
		gone = payment.BillDay(d.GoneAt)
	}
	return []string{
		day, cell(string(d.Kind)), cell(d.Subject), cell(d.TransactionID), cell(d.OutTradeNo), "", "",
		fen(d.OursFen), fen(d.TheirsFen), cell(string(d.Became)), gone, cell(d.Detail),
	}
}

func number64(n int64) string { return strconv.FormatInt(n, 10) }

// cell keeps a spreadsheet from taking text of the outside for a formula
// (owasp.org/www-community/attacks/CSV_Injection).
func cell(text string) string {
	if strings.ContainsRune("=+-@\t\r\n＝＋－＠", firstRune(text)) {
		return "'" + text
	}
	return text
}

func firstRune(text string) rune {
	for _, r := range text {
		return r
	}
	return ' '
}
