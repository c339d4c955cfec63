package api

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/paysaga/paysaga/internal/payment"
)

// orderTaken is the answer: the order, and how to pay it. A native order has a
// code_url, h5 an h5_url, jsapi and app the parameters of the payer's client.
type orderTaken struct {
	OutTradeNo string             `json:"out_trade_no"`
	State      payment.OrderState `json:"state"`
	CodeURL    string             `json:"code_url,omitempty"`
	H5URL      string             `json:"h5_url,omitempty"`
	Client     map[string]string  `json:"client,omitempty"`
}

// createOrder takes an order and offers it at WeChat. The row is committed before
// WeChat is called, so that no order can be paid that the books do not know; a
// crash in between leaves an order without an offer, and the same call offers it
// again.
func (s *Server) createOrder(w http.ResponseWriter, r *http.Request, by Caller) error {
	var body newOrder
	if err := read(w, r, &body); err != nil {
		return err
	}
	body.OutTradeNo = or(body.OutTradeNo, payment.ActorOf(r.Context()).Call) // 26 characters, 130 random bits
	order, err := s.Rules.order(body, time.Now())
	if err != nil {
		return err
	}
	order, again, err := s.Desk.TakeOrder(r.Context(), order, by.Name)
	if err != nil {
		return err
	}
	if again {
		if err := s.unpaid(r.Context(), order.OutTradeNo); err != nil {
			return err
		}
	}
	offer, err := s.Till.Prepay(r.Context(), order)
	if err != nil {
		return notOffered(err)
	}
	// The offer stands, whether or not the merchant still listens.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), patience)
	defer cancel()
	order, err = s.Desk.Offered(ctx, order.OutTradeNo, offer)
	if err != nil {
		return err
	}
	if order.State != payment.OrderPending { // paid by an earlier offer, or closed meanwhile
		return s.tooLate(ctx, order, by)
	}
	taken := orderTaken{OutTradeNo: order.OutTradeNo, State: order.State}
	switch order.TradeType {
	case payment.Native:
		taken.CodeURL = order.Offer
	case payment.H5:
		taken.H5URL = order.Offer
	}
	if taken.Client, err = s.Till.ClientParameters(ctx, order); err != nil {
		return err
	}
	w.Header().Set("Location", "/v1/orders/"+url.PathEscape(order.OutTradeNo))
	return reply(w, http.StatusCreated, taken)
}

// unpaid asks WeChat about an order that may have been offered before. If
// somebody paid it, the payment is kept and the order is not offered again.
func (s *Server) unpaid(ctx context.Context, outTradeNo string) error {
	word, err := s.Till.QueryOrder(ctx, outTradeNo)
	switch {
	case payment.KindOf(err) == payment.NotFound:
		return nil
	case err != nil:
		return notOffered(err)
	case !word.Paid():
		return nil
	}
	if err := s.Desk.KeepFound(ctx, word.Found()); err != nil {
		return err
	}
	return payment.Failf(payment.Conflict, "order_paid", "somebody has paid this order already")
}

// tooLate tells what became of an order while WeChat was asked to offer it. A
// closed one is closed once more, because the offer may have come after the close.
func (s *Server) tooLate(ctx context.Context, order payment.Order, by Caller) error {
	if order.State == payment.OrderClosed {
		asked := payment.Closing{OutTradeNo: order.OutTradeNo, Actor: by.Name}
		if err := s.Closings.CloseOrder(ctx, asked); err != nil {
			return err
		}
	}
	return payment.Failf(payment.Conflict, "order_"+string(order.State), "the order is %s by now", order.State)
}

// notOffered tells WeChat's no from its silence.
func notOffered(err error) error {
	switch payment.KindOf(err) {
	case payment.Unknown, payment.Busy:
		return payment.Fail(payment.Unknown, "prepay_unknown", "WeChat did not answer; the same request offers the same order again", err)
	}
	return fail(http.StatusBadGateway, "prepay_refused", "WeChat would not take the order: "+payment.CodeOf(err))
}

// order shows an order: merchants their own, staff any.
func (s *Server) order(w http.ResponseWriter, r *http.Request, by Caller) error {
	number, err := orderNumber(r)
	if err != nil {
		return err
	}
	dossier, err := s.Desk.OrderDossier(r.Context(), number, by.owner())
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, dossier)
}

// orderNumber is the number in a request's path. What cannot be one is no order's.
func orderNumber(r *http.Request) (string, error) {
	number, err := url.PathUnescape(chi.URLParam(r, "out_trade_no"))
	if err != nil || !payment.ValidOutTradeNo(number) {
		return "", noSuch("order")
	}
	return number, nil
}

func noSuch(what string) error {
	return payment.Failf(payment.NotFound, "no_such_"+what, "no such %s", what)
}
