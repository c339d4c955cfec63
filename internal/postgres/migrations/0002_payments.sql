-- +goose Up

create table payments (
  transaction_id text        primary key check (transaction_id ~ '^[0-9A-Za-z]{1,32}$'),
  out_trade_no   text        not null,
  appid          text        not null,
  mchid          text        not null,
  amount_fen     bigint      not null check (amount_fen > 0),
  currency       text        not null,
  trade_state    text        not null,
  paid_at        timestamptz not null,
  via            text        not null check (via in ('callback', 'temporal', 'query', 'bill')),
  wechat_says    text        not null default '',
  stage          text        not null default 'received'
                             check (stage in ('received', 'paid', 'shipped', 'completed', 'holding',
                                              'compensating', 'refunded', 'quarantined', 'resolved')),
  undo_cause     text        not null default '',
  goods          text        not null default '' check (goods in ('', 'stop', 'returned', 'kept')),
  hold_reason    text        not null default '',
  hold_direction text        not null default '' check (hold_direction in ('', 'forward', 'backward')),
  hold_until     timestamptz,
  refunded_fen   bigint      not null default 0,
  sweep_at       timestamptz not null,
  created_at     timestamptz not null default now(),
  updated_at     timestamptz not null default now(),

  constraint refunds_within_payment check (refunded_fen between 0 and amount_fen),
  constraint refunded_in_full check (stage <> 'refunded' or refunded_fen = amount_fen),
  constraint hold_has_reason check ((stage = 'holding') = (hold_reason <> '')
                                and (stage = 'holding') = (hold_direction <> ''))
);
create index payments_by_order on payments (out_trade_no);
create index payments_to_sweep on payments (sweep_at)
  where stage not in ('completed', 'refunded', 'resolved');

comment on table  payments                is 'One row a WeChat transaction. Written by activities alone.';
comment on column payments.transaction_id is 'WeChat''s number; also the WorkflowID of its saga.';
comment on column payments.out_trade_no   is 'The order it names, which may be none of ours; hence no foreign key.';
comment on column payments.appid          is 'The app it was paid in, by WeChat''s word.';
comment on column payments.mchid          is 'The merchant it was paid to, by WeChat''s word.';
comment on column payments.amount_fen     is 'amount.total by WeChat''s word, never payer_total.';
comment on column payments.currency       is 'By WeChat''s word; other than the order''s is quarantined.';
comment on column payments.trade_state    is 'WeChat''s word when it first told us; SUCCESS but for odd callbacks.';
comment on column payments.paid_at        is 'success_time by WeChat''s clock; our receipt time where that was unusable.';
comment on column payments.via            is 'Which net caught it: callback, temporal (kept there while Postgres was away), query or bill.';
comment on column payments.wechat_says    is 'trade_state by an order query, where one was wanted; empty if never asked.';
comment on column payments.stage          is 'How far it has come; lawful_moves says what may follow.';
comment on column payments.undo_cause     is 'Why it is being compensated: second_payment, late_payment, shop_refused, a request id …';
comment on column payments.goods          is 'Whether compensation must stop the shipment first.';
comment on column payments.hold_reason    is 'holding: the kind of case it waits for. Otherwise empty.';
comment on column payments.hold_direction is 'holding: the way it was going, and a retry goes on. Otherwise empty.';
comment on column payments.hold_until     is 'When a hold ends in compensation by itself; null waits for a person.';
comment on column payments.refunded_fen   is 'Sum of the refunds that WeChat calls SUCCESS.';
comment on column payments.sweep_at       is 'When the sweep looks next whether an unfinished payment has an open run.';
comment on column payments.created_at     is 'When it was first claimed from what WeChat told; paid_at is when it was paid.';
comment on column payments.updated_at     is 'Last move, new hold or word of WeChat; refunds and sweeps leave it. The sweep looks less often as it ages.';

create table lawful_moves (
  was    text not null,
  became text not null,
  primary key (was, became)
);
comment on table  lawful_moves        is 'The second proof of payment.Moves; a test compares them.';
comment on column lawful_moves.was    is 'The stage before; empty for a payment that is new.';
comment on column lawful_moves.became is 'A stage that may follow it. Both empty is a note, which moves nothing.';

