package payment

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"
)

// News is one verified message from outside, judged and ready for the inbox. It
// holds no openid, and only such numbers as are legible.
type News struct {
	Key            string // what a repeat repeats: PaymentKey, RefundKey or NoticeKey
	Kind           NewsKind
	Verdict        Verdict
	NotificationID string
	EventType      string
	Payment        Payment // of a refund, and of unusable news, the numbers alone
	OutRefundNo    string  // of a refund; empty where an order query showed only that there is one
	Case           *Case   // opened with the row; with verdict case, and only then
}

// NewsKind says what news is about.
type NewsKind string

// News of a payment starts its saga, news of a refund is told to it, and
// anything else starts nothing.
const (
	NewsPayment NewsKind = "payment"
	NewsRefund  NewsKind = "refund"
	NewsOther   NewsKind = "other"
)

// Verdict is what became of a message whose signature was good.
type Verdict string

// The verdicts. The last two have no row in the inbox: there is nothing to say
// of them but the bytes.
const (
	Accepted      Verdict = "accepted"
	ForAPerson    Verdict = "case"
	Noted         Verdict = "noted"
	Malformed     Verdict = "malformed"
	CannotDecrypt Verdict = "cannot_decrypt"
)

// Delivery is one callback as it came, byte for byte and still encrypted.
type Delivery struct {
	NotificationID string            // where it is legible
	Serial         string            // of the key that signed it
	RequestID      string            // WeChat's own, where it sent one
	Headers        map[string]string // those that tell how it was sent; no signature, no secret
	Body           []byte
}

// Story is a digest of what news says of the money. The same transaction_id with
// another story is a contradiction, and never an update.
func (p Payment) Story() string {
	said := fmt.Sprintf("%q %q %q %d %q %q", p.AppID, p.MchID, p.OutTradeNo, p.AmountFen, p.Currency, p.TradeState)
	sum := sha256.Sum256([]byte(said))
	return hex.EncodeToString(sum[:16])
}

// PaymentKey is the inbox key of news of a payment, by whatever way it came.
func PaymentKey(p Payment) string { return "payment:" + p.TransactionID + ":" + p.Story() }

// RefundKey is the inbox key of news of a refund: a number has each status once.
func RefundKey(outRefundNo, status string) string { return "refund:" + outRefundNo + ":" + status }

// GoneBackKey is the inbox key of WeChat's word, when asked, that some of a
// payment's money went back, under a number that it did not name.
func GoneBackKey(transactionID string) string { return "gone_back:" + transactionID }

// NoticeKey is the inbox key of everything else.
func NoticeKey(notificationID string) string { return "notice:" + notificationID }

// Errand is news that was due, leased for a while: if nobody reports it started
// or done, it comes back.
type Errand struct {
	InboxID     int64
	Kind        NewsKind
	Tries       int       // before this one
	KeptAt      time.Time // when it was first kept
	Payment     Payment   // input of its saga
	OutRefundNo string
	Over        bool // the books have taken it up: nothing is left to do
	Ours        bool // the refund's number is one of our own
	Known       bool // the refund is said to be of a payment that we know
}

// Summons is a queued request whose saga is to be told (again).
type Summons struct {
	RequestID string
	Kind      RequestKind
	Payment   Payment
}
