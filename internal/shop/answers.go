package shop

import (
	"cmp"
	"encoding/json"
	"regexp"
	"strings"
	"unicode"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

// What the shop says ends in our books, in Temporal's history and before people's
// eyes, so its texts are short, printable and of one line.
const (
	maxMessage = 200 // characters of a refusal
	maxField   = 128 // characters of a carrier, number or id
)

var shopCode = regexp.MustCompile(`^[0-9A-Za-z_.-]{1,64}$`)

// dispatch reads a shipment; where state is empty, the answer names its own. A
// success without a shipment_id that we could find again is no answer.
func (a answer) dispatch(state payment.Shipment) (activities.Dispatch, error) {
	var said struct {
		ShipmentID string `json:"shipment_id"`
		Status     string `json:"status"`
		Carrier    string `json:"carrier"`
		TrackingNo string `json:"tracking_no"`
	}
	if json.Unmarshal(a.body, &said) != nil || said.ShipmentID == "" || plain(said.ShipmentID, maxField) != said.ShipmentID {
		return activities.Dispatch{}, a.unusable()
	}
	state = cmp.Or(state, payment.Shipment(said.Status))
	switch state {
	case payment.ShipAccepted, payment.ShipDispatched, payment.ShipCancelled:
	default:
		return activities.Dispatch{}, a.unusable()
	}
	return activities.Dispatch{
		State:      state,
		ShipmentID: said.ShipmentID,
		Carrier:    plain(said.Carrier, maxField),
		TrackingNo: plain(said.TrackingNo, maxField),
	}, nil
}

// refusal is the shop's no, in its own words where they are fit to print. The
// status alone decides: a no with an unreadable reason is a no.
func (a answer) refusal() error {
	var said struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	_ = json.Unmarshal(a.body, &said)
	if !shopCode.MatchString(said.Code) {
		said.Code = "shop_refused"
	}
	return payment.Failf(payment.Refused, said.Code, "%s",
		cmp.Or(plain(said.Message, maxMessage), "the shop refused to "+a.what))
}

func (a answer) notFound() error {
	return payment.Failf(payment.NotFound, "no_shipment", "the shop knows no such shipment")
}

// unclear is for a status that the contract gives no meaning.
func (a answer) unclear() error {
	return payment.Failf(payment.Unknown, "shop_unclear", "the shop answered %d to the %s call", a.status, a.what)
}

func (a answer) unusable() error {
	return payment.Failf(payment.Unknown, "shop_unusable_answer",
		"the shop answered %d to the %s call, and names no shipment or state", a.status, a.what)
}

// plain makes a stranger's text fit for a line of ours: control and other
// unprintable characters become spaces, margins go, and n characters stay.
func plain(text string, n int) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text)
	runes := []rune(strings.TrimSpace(text))
	return strings.TrimSpace(string(runes[:min(len(runes), n)]))
}
