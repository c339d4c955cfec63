package activities

import (
	"context"
	"errors"
	"time"

	"github.com/paysaga/paysaga/internal/payment"
)

// Transaction is WeChat's word on a payment, by an order query.
type Transaction struct {
	TransactionID string
	OutTradeNo    string
	AppID         string
	MchID         string
	TradeState    string
	AmountFen     int64
	Currency      string
	PaidAt        time.Time // by WeChat's clock; zero while unpaid, or where its word is unusable
}

// RefundWord is WeChat's word on a refund, by its answer or by a query.
type RefundWord struct {
	TransactionID string
	OutRefundNo   string
	RefundID      string
	State         payment.RefundState
	AmountFen     int64
}

// RefundLedger is what WeChat's acts need of the books.
type RefundLedger interface {
	Ledger
	// WeChatSaid keeps WeChat's own word on a payment and judges it again.
	WeChatSaid(ctx context.Context, transactionID string, word Transaction) (payment.Books, error)
	// OpenRefund returns the payment's open refund, or takes a number and
	// freezes the amount of a new one, in one transaction on the payment row;
	// Conflict if no refund is made now, and the books say why. Busy, with code
	// refunds_pending, while somebody else's refunds must end first.
	OpenRefund(ctx context.Context, transactionID string) (payment.Refund, error)
	// RefundAsked commits that WeChat is about to be asked.
	RefundAsked(ctx context.Context, outRefundNo string) error
	// RefundSaid writes WeChat's word on a refund down. A late word never
	// changes a final one; an amount other than the frozen one, and CLOSED,
	// hold a compensation; ABNORMAL opens a case.
	RefundSaid(ctx context.Context, word RefundWord) (payment.Books, error)
	// RefundRefused writes down that WeChat will not make our refund, and has
	// none of its number.
	RefundRefused(ctx context.Context, outRefundNo, why string) (payment.Books, error)
	// RefundHeard is RefundSaid for a number that may be anybody's. A refund
	// made elsewhere counts, opens a case, and holds what has not begun to ship.
	RefundHeard(ctx context.Context, transactionID string, word RefundWord) (payment.Books, error)
	// GoneBack keeps WeChat's own word on a payment of which money is said to
	// have gone back under a number that nobody named; what has not begun to
	// ship is held, unless the books know a refund that it could be.
	GoneBack(ctx context.Context, transactionID string, word Transaction) (payment.Books, error)
	// OpenForeign are the numbers of refunds made elsewhere that have not ended.
	OpenForeign(ctx context.Context, transactionID string) ([]string, error)
}

// Gateway is WeChat Pay. Its errors have kinds: NotFound for
// RESOURCE_NOT_EXISTS, Busy for NOT_ENOUGH and rate limits, Refused for other
// 4xx, Unknown for 5xx, timeouts and answers whose signature is bad.
type Gateway interface {
	QueryPayment(ctx context.Context, transactionID string) (Transaction, error)
	Refund(ctx context.Context, r payment.Refund) (RefundWord, error)
	QueryRefund(ctx context.Context, outRefundNo string) (RefundWord, error)
}

// WeChat asks WeChat Pay.
type WeChat struct {
	Ledger  RefundLedger
	Gateway Gateway
}

// notFound stands where a trade_state would, for a payment that WeChat does not know.
const notFound = "NOT_FOUND"

// AskPayment asks WeChat for its own word on a payment that our side cannot
// judge alone. Idempotent: a question.
func (w *WeChat) AskPayment(ctx context.Context, transactionID string) (payment.Books, error) {
	word, err := w.Gateway.QueryPayment(ctx, transactionID)
	if payment.KindOf(err) == payment.NotFound {
		word, err = Transaction{TransactionID: transactionID, TradeState: notFound}, nil
	}
	if err != nil {
		return payment.Books{}, fault(patience(err))
	}
	return answer(w.Ledger.WeChatSaid(ctx, transactionID, word))
}

