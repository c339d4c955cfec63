package simulator

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
)

// outside names the fields of a refund notification that are not sealed.
var outside = []string{"return_code", "return_msg", "appid", "mch_id", "nonce_str", "req_info"}

// writeV2 makes one letter of a notice in the words of APIv2, whose signature
// covers fields, not bytes. A spoilt body tells another amount than was signed.
func (s *simulator) writeV2(n *notice, l letter) (message, error) {
	var fields map[string]string
	s.ledger.read(func(b *book) { fields = paymentFields(b.payments[n.TransactionID]) })
	if l.signTest {
		l.tamper = tamperSignature
	}
	return mailV2(l, s.signed(fields, n.V2, l.tamper)), nil
}

// signed is the notification of a payment. sign_type is told only where it is not
// the old default.
func (s *simulator) signed(fields map[string]string, signType, tamper string) []byte {
	if _, set := fields["sign_type"]; signType == signHMAC && !set {
		fields["sign_type"] = signType
	}
	key := s.account.APIv2Key
	if tamper == tamperSignature {
		key = s.account.APIv3Key
	}
	if _, set := fields["sign"]; !set {
		fields["sign"] = signV2(fields, key, signType)
	}
	if tamper == tamperBody {
		fields["total_fee"] += "0"
	}
	return writeXML("xml", fields)
}

// sealed is the notification of a refund: nothing signs it, req_info holds all.
func (s *simulator) sealed(inside, set map[string]string, tamper string) ([]byte, error) {
	fields := map[string]string{
		"return_code": "SUCCESS", "appid": s.account.AppID, "mch_id": s.account.MchID, "nonce_str": hexText(16),
	}
	for name, value := range set {
		if slices.Contains(outside, name) {
			fields[name] = value
		} else {
			inside[name] = value
		}
	}
	if _, given := set["req_info"]; !given {
		info, err := sealV2(s.account.APIv2Key, writeXML("root", inside))
		if err != nil {
			return nil, err
		}
		fields["req_info"] = info
	}
	if tamper == tamperCiphertext {
		fields["req_info"] = flipLast(fields["req_info"])
	}
	return writeXML("xml", fields), nil
}

func mailV2(l letter, body []byte) message {
	return message{method: http.MethodPost, url: l.url, body: body, header: http.Header{
		"Content-Type": {"text/xml"}, "User-Agent": {"Mozilla/4.0"}, "Accept": {"*/*"},
	}}
}

// sendV2 sends one APIv2 notification of a payment or refund that exists. Like any
// notification made to order it leaves no trace.
func (s *simulator) sendV2(r *http.Request, in V2Notification) (NotificationAnswer, error) {
	body, err := s.contentV2(in)
	if err != nil {
		return NotificationAnswer{}, err
	}
	return s.ask(r, mailV2(letter{url: in.URL}, body)), nil
}

func (s *simulator) contentV2(in V2Notification) ([]byte, error) {
	tampers := map[string][]string{"payment": {"", tamperSignature, tamperBody}, "refund": {"", tamperCiphertext}}
	in.Kind = cmp.Or(in.Kind, "payment")
	switch {
	case in.URL == "":
		return nil, invalid("url is needed")
	case in.RawBody != nil:
		return []byte(*in.RawBody), nil
	case tampers[in.Kind] == nil:
		return nil, invalid("kind must be payment or refund")
	case !slices.Contains(tampers[in.Kind], in.Tamper):
		return nil, invalid("tamper of a %s must be one of %q", in.Kind, tampers[in.Kind])
	case !slices.Contains([]string{"", signMD5, signHMAC}, in.SignType):
		return nil, invalid("sign_type must be %s or %s", signMD5, signHMAC)
	}
	var told map[string]string
	s.ledger.read(func(b *book) { told = in.find(b) })
	if told == nil {
		return nil, refusal{http.StatusNotFound, "NOTHING_TO_TELL", "no such " + in.Kind}
	}
	if in.Kind == "refund" {
		return s.sealed(told, in.Fields, in.Tamper)
	}
	maps.Copy(told, in.Fields)
	return s.signed(told, cmp.Or(in.SignType, signMD5), in.Tamper), nil
}

// find is what there is to tell, nil for nothing.
func (in V2Notification) find(b *book) map[string]string {
	d := b.of(in.OutTradeNo)
	if in.Kind == "payment" {
		for _, id := range d.payments {
			if in.TransactionID == "" || in.TransactionID == id {
				return paymentFields(b.payments[id])
			}
		}
		return nil
	}
	for _, no := range slices.Backward(d.refunds) {
		if in.OutRefundNo == "" || in.OutRefundNo == no {
			return refundFields(b.refunds[no])
		}
	}
	return nil
}
