package activities

import (
	"context"

	"github.com/paysaga/paysaga/internal/payment"
)

// OrderLedger is what closing an order needs of the books.
type OrderLedger interface {
	// KeepFound writes down, once, that a query found a payment. Of a payment
	// that the books or the inbox know already it changes nothing.
	KeepFound(ctx context.Context, found payment.News) error
	// CloseOrder closes a pending order, unless a payment of it is still to be
	// judged, and returns the state it left; NotFound if there is no such order.
	CloseOrder(ctx context.Context, asked payment.Closing) (payment.OrderState, error)
}

// OrderGateway is WeChat's desk for orders. Its errors have kinds, as Gateway's do.
type OrderGateway interface {
	// QueryOrder says what became of an order; NotFound means that no prepay
	// reached WeChat.
	QueryOrder(ctx context.Context, outTradeNo string) (Transaction, error)
	// Close makes an unpaid order unpayable; Refused with code order_paid if
	// somebody was faster, and order_closed if it is closed.
	Close(ctx context.Context, outTradeNo string) error
}

// Orders withdraws what is offered at WeChat and nobody has paid.
type Orders struct {
	Ledger  OrderLedger
	Gateway OrderGateway
}

// AskOrder asks WeChat what became of an order. A payment that it finds is kept,
// and its saga starts from there. Idempotent: a question, and news kept once.
func (o *Orders) AskOrder(ctx context.Context, outTradeNo string) (payment.Offering, error) {
	word, err := o.Gateway.QueryOrder(ctx, outTradeNo)
	switch {
	case payment.KindOf(err) == payment.NotFound:
		return payment.Unoffered, nil
	case err != nil:
		return "", fault(patience(err))
	}
	stands := word.Stands()
	if stands == payment.OfferPaid {
		err = fault(o.Ledger.KeepFound(ctx, word.Found()))
	}
	return stands, err
}

// WithdrawOffer closes an order at WeChat. It proves nothing, because somebody may
// pay in that moment: ask afterwards. Idempotent by order.
func (o *Orders) WithdrawOffer(ctx context.Context, outTradeNo string) error {
	err := o.Gateway.Close(ctx, outTradeNo)
	settled := payment.KindOf(err) == payment.NotFound || payment.CodeOf(err) == "order_paid" || payment.CodeOf(err) == "order_closed"
	if err == nil || settled {
		return nil
	}
	return fault(patience(err))
}

// MarkClosed closes an order in the books, unless a payment of it is still to be
// judged, and returns the state it left. Idempotent by order.
func (o *Orders) MarkClosed(ctx context.Context, asked payment.Closing) (payment.OrderState, error) {
	state, err := o.Ledger.CloseOrder(ctx, asked)
	return state, fault(err)
}

// Paid tells whether somebody has paid. REFUND says that the money is going back,
// or some of it: it was paid all the same.
func (t Transaction) Paid() bool { return t.TradeState == "SUCCESS" || t.TradeState == "REFUND" }

// Stands is how an order stands at WeChat that WeChat knows.
func (t Transaction) Stands() payment.Offering {
	switch {
	case t.Paid():
		return payment.OfferPaid
	case t.TradeState == "CLOSED":
		return payment.Withdrawn
	}
	return payment.Offered
}

// Found is the news that a query brought, for the inbox. It has the key of a
// callback's news of the same payment.
func (t Transaction) Found() payment.News {
	paid := payment.Payment{
		TransactionID: t.TransactionID, OutTradeNo: t.OutTradeNo, AppID: t.AppID, MchID: t.MchID,
		AmountFen: t.AmountFen, Currency: t.Currency, TradeState: t.TradeState,
		PaidAt: t.PaidAt, Via: payment.ViaQuery,
	}
	return payment.News{Key: payment.PaymentKey(paid), Kind: payment.NewsPayment, Verdict: payment.Accepted, Payment: paid}
}
