package api

import (
	"context"
	"net/http"
	"time"

	"github.com/paysaga/paysaga/internal/payment"
)

// Opener verifies a callback's signature and decrypts it. Its errors have kinds:
// Refused, with the check that failed as code; Invalid for a signed body that is
// no envelope; Internal for one that no key opens.
type Opener interface {
	Open(ctx context.Context, header http.Header, body []byte) (payment.Notice, error)
}

// Inbox keeps what is verified. When a method returns nil, it is on disk.
type Inbox interface {
	// Keep writes news down once, with the bytes it came in; a repeat only
	// counts. It returns the verdict that stands: news that contradicts what
	// was kept of the same payment becomes a case.
	Keep(ctx context.Context, news payment.News, came payment.Delivery) (payment.Verdict, error)
	// KeepRaw keeps the bytes of what was signed and could not be read.
	KeepRaw(ctx context.Context, verdict payment.Verdict, came payment.Delivery) error
}

// LastResort keeps news of a payment where the inbox cannot: as a saga.
type LastResort interface {
	// StartDurably returns nil once Temporal holds the saga of exactly this
	// news, started now or before.
	StartDurably(ctx context.Context, paid payment.Payment) error
}

// WeChat waits five seconds for an answer. The inbox gets most of the three that
// we allow ourselves, and Temporal the rest.
const (
	durableWithin = 3 * time.Second
	inboxWithin   = 1800 * time.Millisecond
)

// keep makes news durable, or fails with nothing promised. The inbox is the
// place for it. Where Postgres is away, an ordinary payment is as safe in
// Temporal's own database, and its saga writes the row later; anything else
// comes again when WeChat repeats it.
func (c *Callbacks) keep(ctx context.Context, news payment.News, came payment.Delivery, toldAt time.Time) (payment.Verdict, error) {
	inboxCtx, cancel := context.WithTimeout(ctx, inboxWithin)
	defer cancel()
	verdict, err := c.Inbox.Keep(inboxCtx, news, came)
	if err == nil || !lastResortFor(news, err) {
		return verdict, err
	}
	paid := news.Payment
	paid.Via = payment.ViaTemporal
	if paid.PaidAt.IsZero() {
		paid.PaidAt = toldAt
	}
	if c.LastResort.StartDurably(ctx, paid) != nil {
		return "", err
	}
	return payment.Accepted, nil
}

// lastResortFor tells whether the database is away and the news needs nothing
// else of it: a transaction that WeChat calls a success.
func lastResortFor(news payment.News, err error) bool {
	kind := payment.KindOf(err)
	return (kind == payment.Unknown || kind == payment.Busy) &&
		news.Kind == payment.NewsPayment && news.Verdict == payment.Accepted && news.Payment.TradeState == "SUCCESS"
}
