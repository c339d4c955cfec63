package postgres

import (
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/paysaga/paysaga/internal/payment"
)

// Holding the payment's row, nobody moves it before the request is written.
const standing = `
select stage, amount_fen, refunded_fen from payments where transaction_id = @id for update`

const standingInInbox = `
select 'received', amount_fen, 0::bigint
  from inbox where transaction_id = @id and kind = 'payment' and verdict = 'accepted'
 order by id limit 1`

// An approval that nobody gave in time does not bar the next request.
const expireRequest = `
update requests set state = 'expired', detail = 'nobody approved it in time', updated_at = now()
 where transaction_id = @id and state = 'pending_approval' and expires_at <= now()`

const askedLately = `
select coalesce(sum(amount_fen), 0)::bigint from requests
 where transaction_id = @id and state in ('queued', 'running', 'done') and created_at > now() - @window::interval`

// What was asked for and has no refund yet. Once it has, the purse counts it.
const askedFor = `
select coalesce(sum(amount_fen), 0)::bigint from requests q
 where transaction_id = @id and kind = 'refund' and state in ('pending_approval', 'queued', 'running')
   and not exists (select from refunds where out_refund_no = q.out_refund_no)`

const insertRequest = `
insert into requests (id, transaction_id, kind, state, actor, reason, goods, outcome, evidence, amount_fen, out_refund_no, expires_at)
values (@request_id, @id, @kind, @state, @actor, @reason, @goods, @outcome, @evidence, @amount_fen, @out_refund_no,
        case @state::text when 'pending_approval' then now() + @window::interval end)`

// Ask writes down what a person asked for, judged by how the payment stands in
// this moment; a part gets its number, and keeps it. NotFound for a payment nobody
// knows; Invalid for more than is left; Conflict where it is too late, and
// (one_open_request) while another request is open: of two at once, the index lets
// one in.
func (s *Store) Ask(ctx context.Context, asked payment.Request, approvalAboveFen int64) (payment.Request, error) {
	args := pgx.NamedArgs{"id": asked.TransactionID, "transaction_id": asked.TransactionID, "window": payment.ApprovalExpiresAfter}
	err := s.tx(ctx, func(tx pgx.Tx) error {
		at, next, err := stands(ctx, tx, args)
		if err != nil {
			return err
		}
		switch known, err := readRequest(ctx, tx, asked.ID); {
		case err == nil: // the same call asked before, and was cut off
			asked = known
			return nil
		case !errors.Is(err, pgx.ErrNoRows):
			return err
		}
		if asked, err = asked.Judge(at, approvalAboveFen); err != nil {
			return err
		}
		args["request_id"], args["kind"], args["state"] = asked.ID, asked.Kind, asked.State
		args["actor"], args["reason"] = asked.Actor, asked.Reason
		args["goods"], args["outcome"], args["evidence"] = asked.Goods, asked.Outcome, append([]string{}, asked.Evidence...)
		if asked.Kind == payment.PartialRefund {
			asked.OutRefundNo = payment.RefundNumber(asked.TransactionID, next)
		}
		args["amount_fen"], args["out_refund_no"] = asked.AmountFen, asked.OutRefundNo
		if _, err := tx.Exec(ctx, insertRequest, args); err != nil {
			return err
		}
		if err := noteAct(ctx, tx, asked, asked.Actor, "asked: "+string(asked.Kind)+", "+string(asked.State)); err != nil {
			return err
		}
		return s.audit(ctx, tx, payment.Act{
			Action: "payment." + string(asked.Kind), Object: asked.ID, TransactionID: asked.TransactionID, Was: string(at.Stage),
			Became: string(asked.State), AmountFen: asked.AmountFen, Reason: asked.Reason, By: asked.Actor,
		})
	})
	return asked, missing("payment", err)
}

// stands is how a payment stands, under its row's lock, and the number that a
// refund of it would get.
func stands(ctx context.Context, tx pgx.Tx, args pgx.NamedArgs) (at payment.Standing, next int, err error) {
	err = tx.QueryRow(ctx, standing, args).Scan(&at.Stage, &at.AmountFen, &at.RefundedFen)
	if errors.Is(err, pgx.ErrNoRows) {
		err = tx.QueryRow(ctx, standingInInbox, args).Scan(&at.Stage, &at.AmountFen, &at.RefundedFen)
	}
	if err != nil {
		return at, 0, err
	}
	if _, err := tx.Exec(ctx, expireRequest, args); err != nil {
		return at, 0, err
	}
	if err := tx.QueryRow(ctx, lastRefundClosedSQL, args).Scan(&at.RefundClosed); err != nil {
		return at, 0, err
	}
	var askedForFen int64
	if err := tx.QueryRow(ctx, askedFor, args).Scan(&askedForFen); err != nil {
		return at, 0, err
	}
	left, err := readPurse(ctx, tx, args["id"].(string))
	if err != nil && !errors.Is(err, pgx.ErrNoRows) { // none yet: only the inbox knows the payment
		return at, 0, err
	}
	at.LeftFen, at.Refunds, at.TooOld = left.leftFen-askedForFen, left.refunds, left.tooOld
	return at, left.next, tx.QueryRow(ctx, askedLately, args).Scan(&at.AskedFen)
}

