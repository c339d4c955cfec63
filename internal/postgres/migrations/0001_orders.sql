-- +goose Up
-- Amounts are int64 fen, 1/100 yuan. Times are ours unless a comment says WeChat's.

create table orders (
  out_trade_no text        primary key check (out_trade_no ~ '^[0-9A-Za-z_|*-]{6,32}$'),
  appid        text        not null,
  description  text        not null check (char_length(description) between 1 and 127),
  amount_fen   bigint      not null check (amount_fen > 0),
  currency     text        not null default 'CNY' check (currency = 'CNY'),
  trade_type   text        not null check (trade_type in ('native', 'jsapi', 'h5', 'app')),
  state        text        not null default 'pending'
                           check (state in ('pending', 'paid', 'shipped', 'closed', 'refunded')),
  late_payment text        not null check (late_payment in ('refund', 'reopen')),
  shipping     jsonb       not null default '{}',
  expires_at   timestamptz not null,
  openid       text        not null default '',
  payer_client_ip text     not null default '',
  h5_type      text        not null default '',
  offer        text        not null default '',
  paid_by      text        unique,
  closed_by    text        not null default '',
  closed_at    timestamptz,
  created_by   text        not null,
  created_at   timestamptz not null default now(),
  updated_at   timestamptz not null default now(),

  constraint paid_has_payment check ((state in ('paid', 'shipped', 'refunded')) = (paid_by is not null)),
  constraint expires_after_creation check (expires_at > created_at),
  constraint jsapi_names_its_payer check ((trade_type = 'jsapi') = (openid <> '')),
  constraint h5_names_its_scene check ((trade_type = 'h5') = (payer_client_ip <> '')),
  constraint h5_names_its_type check ((trade_type = 'h5') = (h5_type <> ''))
);

comment on table  orders                 is 'What the merchant sells. The api writes them; only activities move their state.';
comment on column orders.out_trade_no    is 'The merchant''s number, also WeChat''s; 6-32 characters by WeChat''s rule.';
comment on column orders.appid           is 'The app or mini-program it is sold in; money paid in another is quarantined.';
comment on column orders.description     is 'What the payer reads at WeChat.';
comment on column orders.amount_fen      is 'What the order costs; compared with WeChat''s amount.total.';
comment on column orders.currency        is 'Fen are of CNY; nothing else is sold.';
comment on column orders.trade_type      is 'Where it is paid: native by QR code, jsapi inside WeChat, h5 from a browser, app in the merchant''s own.';
comment on column orders.state           is 'How far it has come; lawful_order_moves says what may follow.';
comment on column orders.late_payment    is 'What becomes of money that comes after the order closed or expired.';
comment on column orders.shipping        is 'The shop''s own words, passed on and never read.';
comment on column orders.expires_at      is 'WeChat''s time_expire. Paid later than this is paid late.';
comment on column orders.openid          is 'jsapi: who pays. A person''s: kept here alone, in no log, answer or workflow.';
comment on column orders.payer_client_ip is 'h5: where the payer is. As private as the openid.';
comment on column orders.h5_type         is 'h5: Wap, iOS or Android.';
comment on column orders.offer           is 'What WeChat answered the prepay: code_url (native), h5_url (h5) or prepay_id (jsapi, app). Empty until then.';
comment on column orders.paid_by         is 'The transaction_id of the one payment that paid this order.';
comment on column orders.closed_by       is 'Who asked to close it.';
comment on column orders.closed_at       is 'When it was closed here; kept if a late payment opens it again.';
comment on column orders.created_by      is 'The merchant who wrote it, and the only one who is shown it.';
comment on column orders.created_at      is 'When it was first written; an order sent again keeps this.';
comment on column orders.updated_at      is 'Last change of any column, by the trigger.';

create table lawful_order_moves (
  was    text not null,
  became text not null,
  primary key (was, became)
);
comment on table  lawful_order_moves        is 'The second proof of payment.OrderMoves; a test compares them.';
comment on column lawful_order_moves.was    is 'The state before. That an order begins as pending is not listed.';
comment on column lawful_order_moves.became is 'A state that may follow it.';

insert into lawful_order_moves (was, became) values
  ('pending', 'paid'), ('pending', 'closed'), ('closed', 'paid'),
  ('paid', 'shipped'), ('paid', 'refunded'), ('shipped', 'refunded');

-- +goose StatementBegin
create function order_moves_lawfully() returns trigger language plpgsql as $$
begin
  if old.state <> new.state
     and not exists (select from lawful_order_moves where was = old.state and became = new.state) then
    raise exception 'order % may not go from % to %', old.out_trade_no, old.state, new.state
      using errcode = 'check_violation', constraint = 'order_moves_lawfully';
  end if;
  new.updated_at := now();
  return new;
end $$;
-- +goose StatementEnd

create trigger order_moves_lawfully before update on orders
  for each row execute function order_moves_lawfully();

-- +goose Down
drop table orders;
drop function order_moves_lawfully;
drop table lawful_order_moves;
