package api_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/paysaga/paysaga/internal/payment"
	"github.com/paysaga/paysaga/workflows"
)

func TestWhoMayCloseWhichOrder(t *testing.T) {
	const pending = `update orders set state = 'pending'`
	shut := []payment.Closing{{OutTradeNo: "TEA-0001", Actor: "shop"}}
	for name, row := range map[string]struct {
		sql, who, number, body string
		status                 int
		code                   string
		shut                   []payment.Closing
	}{
		"a pending order is being closed":       {pending, "shop", "TEA-0001", "", 202, "", shut},
		"an empty body says as much":            {pending, "shop", "TEA-0001", "{}", 202, "", shut},
		"its number may be escaped":             {pending, "shop", "TEA%2D0001", "", 202, "", shut},
		"one that has expired, too":             {`update orders set created_at = now() - interval '3 h', expires_at = now() - interval '1 h'`, "shop", "TEA-0001", "", 202, "", shut},
		"a closed order is closed, once more":   {`update orders set state = 'closed'`, "shop", "TEA-0001", "", 202, "", nil},
		"a paid order is not":                   {`update orders set state = 'paid', paid_by = '4200'`, "shop", "TEA-0001", "", 409, "order_paid", nil},
		"a body that asks for more is not read": {pending, "shop", "TEA-0001", `{"refund":true}`, 422, "invalid_body", nil},
		"another merchant's looks like none":    {pending, "stall", "TEA-0001", "", 404, "no_such_order", nil},
		"support has no business closing it":    {pending, "ann", "TEA-0001", "", 403, "wrong_role", nil},
		"there is none":                         {pending, "shop", "TEA-NONE", "", 404, "no_such_order", nil},
		"there can be none":                     {pending, "shop", "a", "", 404, "no_such_order", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			d.call(t, "shop", "POST", "/v1/orders", tea).wants(t, 201, "")
			d.Exec(t, row.sql)
			before := d.Text(t, `select orders::text from orders`)

			got := d.call(t, row.who, "POST", "/v1/orders/"+row.number+"/close", row.body).wants(t, row.status, row.code)

			if row.status == 202 {
				state := d.Text(t, `select state from orders`)
				if diff := cmp.Diff(map[string]any{"out_trade_no": "TEA-0001", "state": state, "status_url": "/v1/orders/TEA-0001"}, got.body); diff != "" {
					t.Error(diff)
				}
			}
			if diff := cmp.Diff(row.shut, d.sagas.shut); diff != "" {
				t.Errorf("closings (-want +got):\n%s", diff)
			}
			if now := d.Text(t, `select orders::text from orders`); now != before {
				t.Errorf("the desk wrote it down itself:\n%s\n%s", before, now)
			}
		})
	}
}

func TestAClosingThatNobodyTookIsNotPromised(t *testing.T) {
	d := newDesk(t)
	d.call(t, "shop", "POST", "/v1/orders", tea).wants(t, 201, "")
	d.sagas.away = true
	d.call(t, "shop", "POST", "/v1/orders/TEA-0001/close", "").wants(t, 503, "temporal_silent")
}

func TestAnOrderHasOneClosingAtATime(t *testing.T) {
	temporal, c := newTemporal(t)
	asked := payment.Closing{OutTradeNo: "CLOSE|*-" + freshNumber()[20:], Actor: "shop"}
	latest := func() string { return run(t, c, workflows.ClosingID(asked.OutTradeNo)) }
	closed := func() {
		t.Helper()
		if err := temporal.CloseOrder(t.Context(), asked); err != nil {
			t.Fatal(err)
		}
	}
	closed()
	first := latest()
	closed()
	if latest() != first {
		t.Error("two closings of one order at once")
	}
	if err := c.TerminateWorkflow(t.Context(), workflows.ClosingID(asked.OutTradeNo), "", "test"); err != nil {
		t.Fatal(err)
	}
	closed()
	if latest() == first {
		t.Error("what was lost is not begun anew")
	}
}
