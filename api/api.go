// Package api is the desk: it takes orders, keeps what WeChat calls about,
// answers questions, and passes on what people ask for. It moves no money and no
// payment: whatever does is an act of the saga.
package api

import (
	"context"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"golang.org/x/time/rate"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
	"github.com/paysaga/paysaga/workflows"
)

// Server is the desk and whom it works with.
type Server struct {
	Desk      Desk
	Till      Till
	Sagas     Sagas
	Closings  Closings
	Runs      Runs
	Tokens    Tokens
	People    People
	Codec     Codec
	Rules     Rules
	Console   http.Handler // the pages under /console/; nil for none
	Callbacks http.Handler // everything under /callbacks/, with rules of its own
	Log       *slog.Logger

	bulk *rate.Limiter
}

// Rules are the settings the desk lives by.
type Rules struct {
	AppIDs           []string            // ours; the first is the default
	LatePayment      payment.LatePayment // for orders that do not say
	ApprovalAboveFen int64               // a refund by hand above this wants a second person
}

// Desk is what the desk needs of the books. Where a method takes an owner, the
// empty one sees everything, and any other only their own: what is missing and
// what is another's are the same NotFound.
type Desk interface {
	// TakeOrder writes an order down, or finds the one that the same call wrote;
	// again tells that it was found. Conflict for any other under its number.
	TakeOrder(ctx context.Context, order payment.Order, creator string) (taken payment.Order, again bool, err error)
	// Offered notes the offer WeChat made for an order; the first one stays.
	Offered(ctx context.Context, outTradeNo, offer string) (payment.Order, error)
	// KeepFound writes a payment down that a query found, for the relay to start.
	KeepFound(ctx context.Context, found payment.News) error
	OrderDossier(ctx context.Context, outTradeNo, owner string) (payment.OrderDossier, error)

	// Dossier also finds a payment that only the inbox knows, as received.
	Dossier(ctx context.Context, transactionID, owner string) (payment.Dossier, error)
	// Payment is the input of a payment's saga, from the books or the inbox.
	Payment(ctx context.Context, transactionID string) (payment.Payment, error)

	// Ask writes a request down, judged by how its payment stands; Conflict
	// where it is too late, or another request is open.
	Ask(ctx context.Context, asked payment.Request, approvalAboveFen int64) (payment.Request, error)
	Request(ctx context.Context, id string) (payment.Request, error)
	// ReportDispatch keeps a shop's word on a shipment of its own order, and
	// returns the input of the saga to be told; Conflict, and that input, for a
	// shipment that was cancelled.
	ReportDispatch(ctx context.Context, said payment.DispatchReport) (payment.Payment, error)
	// Approve and Reject end the wait for a second person, once.
	Approve(ctx context.Context, d payment.Decision) (payment.Request, error)
	Reject(ctx context.Context, d payment.Decision) (payment.Request, error)

	// Payments and Cases are lists, a page at a time.
	Payments(ctx context.Context, wanted payment.PaymentFilter, page payment.Page[payment.PaymentPlace]) ([]payment.FoundPayment, error)
	Cases(ctx context.Context, wanted payment.CaseFilter, page payment.Page[payment.CasePlace]) ([]payment.Case, error)

	// Reports are the days whose bill was fetched, and Differences what was ever
	// found of one.
	Reports(ctx context.Context, page payment.Page[payment.ReportPlace]) ([]payment.Report, error)
	Report(ctx context.Context, day string) (payment.Report, error)
	Differences(ctx context.Context, day string, page payment.Page[payment.DifferencePlace]) ([]payment.Difference, error)

	// Approvals is what waits for a second person, the oldest first.
	Approvals(ctx context.Context, page payment.Page[payment.RequestPlace]) ([]payment.Request, error)
	// Consider judges a request as Ask does, and writes nothing down.
	Consider(ctx context.Context, asked payment.Request, approvalAboveFen int64) (payment.Request, error)
	// Today is how the day in Beijing goes so far.
	Today(ctx context.Context) (payment.Today, error)

	// BeginCall and EndCall make a call answer alike however often it is sent; see
	// payment.Call.
	BeginCall(ctx context.Context, call payment.Call) (payment.Call, error)
	EndCall(ctx context.Context, call payment.Call) error

	// Audit is the audit log, a page at a time, the newest row first.
	Audit(ctx context.Context, wanted payment.AuditFilter, page payment.Page[payment.AuditPlace]) ([]payment.Audited, error)
	// Record writes down an act that none of the above does: one that was denied,
	// or that Temporal carries out. All others write themselves down.
	Record(ctx context.Context, act payment.Act) error

	Casework
	Mail
	Archive
}

