package payment

import "time"

// CaseFile is a case with everything that ever happened to it.
type CaseFile struct {
	Case
	Events []CaseEvent `json:"events"` // oldest first
}

// CaseEvent is one line of a case's history.
type CaseEvent struct {
	At       time.Time   `json:"at"`
	What     string      `json:"what"`  // opened, reopened, overdue, assigned, noted or closed
	Actor    string      `json:"actor"` // paysaga where no person is behind it
	Owner    string      `json:"owner,omitempty"`
	Text     string      `json:"text"` // what is known, a note, or how it ended
	Reason   string      `json:"reason,omitempty"`
	Evidence *WeChatWord `json:"evidence,omitempty"` // closed by a person: what WeChat said
}

// CaseAct is what a person does to a case.
type CaseAct struct {
	CaseID     string
	By         string
	Reason     string
	Owner      string // assign: who must look from now on
	Note       string // note
	Resolution string // close: how it ended, one line
	// Question and Said are what was asked before a case is closed, and what
	// WeChat said to it.
	Question Question
	Said     WeChatWord
}

// What a person at a case may be told, by codes that the desk and the books share.
const (
	CodeCaseClosed    = "case_closed"    // Conflict: somebody was faster
	CodePaymentWaits  = "payment_waits"  // Conflict: its payment must move first
	CodeContradicted  = "contradicted"   // Conflict: WeChat says otherwise
	CodeCaseMovedOn   = "case_moved_on"  // Conflict: it came up again while WeChat was asked
	CodeWeChatSilent  = "wechat_silent"  // Unknown: no evidence, so nothing was changed
	CodeStillTold     = "still_pending"  // Conflict: it is being told anyway
	CodePayerWasTold  = "payer_told"     // Conflict: it may have reached the payer
	CodeNothingToTell = "nothing_to_say" // Conflict: the payment goes back
)
