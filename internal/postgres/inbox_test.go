package postgres_test

import (
	"testing"

	"github.com/paysaga/paysaga/internal/payment"
)

// What came while the books were away, and Temporal kept, is in the inbox once
// its saga has claimed it; and no story that the inbox knew before is forgotten.
func TestClaimWritesDownWhatTemporalKept(t *testing.T) {
	const id = "4200000007"
	told := func(change func(*payment.Payment)) payment.Payment {
		paid := news(id)
		paid.TradeState, paid.Via = "SUCCESS", payment.ViaTemporal
		if change != nil {
			change(&paid)
		}
		return paid
	}
	for name, row := range map[string]struct {
		before  func(*payment.Payment) // the story the inbox has already, if it has one
		has     bool
		via     payment.Via
		want    string
		persons string
	}{
		"it is the first the inbox hears of it": {via: payment.ViaTemporal, want: "temporal accepted done 1"},
		"the inbox had the same story":          {has: true, via: payment.ViaTemporal, want: "callback accepted 1"},
		"the inbox had another story": {has: true, before: func(p *payment.Payment) { p.AmountFen = 1 },
			via: payment.ViaTemporal, want: "callback accepted 1", persons: "conflicting_news"},
		"an ordinary claim writes nothing here": {via: payment.ViaCallback, want: ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := open(t)
			if row.has {
				kept := told(row.before)
				kept.Via = payment.ViaCallback
				_, err := w.Keep(w.Context(), payment.News{
					Key: payment.PaymentKey(kept), Kind: payment.NewsPayment, Verdict: payment.Accepted, Payment: kept,
				}, payment.Delivery{})
				w.ok(err)
			}
			paid := told(nil)
			paid.Via = row.via
			for range 2 { // a claim is repeated whenever its commit is unknown
				w.must(w.Claim(w.Context(), paid))
			}
			got := w.db.Text(w, `select coalesce(string_agg(concat_ws(' ', via, verdict, case when done then 'done' end, seen), ', '), '') from inbox`)
			if got != row.want {
				t.Errorf("the inbox holds %q, want %q", got, row.want)
			}
			if got := w.openCases(id); got != row.persons {
				t.Errorf("cases %q, want %q", got, row.persons)
			}
		})
	}
}
