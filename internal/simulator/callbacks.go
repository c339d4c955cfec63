package simulator

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// callbackTimeout is how long WeChat waits for the answer to a callback.
const callbackTimeout = 5 * time.Second

// notice is one notification on its way to the merchant. Its id and content stay
// the same over all attempts; nonce, time and signature are new each time.
type notice struct {
	ID            string    `json:"id"`
	EventType     string    `json:"event_type"`
	URL           string    `json:"url"`
	OutTradeNo    string    `json:"out_trade_no"`
	TransactionID string    `json:"transaction_id"`
	OutRefundNo   string    `json:"out_refund_no,omitempty"`
	CreateTime    time.Time `json:"create_time"`
	Key           string    `json:"key,omitempty"`      // kind of key that signs it
	V2            string    `json:"v2,omitempty"`       // told by APIv2, signed so: MD5 or HMAC-SHA256
	SignTest      bool      `json:"signtest,omitempty"` // the first attempt is a probe
	Copies        int       `json:"copies,omitempty"`   // how many first attempts at once
	Attempts      int       `json:"attempts"`
	Done          bool      `json:"done"` // taken, given up, or never to be sent
}

func paymentNotice(p *paid) *notice {
	return &notice{
		ID: nameUUID("TRANSACTION.SUCCESS", p.TransactionID), EventType: "TRANSACTION.SUCCESS", URL: p.NotifyURL,
		OutTradeNo: p.OutTradeNo, TransactionID: p.TransactionID, CreateTime: p.SuccessTime,
	}
}

func refundNotice(r *refund, now time.Time) *notice {
	return &notice{
		ID: refundNoticeID(r, r.Status), EventType: "REFUND." + r.Status, URL: r.NotifyURL,
		OutTradeNo: r.OutTradeNo, TransactionID: r.TransactionID, OutRefundNo: r.OutRefundNo, CreateTime: now,
	}
}

// refundNoticeID names the notification that a refund came to a status.
func refundNoticeID(r *refund, status string) string {
	return nameUUID("REFUND."+status, r.OutRefundNo)
}

