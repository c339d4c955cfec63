package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/paysaga/paysaga/internal/payment"
)

// An expired order is looked at again after as long as it has been expired, so
// that one which cannot be closed yet is asked about ever less often.
const (
	closedAgainAfter = 5 * time.Minute
	closedAgainDaily = 24 * time.Hour
)

// Each due order is moved on to the next of its moments, counted from its
// creation, and after the last of them to its expiry. Moments that passed
// meanwhile are not made up for. An order is not asked about before its first
// moment, nor once a payment of it is known; it is not closed while a payment of
// it is still to be judged, as CloseOrder would not. The index gives the oldest
// first, and nothing here depends on how many others wait: where the planner may
// read all news once and hash them, for an exists, it sometimes does.
const leaseDueSQL = `
with due as (
  select d.out_trade_no, o.created_at, o.expires_at, o.state = 'pending' as pending, o.expires_at <= now() as expired,
         coalesce(
           (select true from payments p
             where p.out_trade_no = o.out_trade_no
               and (o.expires_at > now() or p.stage = 'received' or p.stage = 'holding' and p.hold_direction = 'forward')
             limit 1),
           (select true from inbox i
             where i.out_trade_no = o.out_trade_no and not i.done and i.kind = 'payment' and i.verdict = 'accepted'
               and not exists (select from payments p where p.transaction_id = i.transaction_id)
             limit 1),
           false) as known
    from due_orders d
    join orders o on o.out_trade_no = d.out_trade_no
   where d.next_at <= now()
   order by d.next_at
   limit @at_most
     for update of d skip locked
), struck_off as (
  delete from due_orders d using due where d.out_trade_no = due.out_trade_no and not due.pending
), moved_on as (
  update due_orders d
     set next_at = case when due.expired
           then now() + least(greatest(now() - due.expires_at, @closed_again::interval), @daily::interval)
           else least(due.expires_at, (select min(due.created_at + after) from unnest(@query_at::interval[]) after
                                        where due.created_at + after > now()))
         end
    from due
   where d.out_trade_no = due.out_trade_no and due.pending
)
select out_trade_no, expired,
       pending and not known and (expired or created_at + @first::interval <= now())
  from due`

// A turn is as long as it takes until the next one is free.
const takeTurnsSQL = `
insert into wechat_turns as t (mchid, free_at) values (@mchid, clock_timestamp() + @apart::interval * @turns::int)
on conflict (mchid) do update set free_at = greatest(t.free_at, clock_timestamp()) + @apart::interval * @turns::int
returning free_at - @apart::interval * @turns::int - clock_timestamp()`

const turnsTakenSQL = `
select exists (select from wechat_turns where mchid = @mchid and free_at > clock_timestamp() + @ahead::interval)`

// LeaseDue moves at most atMost due orders on to when they are due next, and
// returns those that somebody must act on now, each with a turn of its own: over
// all processes they lie apart from each other. If turns are taken for atMost
// calls ahead, it leases nothing. More says that more orders may be due.
func (s *Store) LeaseDue(ctx context.Context, atMost int, apart time.Duration) (due []payment.DueOrder, more bool, err error) {
	err = s.tx(ctx, func(tx pgx.Tx) error {
		var taken bool
		ahead := pgx.NamedArgs{"mchid": s.settings.MchID, "ahead": apart * time.Duration(atMost)}
		if err := tx.QueryRow(ctx, turnsTakenSQL, ahead).Scan(&taken); err != nil || taken {
			return err
		}
		var leased int
		due, leased, err = s.leaseDue(ctx, tx, atMost)
		more = leased == atMost
		if err != nil || len(due) == 0 {
			return err
		}
		return s.takeTurns(ctx, tx, due, apart)
	})
	if err != nil {
		return nil, false, err
	}
	return due, more, nil
}

func (s *Store) leaseDue(ctx context.Context, tx pgx.Tx, atMost int) (due []payment.DueOrder, leased int, err error) {
	rows, _ := tx.Query(ctx, leaseDueSQL, pgx.NamedArgs{ // its error comes back below
		"at_most": atMost, "query_at": s.settings.QueryAt, "first": s.settings.QueryAt[0],
		"closed_again": closedAgainAfter, "daily": closedAgainDaily,
	})
	var order payment.DueOrder
	var ours bool
	_, err = pgx.ForEachRow(rows, []any{&order.OutTradeNo, &order.Expired, &ours}, func() error {
		leased++
		if ours {
			due = append(due, order)
		}
		return nil
	})
	return due, leased, err
}

func (s *Store) takeTurns(ctx context.Context, tx pgx.Tx, due []payment.DueOrder, apart time.Duration) error {
	var first time.Duration
	err := tx.QueryRow(ctx, takeTurnsSQL, pgx.NamedArgs{
		"mchid": s.settings.MchID, "apart": apart, "turns": len(due),
	}).Scan(&first)
	for i := range due {
		due[i].Turn = first + apart*time.Duration(i)
	}
	return err
}

const askAgainSQL = `
update due_orders set next_at = least(next_at, now() + @after::interval) where out_trade_no = any(@out_trade_nos)`

// AskAgain has orders looked at again soon, because nobody gave an answer.
func (s *Store) AskAgain(ctx context.Context, outTradeNos []string) error {
	_, err := s.pool.Exec(ctx, askAgainSQL, pgx.NamedArgs{
		"out_trade_nos": outTradeNos, "after": s.settings.Terms.RetryMaxInterval,
	})
	return fault(err)
}

const noTurnsSQL = `
insert into wechat_turns as t (mchid, free_at) values (@mchid, clock_timestamp() + @pause::interval)
on conflict (mchid) do update set free_at = greatest(t.free_at, excluded.free_at)`

// NoTurns lets no process take a turn for a while: WeChat said that we ask too often.
func (s *Store) NoTurns(ctx context.Context, pause time.Duration) error {
	_, err := s.pool.Exec(ctx, noTurnsSQL, pgx.NamedArgs{"mchid": s.settings.MchID, "pause": pause})
	return fault(err)
}
