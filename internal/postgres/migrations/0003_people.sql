-- +goose Up

create table requests (
  id             text        primary key,
  transaction_id text        not null,
  kind           text        not null check (kind in ('compensate', 'refund', 'retry', 'resolve')),
  state          text        not null check (state in ('pending_approval', 'queued', 'running', 'done', 'refused', 'expired')),
  actor          text        not null check (actor <> ''),
  reason         text        not null check (char_length(btrim(reason)) between 10 and 500),
  goods          text        not null default '' check (goods in ('', 'stop', 'returned', 'kept')),
  outcome        text        not null default '' check (outcome in ('', 'shipped', 'refunded')),
  evidence       text[]      not null default '{}',
  amount_fen     bigint      not null check (amount_fen >= 0),
  out_refund_no  text        not null default '',
  approver       text        not null default '',
  decision       text        not null default '',
  decided_at     timestamptz,
  detail         text        not null default '',
  expires_at     timestamptz,
  sweep_at       timestamptz not null default now(),
  created_at     timestamptz not null default now(),
  updated_at     timestamptz not null default now(),

  constraint never_ones_own check (approver <> actor),
  constraint approval_expires check (state <> 'pending_approval' or expires_at is not null),
  constraint refund_has_number check (kind <> 'refund' or out_refund_no <> '' or state = 'refused')
);
create unique index one_open_request on requests (transaction_id)
  where state in ('pending_approval', 'queued', 'running');
create unique index one_request_per_number on requests (out_refund_no) where out_refund_no <> '';
create index requests_by_payment on requests (transaction_id, created_at);
create index requests_to_sweep on requests (sweep_at) where state in ('queued', 'running');

comment on table  requests            is 'What people asked for, before any saga was told. At most one of a payment is open.';
comment on column requests.amount_fen is 'What may go back to the payer, as frozen when asked.';
comment on column requests.out_refund_no is 'Of a partial refund: its number, kept for it from the first and never given to another.';
comment on column requests.decision   is 'The approver''s reason.';
comment on column requests.detail     is 'What came of it, one line for people.';
comment on column requests.sweep_at   is 'When the sweep tells the saga again.';

create table cases (
  id              text        primary key,
  kind            text        not null,
  subject         text        not null,
  transaction_id  text        not null default '',
  out_trade_no    text        not null default '',
  notification_id text        not null default '',
  detail          text        not null default '',
  owner           text        not null check (owner <> ''),
  due_at          timestamptz not null,
  state           text        not null default 'open' check (state in ('open', 'closed')),
  resolution      text        not null default '',
  times_opened    int         not null default 1,
  opened_at       timestamptz not null default now(),
  closed_at       timestamptz,

  constraint one_case_per_cause unique (kind, subject),
  constraint closed_has_resolution check (state = 'open' or (resolution <> '' and closed_at is not null))
);
create index cases_by_payment on cases (transaction_id) where transaction_id <> '';
create index cases_open on cases (due_at) where state = 'open';

comment on table  cases              is 'Everything that needs a person, once a cause; a cause that comes back reopens its case.';
comment on column cases.subject      is 'With kind the cause: a transaction_id, out_refund_no or notification id.';
comment on column cases.times_opened is 'How often the cause came up.';

-- +goose Down
drop table cases, requests;
