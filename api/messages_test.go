package api_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/paysaga/paysaga/api"
	"github.com/paysaga/paysaga/internal/wechatpay"
	"github.com/paysaga/paysaga/internal/wechattest"
)

const messageToken = "oursAndNobodyElses"

func newMessageGate(t *testing.T) *gate {
	g := newGate(t)
	g.handler.Messages = wechatpay.NewMessages(messageToken)
	return g
}

// byMessage is a letter of the message server: a check of the address if it has an
// echostr, and otherwise a push.
func byMessage(token, echostr, body string) letter {
	query := wechattest.MessageQuery(token, "1732242900", "1320562132")
	l := letter{method: http.MethodPost, header: http.Header{}, body: body}
	if echostr != "" {
		query.Set("echostr", echostr)
		l.method = http.MethodGet
	}
	l.path = api.MessagesPath + "?" + query.Encode()
	return l
}

func push(changes texts) letter { return byMessage(messageToken, "", remind(changes).XML("xml")) }

func remind(changes texts) texts {
	return texts{
		"ToUserName": "gh_abc", "FromUserName": wechattest.OpenID, "CreateTime": "1732242900", "MsgType": "event",
		"Event": "trade_manage_remind_shipping", "transaction_id": "4200000925202101284997714292",
		"merchant_id": "1230000109", "merchant_trade_no": "ORDER1", "pay_time": "1732142900", "msg": "请尽快发货",
	}.With(changes)
}

