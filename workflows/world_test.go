package workflows

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

const (
	txID      = "4200001234202611220000000001"
	anotherID = "4200001234202611220000000002"
	orderNo   = "ORDER-20261122-1"
	paidFen   = 12850
)

var terms = payment.Terms{
	ShipAttemptTimeout:   30 * time.Second,
	ShipGiveUpAfter:      2 * time.Hour,
	DispatchOverdueAfter: 72 * time.Hour,
	NotifyGiveUpAfter:    6 * time.Hour,
	HoldFor:              72 * time.Hour,
	UnknownOrderWait:     time.Minute,
	RequestWait:          time.Minute,
	RetryMaxInterval:     2 * time.Minute,
	RefundPoll:           []time.Duration{time.Minute, 5 * time.Minute, 10 * time.Minute, 20 * time.Minute, 30 * time.Minute},
	RefundSpacing:        time.Minute,
}

// world is the books, the shop and WeChat, each with a will of its own. Its
// methods have the names and types of the real acts (TestWorldHasEveryAct). It
// begins at time zero of the test; durations in it count from there.
type world struct {
	t  *testing.T
	mu sync.Mutex
	at func() time.Time

	begun time.Time
	books payment.Books

	verdict        payment.Stage // of the judge, once it can judge
	orderKnownAt   time.Duration // before that the order is unknown; negative: never known
	askFirst       bool          // no callback: WeChat is asked before anything ships
	tradeState     string        // WeChat's word when asked
	accepted       bool          // this payment paid its order
	noWitnessUntil time.Duration // until then nobody bears a person's word out, or denies it
	booksBroken    time.Duration // until then our own database answers nothing but nonsense

	shop    shopWill
	wechat  wechatWill
	refunds map[string]*refundAtWeChat
	heard   map[string]bool // refunds made elsewhere that the books know

	questions int // about refunds, that WeChat was asked
	begins    int // of requests, that the books were asked for
	finds     int // of shipments, that the shop was asked for

	requests map[string]*payment.Request
	cases    map[payment.CaseKind]int // how often opened
	shipped  map[string]int           // effects at the shop by ship key
	banned   map[string]bool          // keys the shop will never ship
	told     []string                 // messages the shop took
	needs    func(payment.Books)      // a person who reads the books after each act; may be nil
}

// shopWill is what the shop does, until when.
type shopWill struct {
	silentUntil   time.Duration // ship and cancel get no answer
	deafToCancel  bool          // cancel never gets an answer
	shipsAnyway   bool          // while it is silent it ships all the same
	refuses       bool
	acceptsLater  time.Duration // a 202, dispatched that long after; negative: never dispatched
	deafToUntil   time.Duration // messages get no answer
	acceptedAt    time.Time
	dispatchedNow bool
}

// wechatWill is what WeChat does with refunds.
type wechatWill struct {
	emptyUntil    time.Duration // NOT_ENOUGH until then
	takes         time.Duration // from accepted to final
	abnormalUntil time.Duration // ABNORMAL in between
	closes        bool          // CLOSED instead of SUCCESS
	silentUntil   time.Duration
	blockedUntil  time.Duration // a refund that is not ours holds all of the money
	crossing      func()        // happens while the answer to the next refund call is on its way
}

type refundAtWeChat struct {
	amountFen int64
	at        time.Time
}

func newWorld(t *testing.T) *world {
	return &world{
		t: t, verdict: payment.Paid, tradeState: "SUCCESS",
		refunds: map[string]*refundAtWeChat{}, heard: map[string]bool{}, requests: map[string]*payment.Request{},
		cases: map[payment.CaseKind]int{}, shipped: map[string]int{}, banned: map[string]bool{},
	}
}

// paidBefore makes the world of a payment that an earlier run brought this far.
func (w *world) paidBefore(stage payment.Stage) {
	w.books = payment.Books{TransactionID: txID, OutTradeNo: orderNo, AmountFen: paidFen, Stage: stage, Terms: terms}
	w.accepted = true
}

func (w *world) begin(at func() time.Time) { w.at, w.begun = at, at() }

func (w *world) before(d time.Duration) bool { return w.at().Sub(w.begun) < d }

var errNoAnswer = temporal.NewApplicationError("no answer", string(payment.Unknown))

// move holds the world to the one table of lawful moves.
func (w *world) move(to payment.Stage) {
	if !slices.Contains(payment.Moves[w.books.Stage], to) {
		w.t.Errorf("unlawful move from %s to %s", w.books.Stage, to)
	}
	w.books.Stage, w.books.Hold = to, nil
	if to.Final() {
		w.end(payment.Compensate, payment.RequestDone)
	}
}

