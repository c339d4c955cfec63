-- +goose Up
-- Who is signed in at the console. All api instances share it.
create table sessions (
  secret_sha256 bytea       primary key check (octet_length(secret_sha256) = 32),
  role          text        not null check (role in ('support', 'approver', 'operator')),
  name          text        not null check (name ~ '^[0-9A-Za-z._@-]{1,64}$'),
  token_sha256  bytea       check (octet_length(token_sha256) = 32),
  opened_at     timestamptz not null default now(),
  seen_at       timestamptz not null default now()
);
create index sessions_seen on sessions (seen_at);

comment on table  sessions               is 'One row a person signed in at the console. A row that is too old counts as none, and is deleted when somebody signs in.';
comment on column sessions.secret_sha256 is 'SHA-256 of the cookie''s value, which is nowhere kept.';
comment on column sessions.role          is 'What the person may do, as their token or the identity provider said when they signed in.';
comment on column sessions.name          is 'Who the person is, in requests and timelines.';
comment on column sessions.token_sha256  is 'SHA-256 of the API token that opened it: the session ends with the token. Null after single sign-on.';
comment on column sessions.opened_at     is 'When the person signed in; a session ends eight hours later whatever they do.';
comment on column sessions.seen_at       is 'When the person last did something; fifteen minutes without end it.';

-- +goose Down
drop table sessions;
