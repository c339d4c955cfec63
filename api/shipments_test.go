package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/paysaga/paysaga/internal/payment"
)

// accepted is a payment whose shipment shop SHP-1 took on, to be sent later.
func (d *desk) accepted(t *testing.T, state string) {
	t.Helper()
	d.paid(t, "4200001", 12850, payment.Paid, "")
	d.Exec(t, `insert into orders (out_trade_no, appid, description, amount_fen, trade_type, late_payment, expires_at, created_by)
		values ('4200001-order', 'wxapp', 'tea', 12850, 'native', 'refund', now() + interval '1 h', 'shop')`)
	d.Exec(t, `insert into shipments (transaction_id, out_trade_no, ship_key, state, shipment_id)
		values ('4200001', '4200001-order', 'ship-4200001', $1, 'SHP-1')`, state)
}

const sent = `{"carrier":"顺丰","tracking_no":"SF1234567890"}`

func TestAShopReportsADispatch(t *testing.T) {
	d := newDesk(t)
	d.accepted(t, "accepted")
	for range 2 { // a shop that heard no answer repeats itself
		got := d.call(t, "shop", "POST", "/v1/shipments/SHP-1/dispatched", sent).wants(t, 202, "")
		if got.text("shipment_id") != "SHP-1" || got.text("transaction_id") != "4200001" {
			t.Errorf("answered %s", got.raw)
		}
	}
	if got := d.Text(t, `select concat_ws(' ', carrier, tracking_no, reported_by, times) from dispatch_reports`); got != "顺丰 SF1234567890 shop 2" {
		t.Errorf("kept %q", got)
	}
	if diff := cmp.Diff([]string{"4200001 SHP-1", "4200001 SHP-1"}, d.sagas.sent); diff != "" {
		t.Errorf("the saga heard otherwise:\n%s", diff)
	}
	if stage := d.Text(t, `select stage from payments`); stage != "paid" {
		t.Errorf("the desk moved the payment to %s", stage)
	}
}

func TestAReportIsRefused(t *testing.T) {
	for name, row := range map[string]struct {
		who, path, body string
		state           string
		status          int
		code            string
		kept            int64
	}{
		"by another merchant":         {"stall", "SHP-1", sent, "accepted", 404, "no_such_shipment", 0},
		"by an agent":                 {"ann", "SHP-1", sent, "accepted", 403, "wrong_role", 0},
		"of no shipment":              {"shop", "SHP-2", sent, "accepted", 404, "no_such_shipment", 0},
		"of a path":                   {"shop", "..%2fSHP-1", sent, "accepted", 404, "no_such_shipment", 0},
		"without a carrier":           {"shop", "SHP-1", `{"tracking_no":"SF1"}`, "accepted", 422, "invalid_carrier", 0},
		"without a number":            {"shop", "SHP-1", `{"carrier":"SF"}`, "accepted", 422, "invalid_tracking_no", 0},
		"with a line end":             {"shop", "SHP-1", `{"carrier":"SF\n","tracking_no":"SF1"}`, "accepted", 422, "invalid_carrier", 0},
		"with a name too long":        {"shop", "SHP-1", `{"carrier":"` + strings.Repeat("顺", 65) + `","tracking_no":"SF1"}`, "accepted", 422, "invalid_carrier", 0},
		"with more than is asked":     {"shop", "SHP-1", `{"carrier":"SF","tracking_no":"SF1","phone":"1"}`, "accepted", 422, "invalid_body", 0},
		"of what it had cancelled":    {"shop", "SHP-1", sent, "cancelled", 409, "shipment_cancelled", 1},
		"and Temporal is away: taken": {"shop", "SHP-1", sent, "accepted", http.StatusAccepted, "", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			d.accepted(t, row.state)
			d.sagas.away = row.status == http.StatusAccepted
			d.call(t, row.who, "POST", "/v1/shipments/"+row.path+"/dispatched", row.body).wants(t, row.status, row.code)
			if n := d.Int(t, `select count(*) from dispatch_reports`); n != row.kept {
				t.Errorf("%d reports are kept, want %d", n, row.kept)
			}
			if cases := d.Int(t, `select count(*) from cases where kind = 'dispatched_anyway'`); (cases == 1) != (row.status == 409) {
				t.Errorf("%d cases", cases)
			}
			if row.status == 409 && len(d.sagas.sent) != 1 {
				t.Error("the saga was not told")
			}
		})
	}
}
