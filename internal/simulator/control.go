package simulator

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"
)

// controlRoutes is the port on which the world is steered; see shapes.go.
func (s *simulator) controlRoutes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /readyz", lever(func(*http.Request, struct{}) (struct{}, error) { return struct{}{}, nil }))
	mux.Handle("POST /orders/{out_trade_no}/pay", lever(s.pay))
	mux.Handle("POST /orders/{out_trade_no}/plan", lever(s.plan))
	mux.Handle("POST /orders/{out_trade_no}/refund", lever(s.refundByHand))
	mux.Handle("POST /orders/{out_trade_no}/dispatch", lever(s.dispatch))
	mux.Handle("POST /transactions/{transaction_id}/notify", lever(s.notifyPayment))
	mux.Handle("POST /refunds/{out_refund_no}/notify", lever(s.notifyRefund))
	mux.Handle("POST /refunds/{out_refund_no}/succeed", lever(s.endRefund("SUCCESS")))
	mux.Handle("POST /refunds/{out_refund_no}/abnormal", lever(s.endRefund("ABNORMAL")))
	mux.Handle("POST /refunds/{out_refund_no}/close", lever(s.endRefund("CLOSED")))
	mux.Handle("POST /notifications", lever(s.sendNotification))
	mux.Handle("POST /v2/notifications", lever(s.sendV2))
	mux.Handle("POST /messages", lever(s.sendMessage))
	mux.Handle("POST /bills/{day}/plan", lever(s.planBills))
	mux.Handle("POST /tokens/expire", lever(s.expireTokens))
	mux.Handle("POST /clock/advance", lever(s.moveClock))
	mux.Handle("GET /clock", lever(func(*http.Request, struct{}) (ClockTime, error) { return s.clock.tell(), nil }))
	mux.Handle("POST /holds", lever(s.hold))
	mux.Handle("GET /holds", lever(func(*http.Request, struct{}) ([]Hold, error) { return s.holds.now(), nil }))
	mux.Handle("POST /holds/release", lever(s.release))
	mux.Handle("GET /truth", lever(s.truths))
	mux.Handle("GET /truth/{out_trade_no}", lever(s.truth))
	s.cashierRoutes(mux)
	return mux
}

// refusal is an error of the control port with its status and code.
type refusal struct {
	status  int
	code    string
	message string
}

func (r refusal) Error() string { return r.message }

func invalid(format string, args ...any) error {
	return refusal{http.StatusUnprocessableEntity, "INVALID", fmt.Sprintf(format, args...)}
}

// lever turns a function from one shape to another into a handler. An empty body
// is the empty shape.
func lever[In, Out any](do func(*http.Request, In) (Out, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in In
		decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, 8<<20))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&in); err != nil && !errors.Is(err, io.EOF) {
			tell(w, http.StatusUnprocessableEntity, map[string]string{"code": "INVALID", "message": err.Error()})
			return
		}
		out, err := do(r, in)
		if refused, ok := errors.AsType[refusal](err); ok {
			tell(w, refused.status, map[string]string{"code": refused.code, "message": refused.message})
			return
		}
		if err != nil {
			tell(w, http.StatusInternalServerError, map[string]string{"code": "INTERNAL", "message": err.Error()})
			return
		}
		tell(w, http.StatusOK, out)
	})
}

func tell(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}

// duration reads an optional Go duration.
func duration(name, text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, invalid("%s is not a duration like 2s", name)
	}
	return d, nil
}

func (s *simulator) plan(r *http.Request, in Plan) (Plan, error) {
	facts, err := in.scripts(r.PathValue("out_trade_no"))
	if err != nil {
		return Plan{}, invalid("%s", err)
	}
	s.ledger.change(func(*book) []fact { return facts })
	return in, nil
}

func (s *simulator) hold(_ *http.Request, in Hold) (Hold, error) {
	if in.When == "" {
		in.When = "before"
	}
	calls := []string{callPrepay, callQuery, callClose, callRefund, callRefundQuery, callMessage, callShippingInfo, callShippingQuery,
		callShip, callShipQuery, callCancel, callWebhook}
	switch {
	case !slices.Contains(calls, in.Call):
		return Hold{}, invalid("call must be one of %v", calls)
	case in.When != "before" && in.When != "after":
		return Hold{}, invalid("when must be before or after")
	case in.OutTradeNo == "":
		return Hold{}, invalid("out_trade_no is needed")
	case in.Times < -1:
		return Hold{}, invalid("times must be -1 or more")
	}
	return s.holds.add(in), nil
}

func (s *simulator) release(_ *http.Request, in Release) (Released, error) {
	if in.OutTradeNo == "" {
		return Released{}, invalid("out_trade_no is needed")
	}
	return Released{s.holds.release(in)}, nil
}

func (s *simulator) endRefund(status string) func(*http.Request, struct{}) (RefundTruth, error) {
	return func(r *http.Request, _ struct{}) (RefundTruth, error) {
		no := r.PathValue("out_refund_no")
		moved := s.settle(no, status)
		var t RefundTruth
		err := error(refusal{http.StatusNotFound, "NO_SUCH_REFUND", "no such refund"})
		s.ledger.read(func(b *book) {
			if refund := b.refunds[no]; refund != nil {
				t, err = refundTruth(b, refund), nil
			}
		})
		if err == nil && !moved {
			err = refusal{http.StatusConflict, "REFUND_ENDED", "the refund is " + t.State + " already"}
		}
		return t, err
	}
}

func (s *simulator) refundByHand(r *http.Request, in ConsoleRefund) (RefundTruth, error) {
	no := r.PathValue("out_trade_no")
	req := refundRequest{TransactionID: in.TransactionID, OutTradeNo: no, OutRefundNo: in.OutRefundNo, NotifyURL: in.NotifyURL}
	req.Amount.Refund, req.Amount.Currency = in.AmountFen, "CNY"
	s.ledger.read(func(b *book) {
		if ids := b.of(no).payments; req.TransactionID == "" && len(ids) > 0 {
			req.TransactionID = ids[0]
		}
		if p := b.payments[req.TransactionID]; p != nil {
			req.Amount.Total = p.AmountFen
		}
	})
	if wrong := req.check(); wrong != "" {
		return RefundTruth{}, invalid("%s", wrong)
	}
	made, a := s.begin(req, "by hand", "SUCCESS")
	if made == nil {
		return RefundTruth{}, refusal{http.StatusConflict, "REFUSED", fmt.Sprint(a.body)}
	}
	s.background(func() { s.settleLater(made.OutRefundNo) })
	return RefundTruth{OutRefundNo: made.OutRefundNo, TransactionID: made.TransactionID, AmountFen: made.AmountFen, State: made.Status}, nil
}
