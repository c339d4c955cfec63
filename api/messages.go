package api

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"regexp"

	"github.com/paysaga/paysaga/internal/payment"
)

// MessagesPath is where WeChat's message server checks the address and pushes
// what it has for an official account or a mini-program.
const MessagesPath = "/callbacks/wechat/messages"

// Messages verifies and reads what the message server sends. Errors have kinds:
// Refused, with the check that failed as code, and Invalid for an unusable body.
type Messages interface {
	// Verify checks the signature in a query. It covers neither body nor echostr.
	Verify(query url.Values) error
	// Read returns the texts and numbers of a push.
	Read(body []byte) (map[string]string, error)
}

// reminding is the event of a payment that waits too long for its shipping to be
// uploaded.
const reminding = "trade_manage_remind_shipping"

// echoed is what we are ready to say back: whoever saw one signature can have
// anything echoed.
var echoed = regexp.MustCompile(`^[!-~]{1,128}$`)

// takeMessage answers the address check, and keeps what a reminder reminds of. All
// other pushes, which may be anybody's words to the account, are let go.
func (c *Callbacks) takeMessage(r *http.Request, body []byte) payment.Verdict {
	query := r.URL.Query()
	if err := c.Messages.Verify(query); err != nil {
		return c.refused(r, payment.CodeOf(err))
	}
	if r.Method == http.MethodGet {
		if !echoed.MatchString(query.Get("echostr")) {
			return payment.Malformed
		}
		return payment.Noted
	}
	push, err := c.Messages.Read(body)
	if err != nil {
		c.refused(r, payment.CodeOf(err))
		return payment.Malformed
	}
	if push["Event"] != reminding {
		if push["Encrypt"] != "" {
			c.Refusals.Do(func() { c.Log.Warn("a push is encrypted, and was not read: choose plain text at WeChat") })
		}
		return payment.Noted
	}
	return c.keepReminder(r, reminder(push))
}

func (c *Callbacks) keepReminder(r *http.Request, news payment.News) payment.Verdict {
	ctx, cancel := context.WithTimeout(r.Context(), durableWithin)
	defer cancel()
	verdict, err := c.keep(ctx, news, payment.Delivery{}, c.Now()) // without the bytes, which name the payer
	if err != nil {
		c.Log.Error("reminder could not be made durable", "id", news.NotificationID, "why", payment.CodeOf(err))
		return busy
	}
	c.Log.Warn("WeChat reminds of a shipment", "transaction_id", news.Payment.TransactionID, "out_trade_no", news.Payment.OutTradeNo)
	return verdict
}

var unixTime = regexp.MustCompile(`^[0-9]{1,12}$`)

// reminder makes a case of a reminder. Nothing signs what it says, so that a
// person looks, and no payment moves. Repeats of a push are one; a later push about
// the same payment opens its case again.
func reminder(push map[string]string) payment.News {
	shaped := func(name string, good func(string) bool) string {
		if !good(push[name]) {
			return ""
		}
		return push[name]
	}
	about := payment.Payment{
		TransactionID: shaped("transaction_id", payment.ValidTransactionID),
		OutTradeNo:    shaped("merchant_trade_no", payment.ValidOutTradeNo),
		Via:           payment.ViaCallback,
	}
	subject := cmp.Or(about.TransactionID, about.OutTradeNo, "unnamed")
	id := "push-" + subject + "-" + shaped("CreateTime", unixTime.MatchString)
	news := needsPerson(payment.News{
		Key: payment.NoticeKey(id), Kind: payment.NewsOther, NotificationID: id, EventType: reminding, Payment: about,
	}, payment.CaseShippingReminder, "WeChat says it was not told what was shipped; nothing signs its word, so look the payment up first")
	news.Case.Subject = subject
	return news
}

// inText is how the message server is answered: with what it wanted echoed, or a
// plain word.
func inText(r *http.Request, a answer) (contentType, body string) {
	switch {
	case a.status != http.StatusOK:
		return "text/plain; charset=utf-8", a.says
	case r.Method == http.MethodGet:
		return "text/plain; charset=utf-8", r.URL.Query().Get("echostr")
	}
	return "text/plain; charset=utf-8", "success"
}