func TestWhatTheMessageServerIsAnswered(t *testing.T) {
	g := newMessageGate(t)
	reminded, nothing := map[string]int64{"inbox": 1, "cases": 1}, map[string]int64{}
	repeated := byMessage(messageToken, "", remind(texts{"transaction_id": "42"}).XML("xml"))
	repeated.path += "&" + url.Values{"nonce": {"1320562132"}}.Encode()

	for name, row := range map[string]struct {
		letter letter
		status int
		body   string
		leaves map[string]int64
		opened string // kind, transaction_id and out_trade_no of the case
	}{
		"the check of the address":           {byMessage(messageToken, "5837397520665436492", ""), 200, "5837397520665436492", nothing, ""},
		"the check by a stranger":            {byMessage("theirs", "5837397520665436492", ""), 401, "signature", nothing, ""},
		"an echo that is a script":           {byMessage(messageToken, "<script>alert(1)</script>\n", ""), 400, "malformed", nothing, ""},
		"an echo that is too long":           {byMessage(messageToken, strings.Repeat("1", 129), ""), 400, "malformed", nothing, ""},
		"a reminder":                         {push(texts{"transaction_id": "4200001"}), 200, "success", reminded, "shipping_reminder 4200001 ORDER1"},
		"a reminder in JSON":                 {byMessage(messageToken, "", fields{"Event": "trade_manage_remind_shipping", "CreateTime": 1732242900, "transaction_id": "4200002"}.JSON()), 200, "success", reminded, "shipping_reminder 4200002 "},
		"a reminder by the order alone":      {push(texts{"transaction_id": "", "merchant_trade_no": "ORDER3"}), 200, "success", reminded, "shipping_reminder  ORDER3"},
		"a reminder of odd numbers":          {push(texts{"transaction_id": "../x", "merchant_trade_no": "a b"}), 200, "success", reminded, "shipping_reminder  "},
		"a reminder by a stranger":           {byMessage("theirs", "", remind(nil).XML("xml")), 401, "signature", nothing, ""},
		"a reminder with its nonce twice":    {repeated, 401, "signature", nothing, ""},
		"a payer's words":                    {push(texts{"Event": "", "MsgType": "text", "Content": "when does it come?"}), 200, "success", nothing, ""},
		"another event":                      {push(texts{"Event": "trade_manage_order_settlement"}), 200, "success", nothing, ""},
		"another event, with lists in it":    {byMessage(messageToken, "", "<xml><Event>x</Event><List><a>1</a><a>2</a></List></xml>"), 200, "success", nothing, ""},
		"an encrypted push":                  {byMessage(messageToken, "", "<xml><ToUserName>gh_abc</ToUserName><Encrypt>AAAA</Encrypt></xml>"), 200, "success", nothing, ""},
		"a reminder with a document type":    {byMessage(messageToken, "", "<!DOCTYPE xml>"+remind(nil).XML("xml")), 400, "malformed", nothing, ""},
		"a reminder with its number twice":   {byMessage(messageToken, "", strings.Replace(remind(nil).XML("xml"), "</xml>", "<transaction_id>1</transaction_id></xml>", 1)), 400, "malformed", nothing, ""},
		"a push of nothing":                  {byMessage(messageToken, "", ""), 400, "malformed", nothing, ""},
		"one byte too much":                  {byMessage(messageToken, "", strings.Repeat(" ", 64<<10+1)), 413, "too large", nothing, ""},
		"another method":                     {letter{method: "PUT", path: api.MessagesPath, header: http.Header{}}, 405, "method", nothing, ""},
		"another path":                       {letter{path: api.MessagesPath + "/", header: http.Header{}}, 404, `{"code":"FAIL","message":"path"}`, nothing, ""},
		"APIv2's address, which has no key":  {letter{path: api.V2CallbackPath, header: http.Header{}}, 404, `{"code":"FAIL","message":"path"}`, nothing, ""},
		"a push to another host":             {func() letter { l := push(nil); l.host = "evil.example"; return l }(), 421, `host`, nothing, ""},
		"a reminder behind a compressed one": {push(nil).with("Content-Encoding", "gzip"), 415, "encoding", nothing, ""},
	} {
		t.Run(name, func(t *testing.T) {
			before, asked, woken := g.rows(t), g.inbox.asked.Load(), g.wakes.Load()
			status, header, body := g.post(t, row.letter)
			if status != row.status || body != row.body {
				t.Errorf("answered %d %s, want %d %s", status, body, row.status, row.body)
			}
			if text := header.Get("Content-Type"); status != 404 && (text != "text/plain; charset=utf-8" || header.Get("X-Content-Type-Options") != "nosniff") {
				t.Errorf("a browser may read it as something else than plain text: %s", text)
			}
			if allow := header.Get("Allow"); (status == 405) != (allow == "GET, POST") {
				t.Errorf("Allow: %q", allow)
			}
			if diff := cmp.Diff(row.leaves, g.grown(t, before)); diff != "" {
				t.Errorf("the books grew otherwise (-want +got):\n%s", diff)
			}
			if len(row.leaves) == 0 {
				if g.inbox.asked.Load() != asked {
					t.Error("the database was asked")
				}
			} else if got := g.Text(t, `select kind||' '||transaction_id||' '||out_trade_no from cases order by opened_at desc, id desc limit 1`); got != row.opened {
				t.Errorf("opened %q, want %q", got, row.opened)
			}
			if g.wakes.Load() != woken {
				t.Error("the relay was woken: a push starts nothing")
			}
		})
	}
	if g.everything(t, wechattest.OpenID) || strings.Contains(g.log.String(), wechattest.OpenID) {
		t.Error("the payer's openid was kept or logged")
	}
	if !strings.Contains(g.log.String(), "a push is encrypted") {
		t.Error("nobody is told that pushes cannot be read")
	}
}

// WeChat repeats a push until it is answered, which changes nothing; when it
// reminds again, the case that somebody closed is open again.
func TestAReminderThatComesAgain(t *testing.T) {
	g := newMessageGate(t)
	cases := func() string { return g.Text(t, `select string_agg(state||' '||times_opened, ', ') from cases`) }
	for i, step := range []struct{ pushed, want string }{
		{"1732242900", "open 1"}, {"1732242900", "open 1"}, {"", ""}, {"1732242900", "closed 1"}, {"1732329300", "open 2"},
	} {
		if step.pushed == "" {
			g.Exec(t, `update cases set state = 'closed', resolution = 'uploaded', closed_at = now()`)
			continue
		}
		if status, _, body := g.post(t, push(texts{"CreateTime": step.pushed})); status != 200 || body != "success" {
			t.Fatalf("answered %d %s", status, body)
		}
		if got := cases(); got != step.want {
			t.Errorf("step %d: cases are %s, want %s", i, got, step.want)
		}
	}
}

func TestAReminderIsAskedForAgainWhileTheBooksAreAway(t *testing.T) {
	g := newMessageGate(t)
	g.store.Close()
	g.temporal.up = true
	if status, _, body := g.post(t, push(nil)); status != 503 || body != "busy" {
		t.Errorf("answered %d %s", status, body)
	}
	if len(g.temporal.held) != 0 {
		t.Error("a push started something")
	}
}