func (w *world) end(kind payment.RequestKind, how payment.RequestState) {
	if open := w.books.Request; open != nil && open.Kind == kind {
		w.requests[open.ID].State = how
		w.books.Request = nil
	}
}

func (w *world) left() (payment.Books, error) {
	if w.needs != nil {
		w.needs(w.books)
	}
	left := w.books
	if left.Refund != nil {
		refund := *left.Refund
		left.Refund = &refund
	}
	return left, nil
}

// books

func (w *world) MarkPaid(_ context.Context, paid payment.Payment) (payment.Books, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.before(w.booksBroken) {
		return payment.Books{}, temporal.NewNonRetryableApplicationError("a constraint", string(payment.Conflict), nil)
	}
	if w.books.Stage == "" {
		w.askFirst = w.askFirst || paid.Via == payment.ViaQuery
		w.books = payment.Books{
			TransactionID: paid.TransactionID, OutTradeNo: paid.OutTradeNo, AmountFen: paid.AmountFen,
			Stage: payment.Received, Terms: terms,
		}
	}
	w.judge()
	return w.left()
}

func (w *world) judge() {
	if w.books.Stage != payment.Received {
		return
	}
	switch {
	case w.askFirst:
		w.books.Unsettled = payment.AskWeChat
		return
	case w.orderKnownAt < 0 || w.before(w.orderKnownAt):
		w.books.Unsettled = payment.UnknownOrder
		return
	}
	w.books.Unsettled = ""
	w.move(w.verdict)
	switch w.verdict {
	case payment.Paid:
		w.accepted = true
	case payment.Quarantined:
		w.cases[payment.CaseAmountMismatch]++
	case payment.Compensating:
		w.books.Goods = payment.GoodsStop
	}
}

func (w *world) Hold(_ context.Context, stop activities.Stop) (payment.Books, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hold(stop.Hold)
	return w.left()
}

func (w *world) hold(hold payment.Hold) {
	if w.books.Stage == payment.Holding {
		return
	}
	w.move(payment.Holding)
	w.books.Hold, w.books.Unsettled = &hold, ""
	w.cases[hold.Reason]++
	part := w.books.Refund != nil && w.books.Refund.Part
	if part && w.books.Refund.AskedAt.IsZero() {
		w.books.Refund, part = nil, false
	}
	if open := w.books.Request; open != nil && !part {
		w.end(open.Kind, payment.RequestRefused)
	}
}

func (w *world) EndHold(context.Context, string) (payment.Books, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if hold := w.books.Hold; hold != nil && !hold.Until.IsZero() && !w.at().Before(hold.Until) {
		w.move(payment.Compensating)
		w.books.Goods = payment.GoodsStop
	}
	return w.left()
}

func (w *world) OpenCase(_ context.Context, about payment.Case) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if about.TransactionID != txID || about.Detail == "" {
		w.t.Errorf("a case that says nothing: %+v", about)
	}
	w.cases[about.Kind]++
	return nil
}

func (w *world) BeginRequest(_ context.Context, requestID string) (payment.Books, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.begins++
	request, ok := w.requests[requestID]
	if !ok {
		return payment.Books{}, temporal.NewNonRetryableApplicationError("no such request", string(payment.NotFound), nil)
	}
	if request.TransactionID == anotherID {
		return payment.Books{TransactionID: anotherID, Stage: payment.Refunded}, nil
	}
	if request.State != payment.Queued {
		return w.left()
	}
	w.books.Request, request.State = nil, payment.RequestRefused
	stage, hold := w.books.Stage, w.books.Hold
	run := func() {
		request.State = payment.Running
		w.books.Request = &payment.OpenRequest{ID: requestID, Kind: request.Kind, State: payment.Running}
	}
	switch {
	case request.Kind == payment.Compensate && slices.Contains(payment.Moves[stage], payment.Compensating):
		w.move(payment.Compensating)
		w.books.Goods = request.Goods
		run()
	case request.Kind == payment.PartialRefund && slices.Contains(payment.Askable[request.Kind], stage):
		w.books.Refund = &payment.Refund{
			OutRefundNo: request.OutRefundNo, TransactionID: txID, AmountFen: request.AmountFen, TotalFen: paidFen,
			State: payment.RefundRequested, Part: true, ReadyAt: w.at(),
		}
		run()
	case request.Kind == payment.Retry && stage == payment.Holding:
		request.State = payment.RequestDone
		switch {
		case hold.Direction == payment.Backward:
			w.move(payment.Compensating)
		case w.accepted:
			w.move(payment.Paid)
		default:
			w.move(payment.Received)
			w.judge()
		}
	case request.Kind == payment.Resolve && stage.Waiting():
		run()
	}
	return w.left()
}

