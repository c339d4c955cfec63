package api

import (
	"context"
	"fmt"
	"net/http"

	"github.com/paysaga/paysaga/internal/payment"
)

// V2CallbackPath is where APIv2's notifications come, if the merchant still has a
// key for them.
const V2CallbackPath = CallbackPath + "/v2"

// V2Opener verifies and reads a notification of APIv2, and tells it as APIv3
// would. Its errors have kinds: Invalid for what is no XML that we read; Refused,
// with the check that failed as code. An empty notice says nothing of anything.
type V2Opener interface {
	Open(body []byte) (payment.Notice, error)
}

// takeV2 is take for APIv2. What cannot be read has not been proved to be
// WeChat's either, because the sign is inside: it leaves no trace. And what is
// kept is what was read, because the body holds the payer's openid in the clear,
// and a sign under a key that we hold too proves nothing to anybody else.
func (c *Callbacks) takeV2(r *http.Request, body []byte) payment.Verdict {
	ctx, cancel := context.WithTimeout(r.Context(), durableWithin)
	defer cancel()
	toldAt := c.Now()
	notice, err := c.V2.Open(body)
	switch {
	case payment.KindOf(err) == payment.Invalid:
		c.refused(r, payment.CodeOf(err))
		return payment.Malformed
	case err != nil:
		return c.refused(r, payment.CodeOf(err))
	case notice.ID == "":
		return payment.Noted
	}
	news := judge(notice, toldAt)
	if news.Kind == payment.NewsRefund { // nobody signed it: it may not stand where signed news would
		news.Key = payment.NoticeKey(notice.ID)
	}
	verdict, err := c.keep(ctx, news, delivery(r, notice.ID, notice.Plaintext), toldAt)
	if err != nil {
		c.Log.Error("callback could not be made durable", "id", notice.ID, "why", payment.CodeOf(err))
		return busy
	}
	c.tell(verdict, notice)
	return verdict
}

// inXML is APIv2's way to put an answer.
func inXML(_ *http.Request, a answer) (contentType, body string) {
	code, says := "FAIL", a.says
	if a.status == http.StatusOK {
		code, says = "SUCCESS", "OK"
	}
	return "text/xml", fmt.Sprintf(
		`<xml><return_code><![CDATA[%s]]></return_code><return_msg><![CDATA[%s]]></return_msg></xml>`, code, says)
}
