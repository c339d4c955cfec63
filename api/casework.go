package api

import (
	"context"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-chi/chi/v5"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

// Casework is what people do to cases.
type Casework interface {
	Case(ctx context.Context, id string) (payment.CaseFile, error)
	// AssignCase gives an open case to somebody; Conflict if it is closed.
	AssignCase(ctx context.Context, act payment.CaseAct) error
	NoteCase(ctx context.Context, act payment.CaseAct) error
	// CaseQuestion is what WeChat must be asked before a case may be closed;
	// Conflict if it may not be.
	CaseQuestion(ctx context.Context, id string) (payment.Question, error)
	// CloseCaseByHand closes a case, if the books agree with what WeChat said.
	CloseCaseByHand(ctx context.Context, act payment.CaseAct) error
}

// caseFile shows a case with its notes and its history.
func (s *Server) caseFile(w http.ResponseWriter, r *http.Request, _ Caller) error {
	id, err := caseID(r)
	if err != nil {
		return err
	}
	return s.showCase(w, r, id)
}

func (s *Server) showCase(w http.ResponseWriter, r *http.Request, id string) error {
	file, err := s.Desk.Case(r.Context(), id)
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, file)
}

// assignment is the body of handing a case over.
type assignment struct {
	Owner  string `json:"owner" jsonschema:"required"`
	Reason string `json:"reason" jsonschema:"required"`
}

// assignCase says who must look at a case from now on.
func (s *Server) assignCase(w http.ResponseWriter, r *http.Request, by Caller) error {
	var body assignment
	act, err := caseAct(w, r, by, &body)
	if err != nil {
		return err
	}
	if act.Reason, err = trimmed(body.Reason); err != nil {
		return err
	}
	if act.Owner = body.Owner; !label(act.Owner) {
		return invalid("owner", "must be 1-64 characters, without control characters")
	}
	if err := s.Desk.AssignCase(r.Context(), act); err != nil {
		return err
	}
	return s.showCase(w, r, act.CaseID)
}

// note is the body of a note.
type note struct {
	Text string `json:"text" jsonschema:"required"`
}

// noteCase adds a person's words to a case.
func (s *Server) noteCase(w http.ResponseWriter, r *http.Request, by Caller) error {
	var body note
	act, err := caseAct(w, r, by, &body)
	if err != nil {
		return err
	}
	var ok bool
	if act.Note, ok = oneLine(body.Text, 1000); !ok {
		return invalid("text", "must be 1-1000 characters, without control characters")
	}
	if err := s.Desk.NoteCase(r.Context(), act); err != nil {
		return err
	}
	return s.showCase(w, r, act.CaseID)
}

// conclusion is the body of closing a case.
type conclusion struct {
	Resolution string `json:"resolution" jsonschema:"required"` // how it ended, one line
	Reason     string `json:"reason" jsonschema:"required"`
}

// closeCase closes a case by a person's word, and where money is concerned by
// WeChat's, which is asked first and kept with the closing. Without an answer
// nothing changes.
func (s *Server) closeCase(w http.ResponseWriter, r *http.Request, by Caller) error {
	var body conclusion
	act, err := caseAct(w, r, by, &body)
	if err != nil {
		return err
	}
	if act.Reason, err = trimmed(body.Reason); err != nil {
		return err
	}
	var ok bool
	if act.Resolution, ok = oneLine(body.Resolution, 200); !ok {
		return invalid("resolution", "must be 1-200 characters, without control characters")
	}
	if act.Question, err = s.Desk.CaseQuestion(r.Context(), act.CaseID); err != nil {
		return err
	}
	if act.Said, err = s.askWeChat(r.Context(), act.Question); err != nil {
		return err
	}
	if err := s.Desk.CloseCaseByHand(r.Context(), act); err != nil {
		return err
	}
	return s.showCase(w, r, act.CaseID)
}

// caseAct reads the body of an act on the case that the route names.
func caseAct(w http.ResponseWriter, r *http.Request, by Caller, body any) (payment.CaseAct, error) {
	id, err := caseID(r)
	if err != nil {
		return payment.CaseAct{}, err
	}
	return payment.CaseAct{CaseID: id, By: by.Name}, read(w, r, body)
}

// caseID is the case a route names. What cannot be an id of ours is no case's.
func caseID(r *http.Request) (string, error) {
	id := chi.URLParam(r, "id")
	if !number.MatchString(id) {
		return "", noSuch("case")
	}
	return id, nil
}

// askWeChat asks a case's question. That WeChat does not know the payment or the
// refund is an answer; any other no says nothing of the money, and is none.
func (s *Server) askWeChat(ctx context.Context, q payment.Question) (said payment.WeChatWord, err error) {
	if q.TransactionID != "" || q.OutTradeNo != "" {
		paid, err := s.askAboutPayment(ctx, q)
		switch {
		case payment.KindOf(err) == payment.NotFound:
			paid.TradeState = payment.NotFoundState
		case err != nil:
			return said, silentWeChat(err)
		}
		said = payment.WeChatWord{
			AskedAt: time.Now(), TransactionID: or(paid.TransactionID, q.TransactionID), OutTradeNo: or(paid.OutTradeNo, q.OutTradeNo),
			TradeState: paid.TradeState, AmountFen: paid.AmountFen,
		}
	}
	for _, number := range q.Refunds {
		refund, err := s.Till.QueryRefund(ctx, number)
		state := string(refund.State)
		switch {
		case payment.KindOf(err) == payment.NotFound:
			state = payment.NotFoundState
		case err != nil:
			return said, silentWeChat(err)
		}
		said.AskedAt = time.Now()
		said.Refunds = append(said.Refunds, payment.RefundSaid{OutRefundNo: number, AmountFen: refund.AmountFen, State: state})
	}
	return said, nil
}

func (s *Server) askAboutPayment(ctx context.Context, q payment.Question) (activities.Transaction, error) {
	if q.TransactionID != "" {
		return s.Till.QueryPayment(ctx, q.TransactionID)
	}
	return s.Till.QueryOrder(ctx, q.OutTradeNo)
}

func silentWeChat(err error) error {
	return payment.Fail(payment.Unknown, payment.CodeWeChatSilent, "WeChat gave no evidence, so nothing was changed; ask again", err)
}

// oneLine is a text without its margins, or false if it is not 1 to n characters
// of plain text.
func oneLine(text string, n int) (string, bool) {
	text = strings.TrimSpace(text)
	length := utf8.RuneCountInString(text)
	return text, length >= 1 && length <= n && utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl)
}