// A payment that only the inbox knows has no timeline yet.
const noteEvent = `
insert into payment_events (transaction_id, what, actor)
select transaction_id, @what, @actor from payments where transaction_id = @id`

func noteAct(ctx context.Context, tx pgx.Tx, about payment.Request, actor, what string) error {
	_, err := tx.Exec(ctx, noteEvent, pgx.NamedArgs{"id": about.TransactionID, "what": what, "actor": actor})
	return err
}

// Whoever begins, ends or decides on a request holds its payment's row first, so
// that no two wait for each other.
const lockPaymentOfRequest = `
select from payments where transaction_id = (select transaction_id from requests where id = @request_id) for update`

const lockRequest = `
select row_to_json(q), coalesce(now() >= q.expires_at, false)
  from (select id, transaction_id, kind, state, actor, reason, goods, outcome, evidence,
               amount_fen, out_refund_no, approver, detail, created_at, expires_at
          from requests where id = @request_id for update) q`

const decideRequest = `
update requests
   set state = @state, approver = @approver, decision = @reason, decided_at = now(),
       detail = @detail, sweep_at = now(), updated_at = now()
 where id = @request_id and state = 'pending_approval'`

// Approve lets a request run that waited for a second person. Refused
// (own_request) for the one who asked; Conflict (decided) for the second of two,
// and (request_expired) after ApprovalExpiresAfter.
func (s *Store) Approve(ctx context.Context, d payment.Decision) (payment.Request, error) {
	return s.decide(ctx, d, payment.Queued)
}

// Reject ends a request that waited for a second person, and frees the payment
// for another one. Its errors are those of Approve.
func (s *Store) Reject(ctx context.Context, d payment.Decision) (payment.Request, error) {
	return s.decide(ctx, d, payment.RequestRefused)
}

var verdicts = map[payment.RequestState]string{
	payment.Queued:         "approved",
	payment.RequestRefused: "rejected",
}

var decisions = map[payment.RequestState]string{
	payment.Queued:         "request.approve",
	payment.RequestRefused: "request.reject",
}

func (s *Store) decide(ctx context.Context, d payment.Decision, state payment.RequestState) (payment.Request, error) {
	var request payment.Request
	err := s.tx(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, lockPaymentOfRequest, pgx.NamedArgs{"request_id": d.RequestID}); err != nil {
			return err
		}
		var expired bool
		if err := tx.QueryRow(ctx, lockRequest, pgx.NamedArgs{"request_id": d.RequestID}).Scan(&request, &expired); err != nil {
			return err
		}
		if again, err := acted(ctx, tx, decisions[state], request.ID); err != nil || again {
			return err
		}
		switch {
		case sameName(request.Actor, d.By):
			return payment.Failf(payment.Refused, payment.CodeOwnRequest, "nobody decides on what they asked for themselves")
		case request.State == payment.RequestExpired, request.State == payment.PendingApproval && expired:
			return payment.Failf(payment.Conflict, payment.CodeRequestExpired, "nobody decided in time; ask again")
		case request.State != payment.PendingApproval:
			return payment.Failf(payment.Conflict, "decided", "the request is %s and waits for nobody", request.State)
		}
		request.State, request.Approver = state, d.By
		if state == payment.RequestRefused {
			request.Detail = verdicts[state]
		}
		_, err := tx.Exec(ctx, decideRequest, pgx.NamedArgs{
			"request_id": d.RequestID, "state": state, "approver": d.By, "reason": d.Reason, "detail": request.Detail,
		})
		if err != nil {
			return err
		}
		if err := noteAct(ctx, tx, request, d.By, verdicts[state]+": "+string(request.Kind)); err != nil {
			return err
		}
		return s.audit(ctx, tx, payment.Act{
			Action: decisions[state], Object: request.ID, TransactionID: request.TransactionID,
			Was: string(payment.PendingApproval), Became: string(state),
			AmountFen: request.AmountFen, Reason: d.Reason, AskedBy: request.Actor, By: d.By,
		})
	})
	return request, missing("request", err)
}

// sameName tells whether who asked and who decides are one person. A signal sent
// by hand carries a name that nobody proved; it is taken at its word here, where
// that makes the rule stricter.
func sameName(actor, approver string) bool {
	return strings.EqualFold(strings.TrimPrefix(actor, payment.UnverifiedPrefix), approver)
}
