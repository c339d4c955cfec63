package activities

import (
	"context"

	"github.com/paysaga/paysaga/internal/payment"
)

// RefundNews is news of a refund under any number: ours, or one that somebody
// took in WeChat's console. The number is empty where WeChat only calls the payment
// one of which money went back.
type RefundNews struct {
	TransactionID string `json:"transaction_id"`
	OutRefundNo   string `json:"out_refund_no"`
}

// HearRefund asks WeChat what became of a refund that we may never have made, and
// writes it down. What WeChat does not know either is no refund. Idempotent: a
// question.
func (w *WeChat) HearRefund(ctx context.Context, news RefundNews) (payment.Books, error) {
	if news.OutRefundNo == "" {
		return w.hearOfMoney(ctx, news.TransactionID)
	}
	word, err := w.Gateway.QueryRefund(ctx, news.OutRefundNo)
	switch {
	case payment.KindOf(err) == payment.NotFound:
		return answer(w.Ledger.Read(ctx, news.TransactionID))
	case err != nil:
		return payment.Books{}, fault(patience(err))
	}
	return answer(w.Ledger.RefundHeard(ctx, news.TransactionID, word))
}

// hearOfMoney asks WeChat whether money of a payment went back. What it does not
// know, nobody gave back.
func (w *WeChat) hearOfMoney(ctx context.Context, transactionID string) (payment.Books, error) {
	word, err := w.Gateway.QueryPayment(ctx, transactionID)
	if err != nil && payment.KindOf(err) != payment.NotFound {
		return payment.Books{}, fault(patience(err))
	}
	return answer(w.Ledger.GoneBack(ctx, transactionID, word))
}

// askElsewhere asks what became of the refunds that somebody else made and that
// ours must wait for.
func (w *WeChat) askElsewhere(ctx context.Context, transactionID string) error {
	numbers, err := w.Ledger.OpenForeign(ctx, transactionID)
	if err != nil {
		return err
	}
	for _, number := range numbers {
		word, err := w.Gateway.QueryRefund(ctx, number)
		if err != nil {
			return patience(err)
		}
		if _, err := w.Ledger.RefundHeard(ctx, transactionID, word); err != nil {
			return err
		}
	}
	return nil
}
