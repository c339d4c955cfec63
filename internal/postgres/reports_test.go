package postgres_test

import (
	"testing"

	"github.com/paysaga/paysaga/internal/payment"
)

func TestAShopReportsItsDispatch(t *testing.T) {
	cancelled := func(w *world) {
		w.begin("q1", payment.Compensate)
		_, err := w.ClaimCancel(w.Context(), txn)
		w.ok(err)
		w.must(w.Cancelled(w.Context(), txn))
	}
	for name, row := range map[string]struct {
		by     string
		number string
		before func(*world)
		code   string
		kept   string
		cases  string
	}{
		"of what it accepted":         {"shop", "S1", nil, "", "SF SF2", ""},
		"twice: the last word counts": {"shop", "S1", func(w *world) { w.reports("shop", "S1", "SF9") }, "", "SF SF2", ""},
		"of another's order":          {"stall", "S1", nil, "no_such_shipment", "", ""},
		"of nothing we know":          {"shop", "S2", nil, "no_such_shipment", "", ""},
		"of what it cancelled":        {"shop", "S1", cancelled, "shipment_cancelled", "SF SF2", "dispatched_anyway"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			w.paid()
			w.claimShip()
			w.dispatched(payment.ShipAccepted)
			if row.before != nil {
				row.before(w)
			}
			if err := w.reports(row.by, row.number, "SF2"); payment.CodeOf(err) != row.code {
				t.Errorf("%v, want %q", err, row.code)
			}
			if got := w.db.Text(t, `select coalesce((select carrier || ' ' || tracking_no from dispatch_reports), '')`); got != row.kept {
				t.Errorf("kept %q, want %q", got, row.kept)
			}
			w.wantCases(txn, row.cases)
			word, err := w.Reported(t.Context(), txn)
			if row.kept == "" {
				w.wantKind(err, payment.NotFound)
			} else if word.State != payment.ShipDispatched || word.ShipmentID != "S1" || word.TrackingNo != "SF2" {
				t.Errorf("the act reads %+v, %v", word, err)
			}
		})
	}
}

func (w *world) reports(by, shipmentID, trackingNo string) error {
	paid, err := w.ReportDispatch(w.Context(), payment.DispatchReport{ShipmentID: shipmentID, Carrier: "SF", TrackingNo: trackingNo, By: by})
	if err == nil && (paid.TransactionID != txn || paid.AmountFen != fen) {
		w.Errorf("the saga to be told is %+v", paid)
	}
	return err
}

// TestMuchMoneyIsAskedAbout needs no callback's word alone.
func TestMuchMoneyIsAskedAbout(t *testing.T) {
	for name, row := range map[string]struct {
		aboveFen int64
		want     payment.Unsettled
		stage    payment.Stage
	}{
		"above the limit":    {fen - 1, payment.AskWeChat, payment.Received},
		"just at the limit":  {fen, payment.Settled, payment.Paid},
		"far from the limit": {fen * 10, payment.Settled, payment.Paid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := openWith(t, &row.aboveFen)
			books := w.paid()
			w.want(books, row.stage)
			if books.Unsettled != row.want {
				t.Errorf("unsettled: %q", books.Unsettled)
			}
		})
	}
}
