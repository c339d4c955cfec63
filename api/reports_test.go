package api_test

import (
	"encoding/csv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// aDay is a settled report with differences, some of them with hostile words.
func (d *desk) aDay(t *testing.T, day string, subjects ...string) {
	t.Helper()
	d.Exec(t, `
		with fetched as (insert into bill_fetches (day) values ($1) returning id)
		insert into bill_reports (day, fetch_id, state, lines, payments, payments_fen, our_payments, our_payments_fen, compared_at, settled_at)
		select $1, id, 'settled', 3, 2, 200, 3, 300, now(), now() from fetched`, day)
	for _, subject := range subjects {
		d.Exec(t, `insert into bill_differences (day, kind, subject, transaction_id, out_trade_no, ours_fen, detail, became)
			values ($1, 'bill_odd_line', $2, '4200001', $2, -100, $2, 'case')`, day, subject)
	}
}

func TestReportsAreReadByTheDayNewestFirst(t *testing.T) {
	d := newDesk(t)
	for _, day := range []string{"2026-11-19", "2026-11-20", "2026-11-18"} {
		d.aDay(t, day)
	}
	for _, limit := range []int{1, 2, 100} {
		if diff := cmp.Diff([]string{"2026-11-20", "2026-11-19", "2026-11-18"}, d.ids(t, "otto", "/v1/reports", "date", limit)); diff != "" {
			t.Errorf("by %d: %s", limit, diff)
		}
	}
	for path, code := range map[string]string{
		"/v1/reports?day=1":                                       "unknown_parameter",
		"/v1/reports?limit=0":                                     "invalid_limit",
		"/v1/reports?cursor=eyJkYXRlIjoieCJ9":                     "invalid_cursor", // {"date":"x"}
		"/v1/reports/2026-11-20?format=xls":                       "invalid_format",
		"/v1/reports/2026-11-20?q=1":                              "unknown_parameter",
		"/v1/reports/2026-11-20?cursor=eyJraW5kIjoieCJ9":          "invalid_cursor",
		"/v1/reports/2026-11-20?format=csv&format=csv":            "invalid_format",
		"/v1/reports/2026-11-20?limit=101":                        "invalid_limit",
		"/v1/reports?cursor=eyJkYXRlIjoiMDAwMC0wMS0wMSJ9&limit=1": "invalid_cursor", // {"date":"0000-01-01"}
	} {
		d.call(t, "ann", "GET", path, "").wants(t, 422, code)
	}
	for _, day := range []string{"2026-11-21", "2026-1-1", "today", "2026-02-30", "0000-01-01"} {
		d.call(t, "ann", "GET", "/v1/reports/"+day, "").wants(t, 404, "no_such_report")
	}
}

func TestAReportShowsEveryDifference(t *testing.T) {
	d := newDesk(t)
	d.aDay(t, "2026-11-20", "c", "a", "b")
	d.aDay(t, "2026-11-19", "of another day")
	if diff := cmp.Diff([]string{"a", "b", "c"}, d.ids(t, "ann", "/v1/reports/2026-11-20", "subject", 2)); diff != "" {
		t.Error(diff)
	}
	got := d.call(t, "ann", "GET", "/v1/reports/2026-11-20", "").wants(t, 200, "")
	want := map[string]any{"ours": 3.0, "ours_fen": 300.0, "theirs": 2.0, "theirs_fen": 200.0}
	report := got.body["report"].(map[string]any)
	if diff := cmp.Diff(want, report["payments"]); diff != "" || report["state"] != "settled" || report["recorded"] != 3.0 {
		t.Errorf("%v: %s", report, diff)
	}
	first := got.body["items"].([]any)[0].(map[string]any)
	if first["became"] != "case" || first["ours_fen"] != -100.0 || first["theirs_fen"] != nil {
		t.Errorf("the first difference is %v", first)
	}
}

// A spreadsheet takes what begins with these for a formula, and runs it.
func TestNoCellOfAReportIsAFormula(t *testing.T) {
	d := newDesk(t)
	hostile := []string{"=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "＝1", `a"b,c`, "4200001"}
	d.aDay(t, "2026-11-20", hostile...)
	got := d.call(t, "ann", "GET", "/v1/reports/2026-11-20?format=csv", "").wants(t, 200, "")
	if kind := got.header.Get("Content-Type"); kind != "text/csv; charset=utf-8" {
		t.Errorf("sent as %s", kind)
	}
	rows, err := csv.NewReader(strings.NewReader(got.raw)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 3+len(hostile) {
		t.Fatalf("%d rows: %q", len(rows), rows)
	}
	column := map[string]int{}
	for i, name := range rows[0] {
		column[name] = i
	}
	if sums := rows[1]; sums[column["what"]] != "payments" || sums[column["ours_fen"]] != "300" || sums[column["theirs"]] != "2" {
		t.Errorf("the payments' sums are %q", sums)
	}
	seen := map[string]bool{}
	for _, row := range rows[3:] {
		for _, name := range []string{"subject", "out_trade_no", "detail"} {
			cell := row[column[name]]
			seen[strings.TrimPrefix(cell, "'")] = true
			if strings.ContainsRune("=+-@\t\r＝", []rune(cell)[0]) {
				t.Errorf("%s is a formula: %q", name, cell)
			}
		}
		if row[column["ours_fen"]] != "-100" || row[column["theirs_fen"]] != "" {
			t.Errorf("amounts are numbers: %q", row)
		}
	}
	for _, text := range hostile {
		if !seen[strings.ReplaceAll(text, "\r", "")] {
			t.Errorf("%q is not in the report", text)
		}
	}
}
