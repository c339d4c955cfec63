package simulator

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"time"
)

// maxBody bounds what the merchant may send; real calls are a few kilobytes.
const maxBody = 1 << 20

// call is one call of the merchant on its way through the desk.
type call struct {
	*http.Request
	body       []byte
	outTradeNo string // the order it is about
	number     string // its own number: out_refund_no, ship key or webhook-id
	event      string // the type of a webhook
	mode       string // the fault planned for it, "" for none
}

// answer is what a call is told. A body of nil is an empty one.
type answer struct {
	status int
	body   any
}

// refuse is an answer in the error form of both WeChat and the shop.
func refuse(status int, code, message string) answer {
	return answer{status, map[string]string{"code": code, "message": message}}
}

// party is one of the two whom the merchant calls.
type party struct {
	verify func(c *call) (answer, bool)              // the refusal, and whether the call may pass
	seal   func(c *call, h http.Header, body []byte) // signs an answer, if the party does
}

// route is one call: how it is called, which order it is about, what it does.
type route struct {
	call  string
	about func(c *call)
	do    func(c *call) answer
}

// desk takes each call through the same steps: verify, wait if held, misbehave if
// planned, note it, carry it out, wait again if held, answer.
func (s *simulator) desk(p party, rt route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			http.Error(w, "unreadable body", http.StatusBadRequest)
			return
		}
		c := &call{Request: r, body: body}
		if refusal, ok := p.verify(c); !ok {
			s.Log.Warn("merchant call refused", "call", rt.call, "status", refusal.status)
			s.reply(w, c, refusal, p)
			return
		}
		rt.about(c)
		if !s.holds.pass(s.life, rt.call, c.outTradeNo, "before") {
			panic(http.ErrAbortHandler)
		}
		s.ledger.change(func(b *book) (facts []fact) {
			c.mode, facts = b.of(c.outTradeNo).take(rt.call)
			return append(facts, fact{Call: &called{rt.call, c.outTradeNo, c.number, c.event, c.mode}})
		})
		a := s.misbehave(c, rt.do)
		if !s.holds.pass(s.life, rt.call, c.outTradeNo, "after") {
			panic(http.ErrAbortHandler)
		}
		s.Log.Debug("merchant call", "call", rt.call, "out_trade_no", c.outTradeNo, "status", a.status, "mode", c.mode)
		s.reply(w, c, a, p)
	})
}

// misbehave carries a call out, or not, as its mode says. Modes it does not know
// are the business of do.
func (s *simulator) misbehave(c *call, do func(*call) answer) answer {
	broken := refuse(http.StatusInternalServerError, "SYSTEM_ERROR", "system error, try again")
	limited := refuse(http.StatusTooManyRequests, "FREQUENCY_LIMITED", "too many requests")
	switch c.mode {
	case modeFail:
		return broken
	case modeLimited:
		return limited
	case modeHang:
		s.hang(c)
	case modeExecuteFail:
		do(c)
		return broken
	case modeExecuteLimit:
		do(c)
		return limited
	case modeExecuteHang:
		do(c)
		s.hang(c)
	case modeExecuteReset:
		do(c)
		panic(http.ErrAbortHandler)
	}
	return do(c)
}

// hang says nothing until the caller has gone away, and nothing then.
func (s *simulator) hang(c *call) {
	select {
	case <-c.Context().Done():
	case <-s.life.Done():
	}
	panic(http.ErrAbortHandler)
}

// reply writes an answer, signed where it is a good one and the party signs.
func (s *simulator) reply(w http.ResponseWriter, c *call, a answer, p party) {
	var body []byte
	if a.body != nil {
		body, _ = json.Marshal(a.body) // plain maps and structs of ours: cannot fail
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
	}
	w.Header().Set("Request-ID", "08"+hexText(14)+"-"+strconv.Itoa(a.status))
	if p.seal != nil && a.status < 300 {
		p.seal(c, w.Header(), body)
	}
	w.WriteHeader(a.status)
	w.Write(body)
}

// unixNow is the time as a signature wants it.
func unixNow() string { return strconv.FormatInt(time.Now().Unix(), 10) }
