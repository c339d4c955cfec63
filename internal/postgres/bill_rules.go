package postgres

// The rules of a comparison, one a select; each says in its own words what differs.

// What the bill names. A payment or refund that only WeChat knows is no case: its
// saga is started, or asked.
const findInBillSQL = `
insert into found
select 'bill_unknown_payment', subject, transaction_id, out_trade_no, null::bigint, total_fen,
       'WeChat was paid, and we did not know'
  from held where reads_as = 'payment' and not known and not repeated
union all
select 'bill_amount_mismatch', subject, transaction_id, out_trade_no, our_fen, total_fen,
       case when our_fen = 0 then 'a person closed it as never paid; the bill names another ' else 'the bill names another ' end || concat_ws(', ',
         case when our_fen <> total_fen then 'amount' end, case when our_currency <> currency then 'currency' end,
         case when our_order <> out_trade_no then 'order' end,
         case when our_appid <> appid then 'appid' end, case when our_mchid <> mchid then 'mchid' end)
  from held
 where known and not repeated
   and (our_fen, our_currency, our_order, our_appid, our_mchid) <> (total_fen, currency, out_trade_no, appid, mchid)
union all
select 'bill_unknown_refund', subject, transaction_id, out_trade_no, null, refund_fen,
       'WeChat has this refund of ' || transaction_id || ', and we did not know'
  from held where reads_as = 'refund' and not refund_known and not refund_told and not repeated
union all
select 'bill_refund_mismatch', subject, our_refund_of, out_trade_no, our_refund_fen, refund_fen,
       case when our_refund_fen <> refund_fen then 'the bill names another amount'
            when our_refund_of <> transaction_id then 'the bill names another payment: ' || transaction_id
            else 'the bill says that it succeeded, and it is closed in the books' end
  from held
 where refund_known and not repeated
   and ((our_refund_fen, our_refund_of) <> (refund_fen, transaction_id) or refund_state = 'SUCCESS' and our_refund_state = 'closed')
union all
select 'bill_revoked', subject, transaction_id, out_trade_no, our_fen, total_fen, 'WeChat took the payment back'
  from held where reads_as = 'revoked'
union all
select 'unsupported_variant', concat_ws(' ', transaction_id, nullif(nullif(out_refund_no, ''), '0')), transaction_id, out_trade_no, null, total_fen,
       'a payment or refund of a sub-merchant'
  from held where reads_as = 'variant'
union all
select 'bill_odd_line', left(coalesce(nullif(concat_ws(' ', nullif(transaction_id, ''), nullif(nullif(out_refund_no, ''), '0')), ''), 'line ' || line_no), 64),
       case when reads_as = 'odd' then '' else transaction_id end, left(out_trade_no, 32), null, greatest(total_fen, refund_fen),
       case when reads_as = 'odd' then 'line ' || line_no || ' has a number, amount or state that nobody can act on'
            else 'line ' || line_no || ' repeats another' end
  from held where reads_as = 'odd' or repeated and reads_as in ('payment', 'refund')
union all
-- WeChat rounds a fee to the fen; of what comes back with a refund, either way.
select 'bill_fee', subject, transaction_id, out_trade_no, null, null,
       case when rate_ppm is null then format('a fee of %s fen by a rate that nobody can read', fee_milli_fen / 1000.0)
            else format('a fee of %s fen, and %s%% of %s fen are %s', trim_scale(fee_milli_fen / 1000.0), trim_scale(rate_ppm / 10000.0),
                        of_fen, trim_scale(of_fen * rate_ppm / 1000000.0)) end
  from (select *, case reads_as when 'payment' then settlement_fen else -refund_fen end as of_fen from held) held
 where reads_as in ('payment', 'refund') and not repeated
   and (rate_ppm is null and fee_milli_fen <> 0
     or reads_as = 'payment' and abs(1000 * fee_milli_fen - of_fen * rate_ppm) > 500000
     or reads_as = 'refund' and (fee_milli_fen > 0 or 1000 * fee_milli_fen < of_fen * rate_ppm - 1000000))`

// What the bill should name. Whatever was paid, or taken by WeChat, minutes before
// or after midnight may be in either day's.
const findInBooksSQL = `
insert into found
select 'bill_missing_payment', p.transaction_id, p.transaction_id, p.out_trade_no, p.amount_fen, null::bigint,
       'paid ' || to_char(p.paid_at at time zone 'Asia/Shanghai', 'YYYY-MM-DD HH24:MI:SS') || ' in Beijing, and not in the bill'
  from payments p
 where p.paid_at >= @since and p.paid_at < @until and p.mchid = @mchid
   and (p.paid_at >= @from or exists (select from bill_reports where day = @day_before))
   and case when p.wechat_says in ('', 'ASK_AGAIN') then p.trade_state else p.wechat_says end in ('SUCCESS', 'REFUND')
   and not exists (select from held h where h.transaction_id = p.transaction_id and h.state <> 'REFUND')
   and (p.paid_at >= @morning or p.transaction_id not in (
         select l.transaction_id from bill_lines l join bill_reports b on b.fetch_id = l.fetch_id
          where b.day = @day_before and l.traded_at >= @evening and l.state <> 'REFUND'))
union all
select 'bill_missing_refund', r.out_refund_no, r.transaction_id, p.out_trade_no, r.amount_fen, null,
       'WeChat has taken it, and no bill names it'
  from refunds r join payments p on p.transaction_id = r.transaction_id
 where not r.is_foreign and r.state in ('processing', 'success', 'abnormal')
   and r.taken_at >= @since and r.taken_at < @until
   and (r.taken_at >= @from or exists (select from bill_reports where day = @day_before))
   and not exists (select from bill_lines l join bill_reports b on b.fetch_id = l.fetch_id
                    where l.reads_as = 'refund' and l.out_refund_no = r.out_refund_no)`

// How the balance moved, where the fund-flow bill says so: payments by what is
// settled of them, refunds less the fee that comes back.
const findInSumsSQL = `
insert into found
select 'bill_fund_flow', to_char(b.day, 'YYYY-MM-DD ') || s.name, '', '', s.bill_fen, s.fund_fen,
       'the trade bill says ' || s.bill_fen || ' fen of ' || s.name || ', and the balance moved by ' || s.fund_fen
  from bill_reports b,
       (select coalesce(sum(settlement_fen) filter (where state = 'SUCCESS'), 0)::bigint as payments,
               (coalesce(sum(refund_fen * 1000 + fee_milli_fen) filter (where state = 'REFUND'), 0) / 1000)::bigint as refunds,
               (coalesce(sum(fee_milli_fen) filter (where state = 'SUCCESS'), 0) / 1000)::bigint as fees
          from held) t,
       lateral (values ('payments', t.payments, b.fund_payments_fen), ('refunds', t.refunds, b.fund_refunds_fen),
                       ('fees', t.fees, b.fund_fees_fen)) as s (name, bill_fen, fund_fen)
 where b.day = @day and s.fund_fen is not null and s.bill_fen <> s.fund_fen`
