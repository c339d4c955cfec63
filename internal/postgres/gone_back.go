package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

// An order query shows that money went back, and under which number it does not
// say. Until WeChat was asked again nothing ships, and then a person looks.

// refundAtWeChat tells whether the books have a refund of the payment that makes
// WeChat call it REFUND: ours or anybody's, begun, and however it ended. Whether
// it is the only one, the payment's trade_state does not say; the bill does.
const refundAtWeChat = `exists (select from refunds
  where transaction_id = @id and state <> 'withdrawn' and (is_foreign or asked_at is not null))`

const goneBackHeardSQL = `
update inbox set done = true, verdict = @verdict, last_error = ''
 where key = @key and not done`

// GoneBack keeps WeChat's own word on a payment of which an order query showed that
// money went back, under a number that nobody named. If the books know no refund
// that it could be, nothing ships before a person has looked; what has shipped,
// or is asked for, gets a case.
func (s *Store) GoneBack(ctx context.Context, transactionID string, word activities.Transaction) (payment.Books, error) {
	return s.change(ctx, transactionID, func(a *account) error {
		var known bool
		err := a.tx.QueryRow(ctx, `select `+refundAtWeChat, pgx.NamedArgs{"id": a.id()}).Scan(&known)
		if err != nil {
			return err
		}
		verdict := payment.Noted
		if news := word.TradeState == gaveBack && !known; news {
			verdict = payment.ForAPerson
			if err := a.goneBack(ctx); err != nil {
				return err
			}
		}
		_, err = a.tx.Exec(ctx, goneBackHeardSQL, pgx.NamedArgs{"key": payment.GoneBackKey(a.id()), "verdict": verdict})
		return err
	})
}

func (a *account) goneBack(ctx context.Context) error {
	if a.wechatSays == gaveBack {
		return nil // and a person knows
	}
	if err := a.wechatSaid(ctx, gaveBack); err != nil {
		return err
	}
	const detail = "WeChat says REFUND of it, and names no number; whoever finds that number can name it in resolve"
	unshipped, err := a.unshipped(ctx)
	switch {
	case err != nil:
		return err
	case unshipped:
		return a.stop(ctx, payment.Hold{Reason: payment.CaseForeignRefund, Direction: payment.Forward}, detail)
	}
	return a.openCase(ctx, payment.CaseForeignRefund, "", detail)
}
