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

comment on table  requests                is 'What people asked for, before any saga was told. At most one of a payment is open.';
comment on column requests.id             is 'req_ and random text; of a signal sent by hand its run id and a count, so that a retry writes one row.';
comment on column requests.transaction_id is 'The payment it is about; its saga may not have begun, hence no foreign key.';
comment on column requests.kind           is 'What is asked for; also the name of the signal that carries the id.';
comment on column requests.state          is 'pending_approval waits for a second person, queued for the saga; running has begun. Those three are open.';
comment on column requests.actor          is 'Who asks; unverified:<name> for a signal sent by hand, whose sender nobody proved.';
comment on column requests.reason         is 'Why, in the asker''s words.';
comment on column requests.goods          is 'compensate: stop, returned or kept; empty means stop. Empty otherwise.';
comment on column requests.outcome        is 'resolve: how the payment really ended. Empty otherwise.';
comment on column requests.evidence       is 'resolve: to refunded every out_refund_no, to shipped the shipment_id. Empty otherwise.';
comment on column requests.amount_fen     is 'What may go back to the payer, as frozen when asked.';
comment on column requests.out_refund_no  is 'Of a partial refund: its number, kept for it from the first and never given to another.';
comment on column requests.approver       is 'The second person, who approved or rejected it; empty until then, or where none was wanted.';
comment on column requests.decision       is 'The approver''s reason.';
comment on column requests.decided_at     is 'When the approver decided; null until then, or where none was wanted.';
comment on column requests.detail         is 'What came of it, one line for people.';
comment on column requests.expires_at     is 'Until when it can be approved; null where no second person was wanted.';
comment on column requests.sweep_at       is 'When the sweep tells the saga again.';
comment on column requests.created_at     is 'When it was asked.';
comment on column requests.updated_at     is 'When its state last changed.';

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

comment on table  cases                 is 'Everything that needs a person, once a cause; a cause that comes back reopens its case.';
comment on column cases.id              is 'Ours, drawn once; a reopened case keeps it.';
comment on column cases.kind            is 'What went wrong; CASE_OWNERS gives each kind its owner.';
comment on column cases.subject         is 'With kind the cause: a transaction_id, out_refund_no or notification id.';
comment on column cases.transaction_id  is 'The payment it is about; empty where it is about none.';
comment on column cases.out_trade_no    is 'The order it is about; empty where it is about none.';
comment on column cases.notification_id is 'The callback that brought it, by WeChat''s id; empty where none did.';
comment on column cases.detail          is 'What is known, as of the last opening; no payer, no secret.';
comment on column cases.owner           is 'Who must look; kept when the case is reopened.';
comment on column cases.due_at          is 'Until when, counted from the last opening.';
comment on column cases.state           is 'Open until its cause has ended.';
comment on column cases.resolution      is 'How it ended, one line for people; empty while open.';
comment on column cases.times_opened    is 'How often the cause came up.';
comment on column cases.opened_at       is 'When it was last opened.';
comment on column cases.closed_at       is 'When its cause ended; null while open.';

-- +goose Down
drop table cases, requests;