func (w *world) RecordUnverified(_ context.Context, asked payment.Unverified) (payment.Books, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ok := w.requests[asked.RequestID]; !ok {
		w.requests[asked.RequestID] = &payment.Request{
			ID: asked.RequestID, TransactionID: asked.TransactionID, Kind: asked.Kind, Goods: asked.Goods,
			State: payment.PendingApproval, Actor: "unverified:" + asked.Actor, Reason: asked.Reason,
		}
	}
	return w.left()
}

func (w *world) MarkRefunded(context.Context, string) (payment.Books, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.books.Stage == payment.Compensating && w.books.RefundedFen == w.books.AmountFen {
		w.move(payment.Refunded)
		w.books.Webhook = "payment.refunded-" + txID
	}
	return w.left()
}

// evidence

func (w *world) Resolve(_ context.Context, requestID string) (payment.Books, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.before(w.noWitnessUntil) {
		return payment.Books{}, errNoAnswer
	}
	request := w.requests[requestID]
	var sumFen int64
	for _, number := range request.Evidence {
		if refund, ok := w.refunds[number]; ok && w.refundState(refund) == payment.RefundSuccess {
			sumFen += refund.amountFen
		}
	}
	confirmed := sumFen == w.books.AmountFen
	if request.Outcome == payment.Shipped {
		confirmed = len(w.shipped) > 0
	}
	if !confirmed {
		w.end(payment.Resolve, payment.RequestRefused)
		return w.left()
	}
	w.end(payment.Resolve, payment.RequestDone)
	w.move(payment.Resolved)
	return w.left()
}

func (w *world) GiveUpResolve(_ context.Context, requestID string) (payment.Books, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if open := w.books.Request; open == nil || open.ID != requestID {
		w.t.Errorf("gave up request %s while %+v was open", requestID, open)
	}
	w.end(payment.Resolve, payment.RequestRefused)
	return w.left()
}

// ask writes a person's request down, as the api does before it signals.
func (w *world) ask(request payment.Request) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	request.TransactionID, request.State = txID, payment.Queued
	if request.ID == "" {
		request.ID = string(request.Kind) + "-request"
	}
	w.requests[request.ID] = &request
	return request.ID
}

func (w *world) opened() []payment.CaseKind { return slices.Sorted(maps.Keys(w.cases)) }

func (w *world) refundedFen() (sum int64) {
	for _, refund := range w.refunds {
		if w.refundState(refund) == payment.RefundSuccess {
			sum += refund.amountFen
		}
	}
	return sum
}

func (w *world) parcels() (n int) {
	for _, times := range w.shipped {
		n += times
	}
	return n
}

// TestWorldHasEveryAct keeps the fake honest: the same acts, the same types.
func TestWorldHasEveryAct(t *testing.T) {
	hasEveryAct(t, &world{}, books, shop, wechat, evidence)
	hasEveryAct(t, &clerk{}, bills)
}

func hasEveryAct(t *testing.T, faked any, parties ...any) {
	t.Helper()
	fake := reflect.TypeOf(faked)
	for _, party := range parties {
		real := reflect.TypeOf(party)
		for method := range real.Methods() {
			got, ok := fake.MethodByName(method.Name)
			if !ok {
				t.Errorf("no fake of %s.%s", real, method.Name)
				continue
			}
			_, want, _ := strings.Cut(method.Type.String(), "context.Context")
			if _, have, _ := strings.Cut(got.Type.String(), "context.Context"); have != want {
				t.Errorf("%s: the fake takes and gives %s, the act %s", method.Name, have, want)
			}
		}
	}
}

var errStillOpen = errors.New("still open when nobody watched any more")

// wants checks the stage in the middle of a story.
func (w *world) wants(stage payment.Stage) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.books.Stage != stage {
		w.t.Errorf("%s at that time, want %s", w.books.Stage, stage)
	}
}

// has checks how often a case was opened.
func (w *world) has(times int, kind payment.CaseKind) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cases[kind] != times {
		w.t.Errorf("%s was opened %d times at that time, want %d", kind, w.cases[kind], times)
	}
}
