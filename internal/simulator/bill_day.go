package simulator

import (
	"cmp"
	"slices"
	"time"
)

// billed is something that a bill tells of: a payment, or a refund of one.
type billed struct {
	paid
	refund      *refund // nil for a payment
	At          time.Time
	AmountFen   int64 // of the payment or of the refund
	FeeMilliFen int64 // 1/1000 fen; below zero where a refund gave it back
	Description string
}

// id names an item in plans.
func (x billed) id() string {
	if x.refund != nil {
		return x.refund.OutRefundNo
	}
	return x.TransactionID
}

func (x billed) on(day time.Time) bool {
	return !x.At.Before(day) && x.At.Before(day.AddDate(0, 0, 1))
}

// billed is all that the merchant's bills have ever told of, in the order of time,
// as the plan of one day would have it.
func (s *simulator) billed(b *book, plan BillPlan) []billed {
	var items []billed
	add := func(p *paid, r *refund, at time.Time, fen int64) {
		x := billed{paid: *p, refund: r, At: at, AmountFen: fen}
		if o := b.of(p.OutTradeNo).order; o != nil {
			x.Description = o.Description
		}
		if r != nil && slices.Contains(plan.DropRefunds, r.OutRefundNo) || r == nil && slices.Contains(plan.DropTransactions, p.TransactionID) {
			return
		}
		if changed, planned := plan.ChangeAmounts[x.id()]; planned {
			x.AmountFen = changed
		}
		x.FeeMilliFen = fee(x.AmountFen)
		if r != nil {
			x.FeeMilliFen = -x.FeeMilliFen
		}
		if changed, planned := plan.ChangeFees[x.id()]; planned {
			x.FeeMilliFen = changed
		}
		items = append(items, x)
	}
	for _, p := range b.payments {
		if p.TradeState == "SUCCESS" && p.MchID == s.account.MchID { // another merchant's is in another bill
			add(p, nil, p.SuccessTime, p.AmountFen)
		}
	}
	for _, r := range b.refunds {
		if p := b.payments[r.TransactionID]; p.MchID == s.account.MchID {
			add(p, r, r.CreateTime, r.AmountFen)
		}
	}
	for _, x := range plan.ExtraLines {
		p := &paid{
			TransactionID: x.TransactionID, OutTradeNo: cmp.Or(x.OutTradeNo, "EXTRA-"+x.TransactionID), Currency: "CNY",
			AppID: s.account.AppID, MchID: s.account.MchID, TradeType: "NATIVE", OpenID: "oSim000000000000",
		}
		if x.OutRefundNo == "" {
			add(p, nil, x.At, x.AmountFen)
		} else {
			add(p, &refund{OutRefundNo: x.OutRefundNo, RefundID: "5030" + digits(24), Status: "SUCCESS"}, x.At, x.AmountFen)
		}
	}
	slices.SortFunc(items, func(a, b billed) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.id(), b.id())) })
	return items
}

// fee is 0.60 % of an amount, in whole fen as WeChat takes it, in 1/1000 fen.
func fee(fen int64) int64 { return (fen*6 + 500) / 1000 * 1000 }
