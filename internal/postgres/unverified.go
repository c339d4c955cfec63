package postgres

import (
	"cmp"
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/paysaga/paysaga/internal/payment"
)

// A bare conflict target: whether the id is known or another request is open,
// nothing is written here.
const waitingSQL = `
insert into requests (id, transaction_id, kind, state, actor, reason, goods, outcome, evidence, amount_fen, expires_at)
values (@id, @transaction_id, @kind, 'pending_approval', @actor, @reason, @goods, @outcome, @evidence, @amount_fen, now() + @window)
on conflict do nothing`

const refusedSQL = `
insert into requests (id, transaction_id, kind, state, actor, reason, evidence, amount_fen, detail)
values (@id, @transaction_id, @kind, 'refused', @actor, @reason, @evidence, @amount_fen, @detail)
on conflict (id) do nothing`

// RecordUnverified writes a hand-sent signal down as a request that an approver
// must confirm, whatever its amount. One that can never run, and one while
// another is open, is written down as refused.
func (s *Store) RecordUnverified(ctx context.Context, asked payment.Unverified) (payment.Books, error) {
	return s.change(ctx, asked.TransactionID, func(a *account) error {
		purse, err := a.purse(ctx)
		if err != nil {
			return err
		}
		if _, err := a.tx.Exec(ctx, expireRequest, pgx.NamedArgs{"id": a.id()}); err != nil {
			return err
		}
		reason, reasoned := payment.TrimReason(asked.Reason)
		args := pgx.NamedArgs{
			"id": asked.RequestID, "transaction_id": a.id(), "kind": asked.Kind,
			"actor":  payment.UnverifiedPrefix + cmp.Or(oneLine(asked.Actor, 64), "somebody"),
			"reason": cmp.Or(reason, "(no usable reason was given)"),
			"goods":  asked.Goods, "outcome": asked.Outcome, "evidence": append([]string{}, asked.Evidence...),
			"amount_fen": max(purse.leftFen, 0), "window": payment.ApprovalExpiresAfter,
			"detail": "another request was open",
		}
		a.actor = args["actor"].(string)
		act := payment.Act{
			Action: "payment." + string(asked.Kind), Object: asked.RequestID, TransactionID: a.id(), Was: string(a.stage),
			AmountFen: args["amount_fen"].(int64), Reason: args["reason"].(string), By: a.actor, Code: "one_open_request",
		}
		if detail := unusable(asked, reasoned); detail != "" {
			args["detail"], act.Code, args["evidence"] = detail, "unusable_signal", []string{}
		} else {
			tag, err := a.tx.Exec(ctx, waitingSQL, args)
			if err != nil {
				return err
			}
			if tag.RowsAffected() == 1 {
				act.Became, act.Code = string(payment.PendingApproval), ""
				if err := a.note(ctx, "asked by hand for "+string(asked.Kind)+"; waits for an approver"); err != nil {
					return err
				}
				return s.audit(ctx, a.tx, act)
			}
		}
		tag, err := a.tx.Exec(ctx, refusedSQL, args)
		if err != nil || tag.RowsAffected() == 0 { // it was written down before
			return err
		}
		act.Became, act.Decision = string(payment.RequestRefused), payment.Deny
		return s.audit(ctx, a.tx, act)
	})
}

// unusable says what is wrong with a hand-sent signal; empty if nothing is.
func unusable(asked payment.Unverified, reasoned bool) string {
	anyGoods := []payment.Goods{"", payment.GoodsStop, payment.GoodsReturned, payment.GoodsKept}
	outcomes := []payment.Stage{payment.Shipped, payment.Refunded}
	switch {
	case !reasoned:
		return "a reason has 10 to 500 characters"
	case !slices.Contains(anyGoods, asked.Goods):
		return "goods is stop, returned or kept"
	case asked.Kind == payment.Resolve && !slices.Contains(outcomes, asked.Outcome):
		return "outcome is shipped or refunded"
	case asked.Kind != payment.Resolve && asked.Outcome != "":
		return "only resolve has an outcome"
	case !payment.ValidEvidence(asked.Evidence):
		return "evidence is numbers, 50 at most"
	case asked.Kind == payment.PartialRefund:
		return "partial refunds are not made by signal"
	}
	return ""
}
