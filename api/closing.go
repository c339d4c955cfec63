package api

import (
	"net/http"
	"net/url"

	"github.com/paysaga/paysaga/internal/payment"
)

// closeOrder has a merchant's pending order closed, at WeChat and here. A closed
// one is answered alike; one that was paid is too late to close.
func (s *Server) closeOrder(w http.ResponseWriter, r *http.Request, by Caller) error {
	number, err := orderNumber(r)
	if err != nil {
		return err
	}
	if r.ContentLength > 0 {
		if err := read(w, r, &struct{}{}); err != nil {
			return err
		}
	}
	dossier, err := s.Desk.OrderDossier(r.Context(), number, by.owner())
	if err != nil {
		return err
	}
	switch dossier.State {
	case payment.OrderPending:
		act := payment.Act{Action: "order.close", Object: number, OutTradeNo: number, Was: string(dossier.State)}
		if err := s.Desk.Record(r.Context(), act); err != nil {
			return err
		}
		if err := s.Closings.CloseOrder(r.Context(), payment.Closing{OutTradeNo: number, Actor: by.Name}); err != nil {
			return err
		}
	case payment.OrderClosed:
	default:
		return payment.Failf(payment.Conflict, "order_"+string(dossier.State), "the order is %s and cannot be closed", dossier.State)
	}
	return reply(w, http.StatusAccepted, closing{number, dossier.State, "/v1/orders/" + url.PathEscape(number)})
}

// closing is the answer: the order as it was just now, and where to see how it ends.
type closing struct {
	OutTradeNo string             `json:"out_trade_no"`
	State      payment.OrderState `json:"state"`
	StatusURL  string             `json:"status_url"`
}
