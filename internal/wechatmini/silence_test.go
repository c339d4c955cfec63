package wechatmini

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestASilentWeChatIsGivenFiveSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := New(Config{AppID: "wx1", Secret: "s"})
		if err != nil {
			t.Fatal(err)
		}
		c.http.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		began := time.Now()
		err = c.Send(t.Context(), activities.Delivery{})
		if waited := time.Since(began); waited != 5*time.Second || payment.KindOf(err) != payment.Busy {
			t.Errorf("%v after %s", err, waited)
		}
	})
}
