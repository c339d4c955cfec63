package postgres

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
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

const auditLogSQL = `select seq, doc, prev_hash, hash from audit_log order by seq`

// VerifyAudit follows the audit log from its first row to its last and returns its
// head. Conflict (audit_broken) says where it is broken: a row that was edited, is
// missing, or does not follow from the one before. A tail that was cut off leaves
// no such trace, and neither does a log that was written anew: only an anchor,
// a head that was kept elsewhere, tells. A zero anchor is none.
func (s *Store) VerifyAudit(ctx context.Context, anchor payment.AuditHead) (payment.AuditHead, error) {
	var head payment.AuditHead
	rows, err := s.pool.Query(ctx, auditLogSQL)
	if err != nil {
		return head, fault(err)
	}
	defer rows.Close()
	last := make([]byte, sha256.Size)
	for rows.Next() {
		var seq int64
		var doc string
		var prevHash, hash []byte
		if err := rows.Scan(&seq, &doc, &prevHash, &hash); err != nil {
			return head, fault(err)
		}
		seal := sha256.Sum256(append(slices.Clip(prevHash), doc...))
		switch {
		case seq != head.Seq+1:
			return head, broken("row %d is followed by row %d: what was between is gone", head.Seq, seq)
		case !bytes.Equal(prevHash, last):
			return head, broken("row %d does not follow from the row before it", seq)
		case !bytes.Equal(hash, seal[:]):
			return head, broken("row %d was edited", seq)
		case seq == anchor.Seq && hex.EncodeToString(hash) != anchor.Hash:
			return head, broken("row %d is not the one that was the head once: the log was written anew", seq)
		}
		last, head = hash, payment.AuditHead{Seq: seq, Hash: hex.EncodeToString(hash)}
	}
	if err := rows.Err(); err != nil {
		return head, fault(err)
	}
	if head.Seq < anchor.Seq {
		return head, broken("the log ends at row %d and had %d: its tail was cut off", head.Seq, anchor.Seq)
	}
	return head, nil
}

func broken(format string, args ...any) error {
	return payment.Failf(payment.Conflict, "audit_broken", format, args...)
}

const auditEndSQL = `select seq, encode(hash, 'hex') from audit_log order by seq desc limit 1`

// AuditHead is the end of the audit log; zero while it is empty.
func (s *Store) AuditHead(ctx context.Context) (head payment.AuditHead, err error) {
	err = s.pool.QueryRow(ctx, auditEndSQL).Scan(&head.Seq, &head.Hash)
	if errors.Is(err, pgx.ErrNoRows) {
		return head, nil
	}
	return head, fault(err)
}
