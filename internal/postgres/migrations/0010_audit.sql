-- +goose Up

create table audit_log (
  seq       bigint      primary key check (seq > 0),
  doc       text        not null,
  prev_hash bytea       not null check (octet_length(prev_hash) = 32),
  hash      bytea       not null unique,

  at             timestamptz not null,
  actor          text generated always as (doc::jsonb ->> 'actor') stored,
  action         text generated always as (doc::jsonb ->> 'action') stored,
  object         text generated always as (coalesce(doc::jsonb ->> 'object', '')) stored,
  transaction_id text generated always as (coalesce(doc::jsonb ->> 'transaction_id', '')) stored,
  decision       text generated always as (doc::jsonb ->> 'decision') stored,
  call           text generated always as (coalesce(doc::jsonb ->> 'call', '')) stored,

  constraint somebody_acts check (actor <> '' and actor is not null and action is not null),
  constraint doc_names_its_seq check ((doc::jsonb ->> 'seq')::bigint = seq),
  constraint hash_seals_the_doc check (hash = sha256(prev_hash || convert_to(doc, 'UTF8'))),
  constraint allowed_or_denied check (decision in ('ALLOW', 'DENY'))
);
create index audit_by_call on audit_log (call) where call <> '';
create index audit_by_payment on audit_log (transaction_id collate "C") where transaction_id <> '';
create index audit_by_object on audit_log (object collate "C") where object <> '';
create index audit_by_actor on audit_log (actor, seq);

comment on table  audit_log                is 'What people and merchants'' systems did or were not allowed to do, each row chained to the one before. Append-only.';
comment on column audit_log.seq            is 'From 1, without gaps.';
comment on column audit_log.doc            is 'All that is known of the act, as JSON; kept as text, so that its bytes stay those that were hashed.';
comment on column audit_log.prev_hash      is 'The hash of the row before; 32 zero bytes in the first one.';
comment on column audit_log.hash           is 'SHA-256 of prev_hash and the bytes of doc.';
comment on column audit_log.at             is 'When it was written, by the database''s clock; also in doc.';
comment on column audit_log.actor          is 'From doc: who acted; unverified:<name> where nobody proved it.';
comment on column audit_log.action         is 'From doc: what, as noun.verb.';
comment on column audit_log.object         is 'From doc: the id of what was acted on; empty if it has none.';
comment on column audit_log.transaction_id is 'From doc: the payment it is about; empty if about none.';
comment on column audit_log.decision       is 'From doc: ALLOW if it was done, DENY if it was refused.';
comment on column audit_log.call           is 'From doc: the call that asked for it; a repeated call has the same one, and leaves no second row.';

-- +goose StatementBegin
create function audit_is_append_only() returns trigger language plpgsql as $$
begin
  raise exception 'the audit log is append-only' using errcode = 'insufficient_privilege';
end $$;
-- +goose StatementEnd
create trigger audit_never_changes before update or delete on audit_log
  for each row execute function audit_is_append_only();
create trigger audit_is_never_emptied before truncate on audit_log
  for each statement execute function audit_is_append_only();

create table idempotency_keys (
  key          bytea       primary key check (octet_length(key) = 32),
  request      bytea       not null check (octet_length(request) = 32),
  call         text        not null unique,
  attempt      int         not null default 1,
  leased_until timestamptz not null,
  answer       bytea,
  created_at   timestamptz not null default now()
);
create index idempotency_keys_by_age on idempotency_keys (created_at);

comment on table  idempotency_keys              is 'Every call of the last two days that asked for something, by its caller''s Idempotency-Key.';
comment on column idempotency_keys.key          is 'SHA-256 of the caller''s token, hashed, and the key: whoever reads this can use neither.';
comment on column idempotency_keys.request      is 'SHA-256 of method, path and body: the key stands for this request alone.';
comment on column idempotency_keys.call         is 'Drawn once. What the call makes is found again by it when it is repeated.';
comment on column idempotency_keys.attempt      is 'How often it was begun; only the last one writes the answer.';
comment on column idempotency_keys.leased_until is 'Until when it is in flight, and afterwards may be begun again.';
comment on column idempotency_keys.answer       is 'Status, headers and body, sealed under the token and the key, which are not here. Null until there is one to repeat.';
comment on column idempotency_keys.created_at   is 'When it was first begun.';

alter table orders add column call text not null default '';
comment on column orders.call is 'The call that made it, the only one that may offer it again; empty for orders from before there were such.';

-- Who keeps the callbacks' months need not own them.
alter function make_callbacks_month(date) security definer set search_path from current;
-- +goose StatementBegin
create function drop_callbacks_month(partition text) returns void language plpgsql
security definer set search_path from current as $$
begin
  if partition !~ '^callbacks_\d{4}_\d{2}$' then
    raise exception 'no month of callbacks' using errcode = 'insufficient_privilege';
  end if;
  execute format('drop table if exists %I', partition);
end $$;
-- +goose StatementEnd
revoke all on function make_callbacks_month(date), drop_callbacks_month(text) from public;

-- The role that api and worker need: they run as a member of it, and who migrates
-- owns the tables. Roles belong to the whole server, so it may exist already; who
-- may not make one has the triggers alone.
-- +goose StatementBegin
do $$
begin
  create role paysaga_app nologin;
exception
  when duplicate_object or unique_violation then null;
  when insufficient_privilege then raise notice 'no right to make the role paysaga_app';
end $$;
-- +goose StatementEnd
-- +goose StatementBegin
do $$
begin
  if exists (select from pg_roles where rolname = 'paysaga_app') then
    execute format('grant usage on schema %I to paysaga_app', current_schema());
    execute format('grant select, insert, update, delete on all tables in schema %I to paysaga_app', current_schema());
    execute format('alter default privileges in schema %I grant select, insert, update, delete on tables to paysaga_app', current_schema());
    grant execute on function make_callbacks_month(date), drop_callbacks_month(text) to paysaga_app;
    execute format('grant usage on all sequences in schema %I to paysaga_app', current_schema());
    execute format('alter default privileges in schema %I grant usage on sequences to paysaga_app', current_schema());
    revoke update, delete, truncate on audit_log from paysaga_app;
    revoke insert, update, delete on goose_db_version from paysaga_app;
  end if;
end $$;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
do $$
begin
  if exists (select from pg_roles where rolname = 'paysaga_app') then
    execute format('alter default privileges in schema %I revoke all on tables from paysaga_app', current_schema());
    execute format('alter default privileges in schema %I revoke all on sequences from paysaga_app', current_schema());
    execute format('revoke all on all sequences in schema %I from paysaga_app', current_schema());
    execute format('revoke all on all tables in schema %I from paysaga_app', current_schema());
    execute format('revoke all on schema %I from paysaga_app', current_schema());
    revoke all on function make_callbacks_month(date), drop_callbacks_month(text) from paysaga_app;
  end if;
end $$;
-- +goose StatementEnd
alter table orders drop column call;
drop table idempotency_keys, audit_log;
drop function audit_is_append_only;
drop function drop_callbacks_month;
alter function make_callbacks_month(date) security invoker reset search_path;
grant execute on function make_callbacks_month(date) to public;
