package postgres

import (
	"cmp"
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/paysaga/paysaga/internal/payment"
)

// auditLock is the advisory lock under which the audit log grows, one row at a
// time, so that its numbers have no gaps.
const auditLock = 7243_1001

const auditLockSQL = `select pg_advisory_xact_lock(@lock)`

const auditHeadSQL = `
select coalesce(max(seq), 0), coalesce((select hash from audit_log order by seq desc limit 1), decode(repeat('00', 32), 'hex')),
       clock_timestamp()
  from audit_log`

const auditSQL = `
insert into audit_log (seq, at, doc, prev_hash, hash)
values (@seq, @at, @doc, @prev_hash, sha256(@prev_hash || convert_to(@doc, 'UTF8')))`

// audit writes an act down in its own transaction: no audit, no action. Who acts
// is in the context. Call it last: everybody else's act waits from here to the
// commit. An act that is done again under the same call leaves no second row.
func (s *Store) audit(ctx context.Context, tx pgx.Tx, act payment.Act) error {
	row := struct {
		Seq int64     `json:"seq"`
		At  time.Time `json:"at"`
		payment.Actor
		payment.Act
	}{Actor: payment.ActorOf(ctx), Act: act}
	if again, err := acted(ctx, tx, act.Action, act.Object); err != nil || again && act.Decision != payment.Deny {
		return err
	}
	row.Name, row.Decision = cmp.Or(row.Name, act.By), cmp.Or(act.Decision, payment.Allow)

	if _, err := tx.Exec(ctx, auditLockSQL, pgx.NamedArgs{"lock": auditLock}); err != nil {
		return err
	}
	var head int64
	var prevHash []byte
	if err := tx.QueryRow(ctx, auditHeadSQL).Scan(&head, &prevHash, &row.At); err != nil {
		return err
	}
	row.Seq, row.At = head+1, row.At.UTC()
	doc, err := json.Marshal(row)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, auditSQL, pgx.NamedArgs{"seq": row.Seq, "at": row.At, "doc": string(doc), "prev_hash": prevHash})
	return err
}

const actedSQL = `
select exists (select from audit_log
                where call = @call and @call <> '' and action = @action and object = @object and decision = 'ALLOW')`

// acted tells whether this very call did the act before, and was cut off before it
// was answered.
func acted(ctx context.Context, tx pgx.Tx, action, object string) (yes bool, err error) {
	args := pgx.NamedArgs{"call": payment.ActorOf(ctx).Call, "action": action, "object": object}
	err = tx.QueryRow(ctx, actedSQL, args).Scan(&yes)
	return yes, err
}

// Record writes down an act that changes nothing in these books: one that was
// denied, and one that begins elsewhere, before it begins.
func (s *Store) Record(ctx context.Context, act payment.Act) error {
	return s.tx(ctx, func(tx pgx.Tx) error { return s.audit(ctx, tx, act) })
}

// The doc goes out as it was hashed, so that whoever reads it can follow the chain.
const auditListSQL = `
select to_json(a)
  from (select seq, at, doc::json as doc, encode(prev_hash, 'hex') as prev_hash, encode(hash, 'hex') as hash
          from audit_log
         where (@actor = '' or actor = @actor)
           and (@action = '' or action = @action)
           and (@decision = '' or decision = @decision)
           and (@number = ''
             or transaction_id collate "C" between @number and @last
             or object collate "C" between @number and @last)
           and (@first or seq < @seq)
         order by seq desc
         limit @limit) a`

// Audit is one page of the audit log, the newest row first.
func (s *Store) Audit(ctx context.Context, wanted payment.AuditFilter, page payment.Page[payment.AuditPlace]) ([]payment.Audited, error) {
	var after payment.AuditPlace
	if page.After != nil {
		after = *page.After
	}
	return listed[payment.Audited](ctx, s, auditListSQL, pgx.NamedArgs{
		"actor": wanted.Actor, "action": wanted.Action, "decision": string(wanted.Decision),
		"number": wanted.Number, "last": wanted.Number + afterAll,
		"first": page.After == nil, "seq": after.Seq, "limit": page.Limit,
	})
}
