package wechatmini

import (
	"strconv"
	"time"

	"github.com/paysaga/paysaga/internal/payment"
)

// codeToken is for a token that WeChat does not take (any more).
const codeToken = "mini_token_refused"

// notYetFor is how long WeChat's shipping management may take to learn of a
// payment; its pages ask for a minute at least.
const notYetFor = time.Minute

// meaning is what an errcode permits us to do next. Codes that are in neither
// table are Unknown: nobody may guess that nothing went out.
var meaning = map[int64]payment.Kind{
	-1:    payment.Busy,                                           // "system busy, try again"
	40001: payment.Busy, 40014: payment.Busy, 42001: payment.Busy, // the token
	45009: payment.Busy, 45011: payment.Busy, // too many calls

	// Subscribe messages.
	43101: payment.Refused, // the payer gave no consent, or took it back
	43107: payment.Invalid, // the mini-program may not send
	43108: payment.Busy,    // another message to this payer is being sent
	45168: payment.Invalid, // sensitive words
	47003: payment.Invalid, // a template's field is missing, empty or too long
	40003: payment.Invalid, // no openid of this mini-program
	40037: payment.Invalid, // no such template
	47001: payment.Invalid, // not the JSON it wants

	// Shipping information.
	10060001: payment.Busy,                         // the payment is not known there yet
	10060012: payment.Busy, 10060019: payment.Busy, // busy
	10060002: payment.Conflict, 10060003: payment.Conflict, // shipped before, and shipped again before
	10060004: payment.Invalid, // not to be shipped: refunded or finished
	10060005: payment.Invalid, 10060006: payment.Invalid, 10060007: payment.Invalid, 10060008: payment.Invalid, 10060009: payment.Invalid,
	10060014: payment.Invalid, 10060020: payment.Invalid, 10060024: payment.Invalid, 10060025: payment.Invalid, 10060026: payment.Invalid,
	10060031:  payment.Invalid,                                                                                     // the openid did not pay this
	268485194: payment.Invalid, 268485195: payment.Invalid, 268485196: payment.Invalid, 268485197: payment.Invalid, // the order's key
	268485216: payment.Invalid, 268485224: payment.Invalid, 268485226: payment.Invalid, 268485227: payment.Invalid, 268485228: payment.Invalid,
}

// unchanged is WeChat's answer to a report that says what it knew: done.
const unchanged = "mini_10060023"

// refusal gives an errcode its kind. WeChat's errmsg is not kept: it may quote
// the request.
func refusal(what string, code int64) error {
	kind, known := meaning[code]
	if !known {
		kind = payment.Unknown
	}
	number := strconv.FormatInt(code, 10)
	err := payment.Failf(kind, "mini_"+number, "WeChat answered %s to the %s", number, what)
	switch code {
	case 40001, 40014, 42001:
		err.Code = codeToken
	case 10060001, 45009, 45011:
		err.RetryAfter = notYetFor
	}
	return err
}

// silence is for a call without an answer: Busy if it cannot have arrived.
func silence(what string, sent bool, cause error) error {
	if !sent {
		return payment.Fail(payment.Busy, "mini_unreachable", "WeChat could not be reached for the "+what, cause)
	}
	return payment.Fail(payment.Unknown, "mini_no_answer", "WeChat did not answer the "+what, cause)
}
