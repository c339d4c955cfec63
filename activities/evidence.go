package activities

import (
	"cmp"
	"context"
	"slices"

	"github.com/paysaga/paysaga/internal/payment"
)

// EvidenceLedger is what resolving needs of the books.
type EvidenceLedger interface {
	Ledger
	Request(ctx context.Context, requestID string) (payment.Request, error)
	// Resolved closes a payment by a person's word that the evidence bore out,
	// and refuses the request where the money does not fit it after all.
	Resolved(ctx context.Context, requestID string, proof Proof) (payment.Books, error)
	// RefuseRequest ends a request that its evidence did not bear out, and writes
	// down what WeChat has of the refunds that were named.
	RefuseRequest(ctx context.Context, requestID, detail string, named ...RefundWord) (payment.Books, error)
}

// Proof is what those who know said of a person's word.
type Proof struct {
	Detail string // one line for people
	// Refunds are WeChat's words on the refunds that were named, and on ours
	// that had not ended.
	Refunds []RefundWord
	// NoSuchRefund is the number of our open refund, where WeChat has none.
	NoSuchRefund string
	// NeverPaid is WeChat's word that there is no money to give back.
	NeverPaid bool
	Shipment  Dispatch // the shop's word on what was named as shipped
}

// Evidence checks what a person says became of a payment, by asking those who know.
type Evidence struct {
	Ledger  EvidenceLedger
	Gateway Gateway
	Shop    Fulfilment
}

// Resolve ends a payment as a person says it ended, if the queries agree:
// "refunded" names refunds whose SUCCESS amounts add up to what was paid, or none
// where WeChat stands by its word that nothing was; "shipped" names the shipment
// that the shop shows as dispatched. If they do not, whatever was named of refunds
// that WeChat has is in the books from then on. Idempotent by request id.
func (e *Evidence) Resolve(ctx context.Context, requestID string) (payment.Books, error) {
	request, err := e.Ledger.Request(ctx, requestID)
	if err != nil {
		return payment.Books{}, fault(err)
	}
	books, err := e.Ledger.Read(ctx, request.TransactionID)
	if err != nil || !request.State.Open() {
		return answer(books, err)
	}
	proof := Proof{Detail: string(request.Outcome) + ", confirmed"}
	var doubt string
	switch request.Outcome {
	case payment.Shipped:
		doubt, err = e.shipped(ctx, books, request.Evidence, &proof)
	case payment.Refunded:
		if len(request.Evidence) == 0 && notPaid(books) {
			doubt, err = e.neverPaid(ctx, books, &proof)
			break
		}
		doubt, err = e.refunded(ctx, books, request.Evidence, &proof)
	default:
		doubt = "no such outcome"
	}
	if err == nil && doubt == "" {
		err = e.ourOpenRefund(ctx, books, &proof)
	}
	switch {
	case err != nil:
		return payment.Books{}, fault(patience(err))
	case doubt != "":
		return answer(e.Ledger.RefuseRequest(ctx, requestID, doubt, proof.Refunds...))
	}
	return answer(e.Ledger.Resolved(ctx, requestID, proof))
}

// GiveUpResolve ends a request that nobody could check: the shop or WeChat gave no
// answer, and the payment may not wait for them for ever. Idempotent by request id.
func (e *Evidence) GiveUpResolve(ctx context.Context, requestID string) (payment.Books, error) {
	return answer(e.Ledger.RefuseRequest(ctx, requestID, "nobody who knows answered"))
}

func (e *Evidence) shipped(ctx context.Context, books payment.Books, named []string, proof *Proof) (doubt string, err error) {
	word, err := e.Shop.Find(ctx, books.OutTradeNo)
	switch {
	case payment.KindOf(err) == payment.NotFound:
		return "the shop knows no such shipment", nil
	case err != nil:
		return "", err
	case word.State != payment.ShipDispatched:
		return "the shop has not dispatched it", nil
	case !slices.Contains(named, word.ShipmentID):
		return "the shop dispatched another shipment than was named", nil
	}
	proof.Shipment = word
	return "", nil
}

func notPaid(b payment.Books) bool { return b.Hold != nil && b.Hold.Reason == payment.CaseNotPaid }

// neverPaid asks WeChat once more whether a payment that it does not call paid
// stays so.
func (e *Evidence) neverPaid(ctx context.Context, books payment.Books, proof *Proof) (doubt string, err error) {
	word, err := e.Gateway.QueryPayment(ctx, books.TransactionID)
	switch {
	case payment.KindOf(err) == payment.NotFound:
		word.TradeState = notFound
	case err != nil:
		return "", err
	}
	switch word.TradeState {
	case notFound, "NOTPAY", "CLOSED":
		proof.NeverPaid = true
		proof.Detail = "nothing to refund, for WeChat says " + word.TradeState
		return "", nil
	}
	return "WeChat says " + word.TradeState + " now", nil
}

func (e *Evidence) refunded(ctx context.Context, books payment.Books, numbers []string, proof *Proof) (doubt string, err error) {
	var sumFen int64
	for i, number := range numbers {
		if slices.Contains(numbers[:i], number) {
			doubt = cmp.Or(doubt, "a refund number is named twice")
			continue
		}
		word, err := e.Gateway.QueryRefund(ctx, number)
		switch {
		case payment.KindOf(err) == payment.NotFound:
			doubt = cmp.Or(doubt, "WeChat knows no refund "+number)
			continue
		case err != nil:
			return "", err
		case word.TransactionID != books.TransactionID:
			doubt = cmp.Or(doubt, number+" is a refund of another payment")
			continue
		case word.State != payment.RefundSuccess:
			doubt = cmp.Or(doubt, "WeChat does not call "+number+" a success")
		}
		sumFen += word.AmountFen
		proof.Refunds = append(proof.Refunds, word)
	}
	if sumFen != books.AmountFen {
		doubt = cmp.Or(doubt, "the refunds do not add up to what was paid")
	}
	return doubt, nil
}

// ourOpenRefund asks what became of a refund of ours that WeChat was asked for:
// while it may still be made, nobody can say how the payment ended.
func (e *Evidence) ourOpenRefund(ctx context.Context, books payment.Books, proof *Proof) error {
	if books.Refund == nil || books.Refund.AskedAt.IsZero() {
		return nil
	}
	word, err := e.Gateway.QueryRefund(ctx, books.Refund.OutRefundNo)
	if payment.KindOf(err) == payment.NotFound {
		proof.NoSuchRefund = books.Refund.OutRefundNo
		return nil
	}
	if err == nil {
		proof.Refunds = append(proof.Refunds, word)
	}
	return err
}
