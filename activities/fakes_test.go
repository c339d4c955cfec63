package activities_test

import (
	"context"
	"sync"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

// mood is how an outside party takes one call.
type mood string

const (
	obliging     mood = ""
	silent       mood = "silent"        // does nothing, says nothing
	losesAnswers mood = "loses answers" // does it, and says nothing
	refusing     mood = "refusing"      // does nothing, says no
	lying        mood = "lying"         // does it, and says no
	later        mood = "later"         // does half of it, and says so
)

// will is the moods of the next calls, one each; after them it obliges. During
// is what happens in the world while the next call is on its way.
type will struct {
	moods  []mood
	during func()
}

func (w *will) next() mood {
	if during := w.during; during != nil {
		w.during = nil
		during()
	}
	if len(w.moods) == 0 {
		return obliging
	}
	next := w.moods[0]
	w.moods = w.moods[1:]
	return next
}

var errSilence = payment.Failf(payment.Unknown, "silence", "no answer")

// fakeShop ships each key once, like a shop that keeps its word.
type fakeShop struct {
	mu        sync.Mutex
	forgetful bool // keeps no memory of cancelled keys
	parcels   map[string]activities.Dispatch
	barred    map[string]bool
	shipped   int // parcels that left the house
	heard     []string
	ships     will
	cancels   will
	finds     will
	tells     will
}

func newShop() *fakeShop {
	return &fakeShop{parcels: map[string]activities.Dispatch{}, barred: map[string]bool{}}
}

func (s *fakeShop) Ship(_ context.Context, p activities.Parcel) (activities.Dispatch, error) {
	mood := s.ships.next()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.barred[p.Key] {
		return activities.Dispatch{}, payment.Failf(payment.Refused, "cancelled_before", "this key was cancelled")
	}
	switch mood {
	case silent:
		return activities.Dispatch{}, errSilence
	case refusing:
		return activities.Dispatch{}, payment.Failf(payment.Refused, "sold_out", "none left")
	case later:
		s.parcels[p.OutTradeNo] = activities.Dispatch{State: payment.ShipAccepted, ShipmentID: "S1"}
		return s.parcels[p.OutTradeNo], nil
	}
	if s.parcels[p.OutTradeNo].State != payment.ShipDispatched {
		s.dispatch(p.OutTradeNo)
	}
	if mood == losesAnswers {
		return activities.Dispatch{}, errSilence
	}
	return s.parcels[p.OutTradeNo], nil
}

func (s *fakeShop) dispatch(outTradeNo string) {
	s.parcels[outTradeNo] = activities.Dispatch{State: payment.ShipDispatched, ShipmentID: "S1", Carrier: "SF", TrackingNo: "SF1"}
	s.shipped++
}

func (s *fakeShop) Find(_ context.Context, outTradeNo string) (activities.Dispatch, error) {
	mood := s.finds.next()
	s.mu.Lock()
	defer s.mu.Unlock()
	parcel, ok := s.parcels[outTradeNo]
	switch {
	case mood == silent:
		return activities.Dispatch{}, errSilence
	case !ok:
		return activities.Dispatch{}, payment.Failf(payment.NotFound, "no_shipment", "no such shipment")
	}
	return parcel, nil
}

func (s *fakeShop) Cancel(_ context.Context, p activities.Parcel) error {
	mood := s.cancels.next()
	s.mu.Lock()
	defer s.mu.Unlock()
	parcel, ok := s.parcels[p.OutTradeNo]
	switch {
	case mood == silent:
		return errSilence
	case parcel.State == payment.ShipDispatched && mood != lying:
		return payment.Failf(payment.Refused, "dispatched", "already on its way")
	case s.forgetful && !ok, mood == lying:
		return payment.Failf(payment.NotFound, "no_shipment", "no such shipment")
	}
	s.barred[p.Key] = true
	if ok {
		s.parcels[p.OutTradeNo] = activities.Dispatch{State: payment.ShipCancelled, ShipmentID: parcel.ShipmentID}
	}
	if mood == losesAnswers {
		return errSilence
	}
	return nil
}

func (s *fakeShop) Tell(_ context.Context, m activities.Message) error {
	mood := s.tells.next()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch mood {
	case silent:
		return errSilence
	case refusing:
		return payment.Failf(payment.Refused, "gone", "stop it")
	}
	s.heard = append(s.heard, m.ID)
	if mood == losesAnswers {
		return errSilence
	}
	return nil
}

// fakeWeChat refunds each number once.
type fakeWeChat struct {
	mu       sync.Mutex
	trade    *activities.Transaction
	asked    []string // numbers, as often as they came
	made     map[string]activities.RefundWord
	poor     bool  // the merchant's balance is not enough
	shortFen int64 // what it takes off every amount it names
	pays     will
	refunds  will
	queries  will
}

func newWeChat() *fakeWeChat { return &fakeWeChat{made: map[string]activities.RefundWord{}} }

// refundedFen is what the payer got back.
func (g *fakeWeChat) refundedFen() (sum int64) {
	for _, r := range g.made {
		if r.State == payment.RefundSuccess {
			sum += r.AmountFen
		}
	}
	return sum
}

// ends lets a refund that was accepted end.
func (g *fakeWeChat) ends(number string, state payment.RefundState) {
	word := g.made[number]
	word.State = state
	g.made[number] = word
}

func (g *fakeWeChat) word(number string) activities.RefundWord {
	word := g.made[number]
	word.AmountFen -= g.shortFen
	return word
}

func (g *fakeWeChat) QueryPayment(context.Context, string) (activities.Transaction, error) {
	switch mood := g.pays.next(); {
	case mood == silent:
		return activities.Transaction{}, errSilence
	case mood == refusing:
		return activities.Transaction{}, payment.Failf(payment.Refused, "no_auth", "the key is wrong")
	case g.trade == nil:
		return activities.Transaction{}, payment.Failf(payment.NotFound, "order_not_exist", "no such payment")
	}
	return *g.trade, nil
}

func (g *fakeWeChat) Refund(_ context.Context, r payment.Refund) (activities.RefundWord, error) {
	mood := g.refunds.next()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked = append(g.asked, r.OutRefundNo)
	switch {
	case mood == silent:
		return activities.RefundWord{}, errSilence
	case mood == refusing:
		return activities.RefundWord{}, payment.Failf(payment.Refused, "param_error", "no")
	case g.poor:
		return activities.RefundWord{}, payment.Failf(payment.Busy, "not_enough", "the balance is not enough")
	}
	if _, known := g.made[r.OutRefundNo]; !known {
		state := payment.RefundSuccess
		if mood == later {
			state = payment.RefundProcessing
		}
		g.made[r.OutRefundNo] = activities.RefundWord{
			TransactionID: r.TransactionID, OutRefundNo: r.OutRefundNo, State: state, AmountFen: r.AmountFen,
		}
	}
	switch mood {
	case losesAnswers:
		return activities.RefundWord{}, errSilence
	case lying:
		return activities.RefundWord{}, payment.Failf(payment.Refused, "invalid_request", "it exists already")
	}
	return g.word(r.OutRefundNo), nil
}

func (g *fakeWeChat) QueryRefund(_ context.Context, number string) (activities.RefundWord, error) {
	mood := g.queries.next()
	g.mu.Lock()
	defer g.mu.Unlock()
	switch mood {
	case silent:
		return activities.RefundWord{}, errSilence
	case refusing:
		return activities.RefundWord{}, payment.Failf(payment.Refused, "no_auth", "the key is wrong")
	}
	word := g.word(number)
	if word.OutRefundNo == "" {
		return word, payment.Failf(payment.NotFound, "resource_not_exists", "no such refund")
	}
	return word, nil
}
