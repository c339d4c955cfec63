package postgres

import (
	"context"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

// billKept is how long lines are kept: WeChat hands a bill out for three months,
// and after that nobody can compare it again with anything new.
const billKept = 92 * 24 * time.Hour

// One reading of a bill begins, or is believed, at a time: what is believed now must
// not be taken for unfinished by one that began to look before that.
const billTurnSQL = `select pg_advisory_xact_lock(hashtext('bill'), @day::date - date '2000-01-01')`

// Of two readings of one bill at a time, the later one takes the earlier one's
// lines away, and that one finds so in the end.
const beginBillSQL = `
with old as (
  delete from bill_lines where day < @oldest
), unfinished as (
  delete from bill_lines l
   where l.day = @day and not exists (select from bill_reports r where r.fetch_id = l.fetch_id)
), begun as (
  insert into bill_fetches (day) values (@day) returning id
)
select (select id from begun),
       (select count(*) from payments where paid_at >= @from and paid_at < @to)
     + (select count(*) from refunds where not is_foreign and taken_at >= @from and taken_at < @to)`

// BeginBill numbers a new fetch, and guesses how many lines it will bring. Lines
// that nobody believes, or that are too old to be compared again, are removed.
func (s *Store) BeginBill(ctx context.Context, day string) (activities.BillFetch, error) {
	fetch := activities.BillFetch{Day: day}
	from, to, err := payment.DayBounds(day)
	if err != nil {
		return fetch, err
	}
	args := pgx.NamedArgs{
		"day": from.Format(time.DateOnly), "from": from, "to": to, "oldest": payment.BillDay(time.Now().Add(-billKept)),
	}
	err = s.tx(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, billTurnSQL, args); err != nil {
			return err
		}
		return tx.QueryRow(ctx, beginBillSQL, args).Scan(&fetch.ID, &fetch.Expected)
	})
	return fetch, err
}

var billColumns = []string{
	"fetch_id", "line_no", "day", "reads_as", "traded_at", "state", "appid", "mchid", "transaction_id", "out_trade_no",
	"trade_type", "currency", "total_fen", "settlement_fen", "refund_id", "out_refund_no", "refund_state", "refund_fen",
	"fee_milli_fen", "rate_ppm",
}

// AddBillLines keeps lines of a fetch that nobody believes yet.
func (s *Store) AddBillLines(ctx context.Context, fetch activities.BillFetch, lines []activities.BillLine) error {
	day, _, err := payment.DayBounds(fetch.Day)
	if err != nil || len(lines) == 0 {
		return err
	}
	_, err = s.pool.CopyFrom(ctx, pgx.Identifier{"bill_lines"}, billColumns,
		pgx.CopyFromSlice(len(lines), func(i int) ([]any, error) {
			l := lines[i]
			return []any{
				fetch.ID, fetch.Lines + int64(i) + 1, day, readsAs(l), l.At, l.State, l.AppID, l.MchID, l.TransactionID, l.OutTradeNo,
				l.TradeType, l.Currency, l.TotalFen, l.SettlementFen, l.RefundID, l.OutRefundNo, l.RefundState, l.RefundFen,
				l.FeeMilliFen, ratePPM(l.Rate),
			}, nil
		}))
	return fault(err)
}

var refundNo = regexp.MustCompile(`^[0-9A-Za-z_|*@-]{1,64}$`)

// readsAs is what a line is taken for: bill_lines.reads_as. What the schema would
// not take as a payment or a refund is odd, and a person's.
func readsAs(l activities.BillLine) string {
	switch {
	case l.SubMchID != "" && l.SubMchID != "0":
		return "variant"
	case !payment.ValidTransactionID(l.TransactionID):
		return "odd"
	case l.State == activities.BillPaid && l.TotalFen > 0:
		return "payment"
	case l.State == activities.BillRefunded && refundNo.MatchString(l.OutRefundNo) && l.RefundFen > 0:
		return "refund"
	case l.State == activities.BillRevoked:
		return "revoked"
	}
	return "odd"
}

// ratePPM reads a rate such as 0.60% as millionths; nil for what is none, or finer
// than that.
func ratePPM(rate string) *int64 {
	number, ok := strings.CutSuffix(rate, "%")
	whole, part, _ := strings.Cut(number, ".")
	digits := whole + part
	if !ok || whole == "" || len(part) > 4 || len(digits) > 9 || strings.ContainsFunc(digits, func(r rune) bool { return r < '0' || r > '9' }) {
		return nil
	}
	ppm := int64(0)
	for _, digit := range digits + strings.Repeat("0", 4-len(part)) {
		ppm = ppm*10 + int64(digit-'0')
	}
	return &ppm
}

// The lines of the bill that was believed before go with it.
const believeBillSQL = `
with believed as (
  insert into bill_reports (day, fetch_id, state, lines)
  select @day::date, @fetch_id, 'fetched', @lines
   where (select count(*) from bill_lines where fetch_id = @fetch_id) = @lines
  on conflict (day) do update
     set fetch_id = excluded.fetch_id, lines = excluded.lines, fetched_at = now(),
         fund_payments_fen = null, fund_refunds_fen = null, fund_fees_fen = null
   where bill_reports.fetch_id < excluded.fetch_id
  returning day
), removed as (
  delete from bill_lines l using believed b where l.day = b.day and l.fetch_id < @fetch_id
)
select count(*) from believed`

// BelieveBill makes a fetch the bill of its day. Busy where another reading of the
// same bill came in between.
func (s *Store) BelieveBill(ctx context.Context, fetch activities.BillFetch) error {
	args := pgx.NamedArgs{"day": fetch.Day, "fetch_id": fetch.ID, "lines": fetch.Lines}
	return s.tx(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, billTurnSQL, args); err != nil {
			return err
		}
		var believed int
		err := tx.QueryRow(ctx, believeBillSQL, args).Scan(&believed)
		if err == nil && believed == 0 {
			return payment.Failf(payment.Busy, "bill_overtaken", "somebody else reads the same bill")
		}
		return err
	})
}

const fundFlowSQL = `
update bill_reports set fund_payments_fen = @payments, fund_refunds_fen = @refunds, fund_fees_fen = @fees where day = @day`

// KeepFundFlow keeps how the balance moved by a day's trade.
func (s *Store) KeepFundFlow(ctx context.Context, day string, flow payment.FundFlow) error {
	_, err := s.pool.Exec(ctx, fundFlowSQL, pgx.NamedArgs{
		"day": day, "payments": flow.PaymentsFen, "refunds": flow.RefundsFen, "fees": flow.FeesFen,
	})
	return fault(err)
}