// nameUUID is a version 5 UUID made from a name, like the ids of real
// notifications: the same event has the same id.
func nameUUID(parts ...string) string {
	sum := sha1.Sum([]byte("paysaga simulator " + strings.Join(parts, " ")))
	u := sum[:16]
	u[6], u[8] = u[6]&0x0f|0x50, u[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

// deliver sends a notice in the background, after delay, until it is taken or the
// retries are used up. Where the clock jumps over several retries, all of them
// follow at once, as all of them would have been due.
func (s *simulator) deliver(id string, delay time.Duration) {
	due := s.clock.now().Add(delay)
	s.background(func() {
		for s.clock.until(s.life, due) {
			began := s.clock.ticked()
			gap, again := s.attempt(id)
			if !again {
				return
			}
			due = due.Add(s.clock.ticked().Sub(began) + gap)
		}
	})
}

// attempt sends a notice once and returns the gap until the next attempt, if there
// is to be one.
func (s *simulator) attempt(id string) (gap time.Duration, again bool) {
	n := s.notice(id)
	if n.Done {
		return 0, false
	}
	letters := []letter{{url: n.URL, key: n.Key}}
	if n.Attempts == 0 {
		letters[0].signTest = n.SignTest
		for len(letters) < n.Copies {
			letters = append(letters, letters[0])
		}
	}
	s.send(n, letters)
	if n = s.attempted(id); n.Done {
		return 0, false
	}
	return s.Retry[n.Attempts-1], true
}

func (s *simulator) notice(id string) (n *notice) {
	s.ledger.read(func(b *book) { n = b.notices[id] })
	return n
}

// attempted counts one attempt and gives up after the last.
func (s *simulator) attempted(id string) (n *notice) {
	s.ledger.change(func(b *book) []fact {
		now := *b.notices[id]
		now.Attempts++
		now.Done = now.Done || now.Attempts > len(s.Retry)
		n = &now
		return []fact{{Notice: n}}
	})
	return n
}

// resume carries on with what an earlier process left undone: callbacks not yet
// taken, after the gap that is due, and refunds still being processed.
func (s *simulator) resume() {
	delays, unsettled := map[string]time.Duration{}, []string{}
	s.ledger.read(func(b *book) {
		for id, n := range b.notices {
			if n.Done || n.Attempts > len(s.Retry) {
				continue
			}
			delays[id] = 0
			if n.Attempts > 0 {
				delays[id] = s.Retry[n.Attempts-1]
			}
		}
		for no, r := range b.refunds {
			if r.Status == "PROCESSING" && r.Ending != "" {
				unsettled = append(unsettled, no)
			}
		}
	})
	for id, delay := range delays {
		s.deliver(id, delay)
	}
	for _, no := range unsettled {
		s.background(func() { s.settleLater(no) })
	}
}

// letter is one copy of a notice: where it goes and how it is signed or spoilt.
type letter struct {
	url      string
	key      string
	signTest bool
	tamper   string
}

// send posts all letters at the same moment, notes each delivery and returns the
// statuses, 0 where no answer came. A genuine letter that is taken ends the
// notice's retries.
func (s *simulator) send(n *notice, letters []letter) []int {
	statuses := make([]int, len(letters))
	gate := make(chan struct{})
	var posted sync.WaitGroup
	for i, l := range letters {
		m, err := s.write(n, l)
		if err != nil {
			s.Log.Error("callback not written", "event_type", n.EventType, "err", err)
			continue
		}
		posted.Go(func() {
			<-gate
			status, answered, _ := s.post(s.life, m)
			if status == 0 && s.life.Err() != nil {
				return // our own end, not the receiver's silence
			}
			statuses[i] = status
			s.delivered(n, l, status, answered)
		})
	}
	close(gate)
	posted.Wait()
	return statuses
}

func (s *simulator) delivered(n *notice, l letter, status int, answered []byte) {
	spoilt := l.signTest || l.tamper != ""
	s.Log.Debug("callback", "event_type", n.EventType, "out_trade_no", n.OutTradeNo, "status", status, "false", spoilt)
	s.ledger.change(func(b *book) []fact {
		facts := []fact{{Delivery: &Delivery{
			NotificationID: n.ID, EventType: n.EventType, OutTradeNo: n.OutTradeNo, TransactionID: n.TransactionID,
			OutRefundNo: n.OutRefundNo, URL: l.url, Status: status, False: spoilt, At: s.clock.now(),
		}}}
		now := b.notices[n.ID]
		if n.taken(status, answered) && !spoilt && !now.Done {
			done := *now
			done.Done = true
			facts = append(facts, fact{Notice: &done})
		}
		return facts
	})
}

// taken says whether the merchant has taken a notice over. APIv2 wants to hear it
// in XML.
func (n *notice) taken(status int, answered []byte) bool {
	if n.V2 != "" {
		return status == http.StatusOK && saysSuccess(answered)
	}
	return status == http.StatusOK || status == http.StatusNoContent
}

// message is an HTTP request ready to be sent.
type message struct {
	method string
	url    string
	header http.Header
	body   []byte
}

// post sends a message as WeChat does: 5 s, no redirects. Status 0 is no answer.
func (s *simulator) post(ctx context.Context, m message) (status int, body []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, callbackTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, m.method, m.url, bytes.NewReader(m.body))
	if err != nil {
		return 0, nil, err
	}
	r.Header = m.header
	answer, err := s.callback.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer answer.Body.Close()
	body, err = io.ReadAll(io.LimitReader(answer.Body, 64<<10))
	return answer.StatusCode, body, err
}

func callbackClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil
	transport.MaxIdleConnsPerHost = 32
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// resource is what the notice tells, before it is sealed.
func (s *simulator) resource(n *notice) ([]byte, error) {
	var content map[string]any
	s.ledger.read(func(b *book) {
		if n.OutRefundNo != "" {
			content = refundResource(b.refunds[n.OutRefundNo], s.account.MchID, strings.TrimPrefix(n.EventType, "REFUND."))
		} else {
			p := b.payments[n.TransactionID]
			content = transaction(p, p.TradeState)
		}
	})
	return json.Marshal(content)
}