// Till is where orders are paid: WeChat.
type Till interface {
	// Prepay offers an order and returns its payment.Order.Offer. The same order
	// offered again is the same order at WeChat.
	Prepay(ctx context.Context, order payment.Order) (offer string, err error)
	// QueryOrder says what became of an order; NotFound if it was never offered.
	QueryOrder(ctx context.Context, outTradeNo string) (activities.Transaction, error)
	// QueryPayment and QueryRefund are WeChat's word on what a case is about;
	// NotFound if it knows none.
	QueryPayment(ctx context.Context, transactionID string) (activities.Transaction, error)
	QueryRefund(ctx context.Context, outRefundNo string) (activities.RefundWord, error)
	// ClientParameters is what the payer's client opens the cashier with, signed;
	// nil for orders whose offer is an address.
	ClientParameters(ctx context.Context, order payment.Order) (map[string]string, error)
}

// Closings starts the closing of an order, unless it is under way.
type Closings interface {
	CloseOrder(ctx context.Context, asked payment.Closing) error
}

// Sagas tells the saga of a payment that a person asked for something, or that the
// shop reported a dispatch, and starts it where none is running.
type Sagas interface {
	Tell(ctx context.Context, paid payment.Payment, signal string, word workflows.Word) error
	TellDispatched(ctx context.Context, paid payment.Payment, report workflows.DispatchReport) error
}

// patience is how long a call may take: WeChat's ten seconds, and our own books.
const patience = 15 * time.Second

// Routes is everything the desk answers to. Nothing here trusts a forwarded
// address, and nothing under /callbacks/ passes through what is for merchants.
func (s *Server) Routes() http.Handler {
	s.bulk = bulkLimit()
	r := chi.NewRouter()
	r.Use(s.survive)
	r.NotFound(s.handle(notFound))
	r.MethodNotAllowed(s.handle(methodNotAllowed(r)))
	r.Handle("/callbacks/*", s.Callbacks)
	r.Get("/openapi.json", s.handle(serveContract))
	r.Get("/docs", s.handle(serveDocs))
	r.Get("/docs/docs.css", s.handle(serveDocsStyle))
	r.Route("/console", s.consoleRoutes)
	r.Route("/codec", s.codecRoutes)
	r.Route("/v1", func(r chi.Router) {
		r.Use(s.identify)
		for _, o := range s.operations() {
			r.Method(o.method, strings.TrimPrefix(o.path, "/v1"), s.only(o.roles...)(o.do))
		}
	})
	return r
}

// handle gives a handler its time, and turns its error into an answer.
func (s *Server) handle(h func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), patience)
		defer cancel()
		if err := h(w, r.WithContext(ctx)); err != nil {
			s.answer(w, r, err)
		}
	}
}

// survive keeps one bad request from ending the process. It logs where the panic
// was and never what the request held.
func (s *Server) survive(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			switch cause := recover(); cause {
			case nil:
			case http.ErrAbortHandler:
				panic(cause)
			default:
				s.Log.Error("panic", "method", r.Method, "route", routeOf(r), "stack", string(debug.Stack()))
				s.answer(w, r, payment.Failf(payment.Internal, "internal", "something broke on our side"))
			}
		}()
		next.ServeHTTP(w, r)
	})
}
