-- +goose Up
-- An approval is for exactly what was asked: a request that wants a second person
-- says the same for ever, and does not run without one.

alter table requests add constraint approved_before_it_runs
  check (expires_at is null or approver <> '' or state not in ('queued', 'running', 'done'));

-- +goose StatementBegin
create function request_stays_what_was_asked() returns trigger language plpgsql as $$
begin
  if old.expires_at is not null and ((old.id, old.transaction_id, old.kind, old.actor, old.reason, old.goods, old.outcome, old.evidence,
      old.amount_fen, old.out_refund_no)
     is distinct from
     (new.id, new.transaction_id, new.kind, new.actor, new.reason, new.goods, new.outcome, new.evidence,
      new.amount_fen, new.out_refund_no)
     or new.expires_at is null
     or old.approver <> '' and (new.approver, new.decision) is distinct from (old.approver, old.decision)) then
    raise exception 'request % is what was asked and approved', old.id
      using errcode = 'check_violation', constraint = 'request_stays_what_was_asked';
  end if;
  return new;
end $$;
-- +goose StatementEnd

create trigger request_stays_what_was_asked before update on requests
  for each row execute function request_stays_what_was_asked();

-- +goose Down
drop trigger request_stays_what_was_asked on requests;
drop function request_stays_what_was_asked;
alter table requests drop constraint approved_before_it_runs;
