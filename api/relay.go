package api

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
	"github.com/paysaga/paysaga/workflows"
)

// Backlog is what the relay needs of the inbox and the books. A lease hides its
// rows from everybody for a while, and commits before anything is started; what
// was not done comes back, at growing intervals of at most 20 s.
type Backlog interface {
	// LeaseNews hands out news that is due, and ends what the books have taken up.
	LeaseNews(ctx context.Context, atMost int) ([]payment.Errand, error)
	// Started puts an errand off: a run is open, and the books should have its
	// payment soon.
	Started(ctx context.Context, inboxID int64) error
	// Done ends an errand, with the verdict that now stands.
	Done(ctx context.Context, inboxID int64, verdict payment.Verdict) error
	// Missed notes why an errand could not be done, for people.
	Missed(ctx context.Context, inboxID int64, why string) error
	// LeasePayments hands out payments that are not done, so that their sagas
	// can be started again if they are gone.
	LeasePayments(ctx context.Context, atMost int) ([]payment.Payment, error)
	// LeaseRequests hands out queued requests that their sagas did not begin.
	LeaseRequests(ctx context.Context, atMost int) ([]payment.Summons, error)
	// Summoned puts a request off whose saga was told, for longer each time.
	Summoned(ctx context.Context, requestID string) error
	OpenCase(ctx context.Context, about payment.Case) error
}

// Engine starts and signals sagas.
type Engine interface {
	Sagas
	// Start starts a payment's first saga; Conflict if there ever was one.
	Start(ctx context.Context, paid payment.Payment) error
	// Restart starts a saga unless one is running: nil means that one runs.
	Restart(ctx context.Context, paid payment.Payment) error
	// TellRefund tells a payment's saga that WeChat has news of a refund.
	TellRefund(ctx context.Context, paid payment.Payment, news workflows.RefundResult) error
}

// RefundDesk knows WeChat's refunds, made by us or by anybody else.
type RefundDesk interface {
	QueryRefund(ctx context.Context, outRefundNo string) (activities.RefundWord, error)
}

// Relay gets what is kept to the sagas: at once after each commit, and by a
// sweep what a crash, a lost signal or Temporal's absence left behind. Both are
// the same lease, so any number of processes may run one.
type Relay struct {
	Backlog Backlog
	Engine  Engine
	Refunds RefundDesk
	Every   time.Duration // between sweeps
	AtOnce  int           // starts at the same time
	Log     *slog.Logger

	wake chan struct{}
	jobs chan func(context.Context)
}

// startWithin bounds one call to Temporal or WeChat. It is shorter than a first
// lease, so that nobody else begins the same errand meanwhile.
const startWithin = 4 * time.Second

// settledWithin is how long news of a refund that is not ours waits for WeChat, and
// for the payment's saga to write it down.
const settledWithin = 24 * time.Hour

// NewRelay makes r ready for Wake and Run.
func NewRelay(r Relay) *Relay {
	r.wake = make(chan struct{}, 1)
	r.jobs = make(chan func(context.Context))
	return &r
}

// Wake says that something was committed. It never blocks.
func (r *Relay) Wake() {
	select {
	case r.wake <- struct{}{}:
	default: // the relay has been woken and has not looked yet
	}
}

// Run works until ctx ends, and returns when nothing of it runs any more. What
// it leaves undone comes back when its lease ends.
func (r *Relay) Run(ctx context.Context) error {
	var hands sync.WaitGroup
	defer hands.Wait()
	defer close(r.jobs)
	for range r.AtOnce {
		hands.Go(func() {
			for job := range r.jobs {
				ctx, cancel := context.WithTimeout(ctx, startWithin)
				job(ctx)
				cancel()
			}
		})
	}
	tick := time.NewTicker(r.Every)
	defer tick.Stop()
	sweeping := false
	for ctx.Err() == nil {
		more := r.news(ctx)
		if sweeping {
			sweeping = r.sweep(ctx)
		}
		if more || sweeping {
			select {
			case <-tick.C:
				sweeping = true
			default:
			}
			continue
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
			sweeping = true
		case <-r.wake:
		}
	}
	return nil
}

// news hands out what the inbox has; true if there may be more.
func (r *Relay) news(ctx context.Context) (more bool) {
	return lease(ctx, r, "news", r.Backlog.LeaseNews, r.run)
}

// sweep looks after requests that should have begun and sagas that should be
// running; true if there may be more. It is one batch at a time, between batches
// of news, so that however many wait, a new payment does not wait for them.
func (r *Relay) sweep(ctx context.Context) (more bool) {
	requests := lease(ctx, r, "requests", r.Backlog.LeaseRequests, r.summon)
	payments := lease(ctx, r, "payments", r.Backlog.LeasePayments, r.restart)
	return requests || payments
}

