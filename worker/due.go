package worker

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

// All workers together ask WeChat about 50 orders a second. With the 100 calls of
// the queue wechat that is 150, the lowest limit that WeChat gives a merchant for
// any call (its refunds). A batch is a second's worth of turns.
const (
	queriesAtMost = 50
	queriesApart  = time.Second / queriesAtMost
	dueEvery      = time.Second
)

// limitedPause is how long nobody asks after WeChat said: too often.
const limitedPause = 10 * time.Second

// lookWithin bounds what one order may take: two domains of WeChat, ten seconds each.
const lookWithin = 25 * time.Second

// DueLedger is what asking about unpaid orders needs of the books.
type DueLedger interface {
	// LeaseDue hands out orders that are due, each to one worker and with a turn
	// that no other call has; they are moved on before anybody acts on them.
	LeaseDue(ctx context.Context, atMost int, apart time.Duration) (due []payment.DueOrder, more bool, err error)
	// AskAgain has orders looked at again soon: nobody gave an answer.
	AskAgain(ctx context.Context, outTradeNos []string) error
	// NoTurns lets no worker take a turn for a while.
	NoTurns(ctx context.Context, pause time.Duration) error
	// KeepFound writes down that a query found a payment; its saga starts from there.
	KeepFound(ctx context.Context, found payment.News) error
}

// OrderQuery asks WeChat what became of an order; NotFound means that no prepay
// reached WeChat.
type OrderQuery interface {
	QueryOrder(ctx context.Context, outTradeNo string) (activities.Transaction, error)
}

// Closings has orders closed, at WeChat and here. Asking twice is asking once.
type Closings interface {
	CloseOrder(ctx context.Context, asked payment.Closing) error
}

// DueOrders asks WeChat about orders whose callback may be lost, and has those
// closed that nobody paid in time. It marks nothing paid: a payment it finds is
// news in the inbox, like a callback's.
type DueOrders struct {
	Ledger   DueLedger
	WeChat   OrderQuery
	Closings Closings
	// Count counts what became of each look, by outcome; see NewDueCounter.
	Count *prometheus.CounterVec
}

// NewDueCounter makes the counter of queries and closings, and registers it.
func NewDueCounter(registry prometheus.Registerer) *prometheus.CounterVec {
	count := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "paysaga_due_orders_total",
		Help: "Unpaid orders that were looked at: WeChat calls them offered, paid, withdrawn or unoffered; expired, their closing began; limited or failed, there was no answer.",
	}, []string{"outcome"})
	registry.MustRegister(count)
	return count
}

// Round looks at due orders every second.
func (d *DueOrders) Round() Round {
	return Round{Name: "due orders", Every: dueEvery, Do: d.drain}
}

// drain looks at a batch of due orders, each at its turn. Where WeChat says that
// it is asked too often, those whose turn has not come are left for later, by
// this worker and by all others.
func (d *DueOrders) drain(ctx context.Context) (more bool, err error) {
	due, more, err := d.Ledger.LeaseDue(ctx, queriesAtMost, queriesApart)
	if err != nil || len(due) == 0 {
		return more, err
	}
	turns, stop := context.WithCancel(ctx)
	defer stop()
	failed := make([]error, len(due))
	var looking sync.WaitGroup
	for i, order := range due {
		looking.Go(func() {
			if failed[i] = wait(turns, order.Turn); failed[i] != nil {
				return
			}
			if failed[i] = d.look(ctx, order); limited(failed[i]) {
				stop()
			}
		})
	}
	looking.Wait()
	return more, d.leave(ctx, due, failed)
}

// look acts on one order, and counts what came of it.
func (d *DueOrders) look(ctx context.Context, order payment.DueOrder) error {
	ctx, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	outcome, err := d.act(ctx, order)
	switch {
	case limited(err):
		outcome = "limited"
	case err != nil:
		outcome = "failed"
	}
	d.Count.WithLabelValues(outcome).Inc()
	return err
}

func (d *DueOrders) act(ctx context.Context, order payment.DueOrder) (outcome string, err error) {
	if order.Expired {
		return "expired", d.close(ctx, order.OutTradeNo)
	}
	word, err := d.WeChat.QueryOrder(ctx, order.OutTradeNo)
	if payment.KindOf(err) == payment.NotFound { // it may be offered yet
		return string(payment.Unoffered), nil
	}
	if err != nil {
		return "", err
	}
	stands := word.Stands()
	switch stands {
	case payment.OfferPaid:
		err = d.Ledger.KeepFound(ctx, word.Found())
	case payment.Withdrawn: // nobody can pay it any more, so it need not expire here first
		err = d.close(ctx, order.OutTradeNo)
	}
	return string(stands), err
}

// ourselves is who closes an order that nobody asked to close. No token may have
// this name.
const ourselves = "paysaga"

func (d *DueOrders) close(ctx context.Context, outTradeNo string) error {
	return d.Closings.CloseOrder(ctx, payment.Closing{OutTradeNo: outTradeNo, Actor: ourselves})
}

// leave gives back what was leased and not answered, also as the process stops.
func (d *DueOrders) leave(ctx context.Context, due []payment.DueOrder, failed []error) error {
	var left []string
	for i, order := range due {
		if failed[i] != nil {
			left = append(left, order.OutTradeNo)
		}
	}
	why := errors.Join(failed...)
	if why == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if slices.ContainsFunc(failed, limited) {
		why = errors.Join(why, d.Ledger.NoTurns(ctx, limitedPause))
	}
	return errors.Join(why, d.Ledger.AskAgain(ctx, left))
}

// limited tells whether WeChat said that it is asked too often.
func limited(err error) bool { return payment.CodeOf(err) == "frequency_limited" }

func wait(ctx context.Context, pause time.Duration) error {
	turn := time.NewTimer(pause)
	defer turn.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-turn.C:
		return nil
	}
}
