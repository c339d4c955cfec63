package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/paysaga/paysaga/internal/payment"
)

// A repeat counts, and changes nothing else. The bytes are kept each time, in the
// same statement: what WeChat sent, and when, is evidence.
const keepSQL = `
with kept as (
  insert into inbox (key, kind, verdict, via, notification_id, event_type, transaction_id, out_trade_no,
                     out_refund_no, appid, mchid, amount_fen, currency, trade_state, paid_at, done)
  values (@key, @kind, @verdict, @via, @notification_id, @event_type, @transaction_id, @out_trade_no,
          @out_refund_no, @appid, @mchid, @amount_fen, @currency, @trade_state, @paid_at, @verdict <> 'accepted')
  on conflict (key) do update set seen = inbox.seen + 1
  returning id, verdict, seen
), raw as (
  insert into callbacks (inbox_id, verdict, notification_id, serial, request_id, headers, body)
  select id, verdict, @notification_id, @serial, @request_id, coalesce(@headers::jsonb, '{}'), @body from kept where @body::bytea is not null
)
select verdict, seen = 1 from kept`

// oneStory is the constraint that two stories of one payment break.
const oneStory = "one_story_per_payment"

// Keep writes news down once, with the bytes it came in, and returns the verdict
// that stands. News without bytes is our own: a query's or a bill's. Busy and
// Unknown mean that nothing is promised.
func (s *Store) Keep(ctx context.Context, news payment.News, came payment.Delivery) (payment.Verdict, error) {
	verdict, err := s.keep(ctx, news, came)
	if payment.CodeOf(err) == oneStory {
		news = contradicting(news)
		verdict, err = s.keep(ctx, news, came)
	}
	if payment.KindOf(err) == payment.Unknown {
		return s.keptAfterAll(ctx, news.Key, err)
	}
	return verdict, err
}

func (s *Store) keep(ctx context.Context, news payment.News, came payment.Delivery) (payment.Verdict, error) {
	var verdict payment.Verdict
	err := s.tx(ctx, func(tx pgx.Tx) error {
		var fresh bool
		paid := news.Payment
		err := tx.QueryRow(ctx, keepSQL, pgx.NamedArgs{
			"key": news.Key, "kind": news.Kind, "verdict": news.Verdict, "via": paid.Via,
			"notification_id": news.NotificationID, "event_type": news.EventType,
			"transaction_id": paid.TransactionID, "out_trade_no": paid.OutTradeNo, "out_refund_no": news.OutRefundNo,
			"appid": paid.AppID, "mchid": paid.MchID, "amount_fen": paid.AmountFen, "currency": paid.Currency,
			"trade_state": paid.TradeState, "paid_at": orNull(paid.PaidAt),
			"serial": came.Serial, "request_id": came.RequestID, "headers": came.Headers, "body": came.Body,
		}).Scan(&verdict, &fresh)
		if err != nil || !fresh || news.Case == nil {
			return err
		}
		return s.openCase(ctx, tx, *news.Case)
	})
	return verdict, err
}

// contradicting turns a second story into a case. The first one stands: it may
// have shipped already, and whichever is right, a person must look.
func contradicting(news payment.News) payment.News {
	paid := news.Payment
	news.Verdict = payment.ForAPerson
	news.Case = &payment.Case{
		Kind: payment.CaseConflictingNews, Subject: paid.TransactionID,
		TransactionID: paid.TransactionID, OutTradeNo: paid.OutTradeNo, NotificationID: news.NotificationID,
		Detail: fmt.Sprintf("a second story: %s, %d fen %s for order %s of %s in %s",
			paid.TradeState, paid.AmountFen, paid.Currency, paid.OutTradeNo, paid.MchID, paid.AppID),
	}
	return news
}

const keepLateSQL = `
with late as (
  insert into inbox (key, kind, verdict, via, event_type, transaction_id, out_trade_no,
                     appid, mchid, amount_fen, currency, trade_state, paid_at, done)
  values (@key, 'payment', 'accepted', 'temporal', 'TRANSACTION.SUCCESS', @transaction_id, @out_trade_no,
          @appid, @mchid, @amount_fen, @currency, @trade_state, @paid_at, true)
  on conflict do nothing
  returning id
)
select exists (select from late) or exists (select from inbox where key = @key)`

// keepLate writes down, with the claim, the callback that came while the books
// were away and that Temporal kept. WeChat's repeats then count like any other's,
// and a story that was kept before it still opens a case.
func (s *Store) keepLate(ctx context.Context, tx pgx.Tx, paid payment.Payment) error {
	var same bool
	err := tx.QueryRow(ctx, keepLateSQL, pgx.NamedArgs{
		"key": payment.PaymentKey(paid), "transaction_id": paid.TransactionID, "out_trade_no": paid.OutTradeNo,
		"appid": paid.AppID, "mchid": paid.MchID, "amount_fen": paid.AmountFen, "currency": paid.Currency,
		"trade_state": paid.TradeState, "paid_at": paid.PaidAt,
	}).Scan(&same)
	if err != nil || same {
		return err
	}
	return s.openCase(ctx, tx, *contradicting(payment.News{Payment: paid}).Case)
}

// rereadWithin bounds the question whether a lost commit happened.
const rereadWithin = 700 * time.Millisecond

const keptSQL = `select verdict from inbox where key = @key`

// keptAfterAll asks, on a connection of its own, whether a commit that nobody
// confirmed happened; about half of them did. If the answer is no, or there is
// none, it returns the doubt.
func (s *Store) keptAfterAll(ctx context.Context, key string, doubt error) (payment.Verdict, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rereadWithin)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, s.pool.Config().ConnConfig)
	if err != nil {
		return "", doubt
	}
	defer conn.Close(ctx)
	var verdict payment.Verdict
	if conn.QueryRow(ctx, keptSQL, pgx.NamedArgs{"key": key}).Scan(&verdict) != nil {
		return "", doubt
	}
	return verdict, nil
}

const keepRawSQL = `
insert into callbacks (verdict, notification_id, serial, request_id, headers, body)
values (@verdict, @notification_id, @serial, @request_id, coalesce(@headers::jsonb, '{}'), @body)`

// KeepRaw keeps what was signed and could not be read, byte for byte.
func (s *Store) KeepRaw(ctx context.Context, verdict payment.Verdict, came payment.Delivery) error {
	_, err := s.pool.Exec(ctx, keepRawSQL, pgx.NamedArgs{
		"verdict": verdict, "notification_id": came.NotificationID,
		"serial": came.Serial, "request_id": came.RequestID, "headers": came.Headers, "body": came.Body,
	})
	return fault(err)
}
