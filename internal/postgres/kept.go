package postgres

import (
	"context"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/paysaga/paysaga/internal/payment"
)

// What could not be read has no row in the inbox, only its bytes.
const (
	keptNews = `
select id::text as id, kind, verdict, via, event_type, notification_id, transaction_id, out_trade_no, out_refund_no,
       amount_fen, seen, done, tries, last_error, received_at
  from inbox`
	keptRaw = `
select 'raw-' || id as id, 'unreadable' as kind, verdict, 'callback' as via, '' as event_type, notification_id, '', '', '',
       0, 1, true, 0, '', received_at
  from callbacks`

	newestNews = ` order by received_at desc, id desc limit @limit`
)

const keptListSQL = `select to_json(k) from (select * from ((
  select * from (` + keptNews + `
   where (@kind = '' or kind = @kind)
     and (@verdict = '' or verdict = @verdict)
     and (@done = '' or done = (@done = 'true'))
     and (@number = '' or transaction_id = @number and transaction_id <> '' or out_trade_no = @number and out_trade_no <> ''
       or out_refund_no = @number and kind = 'refund' or notification_id = @number and notification_id <> '')
     and (@first or received_at <= @received_at)) news
   where (@first or (received_at, id) < (@received_at, @id))` + newestNews + `
) union all (
  select * from (` + keptRaw + `
   where inbox_id is null
     and (@kind = '' or @kind = 'unreadable')
     and (@verdict = '' or verdict = @verdict)
     and (@done = '' or @done = 'true')
     and (@number = '' or notification_id = @number)
     and (@first or received_at <= @received_at)) raw
   where (@first or (received_at, id) < (@received_at, @id))` + newestNews + `
)) both_kinds` + newestNews + `) k`

func keptQuery(wanted payment.KeptFilter, page payment.Page[payment.KeptPlace]) (string, pgx.NamedArgs) {
	var after payment.KeptPlace
	if page.After != nil {
		after = *page.After
	}
	return keptListSQL, pgx.NamedArgs{
		"kind": wanted.Kind, "verdict": wanted.Verdict, "done": flag(wanted.Done), "number": wanted.Number,
		"first": page.After == nil, "received_at": after.ReceivedAt, "id": after.ID, "limit": page.Limit,
	}
}

// KeptNews is one page of the inbox, the youngest first, and of what could not be
// read.
func (s *Store) KeptNews(ctx context.Context, wanted payment.KeptFilter, page payment.Page[payment.KeptPlace]) ([]payment.Kept, error) {
	sql, args := keptQuery(wanted, page)
	return listed[payment.Kept](ctx, s, sql, args)
}

const (
	newsFileSQL = `select to_json(k) from (` + keptNews + ` where id = @id) k`
	rawFileSQL  = `select to_json(k) from (` + keptRaw + ` where id = @id and inbox_id is null) k`

	deliveriesSQL = `
select to_json(d) from (
  select received_at, verdict, serial, request_id, headers, length(body) as size_bytes,
         case when @with_body then replace(encode(body, 'base64'), E'\n', '') end as body
    from callbacks
   where not @raw and inbox_id = @id or @raw and id = @id and inbox_id is null
   order by received_at desc
   limit 100) d`

	stageSQL = `select coalesce((select stage from payments where transaction_id = @transaction_id), '')`
)

// KeptFile is one piece of news, by the id a list gave it, with its deliveries; the
// bytes only where withBody wants them. NotFound if there is none.
func (s *Store) KeptFile(ctx context.Context, id string, withBody bool) (payment.KeptFile, error) {
	number, raw := strings.CutPrefix(id, "raw-")
	sql := newsFileSQL
	if raw {
		sql = rawFileSQL
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return payment.KeptFile{}, missing("news", payment.Fail(payment.NotFound, "not_found", "no such id", err))
	}
	var file payment.KeptFile
	args := pgx.NamedArgs{"id": n, "raw": raw, "with_body": withBody}
	if err := s.pool.QueryRow(ctx, sql, args).Scan(&file.Kept); err != nil {
		return payment.KeptFile{}, missing("news", fault(err))
	}
	if file.Deliveries, err = listed[payment.KeptDelivery](ctx, s, deliveriesSQL, args); err != nil {
		return payment.KeptFile{}, err
	}
	err = s.pool.QueryRow(ctx, stageSQL, pgx.NamedArgs{"transaction_id": file.TransactionID}).Scan(&file.Stage)
	return file, fault(err)
}
