package activities

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/paysaga/paysaga/internal/payment"
)

// Whom says who is told.
type Whom string

// Those who are told of a shipment; of refunds only the shop is, because WeChat
// tells the payer itself.
const (
	ToShop   Whom = "shop"   // by a signed webhook
	ToPayer  Whom = "payer"  // by a subscribe message of the mini-program
	ToWeChat Whom = "wechat" // by shipping information, without which it keeps a mini-program's money frozen
)

// Message is one thing that somebody is still to be told.
type Message struct {
	ID       string // webhook-id at the shop, stable over retries
	Whom     Whom
	Payload  json.RawMessage // what the shop is told
	Delivery Delivery        // what the payer and WeChat are told
	Attempts int             // attempts that have ended
	Asked    bool            // an attempt began, and how it ended is not known
	Wait     time.Duration   // not to be tried before that
}

// Delivery is a shipment as its payer, and WeChat, are told of it.
type Delivery struct {
	TransactionID string
	OutTradeNo    string
	Description   string
	AmountFen     int64
	Carrier       string
	TrackingNo    string
	ShippedAt     time.Time
	OpenID        payment.Private
}

// MessageLedger is what telling needs of the books.
type MessageLedger interface {
	// Untold is the oldest message that each party is still to be told.
	Untold(ctx context.Context, transactionID string) ([]Message, error)
	// Asking notes that a message is about to go out. Conflict if it has ended,
	// or, to the payer, if another attempt noted that before.
	Asking(ctx context.Context, messageID string) error
	// NotTold notes an attempt that leaves a message to be tried again. Busy
	// means that nothing went out, and takes the note of Asking back.
	NotTold(ctx context.Context, messageID string, err error) error
	// Told ends a message, with why it ended otherwise than taken. The last one
	// told completes a shipped payment.
	Told(ctx context.Context, messageID string, how Telling, why string) (payment.Books, error)
	// GiveUp ends whatever was tried in vain.
	GiveUp(ctx context.Context, transactionID string) (payment.Books, error)
	// Complete moves a shipped payment with nobody left to tell to completed.
	Complete(ctx context.Context, transactionID string) (payment.Books, error)
}

// Telling is how the telling of a message ended.
type Telling string

// The ends. Rejected and GaveUp open a case; Unsure does not, because nobody may
// send such a message again.
const (
	Taken    Telling = "delivered"
	Stopped  Telling = "stopped"  // they do not want to know: a 410, a payer without consent
	Rejected Telling = "rejected" // WeChat takes it for wrong, and always will
	Unsure   Telling = "unknown"  // it may have reached the payer, whom a repeat would reach twice
	GaveUp   Telling = "gave_up"  // tried for NOTIFY_GIVE_UP_AFTER
)

// MiniProgram is the merchant's mini-program at WeChat. Its errors have kinds:
// Refused where nobody wants to know, Invalid for what is wrong and stays wrong,
// Busy where nothing went out, Unknown for everything else.
type MiniProgram interface {
	// Send sends the payer one message. It has no key: sent twice is read twice.
	Send(ctx context.Context, d Delivery) error
	// Report tells WeChat what was shipped. It has no key either: a repeat is a
	// second shipment there. Conflict means that WeChat thinks it knows already.
	Report(ctx context.Context, d Delivery) error
	// Reported tells whether WeChat knows of the shipment; Refused if the
	// payment was refunded, so that it no longer wants to.
	Reported(ctx context.Context, transactionID string) (bool, error)
}

// Notify tells everybody who does not know yet, side by side, so that nobody's
// silence keeps the others waiting, and completes a shipped payment once all
// were told. Nothing here ever compensates. Idempotent by message id.
func (s *Shop) Notify(ctx context.Context, transactionID string) (payment.Books, error) {
	messages, err := s.Ledger.Untold(ctx, transactionID)
	if err != nil {
		return payment.Books{}, fault(err)
	}
	failures := make([]error, len(messages))
	var all sync.WaitGroup
	for i, m := range messages {
		all.Go(func() { failures[i] = s.tell(ctx, m) })
	}
	all.Wait()
	if err := untold(failures); err != nil {
		return payment.Books{}, fault(err)
	}
	ctx, cancel := afterwards(ctx)
	defer cancel()
	return answer(s.Ledger.Complete(ctx, transactionID))
}

