package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"golang.org/x/time/rate"

	"github.com/paysaga/paysaga/internal/payment"
)

// bulkAtMost is how many payments one call may undo, and one api in a minute: who
// undoes more than that for one reason should think again first.
const bulkAtMost = 100

// bulkLimit keeps an api to bulkAtMost payments a minute.
func bulkLimit() *rate.Limiter {
	return rate.NewLimiter(rate.Every(time.Minute/bulkAtMost), bulkAtMost)
}

// undoings is the body of a bulk compensation.
type undoings struct {
	TransactionIDs []string      `json:"transaction_ids" jsonschema:"required"` // 1 to 100
	Reason         string        `json:"reason" jsonschema:"required"`
	Goods          payment.Goods `json:"goods"`   // stop if not said
	Preview        bool          `json:"preview"` // judge, and ask for nothing
}

// bulkItem is what became of one payment: what was asked, or why it was not.
type bulkItem struct {
	TransactionID string               `json:"transaction_id"`
	AmountFen     int64                `json:"amount_fen"`           // what would go back
	State         payment.RequestState `json:"state,omitempty"`      // of the request, made or to be made
	RequestID     string               `json:"request_id,omitempty"` // empty in a preview
	Code          string               `json:"code,omitempty"`       // why not
	Detail        string               `json:"detail,omitempty"`
}

// bulkTaken is the answer to a bulk compensation and to its preview.
type bulkTaken struct {
	Preview   bool       `json:"preview"`
	Taken     int        `json:"taken"`   // asked for, or in a preview could be
	Refused   int        `json:"refused"` // neither
	AmountFen int64      `json:"amount_fen"`
	Items     []bulkItem `json:"items"`
}

// compensateMany undoes up to a hundred payments for one reason. A preview judges
// each as it stands and writes nothing. An act asks for each as compensate does:
// one that cannot be asked for stops no other, and is told with its reason. Where
// there is no answer to one, there is none to the call: the same call made again
// finds what it asked for, and asks for the rest.
func (s *Server) compensateMany(w http.ResponseWriter, r *http.Request, by Caller) error {
	var body undoings
	if err := read(w, r, &body); err != nil {
		return err
	}
	reason, err := trimmed(body.Reason)
	ids := slices.Compact(slices.Sorted(slices.Values(body.TransactionIDs)))
	switch {
	case err != nil:
		return err
	case !validGoods(body.Goods):
		return invalid("goods", "must be stop, returned or kept")
	case len(ids) == 0:
		return invalid("transaction_ids", "must name at least one payment")
	case len(ids) > bulkAtMost:
		return payment.Failf(payment.Invalid, "too_many", "at most %d payments at once", bulkAtMost)
	}
	if !body.Preview && !s.bulk.AllowN(time.Now(), len(ids)) {
		w.Header().Set("Retry-After", strconv.Itoa(int(time.Minute.Seconds())))
		return fail(http.StatusTooManyRequests, "too_fast", "at most 100 payments a minute; ask again in one")
	}
	answer := bulkTaken{Preview: body.Preview, Items: []bulkItem{}}
	call := payment.ActorOf(r.Context()).Call
	for i, id := range ids {
		item, err := s.compensateOne(r.Context(), payment.Request{
			ID: fmt.Sprintf("req_%s-%d", call, i+1), TransactionID: id, Kind: payment.Compensate, Reason: reason, Goods: or(body.Goods, payment.GoodsStop), Actor: by.Name,
		}, body.Preview)
		if err != nil {
			return err
		}
		if item.Code != "" {
			answer.Refused++
		} else {
			answer.Taken++
			answer.AmountFen += item.AmountFen
		}
		answer.Items = append(answer.Items, item)
	}
	return reply(w, http.StatusOK, answer)
}

// compensateOne asks for one, or tells why it cannot be asked for; its error is that
// nobody knows. It leaves it to the relay to tell the saga: a hundred calls to a
// Temporal that is away would outlast the caller's patience.
func (s *Server) compensateOne(ctx context.Context, asked payment.Request, preview bool) (item bulkItem, err error) {
	item.TransactionID = asked.TransactionID
	switch {
	case !payment.ValidTransactionID(asked.TransactionID):
		err = noSuch("payment")
	case preview:
		asked, err = s.Desk.Consider(ctx, asked, s.Rules.ApprovalAboveFen)
	default:
		asked, err = s.Desk.Ask(ctx, asked, s.Rules.ApprovalAboveFen)
		item.RequestID = asked.ID
	}
	if err != nil {
		p := problemOf(err)
		if p.Status >= http.StatusInternalServerError {
			return item, err
		}
		if !preview && payment.ValidTransactionID(item.TransactionID) {
			s.record(ctx, p, payment.Act{Action: "payment.compensate", TransactionID: item.TransactionID})
		}
		return bulkItem{TransactionID: item.TransactionID, Code: p.Code, Detail: p.Detail}, nil
	}
	item.AmountFen, item.State = asked.AmountFen, asked.State
	return item, nil
}
