package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/paysaga/paysaga/internal/payment"
)

// listed reads one page of a list.
//
// Every list is written the same way. One statement says each filter as
// (@filter = ” or …), begins behind the key of the page before as
// (@first or (columns) > (@columns)), orders by the same columns, the last of
// them unique, and selects to_json of a row. It is planned anew each time with
// the values at hand, so that a filter that is not wanted costs nothing and one
// that is wanted finds its index.
func listed[T any](ctx context.Context, s *Store, sql string, args pgx.NamedArgs) ([]T, error) {
	rows, _ := s.pool.Query(ctx, sql, pgx.QueryExecModeCacheDescribe, args) // its error comes back below
	items, err := pgx.CollectRows(rows, pgx.RowTo[T])
	return items, fault(err)
}

// flag is a filter that may be true, false or not given.
func flag(wanted *bool) string {
	switch {
	case wanted == nil:
		return ""
	case *wanted:
		return "true"
	}
	return "false"
}

// afterAll is behind every number that begins with another: no character is greater.
const afterAll = "\U0010FFFF"

const casesSQL = `
select to_json(c)
  from (select ` + caseColumns + `
          from cases
         where (@state = '' or state = @state)
           and (@kind = '' or kind = @kind)
           and (@owner = '' or owner = @owner)
           and (@overdue = '' or (state = 'open' and due_at <= now()) = (@overdue = 'true'))
           and (@number = ''
             or id collate "C" between @number and @last
             or subject collate "C" between @number and @last
             or transaction_id collate "C" between @number and @last
             or out_trade_no collate "C" between @number and @last
             or notification_id collate "C" between @number and @last)
           and (@first or (state = 'closed', due_at, id) > (@closed, @due_at, @id))
         order by state = 'closed', due_at, id
         limit @limit) c`

func casesQuery(wanted payment.CaseFilter, page payment.Page[payment.CasePlace]) (string, pgx.NamedArgs) {
	var after payment.CasePlace
	if page.After != nil {
		after = *page.After
	}
	return casesSQL, pgx.NamedArgs{
		"state": wanted.State, "kind": wanted.Kind, "owner": wanted.Owner, "overdue": flag(wanted.Overdue),
		"number": wanted.Number, "last": wanted.Number + afterAll,
		"first": page.After == nil, "closed": after.Closed, "due_at": after.DueAt, "id": after.ID,
		"limit": page.Limit,
	}
}

// Cases is one page of the work list: open cases first, and of them the overdue.
func (s *Store) Cases(ctx context.Context, wanted payment.CaseFilter, page payment.Page[payment.CasePlace]) ([]payment.Case, error) {
	sql, args := casesQuery(wanted, page)
	return listed[payment.Case](ctx, s, sql, args)
}
