package workflows

import (
	"go.temporal.io/sdk/temporal"

	"github.com/paysaga/paysaga/internal/payment"
)

// Names that are promises: runs in flight, people and dashboards rely on them.
const (
	Type           = "PaymentSaga" // the workflow's type
	TypeCloseOrder = "CloseOrder"
	TypeReconcile  = "Reconcile"

	TypeHousekeeping       = "Housekeeping"
	ScheduleHousekeeping   = "housekeeping"   // a schedule's id, and what its runs' ids begin with
	ScheduleReconciliation = "reconciliation" // likewise

	QueuePayments = "payments" // sagas, books and the shop
	QueueWeChat   = "wechat"   // WeChat Pay, rate-limited per merchant

	QueryState    = "state"
	QueryProgress = "progress" // of a reconciliation

	SignalCompensate   = string(payment.Compensate)
	SignalRefund       = string(payment.PartialRefund)
	SignalRetry        = string(payment.Retry)
	SignalResolve      = string(payment.Resolve)
	SignalDispatched   = "dispatched"
	SignalRefundResult = "refund_result"

	SignalSettle = "settle" // a reconciliation that waits for a person
	SignalDrop   = "drop"
)

// ClosingID is the WorkflowID of an order's closing. A transaction_id has no
// hyphen, so it is never a saga's.
func ClosingID(outTradeNo string) string { return "close-" + outTradeNo }

// ReconcilingID is the WorkflowID of a day's reconciliation by hand.
func ReconcilingID(day string) string { return "reconcile-" + day }

// Search attributes of a saga. They are never encrypted: no openid, phone or name.
var (
	OutTradeNo     = temporal.NewSearchAttributeKeyKeyword("OutTradeNo")
	SagaStage      = temporal.NewSearchAttributeKeyKeyword("SagaStage")
	FailedStep     = temporal.NewSearchAttributeKeyKeyword("FailedStep")
	NeedsAttention = temporal.NewSearchAttributeKeyBool("NeedsAttention")
	AmountFen      = temporal.NewSearchAttributeKeyInt64("AmountFen")
	PaidAt         = temporal.NewSearchAttributeKeyTime("PaidAt")
)

// Word is a person's signal. The api sends a RequestID, whose row the saga
// reads; a hand in the Temporal UI sends the rest, and has no row.
type Word struct {
	RequestID string        `json:"request_id,omitempty"`
	Actor     string        `json:"actor,omitempty"`
	Reason    string        `json:"reason,omitempty"`
	Goods     payment.Goods `json:"goods,omitempty"`
	Outcome   payment.Stage `json:"outcome,omitempty"`
	Evidence  []string      `json:"evidence,omitempty"`
}

// RefundResult says that WeChat has news of a refund; the saga asks what it is. It
// has no number where an order query showed only that money went back.
type RefundResult struct {
	OutRefundNo string `json:"out_refund_no"`
}

// DispatchReport says that the shop reported a dispatch; the saga reads which.
type DispatchReport struct {
	ShipmentID string `json:"shipment_id"`
}