// GiveUpNotify ends the messages that nobody took for NOTIFY_GIVE_UP_AFTER, each
// with a case. Idempotent by message.
func (s *Shop) GiveUpNotify(ctx context.Context, transactionID string) (payment.Books, error) {
	return answer(s.Ledger.GiveUp(ctx, transactionID))
}

// tell makes one attempt at one message and notes what came of it. Its error is
// a reason to try again.
func (s *Shop) tell(ctx context.Context, m Message) error {
	if m.Wait > 0 {
		early := payment.Failf(payment.Busy, "not_yet", "%s waits for its time", m.ID)
		early.RetryAfter = m.Wait
		return early
	}
	// What has no key is noted before it goes out: a repeat must know of it.
	if m.Whom != ToShop && !m.Asked {
		if err := s.Ledger.Asking(ctx, m.ID); err != nil {
			return err
		}
	}
	err := s.deliver(ctx, m)
	ctx, cancel := afterwards(ctx)
	defer cancel()
	how := m.end(payment.KindOf(err))
	if how == "" {
		return errors.Join(err, s.Ledger.NotTold(ctx, m.ID, err))
	}
	why := ""
	if err != nil {
		why = err.Error()
	}
	_, err = s.Ledger.Told(ctx, m.ID, how, why)
	return err
}

func (s *Shop) deliver(ctx context.Context, m Message) error {
	switch {
	case m.Whom == ToShop:
		return s.Shop.Tell(ctx, m)
	case s.Mini == nil:
		return payment.Failf(payment.Refused, "no_mini_program", "no mini-program is configured")
	case m.Whom == ToWeChat:
		return s.report(ctx, m)
	case m.Asked:
		return payment.Failf(payment.Unknown, "attempt_lost", "an earlier attempt was cut off, and may have sent it")
	}
	return s.Mini.Send(ctx, m.Delivery)
}

// report asks WeChat before every repeat what it knows: reported twice is shipped
// twice. It asks as well where WeChat says that it knows, and believes only that.
func (s *Shop) report(ctx context.Context, m Message) error {
	if m.Asked || m.Attempts > 0 {
		known, err := s.Mini.Reported(ctx, m.Delivery.TransactionID)
		if known || err != nil {
			return err
		}
	}
	err := s.Mini.Report(ctx, m.Delivery)
	if payment.KindOf(err) != payment.Conflict {
		return err
	}
	known, unasked := s.Mini.Reported(ctx, m.Delivery.TransactionID)
	if known || unasked != nil {
		return unasked
	}
	return err
}

// end is how an attempt of that kind ends the message; "" leaves it to be tried
// again.
func (m Message) end(kind payment.Kind) Telling {
	switch {
	case kind == "":
		return Taken
	case kind == payment.Refused:
		return Stopped
	case kind == payment.Invalid:
		return Rejected
	case kind == payment.Unknown && m.Whom == ToPayer:
		return Unsure
	}
	return ""
}

// untold makes one error of the failed attempts. It is asked again when the first
// of them may be.
func untold(failures []error) error {
	var texts []string
	var waits []time.Duration
	for _, err := range failures {
		if err == nil {
			continue
		}
		texts = append(texts, strings.ReplaceAll(err.Error(), "\n", "; "))
		wait := time.Duration(0)
		if e, ok := asPaymentError(err); ok {
			wait = e.RetryAfter
		}
		waits = append(waits, wait)
	}
	if len(texts) == 0 {
		return nil
	}
	again := payment.Fail(payment.Unknown, "not_told", strings.Join(texts, "; "), errors.Join(failures...))
	again.RetryAfter = slices.Min(waits)
	return again
}
