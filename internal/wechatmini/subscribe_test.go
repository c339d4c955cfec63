package wechatmini_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/paysaga/paysaga/internal/payment"
)

func TestTheMessageAsItsPayerReadsIt(t *testing.T) {
	long := delivery
	long.Description = strings.Repeat("茶", 25)
	long.TrackingNo = strings.Repeat("9", 40)
	long.Carrier = " "
	for name, row := range map[string]struct {
		long bool
		want map[string]any
	}{
		"as it is": {want: map[string]any{
			"character_string1": orderNo, "thing2": "龙井 <tea> & cups", "amount3": "¥128.05",
			"thing4": "SF", "character_string5": "SF1", "time6": "2026-02-04 04:04:05", // Beijing's time
		}},
		"cut to what WeChat takes, and never empty": {long: true, want: map[string]any{
			"character_string1": orderNo, "thing2": strings.Repeat("茶", 20), "amount3": "¥128.05",
			"thing4": "-", "character_string5": strings.Repeat("9", 32), "time6": "2026-02-04 04:04:05",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fakeWeChat{}
			c := open(t, f)
			d := delivery
			if row.long {
				d = long
			}
			if err := c.Send(t.Context(), d); err != nil {
				t.Fatal(err)
			}
			sent := f.heard(subscribe)
			if len(sent) != 1 || sent[0].token != "token-1" {
				t.Fatalf("%+v", sent)
			}
			got := map[string]any{}
			for field, v := range sent[0].body["data"].(map[string]any) {
				got[field] = v.(map[string]any)["value"]
			}
			if !row.long && !strings.Contains(sent[0].text, "龙井 <tea> & cups") {
				t.Errorf("the payer may read %s", sent[0].text)
			}
			if diff := cmp.Diff(row.want, got); diff != "" || sent[0].body["touser"] != openID || sent[0].body["template_id"] != "T1" {
				t.Errorf("%v (-want +got):\n%s", sent[0].body, diff)
			}
		})
	}
}

func TestHowASentMessageEnds(t *testing.T) {
	for ending, row := range map[string]struct {
		answer string
		kind   payment.Kind
	}{
		"sent":                                 {`{"errcode":0,"errmsg":"ok","msgid":294402298110051942}`, ""},
		"the payer gave no consent":            {code(43101), payment.Refused},
		"a field is too long":                  {code(47003), payment.Invalid},
		"the template is gone":                 {code(40037), payment.Invalid},
		"WeChat is busy":                       {code(-1), payment.Busy},
		"another is being sent to this payer":  {code(43108), payment.Busy},
		"too many calls":                       {code(45009), payment.Busy},
		"a code that nobody recognises":        {code(99999), payment.Unknown},
		"a page of a gateway in between":       {"<html>502", payment.Unknown},
		"no object":                            {`[]`, payment.Unknown},
		"a code that is no number":             {`{"errcode":"0"}`, payment.Unknown},
		"an answer that does not stop":         {`{"errcode":0,"x":"` + strings.Repeat("y", 70<<10) + `"}`, payment.Unknown},
		"a token that WeChat takes back twice": {code(40001), payment.Busy},
	} {
		t.Run(ending, func(t *testing.T) {
			f := &fakeWeChat{answers: map[string][]string{subscribe: {row.answer}}}
			wantKind(t, open(t, f).Send(t.Context(), delivery), row.kind)
		})
	}
}

func TestAMessageWithoutAnAnswer(t *testing.T) {
	t.Run("WeChat hangs up: it may have been sent", func(t *testing.T) {
		f := &fakeWeChat{hangUp: subscribe}
		wantKind(t, open(t, f).Send(t.Context(), delivery), payment.Unknown)
		if n := len(f.heard(subscribe)); n != 1 {
			t.Errorf("it was sent %d times", n)
		}
	})
	t.Run("WeChat gives no token: nothing was sent", func(t *testing.T) {
		f := &fakeWeChat{hangUp: stableToken}
		wantKind(t, open(t, f).Send(t.Context(), delivery), payment.Busy)
		if n := len(f.heard(subscribe)); n != 0 {
			t.Errorf("it was sent %d times", n)
		}
	})
	t.Run("WeChat cannot be reached: nothing was sent", func(t *testing.T) {
		gone := httptest.NewServer(&fakeWeChat{})
		gone.Close()
		wantKind(t, client(t, gone.URL).Send(t.Context(), delivery), payment.Busy)
	})
	t.Run("WeChat is gone between the token and the message: nothing was sent", func(t *testing.T) {
		f := &fakeWeChat{life: 7200, curt: true}
		server := httptest.NewServer(f)
		c := client(t, server.URL)
		if err := c.Send(t.Context(), delivery); err != nil {
			t.Fatal(err)
		}
		server.Close()
		wantKind(t, c.Send(t.Context(), delivery), payment.Busy)
	})
}

// A redirect would carry token and openid to a stranger.
func TestNoRedirectIsFollowed(t *testing.T) {
	stranger := &fakeWeChat{life: 7200}
	elsewhere := httptest.NewServer(stranger)
	defer elsewhere.Close()
	base := httptest.NewServer(http.RedirectHandler(elsewhere.URL+"/cgi-bin/stable_token", http.StatusTemporaryRedirect))
	defer base.Close()
	wantKind(t, client(t, base.URL).Send(t.Context(), delivery), payment.Busy)
	if n := len(stranger.heard(stableToken)); n != 0 {
		t.Errorf("a stranger heard %d calls", n)
	}
}
