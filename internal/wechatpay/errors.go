package wechatpay

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strings"

	"github.com/wechatpay-apiv3/wechatpay-go/core"

	"github.com/paysaga/paysaga/internal/payment"
)

// Codes of our own, beside WeChat's in lower case. All but the last are Unknown.
const (
	codeNoAnswer = "wechat_no_answer"       // not reached, cut off, or silent for ten seconds
	codeUnsigned = "wechat_bad_signature"   // answered 2xx, and the signature is not WeChat's: it may have been done
	codeUnusable = "wechat_unusable_answer" // answered, but not with what the protocol promises
	codeNotAsked = "wechat_not_asked"       // the question itself makes no sense there; of kind NotFound or Invalid
)

// spellings maps WeChat's older codes to those of its current pages; both are met.
var spellings = map[string]string{
	"ORDERNOTEXIST":          "ORDER_NOT_EXIST",
	"ORDERPAID":              "ORDER_PAID",
	"ORDERCLOSED":            "ORDER_CLOSED",
	"NOTENOUGH":              "NOT_ENOUGH",
	"NOAUTH":                 "NO_AUTH",
	"RULELIMIT":              "RULE_LIMIT",
	"SYSTEMERROR":            "SYSTEM_ERROR",
	"FREQUENCY_LIMIT_EXCEED": "FREQUENCY_LIMITED",
}

var (
	wechatCode = regexp.MustCompile(`^[A-Z][A-Z0-9_]{1,63}$`)
	requestID  = regexp.MustCompile(`^[0-9A-Za-z_-]{1,64}$`)
)

// translate is the one place where the SDK's errors become ours. Theirs print
// headers and bodies, so nothing of them is kept but a status, a code that looks
// like one, and the request id that WeChat's own support asks for.
func translate(ctx context.Context, what string, result *core.APIResult, err error) error {
	answer, answered := errors.AsType[*core.APIError](err)
	switch {
	case answered:
		return refusal(what, answer)
	case result == nil || result.Response == nil:
		return payment.Fail(payment.Unknown, codeNoAnswer, "WeChat Pay did not answer the "+what, ctx.Err())
	}
	// A 2xx that could not be verified. WeChat sends such answers on purpose, to
	// see who checks, after it has done what was asked.
	return payment.Fail(payment.Unknown, codeUnsigned, "the answer to the "+what+" is not signed by WeChat Pay, or our clock is wrong", nil)
}

// refusal gives an answer other than 2xx its kind, by code and never by message
// (chapter7_2_6 of the APIv3 pages). Such answers carry no signature.
func refusal(what string, answer *core.APIError) error {
	code := answer.Code
	if current, old := spellings[code]; old {
		code = current
	}
	if answer.StatusCode == http.StatusTooManyRequests {
		code = "FREQUENCY_LIMITED" // also where a gateway in between said so
	}
	kind := kindOf(answer.StatusCode, code)
	if !wechatCode.MatchString(code) {
		kind, code = payment.Unknown, codeUnusable // a stranger's page: not WeChat's word
	}
	text := "WeChat Pay answered %d to the %s"
	args := []any{answer.StatusCode, what}
	if id := answer.Header.Get("Request-Id"); requestID.MatchString(id) {
		text, args = text+", request %s", append(args, id)
	}
	return payment.Failf(kind, strings.ToLower(code), text, args...)
}

func kindOf(status int, code string) payment.Kind {
	switch code {
	case "RESOURCE_NOT_EXISTS", "ORDER_NOT_EXIST":
		return payment.NotFound
	case "NOT_ENOUGH", "FREQUENCY_LIMITED":
		return payment.Busy
	case "SYSTEM_ERROR":
		return payment.Unknown
	}
	if status >= 400 && status < 500 {
		return payment.Refused
	}
	return payment.Unknown
}

// unusable is for a signed 2xx that does not say what was asked for. Whether it
// was done is unknown.
func unusable(what string) error {
	return payment.Failf(payment.Unknown, codeUnusable, "WeChat Pay's answer to the %s makes no sense", what)
}
