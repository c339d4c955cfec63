package payment

import (
	"fmt"
	"time"
)

// asks is what WeChat is asked about before a person closes a case: where money is
// concerned its word is the evidence.
type asks int

const (
	askPayment asks = iota // was it paid, and has a saga got it
	askRefunds             // has each ended, and do our books say the same
	askNothing
)

// closesWith says what closing a case of each kind takes. A kind that is not named
// takes the payment, if the case names one.
var closesWith = map[CaseKind]asks{
	// goods, messages and runs: a person's word will do
	CaseShipUnknown:       askNothing,
	CaseDispatchOverdue:   askNothing,
	CaseCancelRefused:     askNothing,
	CaseCancelUnknown:     askNothing,
	CaseDispatchedAnyway:  askNothing,
	CaseNotifyFailed:      askNothing,
	CaseShippingReminder:  askNothing,
	CaseCancelledWorkflow: askNothing,
	// WeChat tells us nothing of what was paid to others
	CaseUnsupportedVariant: askNothing,
	// nobody can ask about a sum, or about a line that names nothing we could believe
	CaseBillFee:      askNothing,
	CaseBillFundFlow: askNothing,
	CaseBillOddLine:  askNothing,

	CaseRefundRefused:  askRefunds,
	CaseRefundStuck:    askRefunds,
	CaseRefundAbnormal: askRefunds,
	CaseRefundClosed:   askRefunds,
	CaseRefundMismatch: askRefunds,
	CaseForeignRefund:  askRefunds,

	CaseBillMissingRefund:  askRefunds,
	CaseBillRefundMismatch: askRefunds,
}

// stuckIn are the stages in which a case is the one that its payment waits by.
var stuckIn = map[CaseKind]Stage{
	CaseNotPaid:         Received,
	CaseDispatchOverdue: Paid,
	CaseRefundStuck:     Compensating,
}

// Holds tells whether the case is why a payment at that stage waits for a person,
// so that it closes when the payment moves, and no sooner. A hold names the kind of
// its case.
func (c Case) Holds(stage Stage, hold CaseKind) bool {
	switch stage {
	case Holding:
		return c.Kind == hold && c.Subject == c.TransactionID
	case Quarantined:
		return c.Kind == CaseAmountMismatch || c.Kind == CaseForeignMerchant
	}
	return stage != "" && stuckIn[c.Kind] == stage
}

// Question is what WeChat is to be asked before a case is closed; the zero value
// asks nothing.
type Question struct {
	TimesOpened   int // of the case, so that a cause that comes back meanwhile stays open
	TransactionID string
	OutTradeNo    string   // asked by this where there is no transaction_id
	Refunds       []string // out_refund_no
}

// WeChatWord is what WeChat said when it was asked about a case.
type WeChatWord struct {
	AskedAt       time.Time    `json:"asked_at,omitzero"`
	TransactionID string       `json:"transaction_id,omitempty"`
	OutTradeNo    string       `json:"out_trade_no,omitempty"`
	TradeState    string       `json:"trade_state,omitempty"` // NOT_FOUND for what WeChat does not know; empty if not asked
	AmountFen     int64        `json:"amount_fen,omitempty"`  // that was paid
	Refunds       []RefundSaid `json:"refunds,omitempty"`
}

// RefundSaid is WeChat's word on one refund.
type RefundSaid struct {
	OutRefundNo string `json:"out_refund_no"`
	AmountFen   int64  `json:"amount_fen"`
	State       string `json:"state"` // a RefundState, or NOT_FOUND for what WeChat does not know
}

// NotFoundState stands where a trade_state or a refund's state would, for what
// WeChat does not know.
const NotFoundState = "NOT_FOUND"

// Asks is what WeChat must be asked before the case may be closed: about the
// refund it is about, about all of its payment that WeChat may know, or about the
// payment. A case that names nothing that could be asked about asks nothing.
func (c Case) Asks(refundsInBooks []RefundLine) Question {
	q := Question{TimesOpened: c.TimesOpened}
	switch closesWith[c.Kind] {
	case askNothing:
		return q
	case askRefunds:
		q.Refunds = c.refundsAsked(refundsInBooks)
	}
	if len(q.Refunds) == 0 {
		q.TransactionID, q.OutTradeNo = c.TransactionID, c.OutTradeNo
	}
	return q
}

func (c Case) refundsAsked(inBooks []RefundLine) []string {
	if c.Subject != "" && c.Subject != c.TransactionID {
		return []string{c.Subject}
	}
	var numbers []string
	for _, refund := range inBooks {
		if refund.State != RefundWithdrawn {
			numbers = append(numbers, refund.OutRefundNo)
		}
	}
	return numbers
}

// Known is what our books hold of a case's payment.
type Known struct {
	Stage     Stage // empty if no saga has it
	AmountFen int64
	Refunds   []RefundLine
}

// accepted tells whether our books go by it that the money came.
func (k Known) accepted() bool {
	return k.Stage != "" && k.Stage != Received && !k.Stage.Waiting() && k.Stage != Resolved
}

// Contradiction says what of WeChat's word does not fit our books, so that the
// case must stay open; empty if all of it does.
func (said WeChatWord) Contradiction(books Known) string {
	switch said.TradeState {
	case NotFoundState, "NOTPAY", "CLOSED":
		if books.accepted() {
			return fmt.Sprintf("WeChat says %s, and our books say that %d fen were paid", said.TradeState, books.AmountFen)
		}
	case "SUCCESS", "REFUND":
		if why := said.paidOtherwise(books); why != "" {
			return why
		}
	}
	for _, refund := range said.Refunds {
		if why := refund.contradicts(books); why != "" {
			return why
		}
	}
	return ""
}

func (said WeChatWord) paidOtherwise(books Known) string {
	switch {
	case books.Stage == "":
		return fmt.Sprintf("WeChat says %s, and no saga has this payment", said.TradeState)
	case said.AmountFen != books.AmountFen:
		return fmt.Sprintf("WeChat says that %d fen were paid, and our books say %d", said.AmountFen, books.AmountFen)
	case said.TradeState == "REFUND" && len(books.Refunds) == 0:
		return "WeChat says REFUND, and our books hold no refund of it"
	}
	return ""
}

// contradicts says what of WeChat's word on one refund does not fit. A refund of a
// payment that never was ours need only have ended.
func (said RefundSaid) contradicts(books Known) string {
	var ours RefundLine
	for _, refund := range books.Refunds {
		if refund.OutRefundNo == said.OutRefundNo {
			ours = refund
		}
	}
	nothing := ours.State == "" || ours.State == RefundWithdrawn || ours.State == RefundClosed
	switch {
	case said.State == NotFoundState && !nothing:
		return fmt.Sprintf("WeChat knows no refund %s, and our books call it %s", said.OutRefundNo, ours.State)
	case said.State == NotFoundState:
		return ""
	case !RefundState(said.State).Final():
		return fmt.Sprintf("WeChat still says %s of refund %s", said.State, said.OutRefundNo)
	case ours.State == "" && books.Stage != "":
		return fmt.Sprintf("WeChat says %s of refund %s, which is not in our books", said.State, said.OutRefundNo)
	case ours.State == "", said.State == string(RefundClosed) && nothing:
		return ""
	case said.State != string(ours.State) || said.AmountFen != ours.AmountFen:
		return fmt.Sprintf("WeChat says %s, %d fen, of refund %s, and our books say %s, %d fen",
			said.State, said.AmountFen, said.OutRefundNo, ours.State, ours.AmountFen)
	}
	return ""
}
