package simulator

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// notifyPayment delivers a payment's notification again, or for the first time if
// it was lost.
func (s *simulator) notifyPayment(r *http.Request, in NotifyRequest) (NotifyAnswer, error) {
	if in.Status != "" {
		return NotifyAnswer{}, invalid("status is for refunds")
	}
	var n *notice
	s.ledger.read(func(b *book) {
		if p := b.payments[r.PathValue("transaction_id")]; p != nil {
			n = b.notices[paymentNotice(p).ID]
		}
	})
	return s.notifyNow(n, in)
}

// notifyRefund delivers the notification of a refund's present state, or of an
// earlier one, late.
func (s *simulator) notifyRefund(r *http.Request, in NotifyRequest) (NotifyAnswer, error) {
	var n *notice
	s.ledger.read(func(b *book) {
		if refund := b.refunds[r.PathValue("out_refund_no")]; refund != nil {
			n = b.notices[refundNoticeID(refund, cmp.Or(in.Status, refund.Status))]
		}
	})
	return s.notifyNow(n, in)
}

func (s *simulator) notifyNow(n *notice, in NotifyRequest) (NotifyAnswer, error) {
	switch {
	case n == nil:
		return NotifyAnswer{}, refusal{http.StatusNotFound, "NOTHING_TO_TELL", "no such payment, or a refund that never came to that status"}
	case !isKind(in.Key):
		return NotifyAnswer{}, invalid("key must be public or certificate")
	case !isTamper(in.Tamper):
		return NotifyAnswer{}, invalid("tamper must be signature, ciphertext or body")
	case in.Copies < 0 || in.Copies > 1000:
		return NotifyAnswer{}, invalid("copies must be 1 to 1000")
	}
	urls := in.URLs
	if len(urls) == 0 {
		urls = []string{n.URL}
	}
	letters := make([]letter, max(in.Copies, 1))
	for i := range letters {
		letters[i] = letter{urls[i%len(urls)], in.Key, in.SignTest, in.Tamper}
	}
	return NotifyAnswer{s.send(n, letters)}, nil
}

// sendNotification sends one callback of any content. It leaves no trace in the
// ledger: nothing happened at WeChat.
func (s *simulator) sendNotification(r *http.Request, in Notification) (NotificationAnswer, error) {
	if in.URL == "" || !isKind(in.Key) || !isTamper(in.Tamper) {
		return NotificationAnswer{}, invalid("needs url; key is public or certificate; tamper is signature, ciphertext or body")
	}
	offset, err := duration("timestamp_offset", in.TimestampOffset)
	if err != nil {
		return NotificationAnswer{}, err
	}
	body, err := s.content(in)
	if err != nil {
		return NotificationAnswer{}, err
	}
	timestamp := cmp.Or(in.Timestamp, strconv.FormatInt(time.Now().Add(offset).Unix(), 10))
	m, err := s.address(letter{in.URL, in.Key, in.SignTest, in.Tamper}, timestamp, body)
	if err != nil {
		return NotificationAnswer{}, err
	}
	m.method = cmp.Or(in.Method, http.MethodPost)
	for name, values := range in.Headers {
		m.header.Del(name)
		if len(values) > 0 {
			m.header[name] = values // as spelt: some receivers are asked to take any case
		}
	}
	return s.ask(r, m), nil
}

// ask sends a message and tells what came back.
func (s *simulator) ask(r *http.Request, m message) NotificationAnswer {
	status, answered, err := s.post(r.Context(), m)
	out := NotificationAnswer{Status: status, Body: string(answered)}
	if err != nil {
		out.Error = err.Error()
	}
	return out
}

// content makes the body: the raw one if given, else an envelope with whatever was
// overridden in it.
func (s *simulator) content(in Notification) ([]byte, error) {
	if in.RawBody != nil {
		return []byte(*in.RawBody), nil
	}
	if in.RawBodyBase64 != "" {
		return decode("raw_body_base64", in.RawBodyBase64)
	}
	event := cmp.Or(in.EventType, "TRANSACTION.SUCCESS")
	e := envelope{
		ID: cmp.Or(in.ID, nameUUID(hexText(16))), CreateTime: cmp.Or(in.CreateTime, wechatTime(s.clock.now())),
		ResourceType: cmp.Or(in.ResourceType, "encrypt-resource"), EventType: event, Summary: summaries[event],
		Resource: resource{
			OriginalType: cmp.Or(in.OriginalType, originalType(event)), Algorithm: cmp.Or(in.Algorithm, "AEAD_AES_256_GCM"),
			AssociatedData: originalType(event), Nonce: hexText(6),
		},
	}
	if in.AssociatedData != nil {
		e.Resource.AssociatedData = *in.AssociatedData
	}
	if in.Nonce != nil {
		e.Resource.Nonce = *in.Nonce
	}
	plaintext := []byte(in.Plaintext)
	var err error
	if in.PlaintextBase64 != "" {
		if plaintext, err = decode("resource_plaintext_base64", in.PlaintextBase64); err != nil {
			return nil, err
		}
	}
	// GCM has no empty nonce; what is sent with one was sealed with another.
	sealed, err := seal(cmp.Or(in.APIv3Key, s.account.APIv3Key), cmp.Or(e.Resource.Nonce, "no nonce yet"), e.Resource.AssociatedData, plaintext)
	if err != nil {
		return nil, invalid("%s", err)
	}
	if in.Tamper == tamperCiphertext {
		sealed = flipLast(sealed)
	}
	if in.Ciphertext != nil {
		sealed = *in.Ciphertext
	}
	e.Resource.Ciphertext = sealed
	return json.Marshal(e)
}

func decode(name, text string) ([]byte, error) {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, invalid("%s is not base64", name)
	}
	return raw, nil
}
