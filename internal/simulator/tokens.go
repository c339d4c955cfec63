package simulator

import (
	"encoding/json"
	"net/http"
	"time"
)

// A token lives two hours. Who asks for one in its last five minutes gets the next,
// and both are good until the first has expired.
const (
	tokenLife    = 2 * time.Hour
	tokenOverlap = 5 * time.Minute
)

// token is one access_token of the mini-program.
type token struct {
	Value   string    `json:"value"`
	Expires time.Time `json:"expires"`
	Void    bool      `json:"void,omitempty"` // replaced by force, or by somebody elsewhere
}

// The answers of the mini-program's server are all 200 and say in errcode what
// they are; 0 is well.

func told(code int, message string) answer {
	return answer{http.StatusOK, map[string]any{"errcode": code, "errmsg": message}}
}

var (
	toldOK           = told(0, "ok")
	toldBusy         = told(-1, "system error")
	toldInvalidToken = told(40001, "invalid credential, access_token is invalid or not latest")
)

func (s *simulator) miniRoutes(mux *http.ServeMux) {
	anybody := party{verify: func(*call) (answer, bool) { return answer{}, true }}
	mini := party{verify: s.verifyToken}
	mux.Handle("POST /cgi-bin/stable_token", s.desk(anybody, route{callToken, func(*call) {}, s.stableToken}))
	mux.Handle("POST /cgi-bin/message/subscribe/send", s.desk(mini, route{callMessage, s.aboutMessage, s.sendSubscribed}))
	mux.Handle("POST /wxa/sec/order/upload_shipping_info", s.desk(mini, route{callShippingInfo, s.aboutShippingInfo, s.uploadShippingInfo}))
	mux.Handle("POST /wxa/sec/order/get_order", s.desk(mini, route{callShippingQuery, s.aboutShippingQuery, s.shippingOrder}))
}

func (s *simulator) verifyToken(c *call) (a answer, ok bool) {
	value := c.URL.Query().Get("access_token")
	s.ledger.read(func(b *book) {
		switch t := b.tokens[value]; {
		case value == "":
			a = told(41001, "access_token missing")
		case t == nil || t.Void:
			a = toldInvalidToken
		case !s.clock.now().Before(t.Expires):
			a = told(42001, "access_token expired")
		default:
			ok = true
		}
	})
	return a, ok
}

// stableToken answers the present token, or the next if that is about to expire.
// With force_refresh there is a new one, and the one before is good no more.
func (s *simulator) stableToken(c *call) (a answer) {
	var in struct {
		GrantType    string `json:"grant_type"`
		AppID        string `json:"appid"`
		Secret       string `json:"secret"`
		ForceRefresh bool   `json:"force_refresh"`
	}
	switch err := json.Unmarshal(c.body, &in); {
	case err != nil:
		return told(47001, "data format error")
	case in.GrantType != "client_credential":
		return told(40002, "invalid grant_type")
	case in.AppID != s.account.AppID:
		return told(40013, "invalid appid")
	case in.Secret != s.account.MiniAppSecret:
		return told(40125, "invalid appsecret")
	}
	s.ledger.change(func(b *book) (facts []fact) {
		now := s.clock.now()
		t := b.tokens[b.token]
		if fresh := t != nil && !t.Void && now.Before(t.Expires.Add(-tokenOverlap)); !fresh || in.ForceRefresh {
			if fresh {
				facts = append(facts, fact{Token: t.voided()})
			}
			t = &token{Value: "sim_" + hexText(64), Expires: now.Add(tokenLife)}
			facts = append(facts, fact{Token: t})
		}
		a = answer{http.StatusOK, map[string]any{"access_token": t.Value, "expires_in": int64(t.Expires.Sub(now).Seconds())}}
		return facts
	})
	return a
}

func (t *token) voided() *token {
	void := *t
	void.Void = true
	return &void
}

// expireTokens makes every token there is invalid, as if the secret's owner had
// fetched another one by force.
func (s *simulator) expireTokens(*http.Request, struct{}) (TokensExpired, error) {
	var out TokensExpired
	s.ledger.change(func(b *book) (facts []fact) {
		for _, t := range b.tokens {
			if !t.Void && s.clock.now().Before(t.Expires) {
				facts = append(facts, fact{Token: t.voided()})
			}
		}
		out.Expired = len(facts)
		return facts
	})
	return out, nil
}
