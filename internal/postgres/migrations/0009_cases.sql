-- +goose Up

-- The work list, and payments by time, stage and any number that people hold in
-- their hands. Numbers are compared byte by byte, so that a beginning finds them.
create index cases_by_order on cases (out_trade_no) where out_trade_no <> '';
create index cases_listed on cases ((state = 'closed'), due_at, id);
create index payments_by_time on payments (paid_at, transaction_id);
create index payments_by_stage on payments (stage, paid_at, transaction_id);
create index payments_by_number on payments (transaction_id collate "C");
create index payments_by_order_number on payments (out_trade_no collate "C");
create index refunds_by_number on refunds (out_refund_no collate "C");
create index refunds_by_wechat_number on refunds (refund_id collate "C") where refund_id <> '';
create index shipments_by_number on shipments (shipment_id collate "C") where shipment_id <> '';
create index shipments_by_tracking on shipments (tracking_no collate "C") where tracking_no <> '';
create index requests_by_number on requests (id collate "C");

create table case_events (
  id       bigint      generated always as identity primary key,
  case_id  text        not null references cases,
  at       timestamptz not null default clock_timestamp(),
  what     text        not null check (what in ('opened', 'reopened', 'overdue', 'assigned', 'noted', 'closed')),
  actor    text        not null default 'paysaga' check (actor <> ''),
  owner    text        not null default '',
  text     text        not null default '',
  reason   text        not null default '',
  evidence jsonb,

  constraint people_say_why check (actor = 'paysaga' or what = 'noted' or char_length(reason) between 10 and 500),
  constraint notes_say_something check (what <> 'noted' or text <> '')
);
create index case_events_by_case on case_events (case_id, id);

comment on table  case_events          is 'What happened to each case, by whom and why, once and for ever.';
comment on column case_events.id       is 'The order in which things were written; numbers may be missing.';
comment on column case_events.case_id  is 'Whose history it is.';
comment on column case_events.at       is 'When it was written, not when its transaction began.';
comment on column case_events.what     is 'noted is a person''s own words; overdue, that nobody closed it in time.';
comment on column case_events.actor    is 'Who is behind it; paysaga where no person is.';
comment on column case_events.owner    is 'Who owns it from then on; empty where that did not change.';
comment on column case_events.text     is 'opened: what is known. noted: the note. closed: the resolution. No payer, no secret.';
comment on column case_events.reason   is 'Why a person assigned or closed it; empty in what paysaga did.';
comment on column case_events.evidence is 'closed by a person, where money is concerned: what WeChat said when it was asked. Null otherwise.';

-- +goose StatementBegin
create function case_events_stay() returns trigger language plpgsql as $$
begin
  raise exception 'the history of a case is never changed' using errcode = 'check_violation', constraint = 'case_events_stay';
end $$;
-- +goose StatementEnd
create trigger case_events_stay before update or delete or truncate on case_events
  for each statement execute function case_events_stay();

insert into case_events (case_id, at, what, owner, text)
  select id, opened_at, case times_opened when 1 then 'opened' else 'reopened' end, owner, detail from cases;
insert into case_events (case_id, at, what, text)
  select id, closed_at, 'closed', resolution from cases where state = 'closed';

create table outbox (
  id           text        primary key,
  case_id      text        not null references cases,
  event        text        not null check (event in ('case.opened', 'case.overdue')),
  payload      jsonb       not null,
  state        text        not null default 'pending' check (state in ('pending', 'delivered', 'stopped', 'gave_up')),
  attempts     int         not null default 0,
  last_error   text        not null default '',
  tried_at     timestamptz,
  try_at       timestamptz not null default now(),
  created_at   timestamptz not null default now(),
  delivered_at timestamptz
);
create index outbox_due on outbox (try_at) where state = 'pending';
create index outbox_listed on outbox (created_at, id);
create index outbox_by_case on outbox (case_id);
create index outbox_by_number on outbox (id collate "C");
create index webhooks_listed on webhooks (created_at, id);
create index webhooks_by_number on webhooks (id collate "C");
create index webhooks_by_payment on webhooks (transaction_id);

comment on table  outbox              is 'What the shop is told of cases. No saga tells it, for a held one waits: a worker''s round does.';
comment on column outbox.id           is 'webhook-id: <event>-<case>-<opening>, so that each opening is told once.';
comment on column outbox.case_id      is 'The case it is about.';
comment on column outbox.event        is 'case.overdue: nobody closed it in time.';
comment on column outbox.payload      is 'The body, frozen in the transaction of its cause; names no payer.';
comment on column outbox.state        is 'stopped: the shop wants no more (410, or no WEBHOOK_URL). gave_up: NOTIFY_GIVE_UP_AFTER passed; that opens no case, or it would never end.';
comment on column outbox.attempts     is 'Those that ended since it was written, or sent again by hand.';
comment on column outbox.last_error   is 'Why the last attempt failed, or why it was stopped; empty before any, and once taken.';
comment on column outbox.tried_at     is 'When it was first taken up; giving up is counted from here. Null until then, and when sent again by hand.';
comment on column outbox.try_at       is 'When it is taken up next, while pending.';
comment on column outbox.created_at   is 'When its cause was written.';
comment on column outbox.delivered_at is 'When it was known to be taken, by our clock; null until then.';

-- +goose Down
drop index cases_by_order, webhooks_listed, webhooks_by_number, webhooks_by_payment;
drop table outbox, case_events;
drop function case_events_stay;
drop index cases_listed, payments_by_time, payments_by_stage, payments_by_number, payments_by_order_number,
  refunds_by_number, refunds_by_wechat_number, shipments_by_number, shipments_by_tracking, requests_by_number;
