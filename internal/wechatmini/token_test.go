package wechatmini_test

import (
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/paysaga/paysaga/internal/payment"
)

func TestOneTokenServesEverybody(t *testing.T) {
	f := &fakeWeChat{}
	c := open(t, f)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if err := c.Send(t.Context(), delivery); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	asked := f.heard(stableToken)
	if len(asked) != 1 || len(f.heard(subscribe)) != 20 {
		t.Fatalf("%d tokens for %d messages", len(asked), len(f.heard(subscribe)))
	}
	want := map[string]any{"grant_type": "client_credential", "appid": "wx1", "secret": secret}
	if diff := cmp.Diff(want, asked[0].body); diff != "" || asked[0].token != "" {
		t.Errorf("asked with (-want +got):\n%s", diff)
	}
}

func TestATokenIsFetchedAgain(t *testing.T) {
	t.Run("five minutes before its end", func(t *testing.T) {
		f := &fakeWeChat{life: 5 * 60} // good for five minutes more, and no longer used
		c := open(t, f)
		for range 2 {
			if err := c.Send(t.Context(), delivery); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(f.heard(stableToken)); n != 2 {
			t.Errorf("%d tokens for two messages", n)
		}
	})
	for name, refusal := range map[string]string{"WeChat does not know it": code(40001), "it is over": code(42001)} {
		t.Run("once, when "+name, func(t *testing.T) {
			f := &fakeWeChat{answers: map[string][]string{subscribe: {refusal, `{"errcode":0}`}}}
			c := open(t, f)
			if err := c.Send(t.Context(), delivery); err != nil {
				t.Fatal(err)
			}
			sent := f.heard(subscribe)
			if len(sent) != 2 || sent[0].token != "token-1" || sent[1].token != "token-2" {
				t.Errorf("sent %+v", sent)
			}
			if err := c.Send(t.Context(), delivery); err != nil || len(f.heard(stableToken)) != 2 {
				t.Errorf("%v after %d tokens: the new one was not kept", err, len(f.heard(stableToken)))
			}
		})
	}
	t.Run("once for everybody whose token was refused", func(t *testing.T) {
		f := &fakeWeChat{refuses: "token-1"}
		c := open(t, f)
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if err := c.Send(t.Context(), delivery); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n := len(f.heard(stableToken)); n != 2 {
			t.Errorf("%d tokens", n)
		}
	})
	t.Run("and not a second time in one call", func(t *testing.T) {
		f := &fakeWeChat{answers: map[string][]string{subscribe: {code(40001)}}}
		wantKind(t, open(t, f).Send(t.Context(), delivery), payment.Busy)
		if n := len(f.heard(subscribe)); n != 2 {
			t.Errorf("sent %d times", n)
		}
	})
	t.Run("when WeChat gave none before", func(t *testing.T) {
		f := &fakeWeChat{answers: map[string][]string{stableToken: {code(-1), `{"expires_in":7200}`, ""}}}
		c := open(t, f)
		for range 2 { // no token, and an answer without one
			wantKind(t, c.Send(t.Context(), delivery), payment.Busy)
		}
		if err := c.Send(t.Context(), delivery); err != nil {
			t.Error(err)
		}
	})
	t.Run("a wrong secret leaves everything unsent", func(t *testing.T) {
		f := &fakeWeChat{answers: map[string][]string{stableToken: {code(40125)}}}
		wantKind(t, open(t, f).Report(t.Context(), delivery), payment.Busy)
		if n := len(f.heard(upload)); n != 0 {
			t.Errorf("%d reports without a token", n)
		}
	})
}
