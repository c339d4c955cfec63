package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/paysaga/paysaga/internal/payment"
)

// midnight is how far WeChat's clock on a payment and the day of its bill may part.
// What was paid in the last minutes of a day may be in the next day's bill, which
// comes a day later: it is judged then, with both bills at hand.
const midnight = 10 * time.Minute

// Nobody has looked at the new lines yet, so the planner takes them for a few, and
// would go through the books once for each: a hash each way is never far off. What
// it then believes of the costs is no reason to compile anything.
const planSQL = `set local enable_nestloop = off; set local jit = off; set local work_mem = '64MB'`

const lockReportSQL = `select fetch_id from bill_reports where day = @day for update`

// What the bill says and what we say are laid beside each other once, and every
// rule reads that. A payment that a person closed without goods or money going back
// was never paid, as WeChat said then: it counts nothing. This statement takes no parameters by the usual protocol; the
// simple one writes the number, which is our own, into it.
const holdSQL = `
create temp table held on commit drop as
select l.*, case l.reads_as when 'refund' then l.out_refund_no else l.transaction_id end as subject,
       coalesce(p.transaction_id, i.transaction_id) is not null as known,
       case when p.stage = 'resolved' and p.refunded_fen < p.amount_fen and s.state is distinct from 'dispatched' then 0
            else coalesce(p.amount_fen, i.amount_fen) end as our_fen, coalesce(p.currency, i.currency) as our_currency,
       coalesce(p.out_trade_no, i.out_trade_no) as our_order,
       coalesce(p.appid, i.appid) as our_appid, coalesce(p.mchid, i.mchid) as our_mchid,
       r.out_refund_no is not null and r.state <> 'withdrawn' as refund_known,
       r.amount_fen as our_refund_fen, r.transaction_id as our_refund_of, r.state as our_refund_state,
       l.reads_as = 'refund' and r.out_refund_no is null and exists (
         select from inbox n where n.kind = 'refund' and n.verdict <> 'noted' and n.out_refund_no = l.out_refund_no) as refund_told,
       row_number() over (partition by l.reads_as, l.transaction_id, l.out_refund_no order by l.line_no) > 1 as repeated
  from bill_lines l
  left join payments p on l.reads_as = 'payment' and p.transaction_id = l.transaction_id
  left join shipments s on l.reads_as = 'payment' and s.transaction_id = l.transaction_id
  left join inbox i    on l.reads_as = 'payment' and i.transaction_id = l.transaction_id
                      and i.kind = 'payment' and i.verdict = 'accepted'
  left join refunds r  on l.reads_as = 'refund' and r.out_refund_no = l.out_refund_no
 where l.fetch_id = @fetch_id`

const foundSQL = `
create temp table found (
  kind text, subject text, transaction_id text, out_trade_no text, ours_fen bigint, theirs_fen bigint, detail text
) on commit drop`

// The order of the statements of a comparison. The planner learns what is in the
// temporary tables, because nobody else tells it.
var compareSQL = []string{
	`analyze held`, foundSQL, findInBillSQL, findInBooksSQL, findInSumsSQL, `analyze found`, keepFoundSQL, goneSQL, tallySQL,
}

// CompareBill holds a day's believed bill against the books, both ways, and keeps
// every difference once. Of one that was kept before, the words are renewed and
// what became of it stays. NotFound for a day without a bill.
func (s *Store) CompareBill(ctx context.Context, day string, atMost int) (payment.Comparison, error) {
	from, to, err := payment.DayBounds(day)
	if err != nil {
		return payment.Comparison{}, err
	}
	err = s.tx(ctx, func(tx pgx.Tx) error {
		var fetchID int64
		if err := tx.QueryRow(ctx, lockReportSQL, pgx.NamedArgs{"day": day}).Scan(&fetchID); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, planSQL); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, holdSQL, pgx.QueryExecModeSimpleProtocol, pgx.NamedArgs{"fetch_id": fetchID}); err != nil {
			return err
		}
		for _, sql := range compareSQL {
			_, err := tx.Exec(ctx, sql, pgx.NamedArgs{
				"day": day, "day_before": payment.BillDay(from.Add(-time.Hour)), "mchid": s.settings.MchID,
				"from": from, "since": from.Add(-midnight), "until": to.Add(-midnight),
				"morning": from.Add(midnight), "evening": from.Add(-time.Hour),
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return payment.Comparison{}, missing("bill", err)
	}
	return s.comparison(ctx, day, atMost)
}

// A difference is the same one as long as its day, kind and subject are.
const keepFoundSQL = `
insert into bill_differences (day, kind, subject, transaction_id, out_trade_no, ours_fen, theirs_fen, detail)
select distinct on (kind, subject) @day::date, kind, subject, transaction_id, out_trade_no, ours_fen, theirs_fen, detail
  from found order by kind, subject
on conflict (day, kind, subject) do update
   set ours_fen = excluded.ours_fen, theirs_fen = excluded.theirs_fen, detail = excluded.detail, gone_at = null,
       became = case bill_differences.became when 'settled' then 'nothing' else bill_differences.became end`

const goneSQL = `
update bill_differences d set gone_at = now()
 where d.day = @day and d.gone_at is null
   and not exists (select from found f where f.kind = d.kind and f.subject = d.subject)`

// Ours is what we know of the bill's lines, and what it should have named.
const tallySQL = `
with lines as (
  select count(*) filter (where reads_as = 'payment') as payments,
         coalesce(sum(total_fen) filter (where reads_as = 'payment'), 0) as payments_fen,
         count(*) filter (where known and not repeated) as our_payments,
         coalesce(sum(our_fen) filter (where not repeated), 0) as our_payments_fen,
         count(*) filter (where reads_as = 'refund') as refunds,
         coalesce(sum(refund_fen) filter (where reads_as = 'refund'), 0) as refunds_fen,
         count(*) filter (where refund_known and not repeated) as our_refunds,
         coalesce(sum(our_refund_fen) filter (where refund_known and not repeated), 0) as our_refunds_fen,
         coalesce(sum(settlement_fen * rate_ppm / 1000) filter (where reads_as = 'payment'), 0) as expected,
         coalesce(sum(fee_milli_fen) filter (where reads_as = 'payment'), 0) as charged,
         coalesce(sum(-fee_milli_fen) filter (where reads_as = 'refund'), 0) as given_back,
         count(*) filter (where not repeated and reads_as in ('payment', 'refund') and differs is null) as equal
    from held left join (select distinct subject as differs from found) f on differs = subject
), absent as (
  select count(*) filter (where kind = 'bill_missing_payment') as payments,
         coalesce(sum(ours_fen) filter (where kind = 'bill_missing_payment'), 0) as payments_fen,
         count(*) filter (where kind = 'bill_missing_refund') as refunds,
         coalesce(sum(ours_fen) filter (where kind = 'bill_missing_refund'), 0) as refunds_fen,
         count(distinct (kind, subject)) as differences
    from found
)
update bill_reports b
   set state = 'compared', compared_at = now(), equal_lines = l.equal, differences = a.differences,
       payments = l.payments, payments_fen = l.payments_fen,
       our_payments = l.our_payments + a.payments, our_payments_fen = l.our_payments_fen + a.payments_fen,
       refunds = l.refunds, refunds_fen = l.refunds_fen,
       our_refunds = l.our_refunds + a.refunds, our_refunds_fen = l.our_refunds_fen + a.refunds_fen,
       expected_fees_milli_fen = l.expected, fees_milli_fen = l.charged, fees_given_back_milli_fen = l.given_back
  from lines l, absent a
 where b.day = @day`