insert into lawful_moves (was, became) values
  ('', 'received'),
  ('received', 'paid'), ('received', 'compensating'), ('received', 'holding'), ('received', 'quarantined'),
  ('paid', 'shipped'), ('paid', 'holding'), ('paid', 'compensating'),
  ('shipped', 'completed'), ('shipped', 'holding'), ('shipped', 'compensating'),
  ('completed', 'compensating'),
  ('holding', 'received'), ('holding', 'paid'), ('holding', 'shipped'), ('holding', 'compensating'),
  ('holding', 'resolved'),
  ('compensating', 'refunded'), ('compensating', 'holding'),
  ('quarantined', 'compensating'), ('quarantined', 'resolved');

create table payment_events (
  id             bigint      generated always as identity primary key,
  transaction_id text        not null references payments,
  at             timestamptz not null default clock_timestamp(),
  was            text        not null default '',
  became         text        not null default '',
  what           text        not null,
  actor          text        not null default 'paysaga',

  constraint moves_are_lawful foreign key (was, became) references lawful_moves
);
create index payment_events_by_payment on payment_events (transaction_id, id);

comment on table  payment_events                is 'The timeline: every move, and what else happened, once and for ever.';
comment on column payment_events.id             is 'The order in which things were written; numbers may be missing.';
comment on column payment_events.transaction_id is 'Whose timeline it is.';
comment on column payment_events.at             is 'When it was written, not when its transaction began.';
comment on column payment_events.was            is 'The stage before a move; was and became are both empty in a note that moved nothing.';
comment on column payment_events.became         is 'The stage after a move; empty in a note.';
comment on column payment_events.what           is 'One line for people; no payer, no secret.';
comment on column payment_events.actor          is 'Who is behind it; paysaga where no person is.';

insert into lawful_moves (was, became) values ('', '');

-- A move writes its own history, so that neither happens alone whoever makes it.
-- +goose StatementBegin
create function payment_moves_lawfully() returns trigger language plpgsql as $$
declare
  before text := case when tg_op = 'INSERT' then '' else old.stage end;
begin
  if tg_op = 'INSERT' or old.stage <> new.stage then
    insert into payment_events (transaction_id, was, became, what, actor)
    values (new.transaction_id, before, new.stage,
            coalesce(nullif(current_setting('paysaga.cause', true), ''), 'moved'),
            coalesce(nullif(current_setting('paysaga.actor', true), ''), 'paysaga'));
  end if;
  return null;
end $$;
-- +goose StatementEnd

create trigger payment_moves_lawfully after insert or update of stage on payments
  for each row execute function payment_moves_lawfully();

create table steps (
  transaction_id text        not null references payments,
  step           text        not null check (step in ('mark_paid', 'ship', 'notify', 'notify_payer', 'upload_shipping',
                                                  'cancel_shipment', 'refund', 'mark_refunded', 'tell_shop')),
  state          text        not null check (state in ('running', 'done', 'refused', 'gave_up', 'undone')),
  attempts       int         not null default 0 check (attempts >= 0),
  last_error     text        not null default '',
  updated_at     timestamptz not null default now(),
  primary key (transaction_id, step)
);
comment on table  steps                is 'What was tried for a payment, how often, and what came last; for people. The fences are in shipments and refunds.';
comment on column steps.transaction_id is 'What it was tried for.';
comment on column steps.step           is 'The act''s name, as people see it.';
comment on column steps.state          is 'running: tried, and tried again. refused: the answer was no. undone: taken back by a compensation.';
comment on column steps.attempts       is 'Those that were answered or failed, stragglers too; one under way is not counted yet.';
comment on column steps.last_error     is 'Code and text of the last failure, free of secrets.';
comment on column steps.updated_at     is 'When the last attempt ended, or the step was taken back or given up.';

create table shipments (
  transaction_id text        primary key references payments,
  out_trade_no   text        not null,
  ship_key       text        not null unique,
  state          text        not null check (state in ('requested', 'accepted', 'dispatched', 'refused', 'cancelling', 'cancelled')),
  shipment_id    text        not null default '',
  carrier        text        not null default '',
  tracking_no    text        not null default '',
  forgotten_at   timestamptz,
  created_at     timestamptz not null default now(),
  updated_at     timestamptz not null default now()
);
-- One shipment an order, whatever the sagas of its payments do.
create unique index one_shipment_per_order on shipments (out_trade_no)
  where state in ('requested', 'accepted', 'dispatched', 'cancelling');
