-- +goose Up

alter table callbacks add column headers jsonb not null default '{}';
comment on column callbacks.headers is 'The headers that tell how it was sent; never the signature, and none that could hold a secret.';

-- +goose StatementBegin
create function callbacks_month(month date) returns text language sql stable as $$
  select 'callbacks_' || to_char(month, 'YYYY_MM')
$$;

-- Callbacks of the month that came before its partition was there are in the
-- default one, and move. Until the commit nothing can be added to that one;
-- every other month takes callbacks meanwhile.
create function make_callbacks_month(month date) returns void language plpgsql as $$
declare
  partition text        := callbacks_month(month);
  since     timestamptz := date_trunc('month', month::timestamp) at time zone 'utc';
  until     timestamptz := (date_trunc('month', month::timestamp) + interval '1 month') at time zone 'utc';
begin
  lock table callbacks_default in access exclusive mode;
  if to_regclass(partition) is not null then
    return;
  end if;
  execute format('create table %I (like callbacks including defaults including constraints)', partition);
  execute format('comment on table %I is %L', partition, 'Callbacks kept in that month, by UTC.');
  execute format('with late as (delete from callbacks_default where received_at >= %L and received_at < %L returning *)
                  insert into %I select * from late', since, until, partition);
  execute format('alter table callbacks attach partition %I for values from (%L) to (%L)', partition, since, until);
end $$;

create function make_callbacks_months() returns void language sql as $$
  select make_callbacks_month((date_trunc('month', now() at time zone 'utc') + n * interval '1 month')::date)
    from generate_series(0, 3) n
$$;
-- +goose StatementEnd

select make_callbacks_months();
drop function make_callbacks_months;

comment on table callbacks_default is 'Whatever no month takes: none is there yet, or it was dropped. Housekeeping moves it to its month.';

-- For people who look something up.
create index inbox_by_time on inbox (received_at);
create index inbox_by_order on inbox (out_trade_no) where out_trade_no <> '';
create index inbox_by_notification on inbox (notification_id) where notification_id <> '';
create index inbox_odd on inbox (received_at) where verdict <> 'accepted';
create index callbacks_by_news on callbacks (inbox_id) where inbox_id is not null;
create index callbacks_unreadable on callbacks (received_at) where inbox_id is null;

create table schedule_runs (
  name            text        primary key,
  every           interval    not null check (every > '0'),
  expected_since  timestamptz not null default now(),
  last_success_at timestamptz
);
comment on table  schedule_runs                 is 'What comes round by itself. Written by migrate, and by the last act of each run.';
comment on column schedule_runs.name            is 'The schedule''s id in Temporal.';
comment on column schedule_runs.every           is 'From one start to the next.';
comment on column schedule_runs.expected_since  is 'When it was first put on the schedule: the first run is awaited from then.';
comment on column schedule_runs.last_success_at is 'When a run last reached its end; null until one did.';

-- +goose Down
drop table schedule_runs;
drop index callbacks_unreadable, callbacks_by_news, inbox_odd, inbox_by_notification, inbox_by_order, inbox_by_time;

-- Every month goes back to where all callbacks were before, under its numbers: from
-- Postgres 17 on a partition draws its own.
-- +goose StatementBegin
do $$
declare
  partition regclass;
begin
  for partition in select inhrelid::regclass from pg_inherits
                    where inhparent = 'callbacks'::regclass and inhrelid <> 'callbacks_default'::regclass loop
    execute format('alter table callbacks detach partition %s', partition);
    execute format('insert into callbacks_default overriding system value select * from %s', partition);
    execute format('drop table %s', partition);
  end loop;
end $$;
-- +goose StatementEnd
comment on table callbacks_default is 'Whatever no other partition takes; there is no other yet.';
drop function make_callbacks_month;
drop function callbacks_month;
alter table callbacks drop column headers;
