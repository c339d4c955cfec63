package api

import (
	"context"
	"net/http"
	"regexp"
	"slices"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/paysaga/paysaga/internal/payment"
	"github.com/paysaga/paysaga/workflows"
)

// undoing is the body of a compensation.
type undoing struct {
	Reason string        `json:"reason" jsonschema:"required"`
	Goods  payment.Goods `json:"goods"` // stop if not said
}

// compensate asks for a payment to be undone.
func (s *Server) compensate(w http.ResponseWriter, r *http.Request, by Caller) error {
	var body undoing
	if err := read(w, r, &body); err != nil {
		return err
	}
	if !validGoods(body.Goods) {
		return invalid("goods", "must be stop, returned or kept")
	}
	return s.ask(w, r, by, payment.Request{Kind: payment.Compensate, Reason: body.Reason, Goods: or(body.Goods, payment.GoodsStop)})
}

// validGoods tells whether goods is what may become of them; none said is stop.
func validGoods(goods payment.Goods) bool {
	return slices.Contains([]payment.Goods{"", payment.GoodsStop, payment.GoodsReturned, payment.GoodsKept}, goods)
}

// retry asks for a held payment to carry on the way it was going, or for the next
// try of a step to be made now.
func (s *Server) retry(w http.ResponseWriter, r *http.Request, by Caller) error {
	var body reasoned
	if err := read(w, r, &body); err != nil {
		return err
	}
	return s.ask(w, r, by, payment.Request{Kind: payment.Retry, Reason: body.Reason})
}

// ending is the body of a resolution.
type ending struct {
	Reason   string        `json:"reason" jsonschema:"required"`
	Outcome  payment.Stage `json:"outcome" jsonschema:"required,enum=shipped,enum=refunded"`
	Evidence []string      `json:"evidence"` // the shipment's number, or every refund's
}

// resolve asks for a payment to be closed as it ended elsewhere; the saga checks
// the evidence.
func (s *Server) resolve(w http.ResponseWriter, r *http.Request, by Caller) error {
	var body ending
	if err := read(w, r, &body); err != nil {
		return err
	}
	switch {
	case body.Outcome != payment.Shipped && body.Outcome != payment.Refunded:
		return invalid("outcome", "must be shipped or refunded")
	case !payment.ValidEvidence(body.Evidence), body.Outcome == payment.Shipped && len(body.Evidence) == 0:
		return invalid("evidence", "must be 1-50 numbers: of the shipment, or of every refund; none only where nothing was paid")
	}
	return s.ask(w, r, by, payment.Request{Kind: payment.Resolve, Reason: body.Reason, Outcome: body.Outcome, Evidence: body.Evidence})
}

// reasoned is the body of an act that only wants a reason.
type reasoned struct {
	Reason string `json:"reason" jsonschema:"required"`
}

// A number of ours, of WeChat's or of a shop's; it goes into paths and timelines.
var number = regexp.MustCompile(`^[0-9A-Za-z_|*@.:-]{1,64}$`)

// requestTaken is the answer to every act: where to look what came of it.
type requestTaken struct {
	RequestID string               `json:"request_id"`
	StatusURL string               `json:"status_url"`
	State     payment.RequestState `json:"state"`
	// OutRefundNo is the number of a partial refund, as WeChat will know it.
	OutRefundNo string `json:"out_refund_no,omitempty"`
}

// ask writes a person's act down, and then tells the saga. The row is the act:
// a saga that cannot be told now is told by the sweep.
func (s *Server) ask(w http.ResponseWriter, r *http.Request, by Caller, asked payment.Request) error {
	var err error
	if asked.TransactionID, err = transactionID(r); err != nil {
		return err
	}
	if asked.Reason, err = trimmed(asked.Reason); err != nil {
		return err
	}
	asked.ID, asked.Actor = "req_"+payment.ActorOf(r.Context()).Call, by.Name
	asked, err = s.Desk.Ask(r.Context(), asked, s.Rules.ApprovalAboveFen)
	if err != nil {
		return err
	}
	return s.taken(w, r, asked)
}

// taken tells the saga of a request that may run, and answers 202.
func (s *Server) taken(w http.ResponseWriter, r *http.Request, request payment.Request) error {
	if request.State == payment.Queued {
		s.tell(r.Context(), request)
	}
	url := "/v1/requests/" + request.ID
	w.Header().Set("Location", url)
	return reply(w, http.StatusAccepted, requestTaken{request.ID, url, request.State, request.OutRefundNo})
}

// tellIn is how long a caller waits for the saga to be told.
const tellIn = 3 * time.Second

func (s *Server) tell(ctx context.Context, request payment.Request) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tellIn)
	defer cancel()
	paid, err := s.Desk.Payment(ctx, request.TransactionID)
	if err == nil {
		err = s.Sagas.Tell(ctx, paid, string(request.Kind), workflows.Word{RequestID: request.ID})
	}
	if err != nil {
		s.Log.Warn("the sweep will tell the saga", "request_id", request.ID, "transaction_id", request.TransactionID, "code", problemOf(err).Code)
	}
}

// request shows how far a request has come.
func (s *Server) request(w http.ResponseWriter, r *http.Request, _ Caller) error {
	id, err := requestID(r)
	if err != nil {
		return err
	}
	request, err := s.Desk.Request(r.Context(), id)
	switch {
	case payment.KindOf(err) == payment.NotFound:
		return noSuch("request")
	case err != nil:
		return err
	}
	request.State = request.StateAt(time.Now())
	return reply(w, http.StatusOK, request)
}

// approve lets another's request run.
func (s *Server) approve(w http.ResponseWriter, r *http.Request, by Caller) error {
	return s.decide(w, r, by, s.Desk.Approve)
}

// reject ends another's request, and frees the payment for the next one.
func (s *Server) reject(w http.ResponseWriter, r *http.Request, by Caller) error {
	return s.decide(w, r, by, s.Desk.Reject)
}

func (s *Server) decide(w http.ResponseWriter, r *http.Request, by Caller,
	decide func(context.Context, payment.Decision) (payment.Request, error)) error {
	id, err := requestID(r)
	if err != nil {
		return err
	}
	var body reasoned
	if err := read(w, r, &body); err != nil {
		return err
	}
	reason, err := trimmed(body.Reason)
	if err != nil {
		return err
	}
	decided, err := decide(r.Context(), payment.Decision{RequestID: id, By: by.Name, Reason: reason})
	if err != nil {
		return err
	}
	return s.taken(w, r, decided)
}

func requestID(r *http.Request) (string, error) {
	id := chi.URLParam(r, "id")
	if !number.MatchString(id) {
		return "", noSuch("request")
	}
	return id, nil
}

// trimmed is a reason as it is kept, or why it is none.
func trimmed(reason string) (string, error) {
	kept, ok := payment.TrimReason(reason)
	if !ok {
		return "", invalid("reason", "must be 10-500 characters, without control characters")
	}
	return kept, nil
}