create index shipments_by_shipment_id on shipments (shipment_id) where shipment_id <> '';

comment on table  shipments                is 'The intent to ship, committed before the shop is first asked; cancelling is the tombstone a late attempt finds.';
comment on column shipments.transaction_id is 'The payment it is for: at most one shipment each.';
comment on column shipments.out_trade_no   is 'As the payment names it; what one_shipment_per_order goes by.';
comment on column shipments.ship_key       is 'ship-<transaction_id>: the Idempotency-Key at the shop.';
comment on column shipments.state          is 'requested: no answer known. accepted: to be dispatched later. refused: the shop''s no. cancelled: its word, or it was never asked.';
comment on column shipments.shipment_id    is 'The shop''s number; empty until it gave one.';
comment on column shipments.carrier        is 'The shop''s word; empty until it gave one.';
comment on column shipments.tracking_no    is 'The carrier''s number, by the shop''s word; empty until it gave one.';
comment on column shipments.forgotten_at   is 'When cancel was first answered 404; only a second 404, later, permits the refund.';
comment on column shipments.created_at     is 'When the intent was committed, before the shop was asked anything.';
comment on column shipments.updated_at     is 'When the shop''s word, or a wish to cancel, last changed it.';

create table dispatch_reports (
  transaction_id text        primary key references shipments,
  carrier        text        not null check (carrier <> ''),
  tracking_no    text        not null check (tracking_no <> ''),
  reported_by    text        not null check (reported_by <> ''),
  times          int         not null default 1,
  created_at     timestamptz not null default now(),
  updated_at     timestamptz not null default now()
);
comment on table  dispatch_reports                is 'The shop''s own word that it dispatched what it had accepted; the api writes it, an act believes it.';
comment on column dispatch_reports.transaction_id is 'The payment whose shipment it is.';
comment on column dispatch_reports.carrier        is 'As last reported.';
comment on column dispatch_reports.tracking_no    is 'The carrier''s number, as last reported.';
comment on column dispatch_reports.reported_by    is 'The merchant who said so last; always the order''s own.';
comment on column dispatch_reports.times          is 'How often it was reported; the last report counts.';
comment on column dispatch_reports.created_at     is 'When it was first reported.';
comment on column dispatch_reports.updated_at     is 'When it was last reported.';

create table refunds (
  out_refund_no  text        primary key check (out_refund_no ~ '^[0-9A-Za-z_|*@-]{1,64}$'),
  transaction_id text        not null references payments,
  amount_fen     bigint      not null check (amount_fen > 0),
  total_fen      bigint      not null check (total_fen > 0),
  state          text        not null default 'requested'
                             check (state in ('requested', 'processing', 'success', 'closed', 'abnormal', 'withdrawn')),
  is_foreign     boolean     not null default false,
  reason         text        not null default '',
  refund_id      text        not null default '',
  asked_at       timestamptz,
  ready_at       timestamptz not null,
  finished_at    timestamptz,
  created_at     timestamptz not null default now(),
  updated_at     timestamptz not null default now(),

  constraint refund_within_total check (amount_fen <= total_fen),
  constraint finished_when_final check ((state in ('success', 'closed', 'withdrawn')) = (finished_at is not null))
);
create index refunds_by_payment on refunds (transaction_id);
create unique index one_open_refund on refunds (transaction_id)
  where not is_foreign and state in ('requested', 'processing', 'abnormal');

comment on table  refunds                is 'Every refund of a payment; number and amounts frozen before WeChat is first asked.';
comment on column refunds.out_refund_no  is 'Ours: R<transaction_id>, later ones with -2, -3 …; a foreign one keeps its maker''s.';
comment on column refunds.transaction_id is 'The payment whose money goes back.';
comment on column refunds.amount_fen     is 'Of this refund.';
comment on column refunds.total_fen      is 'Of the payment, as WeChat wants it repeated.';
comment on column refunds.state          is 'WeChat''s word, but for two of ours: requested, and withdrawn for what WeChat never had.';
comment on column refunds.is_foreign     is 'Made outside paysaga, in WeChat''s own console.';
comment on column refunds.reason         is 'What WeChat shows the payer; empty for a foreign one.';
comment on column refunds.refund_id      is 'WeChat''s number.';
comment on column refunds.asked_at       is 'When WeChat was first asked; from then on the outcome may be unknown.';
comment on column refunds.ready_at       is 'The earliest moment WeChat may be asked: refunds of one payment keep a minute between them.';
comment on column refunds.finished_at    is 'When we wrote down that it ended; null until then, and while abnormal.';
comment on column refunds.created_at     is 'When its number was taken, or a foreign one was first heard of.';
comment on column refunds.updated_at     is 'Last change of any column, by the trigger.';

