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

comment on table  inbox                 is 'Verified callbacks, committed before they are answered. Never partitioned: the key must be unique for ever.';
comment on column inbox.id              is 'In the order of arrival; numbers may be missing.';
comment on column inbox.key             is 'payment: transaction_id and a hash of its money fields; refund: out_refund_no and status; otherwise the notification id.';
comment on column inbox.kind            is 'payment starts a saga, refund is told to one, other starts nothing.';
comment on column inbox.verdict         is 'accepted: for a saga. case: for a person. noted: for nobody. The relay may still change it.';
comment on column inbox.via             is 'Which net caught it first: callback, temporal (kept there while Postgres was away), query or bill.';
comment on column inbox.notification_id is 'WeChat''s id of the first delivery; empty where we asked ourselves.';
comment on column inbox.event_type      is 'WeChat''s word for what happened; empty where it gave none.';
comment on column inbox.transaction_id  is 'WeChat''s number of the payment; empty where none was legible.';
comment on column inbox.out_trade_no    is 'The order it names; empty where none was legible.';
comment on column inbox.out_refund_no   is 'refund: its number. Empty otherwise.';
comment on column inbox.appid           is 'By WeChat''s word; empty where it gave none.';
comment on column inbox.mchid           is 'By WeChat''s word; empty where it gave none.';
comment on column inbox.amount_fen      is 'amount.total of a payment; 0 where the news names none.';
comment on column inbox.currency        is 'By WeChat''s word; empty where it gave none.';
comment on column inbox.trade_state     is 'By WeChat''s word; empty where it gave none.';
comment on column inbox.paid_at         is 'success_time by WeChat''s clock, if it was usable.';
comment on column inbox.seen            is 'How often it was delivered; duplicates count here and do nothing else.';
comment on column inbox.done            is 'The books have it, and payments.sweep_at takes over; or there is nothing to start. Until then the relay starts it again.';
comment on column inbox.tries           is 'How often the relay took it up; each time it waits longer.';
comment on column inbox.last_error      is 'Why it could not be passed on last; empty if it was, or was never tried.';
comment on column inbox.next_try_at     is 'When the relay takes it up next, unless it is done.';
comment on column inbox.received_at     is 'When the first delivery was kept, by our clock.';

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

comment on table  callbacks                 is 'What WeChat sent, byte for byte, if its signature was good. Still encrypted: the body holds no openid in the clear. Of APIv2, which is not encrypted, what we read of it.';
comment on column callbacks.id              is 'In the order of arrival; numbers may be missing.';
comment on column callbacks.inbox_id        is 'The inbox row it made or repeated; null where it could not be read.';
comment on column callbacks.verdict         is 'What was made of it on arrival; a repeat has the inbox row''s of that moment.';
comment on column callbacks.notification_id is 'WeChat''s id; empty where it was not legible.';
comment on column callbacks.serial          is 'Wechatpay-Serial: the key that signed it. Empty for APIv2, which names none.';
comment on column callbacks.request_id      is 'WeChat''s Request-ID header, where it sent one.';
comment on column callbacks.body            is 'The raw body; bytes, because odd text (NUL, lone surrogates) must be kept too.';
comment on column callbacks.received_at     is 'When these bytes were kept, by our clock; the partitions go by it.';
comment on table  callbacks_default         is 'Whatever no other partition takes; there is no other yet.';

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
