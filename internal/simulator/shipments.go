package simulator

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// shipment is what the shop knows about one idempotency key.
type shipment struct {
	Key           string `json:"key"`
	OutTradeNo    string `json:"out_trade_no"`
	TransactionID string `json:"transaction_id"`
	AmountFen     int64  `json:"amount_fen"`
	Params        string `json:"params"`
	ShipmentID    string `json:"shipment_id,omitempty"`
	Carrier       string `json:"carrier,omitempty"`
	TrackingNo    string `json:"tracking_no,omitempty"`
	Effects       int    `json:"effects"`
	State         string `json:"state"`               // accepted dispatched cancelled refused barred
	Stoppable     bool   `json:"stoppable,omitempty"` // answered as dispatched, yet a cancel still succeeds
	Status        int    `json:"status"`              // HTTP status of the first answer, repeated for ever
}

type shipRequest struct {
	OutTradeNo    string `json:"out_trade_no"`
	TransactionID string `json:"transaction_id"`
	AmountFen     int64  `json:"amount_fen"`
	Currency      string `json:"currency"`
}

func aboutShip(c *call) {
	aboutBody(c)
	c.number = c.Header.Get("Idempotency-Key")
}

// ship sets goods in motion, once per key: the same key gets the first answer
// again. Another key for the same order is another shipment, as it would be in a
// shop that trusts its caller; the effects tell.
func (s *simulator) ship(c *call) answer {
	var in shipRequest
	if err := json.Unmarshal(c.body, &in); err != nil || c.number == "" || in.OutTradeNo == "" || in.TransactionID == "" || in.AmountFen < 1 {
		return refuse(http.StatusBadRequest, "BAD_REQUEST", "needs Idempotency-Key, out_trade_no, transaction_id and amount_fen")
	}
	asked := digest(c.body)
	var a answer
	s.ledger.change(func(b *book) []fact {
		if old := b.shipments[c.number]; old != nil {
			if a = old.answer(); old.State != "barred" && old.Params != asked {
				a = refuse(http.StatusUnprocessableEntity, "KEY_REUSED", "this key was used with another body")
			}
			return nil
		}
		sh := newShipment(c.mode, in)
		sh.Key, sh.Params = c.number, asked
		a = sh.answer()
		return []fact{{Shipment: sh}}
	})
	return a
}

// newShipment decides what becomes of a first ship call, as the mode has it.
func newShipment(mode string, in shipRequest) *shipment {
	sh := &shipment{OutTradeNo: in.OutTradeNo, TransactionID: in.TransactionID, AmountFen: in.AmountFen}
	switch mode {
	case "refuse":
		sh.State, sh.Status = "refused", http.StatusConflict
		return sh
	case "invalid":
		sh.State, sh.Status = "refused", http.StatusUnprocessableEntity
		return sh
	case "accept":
		sh.State, sh.Status = "accepted", http.StatusAccepted
	default:
		sh.State, sh.Status = "dispatched", http.StatusCreated
		sh.Carrier, sh.TrackingNo = "SF", "SF"+digits(12)
	}
	sh.Stoppable = mode == "undispatched"
	sh.ShipmentID, sh.Effects = "shp_"+hexText(8), 1
	return sh
}

// answer is what a ship call with this key is told.
func (sh *shipment) answer() answer {
	switch sh.State {
	case "refused":
		return refuse(sh.Status, "CANNOT_SHIP", "the shop refuses this order")
	case "cancelled", "barred":
		return refuse(http.StatusConflict, "CANCELLED", "a shipment with this key was cancelled")
	case "accepted":
		return answer{http.StatusAccepted, map[string]string{"shipment_id": sh.ShipmentID}}
	}
	return answer{http.StatusCreated, map[string]string{
		"shipment_id": sh.ShipmentID, "carrier": sh.Carrier, "tracking_no": sh.TrackingNo,
	}}
}

// shipmentOf tells the order's latest shipment that came into being.
func (s *simulator) shipmentOf(c *call) answer {
	a := refuse(http.StatusNotFound, "NO_SHIPMENT", "no shipment for this order")
	s.ledger.read(func(b *book) {
		for _, key := range b.of(c.outTradeNo).shipments {
			if sh := b.shipments[key]; sh.Effects > 0 {
				a = answer{http.StatusOK, map[string]string{
					"shipment_id": sh.ShipmentID, "status": sh.State, "carrier": sh.Carrier, "tracking_no": sh.TrackingNo,
				}}
			}
		}
	})
	return a
}

type cancelRequest struct {
	TransactionID string `json:"transaction_id"`
	ShipKey       string `json:"ship_key"`
}

func aboutCancel(c *call) {
	aboutPath(c)
	var in cancelRequest
	json.Unmarshal(c.body, &in) // what cannot be read is refused later, by cancel
	c.number = in.ShipKey
}

// cancel stops what has not left yet. A key never seen is remembered, and refused
// for ever, so that a ship call still on its way cannot ship after the refund.
func (s *simulator) cancel(c *call) answer {
	switch c.mode {
	case "refuse":
		return refuse(http.StatusConflict, "DISPATCHED", "already dispatched")
	case "forget":
		return refuse(http.StatusNotFound, "NO_SHIPMENT", "no such shipment")
	}
	var in cancelRequest
	if err := json.Unmarshal(c.body, &in); err != nil || in.TransactionID == "" || in.ShipKey == "" {
		return refuse(http.StatusBadRequest, "BAD_REQUEST", "needs transaction_id and ship_key")
	}
	a := answer{http.StatusOK, map[string]string{"status": "cancelled"}}
	s.ledger.change(func(b *book) []fact {
		old := b.shipments[in.ShipKey]
		switch {
		case old == nil:
			return []fact{{Shipment: &shipment{
				Key: in.ShipKey, OutTradeNo: c.outTradeNo, TransactionID: in.TransactionID, State: "barred", Status: http.StatusConflict,
			}}}
		case old.OutTradeNo != c.outTradeNo || old.TransactionID != in.TransactionID:
			a = refuse(http.StatusUnprocessableEntity, "OTHER_ORDER", "ship_key belongs to another order or payment")
		case old.State == "dispatched" && !old.Stoppable:
			a = refuse(http.StatusConflict, "DISPATCHED", "already dispatched")
		case old.State == "dispatched" || old.State == "accepted":
			sh := *old
			sh.State = "cancelled"
			return []fact{{Shipment: &sh}}
		}
		return nil
	})
	return a
}

// dispatch is the carrier fetching an accepted shipment, at the control port; or
// one that was cancelled, if the shop's own people did not hear of it.
func (s *simulator) dispatch(r *http.Request, in Leaving) (t ShipmentTruth, err error) {
	no := r.PathValue("out_trade_no")
	err = refusal{http.StatusConflict, "NOTHING_ACCEPTED", fmt.Sprintf("order %s has no shipment that waits", no)}
	s.ledger.change(func(b *book) []fact {
		for _, key := range b.of(no).shipments {
			if old := b.shipments[key]; old.State == "accepted" || old.Stoppable && old.State == "dispatched" || in.Anyway && old.State == "cancelled" {
				sh := *old
				sh.State, sh.Stoppable = "dispatched", false
				if sh.TrackingNo == "" {
					sh.Carrier, sh.TrackingNo = "SF", "SF"+digits(12)
				}
				t, err = shipmentTruth(b, &sh), nil
				return []fact{{Shipment: &sh}}
			}
		}
		return nil
	})
	return t, err
}
