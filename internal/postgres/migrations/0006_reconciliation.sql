-- +goose Up

create table bill_fetches (
  id       bigint      generated always as identity primary key,
  day      date        not null,
  begun_at timestamptz not null default now()
);
comment on table  bill_fetches          is 'Every reading of a bill, also those that broke off.';
comment on column bill_fetches.id       is 'Later readings have higher numbers; some may be missing.';
comment on column bill_fetches.day      is 'Of the bill, in Beijing.';
comment on column bill_fetches.begun_at is 'When WeChat was asked for it.';

create table bill_reports (
  day               date        primary key,
  fetch_id          bigint      not null references bill_fetches,
  state             text        not null check (state in ('fetched', 'compared', 'settled')),
  lines             bigint      not null check (lines >= 0),
  equal_lines       bigint      not null default 0,
  our_payments      bigint      not null default 0,
  our_payments_fen  bigint      not null default 0,
  payments          bigint      not null default 0,
  payments_fen      bigint      not null default 0,
  our_refunds       bigint      not null default 0,
  our_refunds_fen   bigint      not null default 0,
  refunds           bigint      not null default 0,
  refunds_fen       bigint      not null default 0,
  expected_fees_milli_fen   bigint not null default 0,
  fees_milli_fen            bigint not null default 0,
  fees_given_back_milli_fen bigint not null default 0,
  fund_payments_fen bigint,
  fund_refunds_fen  bigint,
  fund_fees_fen     bigint,
  differences       bigint      not null default 0,
  fetched_at        timestamptz not null default now(),
  compared_at       timestamptz,
  settled_at        timestamptz,

  constraint compared_when_said check (state = 'fetched' or compared_at is not null),
  constraint settled_when_said check (state <> 'settled' or settled_at is not null)
);

comment on table  bill_reports                  is 'One row a day of WeChat''s trade bill: what it says, what we say, and how far the two were compared.';
comment on column bill_reports.day              is 'The bill''s day, in Beijing.';
comment on column bill_reports.fetch_id         is 'Which fetch is believed: its lines are in bill_lines, whole and with the right hash.';
comment on column bill_reports.state            is 'fetched, then compared, then settled: each difference has led to a saga, a question or a case.';
comment on column bill_reports.lines            is 'Of the bill; 0 where WeChat says that nothing was traded.';
comment on column bill_reports.equal_lines      is 'Of them, those that the books bear out in every figure.';
comment on column bill_reports.our_payments     is 'Payments of the bill that we know, and those of that day that it should name.';
comment on column bill_reports.our_payments_fen is 'Their sum by our books.';
comment on column bill_reports.payments         is 'Payments that the bill names.';
comment on column bill_reports.payments_fen     is 'Their sum by the bill, of amount.total.';
comment on column bill_reports.our_refunds      is 'Refunds of the bill that we know, and those of that day that it should name.';
comment on column bill_reports.our_refunds_fen  is 'Their sum by our books.';
comment on column bill_reports.refunds          is 'Refunds that the bill names.';
comment on column bill_reports.refunds_fen      is 'Their sum by the bill, as asked for, whatever became of them.';
comment on column bill_reports.expected_fees_milli_fen   is 'Each payment''s rate of what is settled, in 1/1000 fen and not rounded.';
comment on column bill_reports.fees_milli_fen            is 'What payments cost, by the bill, in 1/1000 fen.';
comment on column bill_reports.fees_given_back_milli_fen is 'What came back of it with refunds, by the bill, in 1/1000 fen; not below zero.';
comment on column bill_reports.fund_payments_fen is 'Income by payments, by the fund-flow bill; null where that is not fetched.';
comment on column bill_reports.fund_refunds_fen  is 'Outgo by refunds, by the fund-flow bill; null likewise.';
comment on column bill_reports.fund_fees_fen     is 'Outgo by fees, by the fund-flow bill; null likewise.';
comment on column bill_reports.differences      is 'How many the last comparison found.';
comment on column bill_reports.fetched_at       is 'When the believed bill was read to its end.';
comment on column bill_reports.compared_at      is 'When it was last held against the books; null until then.';
comment on column bill_reports.settled_at       is 'When the differences were last acted on; null until then.';

create table bill_lines (
  fetch_id       bigint      not null,
  line_no        bigint      not null,
  day            date        not null,
  reads_as       text        not null check (reads_as in ('payment', 'refund', 'revoked', 'variant', 'odd')),
  traded_at      timestamptz not null,
  state          text        not null,
  appid          text        not null,
  mchid          text        not null,
  transaction_id text        not null,
  out_trade_no   text        not null,
  trade_type     text        not null,
  currency       text        not null,
  total_fen      bigint      not null,
  settlement_fen bigint      not null,
  refund_id      text        not null,
  out_refund_no  text        not null,
  refund_state   text        not null,
  refund_fen     bigint      not null,
  fee_milli_fen  bigint      not null,
  rate_ppm       bigint,
  primary key (fetch_id, line_no)
);
create index bill_lines_by_day on bill_lines (day);
create index bill_lines_by_refund on bill_lines (out_refund_no) where reads_as = 'refund';

