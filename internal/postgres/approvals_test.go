package postgres_test

import (
	"strings"
	"testing"

	"github.com/paysaga/paysaga/internal/pgtest"
)

// Whoever has the database cannot make an approval say more than it did, nor have
// what wants a second person run without one.
func TestAnApprovalIsForExactlyWhatWasAsked(t *testing.T) {
	for change, by := range map[string]string{
		`amount_fen = 1`:                                   "request_stays_what_was_asked",
		`kind = 'resolve'`:                                 "request_stays_what_was_asked",
		`transaction_id = 'OTHER'`:                         "request_stays_what_was_asked",
		`actor = 'somebody else'`:                          "request_stays_what_was_asked",
		`reason = 'another reason altogether'`:             "request_stays_what_was_asked",
		`goods = 'kept'`:                                   "request_stays_what_was_asked",
		`evidence = '{R1}'`:                                "request_stays_what_was_asked",
		`out_refund_no = 'R2'`:                             "request_stays_what_was_asked",
		`expires_at = null`:                                "request_stays_what_was_asked",
		`state = 'queued'`:                                 "approved_before_it_runs",
		`state = 'done'`:                                   "approved_before_it_runs",
		`approver = 'ann'`:                                 "never_ones_own",
		`state = 'queued', approver = 'dora'`:              "",
		`state = 'refused', detail = 'rejected'`:           "",
		`state = 'expired'`:                                "",
		`detail = 'a line', sweep_at = now() + '1 minute'`: "",
	} {
		t.Run(change, func(t *testing.T) {
			t.Parallel()
			db := pgtest.New(t)
			db.Exec(t, `insert into requests (id, transaction_id, kind, state, actor, reason, goods, amount_fen, expires_at)
				values ('q1', 'T1', 'compensate', 'pending_approval', 'ann', 'the customer called', 'stop', 150000, now() + interval '1 day')`)
			_, err := db.Pool.Exec(t.Context(), `update requests set `+change)
			switch {
			case by == "" && err != nil:
				t.Error(err)
			case by != "" && (err == nil || !strings.Contains(err.Error(), by) && !strings.Contains(err.Error(), "was asked and approved")):
				t.Errorf("%v, want %s", err, by)
			}
		})
	}
	t.Run("and who approved it stays", func(t *testing.T) {
		db := pgtest.New(t)
		db.Exec(t, `insert into requests (id, transaction_id, kind, state, actor, reason, amount_fen, expires_at, approver)
			values ('q1', 'T1', 'compensate', 'queued', 'ann', 'the customer called', 150000, now() + interval '1 day', 'dora')`)
		if _, err := db.Pool.Exec(t.Context(), `update requests set approver = 'otto'`); err == nil {
			t.Error("another name stands where the approver's stood")
		}
	})
}
