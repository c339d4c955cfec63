package postgres

import "github.com/paysaga/paysaga/internal/payment"

// success is the only trade_state that is money.
const success = "SUCCESS"

// gaveBack is the trade_state of what was paid, and of which WeChat has a refund.
const gaveBack = "REFUND"

// askAgain stands in wechat_says after a person asked to try again: WeChat's
// earlier word no longer counts, and a callback's alone does not either.
const askAgain = "ASK_AGAIN"

// evidence is what speaks for a received payment.
type evidence struct {
	tradeState string
	via        payment.Via
	wechatSays string // trade_state by a query of ours; empty if none was wanted yet
	orderKnown bool
	large      bool // enough to be asked about in any case
	refundNews bool // WeChat told of a refund of it that the books do not know
	refundSeen bool // the books know a refund of it, for which it was held before
}

// unsettled says what is missing before the payment can be judged. News that no
// verified callback brought, news of much money, and news that came after news of
// its refund, is believed only after a question to WeChat.
func (e evidence) unsettled() payment.Unsettled {
	hearsay := e.tradeState != success || e.via == payment.ViaQuery || e.via == payment.ViaBill
	switch {
	case e.wechatSays == askAgain, e.wechatSays == "" && (hearsay || e.large || e.refundNews):
		return payment.AskWeChat
	case !e.orderKnown:
		return payment.UnknownOrder
	}
	return payment.Settled
}

// large tells whether WeChat is asked about a payment of that much, although its
// callback was verified: the money may have gone back since.
func (s Settings) large(amountFen int64) bool {
	return s.AskAboveFen != nil && amountFen > *s.AskAboveFen
}

// denied tells whether WeChat was asked and did not say that it was paid. With a
// refund it was; nobody but a person goes on from there, and only from one that
// the books know.
func (e evidence) denied() bool {
	return e.wechatSays != "" && e.wechatSays != success && !(e.wechatSays == gaveBack && e.refundSeen)
}
