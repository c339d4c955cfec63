package postgres

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/paysaga/paysaga/internal/payment"
)

// noRows is what the first row follows from.
var noRows = payment.AuditHead{Hash: hex.EncodeToString(make([]byte, sha256.Size))}

// The columns that repeat the doc are what lists are read by, and no hash seals them.
const auditLogSQL = `
select seq, doc, prev_hash, hash,
       (at, actor, action, object, transaction_id, decision, call) is not distinct from (
         (doc::jsonb ->> 'at')::timestamptz, doc::jsonb ->> 'actor', doc::jsonb ->> 'action',
         coalesce(doc::jsonb ->> 'object', ''), coalesce(doc::jsonb ->> 'transaction_id', ''),
         doc::jsonb ->> 'decision', coalesce(doc::jsonb ->> 'call', ''))
  from audit_log order by seq`

// VerifyAudit follows the audit log from its first row to its last and returns its
// head. Conflict (audit_broken) says where it is broken: a row that was edited, is
// missing, or does not follow from the one before. A tail that was cut off leaves
// no such trace, and neither does a log that was written anew: only an anchor,
// a head that was kept elsewhere, tells. A zero anchor is none.
func (s *Store) VerifyAudit(ctx context.Context, anchor payment.AuditHead) (payment.AuditHead, error) {
	head := noRows
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
		var repeated bool
		if err := rows.Scan(&seq, &doc, &prevHash, &hash, &repeated); err != nil {
			return head, fault(err)
		}
		seal := sha256.Sum256(append(slices.Clip(prevHash), doc...))
		switch {
		case seq != head.Seq+1:
			return head, broken("row %d is followed by row %d: what was between is gone", head.Seq, seq)
		case !bytes.Equal(prevHash, last):
			return head, broken("row %d does not follow from the row before it", seq)
		case !bytes.Equal(hash, seal[:]), !repeated:
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

// AuditHead is the end of the audit log; of an empty one row 0 and its 32 zero bytes.
func (s *Store) AuditHead(ctx context.Context) (head payment.AuditHead, err error) {
	err = s.pool.QueryRow(ctx, auditEndSQL).Scan(&head.Seq, &head.Hash)
	if errors.Is(err, pgx.ErrNoRows) {
		return noRows, nil
	}
	return head, fault(err)
}