// Refund makes a payment's open refund, or gives back what is left of it, under a
// number that was committed before WeChat is first asked. From then on the outcome may be unknown, so a
// query comes before every repeat, and the repeat has the same number: WeChat
// refunds a number once (pay.weixin.qq.com/doc/v3/merchant/4014959631).
func (w *WeChat) Refund(ctx context.Context, transactionID string) (payment.Books, error) {
	refund, err := w.Ledger.OpenRefund(ctx, transactionID)
	switch {
	case payment.KindOf(err) == payment.Conflict:
		return answer(w.Ledger.Read(ctx, transactionID))
	case payment.CodeOf(err) == payment.CodeRefundsPending:
		return payment.Books{}, fault(errors.Join(err, w.askElsewhere(ctx, transactionID)))
	case err != nil:
		return payment.Books{}, fault(err)
	}
	if !refund.AskedAt.IsZero() {
		word, err := w.Gateway.QueryRefund(ctx, refund.OutRefundNo)
		if payment.KindOf(err) != payment.NotFound {
			return w.said(ctx, refund, word, err)
		}
	}
	if wait := time.Until(refund.ReadyAt); wait > 0 {
		return payment.Books{}, fault(spacing(wait))
	}
	if err := w.Ledger.RefundAsked(ctx, refund.OutRefundNo); err != nil {
		return payment.Books{}, fault(err)
	}
	word, refusal := w.Gateway.Refund(ctx, refund)
	if refusal == nil {
		return w.said(ctx, refund, word, nil)
	}
	// Anything but a signed 200 leaves the outcome open: a refund may exist.
	word, err = w.Gateway.QueryRefund(ctx, refund.OutRefundNo)
	if payment.KindOf(err) != payment.NotFound {
		return w.said(ctx, refund, word, err)
	}
	switch payment.KindOf(refusal) {
	case payment.Refused, payment.Invalid, payment.NotFound, payment.Conflict:
		return answer(w.Ledger.RefundRefused(ctx, refund.OutRefundNo, refusal.Error()))
	}
	return payment.Books{}, w.failed(ctx, transactionID, refusal)
}

// QueryRefund asks what became of a payment's open refund. Idempotent: a question.
func (w *WeChat) QueryRefund(ctx context.Context, transactionID string) (payment.Books, error) {
	books, err := w.Ledger.Read(ctx, transactionID)
	if err != nil || books.Refund == nil {
		return answer(books, err)
	}
	word, err := w.Gateway.QueryRefund(ctx, books.Refund.OutRefundNo)
	return w.said(ctx, *books.Refund, word, err)
}

func (w *WeChat) said(ctx context.Context, refund payment.Refund, word RefundWord, err error) (payment.Books, error) {
	if err != nil {
		return payment.Books{}, w.failed(ctx, refund.TransactionID, err)
	}
	ctx, cancel := afterwards(ctx)
	defer cancel()
	return answer(w.Ledger.RefundSaid(ctx, word))
}

func (w *WeChat) failed(ctx context.Context, transactionID string, err error) error {
	ctx, cancel := afterwards(ctx)
	defer cancel()
	err = patience(err)
	noted := w.Ledger.Tried(ctx, Try{TransactionID: transactionID, Step: "refund", Error: err.Error()})
	return fault(errors.Join(err, noted))
}

// patience keeps asking where WeChat's no to a question decides nothing about
// the money: a wrong key or a missing right is mended by a person, and the
// question is then answered.
func patience(err error) error {
	switch payment.KindOf(err) {
	case payment.Unknown, payment.Busy:
		return err
	}
	return payment.Fail(payment.Unknown, payment.CodeOf(err), "WeChat would not answer the question", err)
}

func spacing(wait time.Duration) error {
	err := payment.Failf(payment.Busy, "refund_spacing", "refunds of one payment keep a distance; asked again in %s", wait.Round(time.Second))
	err.RetryAfter = wait
	return err
}