// lease hands a batch to the hands, as many as there are, so that none waits
// longer for a hand than its lease lasts.
func lease[T any](ctx context.Context, r *Relay, what string, from func(context.Context, int) ([]T, error), do func(context.Context, T)) (more bool) {
	batch, err := from(ctx, r.AtOnce)
	if err != nil {
		if ctx.Err() == nil {
			r.Log.Error("relay cannot read what is due", "what", what, "why", payment.CodeOf(err))
		}
		return false
	}
	for _, item := range batch {
		select {
		case <-ctx.Done():
			return false
		case r.jobs <- func(ctx context.Context) { do(ctx, item) }:
		}
	}
	return len(batch) == r.AtOnce
}

// run does one errand, and says in the inbox what came of it.
func (r *Relay) run(ctx context.Context, e payment.Errand) {
	err := r.errand(ctx, e)
	if err == nil {
		return
	}
	r.missed("news", e.Payment.TransactionID, err)
	if err := r.Backlog.Missed(ctx, e.InboxID, err.Error()); err != nil {
		r.missed("note", e.Payment.TransactionID, err)
	}
}

func (r *Relay) errand(ctx context.Context, e payment.Errand) error {
	if e.Over {
		return nil
	}
	if e.Kind == payment.NewsPayment {
		if err := r.start(ctx, e); err != nil {
			return err
		}
		return r.Backlog.Started(ctx, e.InboxID)
	}
	verdict, err := r.refund(ctx, e)
	switch {
	case err != nil:
		return err
	case verdict == "":
		return r.Backlog.Started(ctx, e.InboxID)
	}
	return r.Backlog.Done(ctx, e.InboxID, verdict)
}

// start asks for a first run first. An id that Temporal has seen before, of a
// payment that is not in the books, is a run that ended without a trace, or the
// books were restored to before it; the next try starts it anew. Whatever that run
// did is unknown, so the new one asks WeChat before it ships, as one does that
// comes of no callback.
func (r *Relay) start(ctx context.Context, e payment.Errand) error {
	if e.Payment.Via != payment.ViaCallback {
		return r.Engine.Restart(ctx, e.Payment)
	}
	err := r.Engine.Start(ctx, e.Payment)
	if payment.KindOf(err) != payment.Conflict || e.Tries == 0 {
		return err
	}
	again := e.Payment
	again.Via = payment.ViaQuery
	return r.Engine.Restart(ctx, again)
}

// refund passes news of a refund on. Under a number that is not ours, somebody
// made it elsewhere: the payment's saga writes it down, and until it has, there is
// no verdict. Of a payment that we do not know, a person must know. Or WeChat
// knows nothing of the refund either. What nobody could settle for a day is a
// person's as well: it is not asked about for ever.
//
// An order query names no number: the payment's saga asks how the payment stands.
func (r *Relay) refund(ctx context.Context, e payment.Errand) (payment.Verdict, error) {
	old := time.Since(e.KeptAt) > settledWithin
	switch nameless := e.OutRefundNo == ""; {
	case e.Ours:
		return payment.Accepted, r.Engine.TellRefund(ctx, e.Payment, workflows.RefundResult{OutRefundNo: e.OutRefundNo})
	case nameless && !old:
		return "", r.Engine.TellRefund(ctx, e.Payment, workflows.RefundResult{})
	case nameless:
		return payment.ForAPerson, r.Backlog.OpenCase(ctx, payment.Case{
			Kind: payment.CaseForeignRefund, TransactionID: e.Payment.TransactionID, OutTradeNo: e.Payment.OutTradeNo,
			Detail: "WeChat said that money went back, and would not say for a day how the payment stands",
		})
	}
	word, err := r.Refunds.QueryRefund(ctx, e.OutRefundNo)
	about := payment.Case{
		Kind: payment.CaseForeignRefund, Subject: e.OutRefundNo, TransactionID: word.TransactionID,
		Detail: fmt.Sprintf("refund %s of %d fen is %s at WeChat, and not ours", e.OutRefundNo, word.AmountFen, word.State),
	}
	switch {
	case payment.KindOf(err) == payment.NotFound:
		return payment.Noted, nil
	case err != nil && old:
		about.TransactionID = e.Payment.TransactionID
		about.Detail = "WeChat sent news of refund " + e.OutRefundNo + ", which is not ours, and would not say for a day what it is"
	case err != nil:
		return "", err
	case e.Known && word.TransactionID == e.Payment.TransactionID && !old:
		return "", r.Engine.TellRefund(ctx, e.Payment, workflows.RefundResult{OutRefundNo: e.OutRefundNo})
	}
	return payment.ForAPerson, r.Backlog.OpenCase(ctx, about)
}

func (r *Relay) summon(ctx context.Context, s payment.Summons) {
	err := r.Engine.Tell(ctx, s.Payment, string(s.Kind), workflows.Word{RequestID: s.RequestID})
	if err == nil {
		err = r.Backlog.Summoned(ctx, s.RequestID)
	}
	if err != nil {
		r.missed("request", s.Payment.TransactionID, err)
	}
}

func (r *Relay) restart(ctx context.Context, paid payment.Payment) {
	if err := r.Engine.Restart(ctx, paid); err != nil {
		r.missed("payment", paid.TransactionID, err)
	}
}

func (r *Relay) missed(what, transactionID string, err error) {
	r.Log.Warn("relay will try again", "what", what, "transaction_id", transactionID, "why", payment.CodeOf(err))
}
