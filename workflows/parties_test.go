package workflows

import (
	"context"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

// The shop: it ships once under one key, and never under a key it cancelled.

func (w *world) Ship(_ context.Context, _ string) (payment.Books, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.books.Stage != payment.Paid || w.books.Shipment == payment.ShipCancelling || w.books.Shipment == payment.ShipCancelled {
		return w.left() // the tombstone: a late attempt finds it
	}
	if w.books.Shipment == payment.ShipNone {
		w.books.Shipment, w.books.ShipAskedAt = payment.ShipRequested, w.at()
	}
	key := "ship-" + txID
	if w.before(w.shop.silentUntil) {
		if w.shop.shipsAnyway && !w.banned[key] {
			w.shipped[key] = 1
		}
		return payment.Books{}, errNoAnswer
	}
	switch {
	case w.shop.refuses || w.banned[key]:
		w.books.Shipment, w.books.Goods = payment.ShipRefused, payment.GoodsStop
		w.move(payment.Compensating)
	case w.shop.acceptsLater != 0 && w.shipped[key] == 0:
		w.books.Shipment, w.shop.acceptedAt = payment.ShipAccepted, w.at()
	default:
		w.dispatched()
	}
	return w.left()
}

func (w *world) dispatched() {
	w.shipped["ship-"+txID] = 1
	w.books.Shipment = payment.ShipDispatched
	if w.books.Stage == payment.Paid || w.books.Stage == payment.Holding && w.books.Hold.Reason == payment.CaseShipUnknown {
		w.move(payment.Shipped)
		w.books.Webhook = "order.shipped-" + txID
	}
}

func (w *world) FindShipment(context.Context, string) (payment.Books, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.finds++
	wait := w.shop.acceptsLater
	late := wait > 0 && !w.shop.acceptedAt.IsZero() && !w.at().Before(w.shop.acceptedAt.Add(wait))
	switch {
	case w.shop.dispatchedNow || late || w.shipped["ship-"+txID] > 0:
		w.dispatched()
	case w.before(w.shop.silentUntil):
		return payment.Books{}, errNoAnswer
	}
	return w.left()
}

func (w *world) CancelShipment(context.Context, string) (payment.Books, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.books.Shipment == payment.ShipNone || w.books.Shipment == payment.ShipCancelled {
		return w.left()
	}
	if w.shop.deafToCancel || w.before(w.shop.silentUntil) {
		w.books.Shipment = payment.ShipCancelling
		return payment.Books{}, errNoAnswer
	}
	key := "ship-" + txID
	if w.shipped[key] > 0 {
		w.hold(payment.Hold{Reason: payment.CaseCancelRefused, Direction: payment.Backward})
		return w.left()
	}
	w.banned[key] = true
	w.books.Shipment = payment.ShipCancelled
	return w.left()
}

func (w *world) Notify(context.Context, string) (payment.Books, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.before(w.shop.deafToUntil) {
		return payment.Books{}, errNoAnswer
	}
	if w.books.Webhook != "" {
		w.told = append(w.told, w.books.Webhook)
	}
	return w.tellingEnds()
}

func (w *world) GiveUpNotify(_ context.Context, transactionID string) (payment.Books, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if transactionID != txID || w.books.Webhook == "" {
		w.t.Errorf("gave up telling of %q while %q was to be told", transactionID, w.books.Webhook)
	}
	w.cases[payment.CaseNotifyFailed]++
	return w.tellingEnds()
}

func (w *world) tellingEnds() (payment.Books, error) {
	w.books.Webhook = ""
	if w.books.Stage == payment.Shipped {
		w.move(payment.Completed)
	}
	return w.left()
}

// WeChat: it refunds a number once, and says what it says when it is asked.

func (w *world) AskPayment(context.Context, string) (payment.Books, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.before(w.wechat.silentUntil) {
		return payment.Books{}, errNoAnswer
	}
	if w.books.Stage != payment.Received {
		return w.left()
	}
	w.askFirst = false
	if w.tradeState != "SUCCESS" {
		w.hold(payment.Hold{Reason: payment.CaseNotPaid, Direction: payment.Forward})
		return w.left()
	}
	w.judge()
	return w.left()
}

func (w *world) Refund(context.Context, string) (payment.Books, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	leftFen := w.books.AmountFen - w.books.RefundedFen
	part := w.books.Refund != nil && w.books.Refund.Part
	if !part && (w.books.Stage != payment.Compensating || leftFen == 0) || part && w.books.Stage == payment.Holding {
		return w.left()
	}
	if w.before(w.wechat.blockedUntil) {
		w.questions++
		return w.left() // nothing is left to refund, and nothing was refunded
	}
	if w.books.Refund == nil {
		w.books.Refund = &payment.Refund{
			OutRefundNo: payment.RefundNumber(txID, len(w.refunds)+1), TransactionID: txID,
			AmountFen: leftFen, TotalFen: w.books.AmountFen, State: payment.RefundRequested,
		}
	}
	if w.books.Refund.AskedAt.IsZero() {
		w.books.Refund.AskedAt = w.at()
	}
	if w.before(w.wechat.emptyUntil) {
		return payment.Books{}, temporal.NewApplicationError("NOT_ENOUGH", string(payment.Busy))
	}
	if w.before(w.wechat.silentUntil) {
		w.refundOf(w.books.Refund) // it takes the refund and its answer is lost
		return payment.Books{}, errNoAnswer
	}
	w.said(w.refundState(w.refundOf(w.books.Refund)))
	left, err := w.left()
	if crossing := w.wechat.crossing; crossing != nil {
		w.wechat.crossing = nil
		w.mu.Unlock()
		crossing()
		w.mu.Lock()
	}
	return left, err
}

func (w *world) refundOf(r *payment.Refund) *refundAtWeChat {
	if _, ok := w.refunds[r.OutRefundNo]; !ok {
		w.refunds[r.OutRefundNo] = &refundAtWeChat{amountFen: r.AmountFen, at: w.at()}
	}
	return w.refunds[r.OutRefundNo]
}

// HearRefund asks WeChat about any number; one that is not ours was made elsewhere.
func (w *world) HearRefund(_ context.Context, news activities.RefundNews) (payment.Books, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	refund, ok := w.refunds[news.OutRefundNo]
	if news.OutRefundNo == "" { // WeChat says that money went back, and not how much
		refund, ok = &refundAtWeChat{}, true
	}
	if !ok || strings.HasPrefix(news.OutRefundNo, payment.RefundNumber(txID, 1)) || w.heard[news.OutRefundNo] {
		return w.left()
	}
	w.heard[news.OutRefundNo] = true
	w.books.RefundedFen += refund.amountFen
	switch {
	case w.books.Stage == payment.Received, w.books.Stage == payment.Paid && w.books.Shipment == payment.ShipNone:
		w.hold(payment.Hold{Reason: payment.CaseForeignRefund, Direction: payment.Forward})
	default:
		w.cases[payment.CaseForeignRefund]++
		w.addsUp()
	}
	return w.left()
}

// addsUp turns a payment round of which nothing is left.
func (w *world) addsUp() {
	if w.books.RefundedFen != w.books.AmountFen {
		return
	}
	switch w.books.Stage {
	case payment.Paid:
		w.move(payment.Compensating)
		w.books.Goods = payment.GoodsStop
	case payment.Shipped, payment.Completed:
		w.move(payment.Compensating)
		w.books.Goods = payment.GoodsKept
	}
}

func (w *world) QueryRefund(context.Context, string) (payment.Books, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.books.Refund == nil {
		return w.left()
	}
	w.questions++
	refund, ok := w.refunds[w.books.Refund.OutRefundNo]
	if !ok || w.before(w.wechat.silentUntil) {
		return payment.Books{}, errNoAnswer
	}
	w.said(w.refundState(refund))
	return w.left()
}

func (w *world) refundState(r *refundAtWeChat) payment.RefundState {
	age := w.at().Sub(r.at)
	switch {
	case age < w.wechat.takes:
		return payment.RefundProcessing
	case age < w.wechat.takes+w.wechat.abnormalUntil:
		return payment.RefundAbnormal
	case w.wechat.closes:
		return payment.RefundClosed
	}
	return payment.RefundSuccess
}

func (w *world) said(state payment.RefundState) {
	was, part := w.books.Refund.State, w.books.Refund.Part
	w.books.Refund.State = state
	switch state {
	case payment.RefundSuccess:
		w.books.RefundedFen += w.books.Refund.AmountFen
		w.books.Refund = nil
		if part {
			w.end(payment.PartialRefund, payment.RequestDone)
		}
		w.addsUp()
	case payment.RefundClosed:
		w.books.Refund = nil
		if part && w.books.Stage != payment.Compensating {
			w.end(payment.PartialRefund, payment.RequestRefused)
			w.cases[payment.CaseRefundClosed]++
			return
		}
		w.hold(payment.Hold{Reason: payment.CaseRefundClosed, Direction: payment.Backward})
	case payment.RefundAbnormal:
		if was != state {
			w.cases[payment.CaseRefundAbnormal]++
		}
	}
}

// hurryRefunds has WeChat finish what is under way.
func (w *world) hurryRefunds() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wechat.takes = 0
}

func days(n int) time.Duration { return time.Duration(n) * aDay }
