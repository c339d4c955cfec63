package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

// Two orders of one merchant do not share a shipment; should its number come
// twice all the same, the later one is meant.
const shipmentOfSQL = `
select s.transaction_id, s.out_trade_no, s.state
  from shipments s
  join orders o on o.out_trade_no = s.out_trade_no
 where s.shipment_id = @shipment_id and o.created_by = @owner
 order by s.created_at desc limit 1`

const reportSQL = `
insert into dispatch_reports (transaction_id, carrier, tracking_no, reported_by)
values (@transaction_id, @carrier, @tracking_no, @owner)
on conflict (transaction_id) do update
   set carrier = excluded.carrier, tracking_no = excluded.tracking_no, reported_by = excluded.reported_by,
       times = dispatch_reports.times + 1, updated_at = now()
returning times = 1`

// ReportDispatch keeps a shop's word that it dispatched a shipment of its own
// order, and returns the input of the saga to be told; repeated, the last word
// counts. NotFound for a shipment that is not the shop's. Conflict for one that
// the shop cancelled before: the word is kept all the same, a case opened, and the
// saga to be told.
func (s *Store) ReportDispatch(ctx context.Context, said payment.DispatchReport) (payment.Payment, error) {
	var transactionID string
	var state payment.Shipment
	err := s.tx(ctx, func(tx pgx.Tx) error {
		args := pgx.NamedArgs{
			"shipment_id": said.ShipmentID, "owner": said.By, "carrier": said.Carrier, "tracking_no": said.TrackingNo,
		}
		var outTradeNo string
		if err := tx.QueryRow(ctx, shipmentOfSQL, args).Scan(&transactionID, &outTradeNo, &state); err != nil {
			return err
		}
		args["transaction_id"], args["id"] = transactionID, transactionID
		var first bool
		if err := tx.QueryRow(ctx, reportSQL, args).Scan(&first); err != nil {
			return err
		}
		if first {
			args["what"], args["actor"] = "the shop reports that it dispatched "+said.ShipmentID, said.By
			if _, err := tx.Exec(ctx, noteEvent, args); err != nil {
				return err
			}
		}
		if state == payment.ShipCancelled {
			err := s.openCase(ctx, tx, payment.Case{
				Kind: payment.CaseDispatchedAnyway, TransactionID: transactionID, OutTradeNo: outTradeNo,
				Detail: "the shop cancelled shipment " + said.ShipmentID + ", and reports that it dispatched it",
			})
			if err != nil {
				return err
			}
		}
		return s.audit(ctx, tx, payment.Act{
			Action: "shipment.dispatched", Object: said.ShipmentID, TransactionID: transactionID, OutTradeNo: outTradeNo,
			Was: string(state), By: said.By,
		})
	})
	if err != nil {
		return payment.Payment{}, missing("shipment", err)
	}
	paid, err := s.Payment(ctx, transactionID)
	if err == nil && state == payment.ShipCancelled {
		err = payment.Failf(payment.Conflict, "shipment_cancelled", "this shipment was cancelled; do not send it, or call it back")
	}
	return paid, err
}

const reportedSQL = `
select s.shipment_id, r.carrier, r.tracking_no
  from dispatch_reports r join shipments s using (transaction_id)
 where r.transaction_id = @transaction_id`

// Reported is the shop's own report that it dispatched; NotFound if it made none.
func (s *Store) Reported(ctx context.Context, transactionID string) (activities.Dispatch, error) {
	word := activities.Dispatch{State: payment.ShipDispatched}
	err := s.pool.QueryRow(ctx, reportedSQL, pgx.NamedArgs{"transaction_id": transactionID}).
		Scan(&word.ShipmentID, &word.Carrier, &word.TrackingNo)
	return word, fault(err)
}
