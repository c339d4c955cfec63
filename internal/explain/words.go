package explain

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/paysaga/paysaga/api"
	"github.com/paysaga/paysaga/internal/payment"
)

// The phases of the desk's work, by address. The first is the same everywhere.
const admission = "host, path, method, size, encoding"

var phases = map[string][]string{
	api.CallbackPath:   {admission, "headers, time, serial, signature", "envelope", "decryption", "content"},
	api.V2CallbackPath: {admission, "sign", "content"},
	api.MessagesPath:   {admission, "signature", "content"},
}

// States of a phase.
const (
	passed   = "ok"
	broken   = "FAILED"
	notTried = "not tried"
)

// early names the check behind an answer that comes before anything is verified.
var early = map[int]struct{ check, why string }{
	http.StatusMisdirectedRequest:    {"host", "it was sent to another host than PUBLIC_URL's"},
	http.StatusNotFound:              {"path", "nobody is called there"},
	http.StatusMethodNotAllowed:      {"method", "nobody is called so"},
	http.StatusRequestEntityTooLarge: {"size", "the body is larger than CALLBACK_MAX_BYTES"},
	http.StatusUnsupportedMediaType:  {"encoding", "it has a Content-Encoding, and the signature covers the raw bytes"},
}

// tell makes an account of what was heard.
func (d Desk) tell(r *http.Request, heard *ear, said *answer) Account {
	a := Account{Status: said.status, Answer: said.body.String()}
	all, known := phases[r.URL.Path]
	if !known {
		all = phases[api.CallbackPath]
	}
	failed := len(all)
	switch {
	case !heard.asked:
		failed, a.Failed, a.Why = 0, early[said.status].check, early[said.status].why
	case heard.err != nil:
		failed, a.Failed, a.Why = 1, payment.CodeOf(heard.err), words(heard.err)
		if r.URL.Path == api.CallbackPath {
			failed = map[payment.Kind]int{payment.Refused: 1, payment.Invalid: 2}[payment.KindOf(heard.err)]
			if failed == 0 {
				failed = 3
			}
		}
	case heard.news != nil && heard.news.Case != nil:
		failed = len(all) - 1
		a.Failed, a.Why = "content", fmt.Sprintf("a person has to look (%s): %s", heard.news.Case.Kind, heard.news.Case.Detail)
	case said.status != http.StatusOK:
		failed, a.Failed, a.Why = len(all)-1, "content", "it cannot be used"
	}
	for i, checks := range all {
		state := passed
		if i == failed {
			state = broken
		} else if i > failed {
			state = notTried
		}
		a.Phases = append(a.Phases, Phase{checks, state})
	}
	a.Hint = d.hint(r, a.Failed)
	if heard.news != nil {
		a.Facts = facts(*heard.news)
	}
	return a
}

// words are an error's own, without its code.
func words(err error) string {
	if e, ok := errors.AsType[*payment.Error](err); ok {
		return e.Text
	}
	return err.Error()
}

// hint is what experience says of a check that failed.
func (d Desk) hint(r *http.Request, failed string) string {
	switch failed {
	case "host":
		return fmt.Sprintf("it was sent to %q; PUBLIC_URL's host is %q. A proxy in front must pass the Host on", r.Host, d.Public.Hostname())
	case "path":
		return fmt.Sprintf("notify_url is PUBLIC_URL%s, to the letter; APIv2's %s and WeChat's %s answer only where their secret is set",
			api.CallbackPath, api.V2CallbackPath, api.MessagesPath)
	case "size":
		return fmt.Sprintf("CALLBACK_MAX_BYTES is %d", d.MaxBytes)
	case "encoding":
		return "a proxy in front must pass the body on as it came"
	case "headers":
		return "each Wechatpay-… header must be there once; a proxy may have dropped or doubled one"
	case "time":
		return d.clockHint(r)
	case "serial":
		return fmt.Sprintf("it names %q; the keys in force are %s. A new key of WeChat's belongs into WECHATPAY_PUBLIC_KEY or WECHATPAY_PLATFORM_CERTS",
			printable(r.Header.Get("Wechatpay-Serial")), strings.Join(d.Serials, ", "))
	case "signature":
		return "the body must be the very bytes that came: one that was formatted, re-encoded or cut never fits. If it is whole, the sender is not WeChat, or the key is not WeChat's"
	case "signtest":
		return "WeChat sends false signatures to see that they are refused: all is well"
	case "cannot_decrypt":
		return "WECHATPAY_API_V3_KEY must be the APIv3 key of WeChat Pay's merchant platform; after a change, the one before belongs into WECHATPAY_API_V3_KEY_PREVIOUS for a day"
	}
	return ""
}

func (d Desk) clockHint(r *http.Request) string {
	seconds, err := strconv.ParseInt(r.Header.Get("Wechatpay-Timestamp"), 10, 64)
	if err != nil || seconds > 1<<36 {
		return "Wechatpay-Timestamp is in seconds since 1970"
	}
	signed := time.Unix(seconds, 0).In(d.At.Location())
	return fmt.Sprintf("it was signed at %s and is judged at %s; to judge it as it came: --at %s",
		signed.Format(time.RFC3339), d.At.Format(time.RFC3339), signed.Format(time.RFC3339))
}

// printable is a stranger's text as far as a terminal may show it.
func printable(text string) string {
	text = strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' {
			return '?'
		}
		return c
	}, text)
	return text[:min(len(text), 80)]
}

// facts are what the news says of the payment, and nothing of the payer.
func facts(news payment.News) []Fact {
	var all []Fact
	add := func(name, value string) {
		if value != "" {
			all = append(all, Fact{name, printable(value)})
		}
	}
	add("notification", news.NotificationID)
	add("event", news.EventType)
	add("transaction_id", news.Payment.TransactionID)
	add("out_trade_no", news.Payment.OutTradeNo)
	add("out_refund_no", news.OutRefundNo)
	add("appid", news.Payment.AppID)
	add("mchid", news.Payment.MchID)
	add("trade_state", news.Payment.TradeState)
	if news.Payment.AmountFen > 0 {
		add("amount", fmt.Sprintf("%d fen %s", news.Payment.AmountFen, news.Payment.Currency))
	}
	if !news.Payment.PaidAt.IsZero() {
		add("paid at", news.Payment.PaidAt.Format(time.RFC3339))
	}
	return all
}
