package postgres_test

import (
	"testing"

	"github.com/paysaga/paysaga/internal/payment"
)

func TestASignalSentByHandWaitsForAnApprover(t *testing.T) {
	asked := payment.Unverified{
		RequestID: "run-1", TransactionID: txn, Kind: payment.Compensate, Actor: "eve\n", Reason: "  the customer called us  ",
	}
	for name, row := range map[string]struct {
		change func(*payment.Unverified)
		before func(*world)
		want   string
	}{
		"with a name and a reason": {nil, nil, "pending_approval unverified:eve  the customer called us 12850 "},
		"without a name": {func(u *payment.Unverified) { u.Actor = "" }, nil,
			"pending_approval unverified:somebody the customer called us 12850 "},
		"without a reason it never runs": {func(u *payment.Unverified) { u.Reason = "quick" }, nil,
			"refused unverified:eve  (no usable reason was given) 12850 a reason has 10 to 500 characters"},
		"with goods nobody knows it never runs": {func(u *payment.Unverified) { u.Goods = "burnt" }, nil,
			"refused unverified:eve  the customer called us 12850 goods is stop, returned or kept"},
		"to close it, with evidence": {func(u *payment.Unverified) {
			u.Kind, u.Outcome, u.Evidence = payment.Resolve, payment.Shipped, []string{"SHP-1"}
		}, nil, "pending_approval unverified:eve  the customer called us 12850 "},
		"with evidence that is no number it never runs": {func(u *payment.Unverified) {
			u.Kind, u.Outcome, u.Evidence = payment.Resolve, payment.Shipped, []string{"see my mail to Li Lei"}
		}, nil, "refused unverified:eve  the customer called us 12850 evidence is numbers, 50 at most"},
		"while another request is open it is refused": {nil, func(w *world) { w.ask("q0", payment.Compensate, "") },
			"refused unverified:eve  the customer called us 12850 another request was open"},
		"after one that nobody approved in time it waits": {nil, func(w *world) {
			w.ask("q0", payment.Compensate, "")
			w.db.Exec(t, `update requests set state = 'pending_approval', expires_at = now()`)
		}, "pending_approval unverified:eve  the customer called us 12850 "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			w.paid()
			if row.before != nil {
				row.before(w)
			}
			asked := asked
			if row.change != nil {
				row.change(&asked)
			}
			for range 2 { // an act may run twice
				w.want(w.must(w.RecordUnverified(t.Context(), asked)), payment.Paid)
			}
			got := w.db.Text(t, `select state || ' ' || actor || ' ' || reason || ' ' || amount_fen || ' ' || detail from requests where id = 'run-1'`)
			if got != row.want {
				t.Errorf("%q, want %q", got, row.want)
			}
			if mail := w.db.Int(t, `select count(*) from requests where evidence::text like '%mail%'`); mail != 0 {
				t.Error("what is no number was kept")
			}
		})
	}
}
