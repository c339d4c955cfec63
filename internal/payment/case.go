package payment

import "time"

// Case is something that needs a person, opened once per cause: a cause that
// comes back reopens its case.
type Case struct {
	ID             string    `json:"id"`
	Kind           CaseKind  `json:"kind"`
	Subject        string    `json:"-"` // with Kind the cause: a transaction_id, out_refund_no or notification id
	TransactionID  string    `json:"transaction_id,omitempty"`
	OutTradeNo     string    `json:"out_trade_no,omitempty"`
	NotificationID string    `json:"notification_id,omitempty"`
	Detail         string    `json:"detail,omitempty"` // what is known, without names of payers
	Owner          string    `json:"owner"`            // never empty
	DueAt          time.Time `json:"due_at"`
	State          string    `json:"state"`   // open or closed
	Overdue        bool      `json:"overdue"` // open, and its owner's time is over
	Resolution     string    `json:"resolution,omitempty"`
	TimesOpened    int       `json:"times_opened"` // how often the cause came up
	OpenedAt       time.Time `json:"opened_at"`    // last
	ClosedAt       time.Time `json:"closed_at,omitzero"`
}

// CaseKind names a cause. CASE_OWNERS gives each kind its owner.
type CaseKind string

// The kinds of case.
const (
	CaseAmountMismatch     CaseKind = "amount_mismatch"     // paid other than ordered, in amount or currency
	CaseForeignMerchant    CaseKind = "foreign_merchant"    // appid or mchid is not ours
	CaseUnknownOrder       CaseKind = "unknown_order"       // paid for an order we never had
	CaseNotPaid            CaseKind = "not_paid"            // WeChat, when asked, does not say SUCCESS
	CaseShipUnknown        CaseKind = "ship_unknown"        // no answer from the shop for SHIP_GIVE_UP_AFTER
	CaseDispatchOverdue    CaseKind = "dispatch_overdue"    // accepted by the shop and not dispatched
	CaseCancelRefused      CaseKind = "cancel_refused"      // already dispatched, so no refund by itself
	CaseCancelUnknown      CaseKind = "cancel_unknown"      // no answer to cancel
	CaseNotifyFailed       CaseKind = "notify_failed"       // the shop, the payer or WeChat could not be told
	CaseRefundRefused      CaseKind = "refund_refused"      // WeChat will not refund
	CaseRefundStuck        CaseKind = "refund_stuck"        // a day without the money moving
	CaseRefundAbnormal     CaseKind = "refund_abnormal"     // the payer's card is dead
	CaseRefundClosed       CaseKind = "refund_closed"       // a new number needs a person
	CaseRefundMismatch     CaseKind = "refund_mismatch"     // WeChat names another amount than we asked for
	CaseForeignRefund      CaseKind = "foreign_refund"      // WeChat has a refund that we never sent
	CaseDispatchedAnyway   CaseKind = "dispatched_anyway"   // the shop dispatched what it had cancelled, or what was refunded
	CaseUnusableCallback   CaseKind = "unusable_callback"   // signed and decrypted, content unusable
	CaseConflictingNews    CaseKind = "conflicting_news"    // one transaction, two different stories
	CaseUnsupportedMoney   CaseKind = "unsupported_event"   // an event with money of a kind we do not handle
	CaseUnsupportedVariant CaseKind = "unsupported_variant" // a combined or a service provider's payment, which we do not handle
	CaseShippingReminder   CaseKind = "shipping_reminder"   // WeChat says that nobody told it what was shipped
	CaseCloseStuck         CaseKind = "close_stuck"         // an order that WeChat would not close for a day
	CaseCancelledWorkflow  CaseKind = "cancelled_workflow"  // somebody cancelled the run in Temporal

	CaseBillMissingPayment CaseKind = "bill_missing_payment" // ours was paid that day, and WeChat's bill lacks it
	CaseBillAmountMismatch CaseKind = "bill_amount_mismatch" // the bill names another amount, order, app or merchant
	CaseBillMissingRefund  CaseKind = "bill_missing_refund"  // WeChat took our refund, and its bill lacks it
	CaseBillRefundMismatch CaseKind = "bill_refund_mismatch" // the bill names another amount, payment or end of a refund
	CaseBillRevoked        CaseKind = "bill_revoked"         // WeChat took a payment back
	CaseBillFee            CaseKind = "bill_fee"             // fees that are not the rate's; one case a day
	CaseBillFundFlow       CaseKind = "bill_fund_flow"       // the balance moved otherwise than the bill says
	CaseBillOddLine        CaseKind = "bill_odd_line"        // a line that nobody can act on
)
