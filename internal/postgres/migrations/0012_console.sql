-- +goose Up
-- What the first pages of the console look for, each by an index as small as what it finds.

create index requests_to_approve on requests (created_at, id) where state = 'pending_approval';
create index payment_events_shipped on payment_events (at) where became = 'shipped';
create index refunds_succeeded on refunds (finished_at) where state = 'success';

-- +goose Down
drop index requests_to_approve, payment_events_shipped, refunds_succeeded;
