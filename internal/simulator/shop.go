package simulator

import (
	"encoding/json"
	"net/http"
	"time"
)

// webhook is one event that the shop took.
type webhook struct {
	ID         string `json:"id"`
	Type       string `json:"type"`
	OutTradeNo string `json:"out_trade_no"`
}

func (s *simulator) shopRoutes(mux *http.ServeMux) {
	fulfilment := party{verify: s.verifyShop(s.account.FulfilmentSecret)}
	events := party{verify: s.verifyShop(s.account.WebhookSecret)}
	mux.Handle("POST /shop/shipments", s.desk(fulfilment, route{callShip, aboutShip, s.ship}))
	mux.Handle("GET /shop/shipments/{out_trade_no}", s.desk(fulfilment, route{callShipQuery, aboutPath, s.shipmentOf}))
	mux.Handle("POST /shop/shipments/{out_trade_no}/cancel", s.desk(fulfilment, route{callCancel, aboutCancel, s.cancel}))
	mux.Handle("POST /shop/webhooks", s.desk(events, route{callWebhook, aboutWebhook, s.takeWebhook}))
}

func (s *simulator) verifyShop(secret string) func(*call) (answer, bool) {
	return func(c *call) (answer, bool) {
		if err := verifyWebhook(secret, c.Header, c.body, time.Now()); err != nil {
			return refuse(http.StatusUnauthorized, "BAD_SIGNATURE", err.Error()), false
		}
		return answer{}, true
	}
}

type webhookBody struct {
	Type string `json:"type"`
	Data struct {
		OutTradeNo string `json:"out_trade_no"`
	} `json:"data"`
}

func aboutWebhook(c *call) {
	var in webhookBody
	json.Unmarshal(c.body, &in) // what cannot be read is refused later, by takeWebhook
	c.outTradeNo, c.number, c.event = in.Data.OutTradeNo, c.Header.Get("webhook-id"), in.Type
}

// takeWebhook records an event of the merchant's payment system.
func (s *simulator) takeWebhook(c *call) answer {
	if c.mode == "gone" {
		return refuse(http.StatusGone, "GONE", "no more events, please")
	}
	var in webhookBody
	if err := json.Unmarshal(c.body, &in); err != nil || in.Type == "" {
		return refuse(http.StatusBadRequest, "BAD_REQUEST", "needs type and data")
	}
	s.ledger.change(func(*book) []fact {
		return []fact{{Webhook: &webhook{c.number, in.Type, in.Data.OutTradeNo}}}
	})
	return answer{status: http.StatusNoContent}
}
