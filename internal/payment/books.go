package payment

import "time"

// Books is what the books say of one payment, and all a saga needs to know to
// carry on from wherever any earlier run stopped. Every act returns the books
// as it left them, so that a saga never has to remember.
type Books struct {
	TransactionID string `json:"transaction_id"`
	OutTradeNo    string `json:"out_trade_no"`
	Stage         Stage  `json:"stage"`
	AmountFen     int64  `json:"amount_fen"`
	RefundedFen   int64  `json:"refunded_fen"` // by WeChat's SUCCESS, never by its "accepted"

	// Unsettled says why a received payment could not be judged yet.
	Unsettled Unsettled `json:"unsettled,omitempty"`
	Hold      *Hold     `json:"hold,omitempty"` // in stage holding

	Shipment Shipment `json:"shipment,omitempty"`
	// ShipAskedAt is when the shop was first asked to ship.
	ShipAskedAt time.Time `json:"ship_asked_at,omitzero"`
	Goods       Goods     `json:"goods,omitempty"` // while compensating: whether the shipment is to be stopped

	Refund *Refund `json:"refund,omitempty"` // the refund that is not final yet
	// Request is the open request that may run: queued, or running since this
	// run or an earlier one began it. One that waits for approval is not here.
	Request *OpenRequest `json:"request,omitempty"`
	// Webhook is the oldest message that somebody, the shop above all, is still
	// to be told; empty when all were.
	Webhook string `json:"webhook,omitempty"`

	Terms Terms `json:"terms"`
}

// Done tells whether nothing is left to do: a final stage, no open request, no
// refund that is not final, and nobody left to tell.
func (b Books) Done() bool {
	return b.Stage.Final() && b.Request == nil && b.Refund == nil && b.Webhook == ""
}

// RefundedInFull tells whether all of the money went back, by WeChat's word.
func (b Books) RefundedInFull() bool { return b.RefundedFen == b.AmountFen }

// OpenRequest is as much of a request as a saga needs to see.
type OpenRequest struct {
	ID    string       `json:"id"`
	Kind  RequestKind  `json:"kind"`
	State RequestState `json:"state"`
}

// Unsettled is why a received payment waits to be judged.
type Unsettled string

// A received payment is judged at once, unless its order is unknown (the row
// may be younger than the callback) or WeChat's own word is wanted first.
const (
	Settled      Unsettled = ""
	UnknownOrder Unsettled = "unknown_order"
	AskWeChat    Unsettled = "ask_wechat"
)

// Direction is the way a held saga was going.
type Direction string

// A hold keeps its direction, so that a retry carries on the same way.
const (
	Forward  Direction = "forward"
	Backward Direction = "backward"
)

// Hold is why a payment waits for a person.
type Hold struct {
	Reason    CaseKind  `json:"reason"`
	Direction Direction `json:"direction"`
	// Until is when the payment is compensated if nobody came; zero waits for
	// ever. Only an unknown ship outcome has a deadline.
	Until time.Time `json:"until,omitzero"`
}

// Goods says what is to become of the goods when a payment is undone.
type Goods string

// Stop cancels the shipment first. Returned and Kept refund after dispatch, and
// always want four eyes.
const (
	GoodsStop     Goods = "stop"
	GoodsReturned Goods = "returned"
	GoodsKept     Goods = "kept"
)

// Shipment is the state of a payment's one shipment.
type Shipment string

// A shipment's row is written before the shop is first asked. Cancelling is the
// tombstone: a late ship attempt finds it and does nothing.
const (
	ShipNone       Shipment = ""           // never asked
	ShipRequested  Shipment = "requested"  // asked, no answer known
	ShipAccepted   Shipment = "accepted"   // the shop's 202: dispatched later
	ShipDispatched Shipment = "dispatched" // on its way
	ShipRefused    Shipment = "refused"    // the shop's no
	ShipCancelling Shipment = "cancelling" // to be cancelled; nobody may ask to ship any more
	ShipCancelled  Shipment = "cancelled"  // the shop's word that it will never ship
)

// ToCancel tells whether the shop must be told not to ship before money goes back.
func (s Shipment) ToCancel() bool { return s != ShipNone && s != ShipCancelled }

// Terms are the settings a saga lives by, read with the books so that they are
// part of its history and a replay sees the same ones.
type Terms struct {
	ShipAttemptTimeout   time.Duration   `json:"ship_attempt_timeout"`
	ShipGiveUpAfter      time.Duration   `json:"ship_give_up_after"`
	DispatchOverdueAfter time.Duration   `json:"dispatch_overdue_after"`
	NotifyGiveUpAfter    time.Duration   `json:"notify_give_up_after"`
	HoldFor              time.Duration   `json:"hold_for"`
	UnknownOrderWait     time.Duration   `json:"unknown_order_wait"`
	RequestWait          time.Duration   `json:"request_wait"`
	RetryMaxInterval     time.Duration   `json:"retry_max_interval"`
	RefundPoll           []time.Duration `json:"refund_poll"`
	RefundSpacing        time.Duration   `json:"refund_spacing"`
}
