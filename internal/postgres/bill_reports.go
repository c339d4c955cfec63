package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/paysaga/paysaga/internal/payment"
)

const reportColumns = `
select to_char(day, 'YYYY-MM-DD'), state, lines, equal_lines,
       our_payments, our_payments_fen, payments, payments_fen, our_refunds, our_refunds_fen, refunds, refunds_fen,
       expected_fees_milli_fen, fees_milli_fen, fees_given_back_milli_fen,
       fund_payments_fen, fund_refunds_fen, fund_fees_fen,
       differences, (select count(*) from bill_differences d where d.day = b.day), fetched_at, compared_at, settled_at
  from bill_reports b`

func readReport(row pgx.CollectableRow) (r payment.Report, err error) {
	var payments, refunds, fees *int64
	var comparedAt, settledAt *time.Time
	err = row.Scan(&r.Day, &r.State, &r.Lines, &r.Equal,
		&r.Payments.Ours, &r.Payments.OursFen, &r.Payments.Theirs, &r.Payments.TheirsFen,
		&r.Refunds.Ours, &r.Refunds.OursFen, &r.Refunds.Theirs, &r.Refunds.TheirsFen,
		&r.Fees.ExpectedMilliFen, &r.Fees.ChargedMilliFen, &r.Fees.GivenBackMilliFen,
		&payments, &refunds, &fees,
		&r.Differences, &r.Recorded, &r.FetchedAt, &comparedAt, &settledAt)
	if payments != nil {
		r.FundFlow = &payment.FundFlow{PaymentsFen: *payments, RefundsFen: *refunds, FeesFen: *fees}
	}
	r.ComparedAt, r.SettledAt = orZero(comparedAt), orZero(settledAt)
	return r, err
}

// Report is the report of a day, without its differences; NotFound if no bill of
// that day was ever fetched.
func (s *Store) Report(ctx context.Context, day string) (payment.Report, error) {
	rows, _ := s.pool.Query(ctx, reportColumns+` where day = @day`, pgx.NamedArgs{"day": day}) // its error comes back below
	report, err := pgx.CollectExactlyOneRow(rows, readReport)
	return report, missing("report", fault(err))
}

const reportsSQL = reportColumns + `
 where @first or day < @day
 order by day desc
 limit @limit`

// Reports is one page of all reports, the newest day first.
func (s *Store) Reports(ctx context.Context, page payment.Page[payment.ReportPlace]) ([]payment.Report, error) {
	after := payment.ReportPlace{Day: "infinity"}
	if page.After != nil {
		after = *page.After
	}
	rows, _ := s.pool.Query(ctx, reportsSQL, pgx.NamedArgs{ // its error comes back below
		"first": page.After == nil, "day": after.Day, "limit": page.Limit,
	})
	reports, err := pgx.CollectRows(rows, readReport)
	return reports, fault(err)
}

const differenceColumns = `
select kind, subject, transaction_id, out_trade_no, ours_fen, theirs_fen, detail, became, found_at, gone_at
  from bill_differences`

func readDifference(row pgx.CollectableRow) (d payment.Difference, err error) {
	var goneAt *time.Time
	err = row.Scan(&d.Kind, &d.Subject, &d.TransactionID, &d.OutTradeNo, &d.OursFen, &d.TheirsFen, &d.Detail, &d.Became, &d.FoundAt, &goneAt)
	d.GoneAt = orZero(goneAt)
	return d, err
}

const differencesSQL = differenceColumns + `
 where day = @day and (@first or (kind, subject) > (@kind, @subject))
 order by kind, subject
 limit @limit`

// Differences is one page of all that was ever found of a day.
func (s *Store) Differences(ctx context.Context, day string, page payment.Page[payment.DifferencePlace]) ([]payment.Difference, error) {
	var after payment.DifferencePlace
	if page.After != nil {
		after = *page.After
	}
	rows, _ := s.pool.Query(ctx, differencesSQL, pgx.NamedArgs{ // its error comes back below
		"day": day, "first": page.After == nil, "kind": after.Kind, "subject": after.Subject, "limit": page.Limit,
	})
	differences, err := pgx.CollectRows(rows, readDifference)
	return differences, fault(err)
}

const standingSQL = differenceColumns + `
 where day = @day and gone_at is null
 order by became <> 'nothing', kind, subject
 limit @at_most`

// comparison is a day's report with the differences that the last comparison
// found, those first that nobody acted on.
func (s *Store) comparison(ctx context.Context, day string, atMost int) (payment.Comparison, error) {
	report, err := s.Report(ctx, day)
	if err != nil {
		return payment.Comparison{}, err
	}
	rows, _ := s.pool.Query(ctx, standingSQL, pgx.NamedArgs{"day": day, "at_most": atMost}) // its error comes back below
	differences, err := pgx.CollectRows(rows, readDifference)
	return payment.Comparison{Report: report, Differences: differences}, fault(err)
}

// The first day that a schedule answers for is the one on which it was made: its
// first run has that day's bill.
const missedDaysSQL = `
select to_char(missed, 'YYYY-MM-DD')
  from schedule_runs s,
       generate_series(greatest((s.expected_since at time zone 'Asia/Shanghai')::date, @from::date)::timestamp,
                       @before::timestamp - interval '1 day', interval '1 day') missed
 where s.name = @schedule
   and not exists (select from bill_reports where day = missed::date and settled_at is not null)
 order by missed`

// MissedDays are the days from one to the one before another, written YYYY-MM-DD,
// that no reconciliation ever settled since the schedule is there; the oldest first.
func (s *Store) MissedDays(ctx context.Context, schedule, from, before string) ([]string, error) {
	rows, _ := s.pool.Query(ctx, missedDaysSQL, pgx.NamedArgs{"schedule": schedule, "from": from, "before": before}) // its error comes back below
	days, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return days, fault(err)
}
