-- +goose Up

-- Beside orders and not in it: its rows are narrow, are written up to eight times
-- while an order is pending, and are struck off after that. An order's own row is
-- wide, and none of its updates has to touch an index for this.
create table due_orders (
  out_trade_no text        primary key references orders on delete cascade,
  next_at      timestamptz not null
) with (fillfactor = 80);
create index due_orders_next on due_orders (next_at);

comment on table  due_orders              is 'Orders that may still be pending, and when each is looked at next. One that is not is struck off then.';
comment on column due_orders.out_trade_no is 'The order.';
comment on column due_orders.next_at      is 'When WeChat is asked next what became of it, or from expires_at on when it is closed. A lease moves it on before anybody acts.';

create table wechat_turns (
  mchid   text        primary key,
  free_at timestamptz not null
);

comment on table  wechat_turns         is 'The timetable of order queries, one row a merchant: WeChat counts all workers'' calls together.';
comment on column wechat_turns.mchid   is 'The merchant, whose calls WeChat counts.';
comment on column wechat_turns.free_at is 'The first moment nobody has taken. Later than that of any query made so far; far ahead after WeChat said: too often.';

-- News whose payment nobody has claimed yet, by its order.
create index inbox_to_judge on inbox (out_trade_no) where not done and kind = 'payment' and verdict = 'accepted';

-- By a trigger, so that no order is forgotten whoever writes it, an api of the
-- version before this one included.
-- +goose StatementBegin
create function every_order_is_due() returns trigger language plpgsql as $$
begin
  insert into due_orders (out_trade_no, next_at) values (new.out_trade_no, new.created_at);
  return null;
end $$;
-- +goose StatementEnd

create trigger every_order_is_due after insert on orders
  for each row when (new.state = 'pending') execute function every_order_is_due();

insert into due_orders (out_trade_no, next_at)
select out_trade_no, now() from orders where state = 'pending'
on conflict do nothing;

-- +goose Down
drop trigger every_order_is_due on orders;
drop function every_order_is_due;
drop index inbox_to_judge;
drop table wechat_turns;
drop table due_orders;
