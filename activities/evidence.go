package activities

import (
	"context"

	"github.com/paysaga/paysaga/internal/payment"
)

// EvidenceLedger is what resolving needs of the books.
type EvidenceLedger interface {
	Ledger
	Request(ctx context.Context, requestID string) (payment.Request, error)
	// Resolved closes a payment by a person's word that the evidence bore out.
	Resolved(ctx context.Context, requestID, detail string) (payment.Books, error)
	// RefuseRequest ends a request that its evidence did not bear out.
	RefuseRequest(ctx context.Context, requestID, detail string) (payment.Books, error)
}

// Evidence checks what a person says became of a payment, by asking those who know.
type Evidence struct {
	Ledger  EvidenceLedger
	Gateway Gateway
	Shop    Fulfilment
}

// Resolve ends a payment as a person says it ended, if the queries agree:
// "refunded" names refunds whose SUCCESS amounts add up to what was paid, and
// "shipped" is confirmed by the shop. Idempotent by request id.
func (e *Evidence) Resolve(ctx context.Context, requestID string) (payment.Books, error) {
	request, err := e.Ledger.Request(ctx, requestID)
	if err != nil {
		return payment.Books{}, fault(err)
	}
	books, err := e.Ledger.Read(ctx, request.TransactionID)
	if err != nil || !request.State.Open() {
		return answer(books, err)
	}
	var doubt string
	switch request.Outcome {
	case payment.Shipped:
		doubt, err = e.shipped(ctx, books)
	case payment.Refunded:
		doubt, err = e.refunded(ctx, books, request.Evidence)
	default:
		doubt = "no such outcome"
	}
	switch {
	case err != nil:
		return payment.Books{}, fault(patience(err))
	case doubt != "":
		return answer(e.Ledger.RefuseRequest(ctx, requestID, doubt))
	}
	return answer(e.Ledger.Resolved(ctx, requestID, string(request.Outcome)+", confirmed"))
}

func (e *Evidence) shipped(ctx context.Context, books payment.Books) (doubt string, err error) {
	word, err := e.Shop.Find(ctx, books.OutTradeNo)
	switch {
	case payment.KindOf(err) == payment.NotFound:
		return "the shop knows no such shipment", nil
	case err != nil:
		return "", err
	case word.State != payment.ShipDispatched:
		return "the shop has not dispatched it", nil
	}
	return "", nil
}

func (e *Evidence) refunded(ctx context.Context, books payment.Books, numbers []string) (doubt string, err error) {
	var sumFen int64
	seen := map[string]bool{}
	for _, number := range numbers {
		if seen[number] {
			return "a refund number is named twice", nil
		}
		seen[number] = true
		word, err := e.Gateway.QueryRefund(ctx, number)
		switch {
		case payment.KindOf(err) == payment.NotFound:
			return "WeChat knows no refund " + number, nil
		case err != nil:
			return "", err
		case word.TransactionID != books.TransactionID:
			return number + " is a refund of another payment", nil
		case word.State != payment.RefundSuccess:
			return "WeChat does not call " + number + " a success", nil
		}
		sumFen += word.AmountFen
	}
	if sumFen != books.AmountFen {
		return "the refunds do not add up to what was paid", nil
	}
	return "", nil
}
