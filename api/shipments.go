package api

import (
	"context"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-chi/chi/v5"

	"github.com/paysaga/paysaga/internal/payment"
	"github.com/paysaga/paysaga/workflows"
)

// reportTaken is the answer to a shop's report.
type reportTaken struct {
	ShipmentID    string `json:"shipment_id"`
	TransactionID string `json:"transaction_id"`
}

// dispatch is the body of a shop's report.
type dispatch struct {
	Carrier    string `json:"carrier" jsonschema:"required"`
	TrackingNo string `json:"tracking_no" jsonschema:"required"`
}

// dispatched takes a shop's late word that it sent what it had accepted. The
// report is kept first; a saga that cannot be told now finds it when it looks next.
func (s *Server) dispatched(w http.ResponseWriter, r *http.Request, by Caller) error {
	var body dispatch
	id := chi.URLParam(r, "shipment_id")
	if !number.MatchString(id) {
		return noSuch("shipment")
	}
	if err := read(w, r, &body); err != nil {
		return err
	}
	switch {
	case !label(body.Carrier):
		return invalid("carrier", "must be 1-64 characters, without control characters")
	case !label(body.TrackingNo):
		return invalid("tracking_no", "must be 1-64 characters, without control characters")
	}
	paid, err := s.Desk.ReportDispatch(r.Context(), payment.DispatchReport{
		ShipmentID: id, Carrier: body.Carrier, TrackingNo: body.TrackingNo, By: by.Name,
	})
	if paid.TransactionID != "" {
		s.tellDispatched(r.Context(), paid, id)
	}
	if err != nil {
		return err
	}
	return reply(w, http.StatusAccepted, reportTaken{id, paid.TransactionID})
}

func (s *Server) tellDispatched(ctx context.Context, paid payment.Payment, shipmentID string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tellIn)
	defer cancel()
	if err := s.Sagas.TellDispatched(ctx, paid, workflows.DispatchReport{ShipmentID: shipmentID}); err != nil {
		s.Log.Warn("the saga will find the report", "transaction_id", paid.TransactionID, "code", problemOf(err).Code)
	}
}

// label tells whether text may stand on a parcel, in a timeline and in a log.
func label(text string) bool {
	n := utf8.RuneCountInString(text)
	return n >= 1 && n <= 64 && text == strings.TrimSpace(text) && utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl)
}
