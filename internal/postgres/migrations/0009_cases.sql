-- +goose Up

-- The work list, and payments by time, stage and any number that people hold in
-- their hands. Numbers are compared byte by byte, so that a beginning finds them.
create index cases_listed on cases ((state = 'closed'), due_at, id);
create index payments_by_time on payments (paid_at, transaction_id);
create index payments_by_stage on payments (stage, paid_at, transaction_id);
create index payments_by_number on payments (transaction_id collate "C");
create index payments_by_order_number on payments (out_trade_no collate "C");
create index refunds_by_number on refunds (out_refund_no collate "C");
create index refunds_by_wechat_number on refunds (refund_id collate "C") where refund_id <> '';
create index shipments_by_number on shipments (shipment_id collate "C") where shipment_id <> '';
create index shipments_by_tracking on shipments (tracking_no collate "C") where tracking_no <> '';
create index requests_by_number on requests (id collate "C");

-- +goose Down
drop index cases_listed, payments_by_time, payments_by_stage, payments_by_number, payments_by_order_number,
  refunds_by_number, refunds_by_wechat_number, shipments_by_number, shipments_by_tracking, requests_by_number;
