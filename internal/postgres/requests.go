package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/paysaga/paysaga/internal/payment"
)

const requestSQL = `
select to_json(q)
  from (select id, transaction_id, kind, state, actor, reason, goods, outcome, evidence, amount_fen,
               out_refund_no, approver, detail, created_at, expires_at
          from requests where id = @id) q`

// Request reads one request.
func (s *Store) Request(ctx context.Context, requestID string) (payment.Request, error) {
	request, err := readRequest(ctx, s.pool, requestID)
	return request, fault(err)
}

// readRequest reads the request as it stands. Whoever begins or ends one holds
// the payment's row, so the request's own row needs no lock.
func readRequest(ctx context.Context, from querier, requestID string) (request payment.Request, err error) {
	err = from.QueryRow(ctx, requestSQL, pgx.NamedArgs{"id": requestID}).Scan(&request)
	return request, err
}

// changeRequest locks the payment of an open request and lets do work on both.
// A request that has ended, or still waits for an approver, is left alone.
func (s *Store) changeRequest(ctx context.Context, requestID string, do func(*account, payment.Request) error) (payment.Books, error) {
	request, err := s.Request(ctx, requestID)
	if err != nil {
		return payment.Books{}, err
	}
	return s.change(ctx, request.TransactionID, func(a *account) error {
		request, err := readRequest(ctx, a.tx, requestID) // again, under the lock
		if err != nil || (request.State != payment.Queued && request.State != payment.Running) {
			return err
		}
		a.actor = request.Actor
		return do(a, request)
	})
}

// BeginRequest turns a queued request into a move. What has become unlawful since
// it was asked ends as refused, with the reason.
func (s *Store) BeginRequest(ctx context.Context, requestID string) (payment.Books, error) {
	return s.changeRequest(ctx, requestID, func(a *account, request payment.Request) error {
		if request.State != payment.Queued {
			return nil
		}
		refusal, err := a.refusal(ctx, request)
		if err != nil {
			return err
		}
		if refusal != "" {
			return a.endRequest(ctx, request.ID, payment.RequestRefused, refusal)
		}
		switch request.Kind {
		case payment.Compensate:
			return a.beginCompensate(ctx, request)
		case payment.PartialRefund:
			return a.beginPart(ctx, request)
		case payment.Retry:
			return a.beginRetry(ctx, request)
		default:
			return a.endRequest(ctx, request.ID, payment.Running, "")
		}
	})
}

func (a *account) beginCompensate(ctx context.Context, request payment.Request) error {
	goods := request.Goods
	if goods == "" {
		goods = payment.GoodsStop
	}
	if err := a.undo(ctx, request.ID, goods, "compensation asked for: "+request.Reason); err != nil {
		return err
	}
	return a.endRequest(ctx, request.ID, payment.Running, "")
}

// beginRetry lets a hold go on the way it was going. Where nothing is held, the
// request has done its work by ending whatever the saga was waiting for. It ends
// first: a retry may end in the next hold, which refuses what runs.
func (a *account) beginRetry(ctx context.Context, request payment.Request) error {
	if a.stage != payment.Holding {
		return a.endRequest(ctx, request.ID, payment.RequestDone, "tried again at once")
	}
	if err := a.endRequest(ctx, request.ID, payment.RequestDone, "goes on, after "+string(a.hold.Reason)); err != nil {
		return err
	}
	return a.release(ctx, "retry asked for: "+request.Reason)
}

// refusal says why a request may not run any more; empty if it may. It asks
// again what the desk asked, for a request may have waited a day.
func (a *account) refusal(ctx context.Context, request payment.Request) (string, error) {
	if !slices.Contains(payment.Askable[request.Kind], a.stage) {
		return fmt.Sprintf("%s is not possible: the payment is %s", request.Kind, a.stage), nil
	}
	if request.Kind == payment.Resolve {
		return "", nil
	}
	newNumber, err := a.wantsNewNumber(ctx)
	if err != nil {
		return "", err
	}
	approved := request.Approver != ""
	switch {
	case !approved && newNumber:
		return "WeChat closed the last refund; a new number needs an approver", nil
	case !approved && loose(request.Goods):
		return "to refund without stopping the goods needs an approver", nil
	}
	switch request.Kind {
	case payment.PartialRefund:
		return a.noPart(ctx, request)
	case payment.Retry:
		return "", nil
	}
	purse, err := a.purse(ctx)
	if err != nil {
		return "", err
	}
	if purse.leftFen > request.AmountFen {
		return fmt.Sprintf("asked for %d fen, and %d fen would go back now", request.AmountFen, purse.leftFen), nil
	}
	shipment, err := a.shipment(ctx)
	if err == nil && loose(request.Goods) && a.mayStillShip(shipment) {
		return "the shipment is not known to be dispatched; stop it first", nil
	}
	return "", err
}

// loose tells whether money goes back without the goods being stopped.
func loose(goods payment.Goods) bool {
	return goods == payment.GoodsReturned || goods == payment.GoodsKept
}

// mayStillShip tells whether goods could leave after a refund that does not stop
// them. The shop's no to a cancel says that they have left already.
func (a *account) mayStillShip(shipment payment.Shipment) bool {
	left := shipment == payment.ShipDispatched ||
		(a.stage == payment.Holding && a.hold.Reason == payment.CaseCancelRefused)
	return shipment.ToCancel() && !left
}

const lastRefundClosedSQL = `
select coalesce((select state in ('closed', 'withdrawn') from refunds
                  where transaction_id = @transaction_id and not is_foreign
                    and (state <> 'withdrawn' or asked_at is not null)
                  order by created_at desc limit 1), false)`

// wantsNewNumber tells whether going on would refund again after WeChat's no.
func (a *account) wantsNewNumber(ctx context.Context) (yes bool, err error) {
	err = a.tx.QueryRow(ctx, lastRefundClosedSQL, pgx.NamedArgs{"transaction_id": a.id()}).Scan(&yes)
	return yes, err
}

const endRequestSQL = `
update requests set state = @state, detail = @detail, sweep_at = now() + @peace, updated_at = now()
 where id = @id and state in ('queued', 'running')`

// endRequest moves an open request on: to running, or to its end.
func (a *account) endRequest(ctx context.Context, id string, state payment.RequestState, detail string) error {
	_, err := a.tx.Exec(ctx, endRequestSQL, pgx.NamedArgs{
		"id": id, "state": state, "detail": detail, "peace": a.store.peace(),
	})
	if err != nil || state == payment.Running {
		return err
	}
	return a.note(ctx, "request "+string(state)+": "+detail)
}

const endRunningSQL = `
update requests q set state = @state, detail = @detail, updated_at = now()
 where transaction_id = @transaction_id and state = 'running'
   and not exists (select from refunds r where r.out_refund_no = q.out_refund_no
                      and r.state in ('requested', 'processing', 'abnormal'))`

// endRunning ends the request that runs, if one does. A part that WeChat was asked
// for goes on: its refund ends it.
func (a *account) endRunning(ctx context.Context, state payment.RequestState, detail string) error {
	_, err := a.tx.Exec(ctx, endRunningSQL, pgx.NamedArgs{"transaction_id": a.id(), "state": state, "detail": detail})
	return err
}
