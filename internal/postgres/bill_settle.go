package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/paysaga/paysaga/internal/payment"
)

// By their names unknown payments come before unknown refunds: whoever asks what a
// refund is finds its payment in the inbox. What is gone comes last.
const toSettleSQL = `
select kind, subject, transaction_id, out_trade_no, detail, became, gone_at is not null
  from bill_differences
 where day = @day and (became = 'nothing') = (gone_at is null) and became <> 'settled'
 order by gone_at is not null, kind, subject
 limit @at_most`

// unsettled is a difference that nobody acted on, or whose cause is gone since.
type unsettled struct {
	day, subject, transactionID, outTradeNo, detail string

	kind   payment.DifferenceKind
	became payment.Became
	gone   bool
}

// SettleBill acts on the next differences of a day, and tells how many there were.
// What was acted on is written in the same transaction, or is news, which the inbox
// keeps once; so a repeat acts on nothing twice.
func (s *Store) SettleBill(ctx context.Context, day string, atMost int) (int, error) {
	rows, _ := s.pool.Query(ctx, toSettleSQL, pgx.NamedArgs{"day": day, "at_most": atMost}) // its error comes back below
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (d unsettled, err error) {
		d.day = day
		return d, row.Scan(&d.kind, &d.subject, &d.transactionID, &d.outTradeNo, &d.detail, &d.became, &d.gone)
	})
	if err != nil {
		return 0, fault(err)
	}
	for _, d := range all {
		if err := s.settle(ctx, d); err != nil {
			return 0, err
		}
	}
	return len(all), nil
}

func (s *Store) settle(ctx context.Context, d unsettled) error {
	switch {
	case d.gone:
		return s.tx(ctx, func(tx pgx.Tx) error { return s.endDifference(ctx, tx, d) })
	case d.kind == payment.UnknownPayment:
		return s.startUnknown(ctx, d)
	case d.kind == payment.UnknownRefund:
		return s.askUnknown(ctx, d)
	}
	return s.tx(ctx, func(tx pgx.Tx) error {
		if err := s.became(ctx, tx, d, payment.BecameCase); err != nil {
			return err
		}
		return s.openCase(ctx, tx, d.about())
	})
}

// about is the case of a difference: a day's wrong fees are one cause.
func (d unsettled) about() payment.Case {
	about := payment.Case{
		Kind: payment.CaseKind(d.kind), Subject: d.subject,
		TransactionID: d.transactionID, OutTradeNo: d.outTradeNo, Detail: "bill of " + d.day + ": " + d.detail,
	}
	if about.Kind == payment.CaseBillFee {
		about.Subject, about.TransactionID, about.OutTradeNo = d.day, "", ""
		about.Detail = "WeChat's fees are not what its rates say; the report of " + d.day + " lists them"
	}
	return about
}

const becameSQL = `
update bill_differences set became = @became where day = @day and kind = @kind and subject = @subject`

func (s *Store) became(ctx context.Context, tx querier, d unsettled, what payment.Became) error {
	var settled bool
	return tx.QueryRow(ctx, becameSQL+` returning true`, pgx.NamedArgs{
		"day": d.day, "kind": d.kind, "subject": d.subject, "became": what,
	}).Scan(&settled)
}

const linePaidSQL = `
select l.transaction_id, l.out_trade_no, l.appid, l.mchid, l.total_fen, l.currency, l.traded_at
  from bill_lines l join bill_reports b on b.fetch_id = l.fetch_id
 where b.day = @day and l.reads_as = 'payment' and l.transaction_id = @transaction_id
 order by l.line_no limit 1`

const startedSinceSQL = `
select exists (select from payments where transaction_id = @transaction_id)
    or exists (select from inbox where transaction_id = @transaction_id and kind = 'payment' and verdict = 'accepted')`

// startUnknown writes a payment down that only the bill told us of; the relay
// starts its saga, which asks WeChat before anything ships.
func (s *Store) startUnknown(ctx context.Context, d unsettled) error {
	paid := payment.Payment{TradeState: success, Via: payment.ViaBill}
	args := pgx.NamedArgs{"day": d.day, "transaction_id": d.subject}
	err := s.pool.QueryRow(ctx, linePaidSQL, args).Scan(
		&paid.TransactionID, &paid.OutTradeNo, &paid.AppID, &paid.MchID, &paid.AmountFen, &paid.Currency, &paid.PaidAt)
	if errors.Is(err, pgx.ErrNoRows) { // the bill was read anew meanwhile, and has it no more
		return s.became(ctx, s.pool, d, payment.BecameSettled)
	}
	var known bool
	if err == nil {
		err = s.pool.QueryRow(ctx, startedSinceSQL, args).Scan(&known)
	}
	if err != nil {
		return fault(err)
	}
	if known { // its callback came while somebody looked at the report
		return s.became(ctx, s.pool, d, payment.BecameSettled)
	}
	verdict, err := s.Keep(ctx, payment.News{
		Key: payment.PaymentKey(paid), Kind: payment.NewsPayment, Verdict: payment.Accepted, Payment: paid,
	}, payment.Delivery{})
	switch {
	case err != nil:
		return err
	case verdict == payment.ForAPerson:
		return s.became(ctx, s.pool, d, payment.BecameCase)
	}
	return fault(s.became(ctx, s.pool, d, payment.BecameStarted))
}

// askUnknown writes down that there is a refund we did not know of; the relay has
// the payment's saga ask WeChat what it is, or asks itself where there is no saga.
func (s *Store) askUnknown(ctx context.Context, d unsettled) error {
	_, err := s.Keep(ctx, payment.News{
		Key: payment.RefundKey(d.subject, "BILL"), Kind: payment.NewsRefund, Verdict: payment.Accepted, OutRefundNo: d.subject,
		Payment: payment.Payment{TransactionID: d.transactionID, Via: payment.ViaBill},
	}, payment.Delivery{})
	if err != nil {
		return err
	}
	return fault(s.became(ctx, s.pool, d, payment.BecameAsked))
}

const feesStandSQL = `
select exists (select from bill_differences where day = @day and kind = 'bill_fee' and gone_at is null)`

// endDifference notes that a cause went away, and closes the case it had opened.
func (s *Store) endDifference(ctx context.Context, tx pgx.Tx, d unsettled) error {
	if err := s.became(ctx, tx, d, payment.BecameSettled); err != nil || d.became != payment.BecameCase || d.kind == payment.UnknownPayment {
		return err
	}
	about := d.about()
	if about.Kind == payment.CaseBillFee {
		var stand bool
		if err := tx.QueryRow(ctx, feesStandSQL, pgx.NamedArgs{"day": d.day}).Scan(&stand); err != nil || stand {
			return err
		}
	}
	return closeCase(ctx, tx, about.Subject, "the bill of "+d.day+" was compared again, and bears the books out", about.Kind)
}

const closeBillSQL = `update bill_reports set state = 'settled', settled_at = now() where day = @day`

// CloseBill notes that a day is settled, and returns what stands.
func (s *Store) CloseBill(ctx context.Context, day string, atMost int) (payment.Comparison, error) {
	if _, err := s.pool.Exec(ctx, closeBillSQL, pgx.NamedArgs{"day": day}); err != nil {
		return payment.Comparison{}, fault(err)
	}
	return s.comparison(ctx, day, atMost)
}