comment on table  bill_lines                is 'WeChat''s trade bills, line by line, without the payer and the goods. Only the fetch that bill_reports names is believed.';
comment on column bill_lines.fetch_id       is 'Which reading of which bill. Lines of a reading that broke off are removed by the next.';
comment on column bill_lines.line_no        is 'Its place in the bill, from 1.';
comment on column bill_lines.day            is 'The bill''s day, in Beijing.';
comment on column bill_lines.reads_as       is 'What we take it for. variant: of a sub-merchant. odd: nobody can act on it.';
comment on column bill_lines.traded_at      is 'By WeChat''s clock: of the payment, or of the refund''s beginning.';
comment on column bill_lines.state          is 'WeChat''s word: SUCCESS, REFUND or REVOKED.';
comment on column bill_lines.appid          is 'By WeChat''s word.';
comment on column bill_lines.mchid          is 'By WeChat''s word.';
comment on column bill_lines.transaction_id is 'WeChat''s number of the payment; on a refund''s line as well.';
comment on column bill_lines.out_trade_no   is 'The order it names.';
comment on column bill_lines.trade_type     is 'WeChat''s word for the way it was paid.';
comment on column bill_lines.currency       is 'By WeChat''s word.';
comment on column bill_lines.total_fen      is 'amount.total; 0 on a refund''s line.';
comment on column bill_lines.settlement_fen is 'What is settled of it: without the coupons that are not.';
comment on column bill_lines.refund_id      is 'WeChat''s number of the refund; empty where there is none.';
comment on column bill_lines.out_refund_no  is 'The refund''s number by whoever made it; empty where there is none.';
comment on column bill_lines.refund_state   is 'SUCCESS, PROCESSING, FAIL or CHANGE, as the bill was made; it is not updated later.';
comment on column bill_lines.refund_fen     is 'What was asked to go back.';
comment on column bill_lines.fee_milli_fen  is 'WeChat''s commission in 1/1000 fen; below zero where it was given back.';
comment on column bill_lines.rate_ppm       is 'The rate it names, in millionths; null where it names none that we can read.';

create table bill_differences (
  day            date        not null references bill_reports,
  kind           text        not null,
  subject        text        not null,
  transaction_id text        not null default '',
  out_trade_no   text        not null default '',
  ours_fen       bigint,
  theirs_fen     bigint,
  detail         text        not null,
  became         text        not null default 'nothing'
                             check (became in ('nothing', 'started', 'asked', 'case', 'settled')),
  found_at       timestamptz not null default now(),
  gone_at        timestamptz,
  primary key (day, kind, subject)
);
create index bill_differences_to_settle on bill_differences (day)
  where (became = 'nothing') = (gone_at is null) and became <> 'settled';

comment on table  bill_differences                is 'What a bill and the books do not agree on, once a cause and day, for ever.';
comment on column bill_differences.day            is 'Of the bill.';
comment on column bill_differences.kind           is 'A kind of case, or bill_unknown_payment, bill_unknown_refund: what only WeChat knew.';
comment on column bill_differences.subject        is 'With kind the cause: a transaction_id, an out_refund_no, a line or a sum.';
comment on column bill_differences.transaction_id is 'The payment it is about; empty where it is about none.';
comment on column bill_differences.out_trade_no   is 'The order it is about; empty where it is about none.';
comment on column bill_differences.ours_fen       is 'By the books; null where they have none.';
comment on column bill_differences.theirs_fen     is 'By the bill; null where it has none.';
comment on column bill_differences.detail         is 'One line for people, of the comparison that found it; no payer, no secret.';
comment on column bill_differences.became         is 'nothing: nobody decided yet. started, asked: its saga, WeChat. case: a person''s. settled: gone, and what it led to was told so.';
comment on column bill_differences.found_at       is 'When a comparison first found it.';
comment on column bill_differences.gone_at        is 'When a later comparison no longer found it; null while it stands.';

-- In whose bill a refund must be is decided by when WeChat took it, not by when it was first asked for.
alter table refunds add column taken_at timestamptz;
comment on column refunds.taken_at is 'When we first knew that WeChat had it; null before that. It may have had it for longer.';
update refunds set taken_at = coalesce(asked_at, created_at) where state in ('processing', 'success', 'closed', 'abnormal');

-- +goose StatementBegin
create function refund_was_taken() returns trigger language plpgsql as $$
begin
  new.taken_at := coalesce(new.taken_at, now());
  return new;
end $$;
-- +goose StatementEnd

create trigger refund_was_taken before insert or update of state on refunds
  for each row when (new.state in ('processing', 'success', 'closed', 'abnormal')) execute function refund_was_taken();

create index payments_by_paid_at on payments (paid_at);
create index refunds_by_taken_at on refunds (taken_at) where not is_foreign;
create index inbox_by_refund on inbox (out_refund_no) where kind = 'refund';

-- +goose Down
drop index inbox_by_refund;
drop index refunds_by_taken_at;
drop index payments_by_paid_at;
drop trigger refund_was_taken on refunds;
drop function refund_was_taken;
alter table refunds drop column taken_at;
drop table bill_differences, bill_lines, bill_reports, bill_fetches;
