-- +goose Up

create table inbox (
  id              bigint      generated always as identity primary key,
  key             text        not null unique,
  kind            text        not null check (kind in ('payment', 'refund', 'other')),
  verdict         text        not null check (verdict in ('accepted', 'case', 'noted')),
  via             text        not null check (via in ('callback', 'temporal', 'query', 'bill')),
  notification_id text        not null default '',
  event_type      text        not null default '',
  transaction_id  text        not null default '',
  out_trade_no    text        not null default '',
  out_refund_no   text        not null default '',
  appid           text        not null default '',
  mchid           text        not null default '',
  amount_fen      bigint      not null default 0,
  currency        text        not null default '',
  trade_state     text        not null default '',
  paid_at         timestamptz,
  seen            int         not null default 1,
  done            boolean     not null default false,
  tries           int         not null default 0,
  last_error      text        not null default '',
  next_try_at     timestamptz not null default now(),
  received_at     timestamptz not null default now(),

  constraint accepted_names_its_payment check (verdict <> 'accepted' or transaction_id <> '')
);
create index inbox_to_do on inbox (next_try_at) where not done;
create index inbox_by_payment on inbox (transaction_id) where transaction_id <> '';
-- Two stories of one payment cannot both be believed, whoever tells them first.
create unique index one_story_per_payment on inbox (transaction_id)
  where kind = 'payment' and verdict = 'accepted';

comment on table  inbox       is 'Verified callbacks, committed before they are answered. Never partitioned: the key must be unique for ever.';
comment on column inbox.key   is 'payment: transaction_id and a hash of its money fields; refund: out_refund_no and status; otherwise the notification id.';
comment on column inbox.seen  is 'How often it was delivered; duplicates count here and do nothing else.';
comment on column inbox.done  is 'The books have it, and payments.sweep_at takes over; or there is nothing to start. Until then the relay starts it again.';
comment on column inbox.paid_at is 'success_time by WeChat''s clock, if it was usable.';

create table callbacks (
  id              bigint      generated always as identity,
  inbox_id        bigint,
  verdict         text        not null check (verdict in ('accepted', 'case', 'noted', 'malformed', 'cannot_decrypt')),
  notification_id text        not null default '',
  serial          text        not null default '',
  request_id      text        not null default '',
  body            bytea       not null,
  received_at     timestamptz not null default now(),
  primary key (id, received_at)
) partition by range (received_at);
create table callbacks_default partition of callbacks default;

comment on table  callbacks      is 'What WeChat sent, byte for byte, if its signature was good. Still encrypted: the body holds no openid in the clear. Of APIv2, which is not encrypted, what we read of it.';
comment on column callbacks.body is 'The raw body; bytes, because odd text (NUL, lone surrogates) must be kept too.';
comment on column callbacks.request_id is 'WeChat''s Request-ID header, where it sent one.';

-- What payment.Books does not call done.
create view unfinished as
  select transaction_id from payments where stage not in ('completed', 'refunded', 'resolved')
  union all
  select transaction_id from refunds where not is_foreign and state in ('requested', 'processing', 'abnormal')
  union all
  select transaction_id from webhooks where state = 'pending'
  union all
  select transaction_id from requests where state in ('queued', 'running');

comment on view unfinished is 'Payments that need a saga, some more than once; every arm is one small partial index.';

-- +goose Down
drop view unfinished;
drop table callbacks, inbox;
