package simulator

import (
	"cmp"
	"net/http"
	"time"
)

// pay is the payer paying an order, or a stranger paying a number we never saw.
func (s *simulator) pay(r *http.Request, in PayRequest) (PayAnswer, error) {
	delay, err := duration("delay", in.Delay)
	if err != nil {
		return PayAnswer{}, err
	}
	if !isKind(in.Key) {
		return PayAnswer{}, invalid("key must be public or certificate")
	}
	return s.payOrder(r.PathValue("out_trade_no"), in, delay)
}

// payOrder writes a payment down and sets out to tell of it, after delay.
func (s *simulator) payOrder(outTradeNo string, in PayRequest, delay time.Duration) (PayAnswer, error) {
	var err error
	var p *paid
	var n *notice
	s.ledger.change(func(b *book) []fact {
		var facts []fact
		if p, err = s.payment(b, outTradeNo, in); err != nil {
			return nil
		}
		facts = append(facts, fact{Payment: p})
		if o := b.of(p.OutTradeNo).order; o != nil {
			now := *o
			now.State = "SUCCESS"
			facts = append(facts, fact{Order: &now})
		}
		n = paymentNotice(p)
		n.Key, n.SignTest, n.Copies = in.Key, in.SignTest, in.Copies
		n.Done = in.Lose
		if in.V2 {
			n.V2, n.URL = signMD5, n.URL+"/v2"
		}
		return append(facts, fact{Notice: n})
	})
	if err != nil {
		return PayAnswer{}, err
	}
	if !in.Lose {
		s.deliver(n.ID, delay)
	}
	return PayAnswer{p.TransactionID, p.OutTradeNo}, nil
}

// payment works out what is paid, or why it cannot be.
func (s *simulator) payment(b *book, outTradeNo string, in PayRequest) (*paid, error) {
	d := b.of(outTradeNo)
	o := d.order
	switch {
	case o == nil && (in.NotifyURL == "" || in.AmountFen < 1):
		return nil, refusal{http.StatusNotFound, "NO_SUCH_ORDER", "never ordered; to pay it all the same give notify_url and amount_fen"}
	case !in.Again && (len(d.payments) > 0 || o != nil && o.State != "NOTPAY"):
		return nil, refusal{http.StatusConflict, "NOT_PAYABLE", `paid or closed already; to pay it all the same say "again": true`}
	case !in.Again && in.SuccessTime == nil && o != nil && o.expired(s.clock.now()):
		return nil, refusal{http.StatusConflict, "NOT_PAYABLE", `expired; to pay it all the same say "again": true, or a success_time`}
	case b.payments[in.TransactionID] != nil:
		return nil, refusal{http.StatusConflict, "TRANSACTION_EXISTS", "this transaction_id has been used"}
	case in.AmountFen < 0 || in.PayerFen < 0 || in.Copies < 0:
		return nil, invalid("amounts and copies cannot be negative")
	}
	if o == nil {
		o = &order{OutTradeNo: outTradeNo, AppID: s.account.AppID, MchID: s.account.MchID, Currency: "CNY", TradeType: "NATIVE"}
	}
	now := s.clock.now()
	p := &paid{
		TransactionID: cmp.Or(in.TransactionID, "4200000001"+now.In(beijing).Format("20060102")+digits(10)),
		OutTradeNo:    outTradeNo,
		AmountFen:     cmp.Or(in.AmountFen, o.AmountFen),
		Currency:      cmp.Or(in.Currency, o.Currency),
		AppID:         cmp.Or(in.AppID, o.AppID),
		MchID:         cmp.Or(in.MchID, o.MchID),
		Attach:        o.Attach,
		TradeType:     o.TradeType,
		TradeState:    cmp.Or(in.TradeState, "SUCCESS"),
		OpenID:        cmp.Or(o.OpenID, "oSim"+hexText(12)),
		NotifyURL:     cmp.Or(in.NotifyURL, o.NotifyURL),
		SuccessTime:   now,
	}
	p.PayerFen = cmp.Or(in.PayerFen, p.AmountFen)
	if in.SuccessTime != nil {
		p.SuccessTime = *in.SuccessTime
	}
	return p, nil
}