-- What WeChat called final never changes, and its money is counted in the same statement.
-- +goose StatementBegin
create function refund_stays_final() returns trigger language plpgsql as $$
begin
  if old.state in ('success', 'closed') and new.state <> old.state then
    raise exception 'refund % is final', old.out_refund_no
      using errcode = 'check_violation', constraint = 'refund_stays_final';
  end if;
  if (old.amount_fen, old.total_fen, old.transaction_id) is distinct from (new.amount_fen, new.total_fen, new.transaction_id) then
    raise exception 'refund % is frozen', old.out_refund_no
      using errcode = 'check_violation', constraint = 'refund_is_frozen';
  end if;
  new.updated_at := now();
  return new;
end $$;

create function refund_counts() returns trigger language plpgsql as $$
begin
  update payments
     set refunded_fen = (select coalesce(sum(amount_fen), 0) from refunds
                          where transaction_id = new.transaction_id and state = 'success')
   where transaction_id = new.transaction_id;
  return null;
end $$;
-- +goose StatementEnd

create trigger refund_stays_final before update on refunds
  for each row execute function refund_stays_final();
create trigger refund_counts after insert or update of state on refunds
  for each row when (new.state = 'success') execute function refund_counts();

create table webhooks (
  id             text        primary key,
  transaction_id text        not null references payments,
  event          text        not null check (event in ('order.shipped', 'order.refunded', 'payment.refunded', 'case.opened')),
  whom           text        not null default 'shop' check (whom in ('shop', 'payer', 'wechat')),
  payload        jsonb       not null,
  state          text        not null default 'pending'
                             check (state in ('pending', 'delivered', 'stopped', 'rejected', 'unknown', 'gave_up')),
  attempts       int         not null default 0,
  last_error     text        not null default '',
  asked_at       timestamptz,
  try_at         timestamptz not null default now(),
  created_at     timestamptz not null default now(),
  delivered_at   timestamptz,

  constraint payers_hear_of_shipments check (whom = 'shop' or event = 'order.shipped'),
  constraint only_payers_are_left_unsure check (state <> 'unknown' or whom = 'payer')
);
create index webhooks_pending on webhooks (transaction_id) where state = 'pending';

comment on table  webhooks                is 'Who is told what, one row a message; the id is stable, so that the shop can drop repeats.';
comment on column webhooks.id             is 'webhook-id: <event>-<transaction_id>; to others than the shop with -payer or -wechat behind it.';
comment on column webhooks.transaction_id is 'The payment it is about.';
comment on column webhooks.event          is 'order.refunded: by the payment that had paid the order. payment.refunded: by any other.';
comment on column webhooks.whom           is 'shop: a webhook. payer: a subscribe message. wechat: a mini-program''s shipping information.';
comment on column webhooks.payload        is 'The body, frozen when its cause was written; names no payer.';
comment on column webhooks.state          is 'stopped: they want no more (410, no consent); rejected: taken for wrong, with a case; unknown: may have reached the payer; gave_up: NOTIFY_GIVE_UP_AFTER passed, with a case.';
comment on column webhooks.attempts       is 'Those that ended; one under way is not counted yet.';
comment on column webhooks.last_error     is 'Why the last attempt failed, or why it was stopped; empty before any, and once taken.';
comment on column webhooks.asked_at       is 'payer, wechat: when an attempt began whose end is not known. A payer''s message is never sent again while this is set.';
comment on column webhooks.try_at         is 'Not before this, by the word of whom it is for.';
comment on column webhooks.created_at     is 'When its cause was written; what one party is told keeps this order.';
comment on column webhooks.delivered_at   is 'When it was known to be taken, by our clock; null until then.';

-- +goose Down
drop table webhooks, refunds, dispatch_reports, shipments, steps, payment_events, lawful_moves, payments;
drop function payment_moves_lawfully, refund_stays_final, refund_counts;
