package api

import (
	"net/http"

	"github.com/paysaga/paysaga/internal/payment"
)

// operation is one thing that the desk does under /v1: its route, and what the
// contract (openapi.json) says of it.
type operation struct {
	method, path string
	roles        []Role
	do           handler
	says         string      // one sentence: what it does
	query        []parameter // of a list
	takes        any         // the body's type; nil for none
	status       int         // of a good answer
	gives        any         // its type
	also         []int       // answers beyond those that every such operation may give
}

// parameter is one name in a list's query.
type parameter struct {
	name, says string
	words      []string // the few it may be
	flag       bool     // true or false
}

var (
	merchants = []Role{Merchant}
	agents    = []Role{Support, Approver}
	approvers = []Role{Approver}
	staff     = []Role{Support, Approver, Operator}
	operators = []Role{Operator}
	everyone  = []Role{Merchant, Support, Approver, Operator}
)

// get, post and listing are the three kinds of operation.
func get(path string, roles []Role, do handler, says string, gives any) operation {
	return operation{method: http.MethodGet, path: path, roles: roles, do: do, says: says, status: http.StatusOK, gives: gives}
}

func post(path string, roles []Role, do handler, says string, takes any, status int, gives any, also ...int) operation {
	return operation{method: http.MethodPost, path: path, roles: roles, do: do, says: says, takes: takes, status: status, gives: gives, also: also}
}

func listing(path string, roles []Role, do handler, says string, gives any, query ...parameter) operation {
	o := get(path, roles, do, says, gives)
	o.query = append(query, parameter{name: "limit", says: "how many items a page has, 1 to 100; 20 if not said"},
		parameter{name: "cursor", says: "the next_cursor of the page before"})
	return o
}

// operations is everything under /v1. The router is made of it, and so is the
// contract that merchants read; a test holds both to it.
func (s *Server) operations() []operation {
	var (
		number   = parameter{name: "q", says: "any number, or how it begins"}
		attended = parameter{name: "needs_attention", says: "only those that wait for a person, or only the others", flag: true}
	)
	return []operation{
		post("/v1/orders", merchants, s.createOrder, "Take an order and offer it at WeChat.",
			newOrder{}, http.StatusCreated, orderTaken{}, http.StatusBadGateway),
		get("/v1/orders/{out_trade_no}", everyone, s.order, "An order with its payments, refunds and timeline.", payment.OrderDossier{}),
		post("/v1/orders/{out_trade_no}/close", merchants, s.closeOrder, "Have a pending order closed, at WeChat and here.",
			nil, http.StatusAccepted, closing{}),

		listing("/v1/payments", everyone, s.payments, "Payments, the newest first.", pageOf[payment.FoundPayment]{},
			parameter{name: "stage", says: "only those at this stage", words: stages}, attended, number),
		get("/v1/payments/{transaction_id}", everyone, s.payment, "All that is known of a payment.", payment.Dossier{}),
		post("/v1/payments/{transaction_id}/compensate", agents, s.compensate, "Ask for a payment to be undone: stop the goods, give the money back.",
			undoing{}, http.StatusAccepted, requestTaken{}),
		post("/v1/payments/{transaction_id}/refunds", agents, s.refundPart, "Ask for part of a payment to go back.",
			part{}, http.StatusAccepted, requestTaken{}),
		post("/v1/payments/{transaction_id}/retry", staff, s.retry, "Ask for a held payment to go on, or for the next try of a step now.",
			reasoned{}, http.StatusAccepted, requestTaken{}),
		post("/v1/payments/{transaction_id}/resolve", agents, s.resolve, "Ask for a payment to be closed as it ended elsewhere, with evidence.",
			ending{}, http.StatusAccepted, requestTaken{}),
		post("/v1/compensations", agents, s.compensateMany, "Undo up to 100 payments for one reason, or preview that.",
			undoings{}, http.StatusOK, bulkTaken{}, http.StatusTooManyRequests),

		get("/v1/requests/{id}", staff, s.request, "How far a request has come.", payment.Request{}),
		listing("/v1/approvals", staff, s.approvals, "What waits for a second person, the oldest first.", pageOf[payment.Request]{}),
		post("/v1/requests/{id}/approve", approvers, s.approve, "Let another's request run.",
			reasoned{}, http.StatusAccepted, requestTaken{}, http.StatusGone),
		post("/v1/requests/{id}/reject", approvers, s.reject, "End another's request, and free the payment.",
			reasoned{}, http.StatusAccepted, requestTaken{}, http.StatusGone),

		listing("/v1/cases", staff, s.cases, "What needs a person, overdue first.", pageOf[payment.Case]{},
			parameter{name: "state", says: "only those", words: []string{"open", "closed"}},
			parameter{name: "kind", says: "only this kind"}, parameter{name: "owner", says: "only this person's"},
			parameter{name: "overdue", says: "only those that are, or only the others", flag: true}, number),
		get("/v1/cases/{id}", staff, s.caseFile, "A case with everything that happened to it.", payment.CaseFile{}),
		post("/v1/cases/{id}/assign", staff, s.assignCase, "Say who must look from now on.", assignment{}, http.StatusOK, payment.CaseFile{}),
		post("/v1/cases/{id}/notes", staff, s.noteCase, "Add a note.", note{}, http.StatusOK, payment.CaseFile{}),
		post("/v1/cases/{id}/close", staff, s.closeCase, "Close a case; where money is concerned, by WeChat's word, asked now.",
			conclusion{}, http.StatusOK, payment.CaseFile{}),

		listing("/v1/inbox", staff, s.inbox, "What WeChat sent, and what our own questions found; the youngest first.", pageOf[payment.Kept]{},
			parameter{name: "kind", says: "only this kind", words: keptKinds}, parameter{name: "verdict", says: "only these", words: keptVerdicts},
			parameter{name: "done", says: "only what needs nothing more, or only the rest", flag: true}, number),
		get("/v1/inbox/{id}", staff, s.news, "One piece of news, each time it came, and the run it led to.", payment.KeptFile{}),
		listing("/v1/webhooks", staff, s.webhooks, "What others were told, the newest first.", pageOf[payment.Webhook]{},
			parameter{name: "state", says: "only these", words: webhookStates}, parameter{name: "event", says: "only this event"}, number),
		post("/v1/webhooks/{id}/resend", staff, s.resend, "Send a message again, under the id it had.", reasoned{}, http.StatusAccepted, resendTaken{}),
		post("/v1/shipments/{shipment_id}/dispatched", merchants, s.dispatched, "The shop's late word that it sent what it had accepted.",
			dispatch{}, http.StatusAccepted, reportTaken{}),

		listing("/v1/reports", staff, s.reports, "The days whose bill was held against the books, the newest first.", pageOf[payment.Report]{}),
		listing("/v1/reports/{date}", staff, s.report, "A day: both sides, and what differs; or all of it as CSV.", dayReport{},
			parameter{name: "format", says: "how it is answered", words: []string{"json", "csv"}}),
		get("/v1/today", staff, s.today, "How the day in Beijing goes so far.", payment.Today{}),
		listing("/v1/audit", operators, s.audit, "Who did what, or was not allowed to; the newest first.", pageOf[payment.Audited]{},
			parameter{name: "actor", says: "only this person's"}, parameter{name: "action", says: "only this, noun.verb"},
			parameter{name: "decision", says: "only these", words: words(payment.Allow, payment.Deny)}, number),
	}
}

func words[T ~string](values ...T) []string {
	all := make([]string, len(values))
	for i, v := range values {
		all[i] = string(v)
	}
	return all
}
