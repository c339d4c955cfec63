package simulator

import (
	"maps"
	"net/http"
	"slices"
)

// truth tells all about one order.
func (s *simulator) truth(r *http.Request, _ struct{}) (t Truth, err error) {
	no := r.PathValue("out_trade_no")
	err = refusal{http.StatusNotFound, "UNKNOWN", "nothing is known of this number"}
	s.ledger.read(func(b *book) {
		if b.dossiers[no] != nil {
			t, err = truthOf(b, no), nil
		}
	})
	return t, err
}

// truths tells all about every number ever mentioned, in the order of the numbers.
func (s *simulator) truths(*http.Request, struct{}) ([]Truth, error) {
	all := []Truth{}
	s.ledger.read(func(b *book) {
		for _, no := range slices.Sorted(maps.Keys(b.dossiers)) {
			all = append(all, truthOf(b, no))
		}
	})
	return all, nil
}

func truthOf(b *book, outTradeNo string) Truth {
	d := b.of(outTradeNo)
	t := Truth{
		OutTradeNo:    outTradeNo,
		Payments:      []PaymentTruth{},
		Refunds:       []RefundTruth{},
		Shipments:     []ShipmentTruth{},
		Webhooks:      d.webhookTruths(),
		Messages:      d.messageTruths(),
		ShippingInfos: shippingInfoTruths(b, outTradeNo),
		Deliveries:    append([]Delivery{}, d.deliveries...),
		Calls:         map[string]int{},
	}
	if d.order != nil {
		t.State, t.AmountFen = d.order.State, d.order.AmountFen
	}
	for _, id := range d.payments {
		p := b.payments[id]
		t.Payments = append(t.Payments, PaymentTruth{id, p.AmountFen, p.state()})
		if t.State == "SUCCESS" {
			t.State = p.state()
		}
	}
	for _, no := range d.refunds {
		t.Refunds = append(t.Refunds, refundTruth(b, b.refunds[no]))
	}
	for _, key := range d.shipments {
		t.Shipments = append(t.Shipments, shipmentTruth(b, b.shipments[key]))
	}
	for _, c := range d.calls {
		t.Calls[c.Call]++
	}
	return t
}

func refundTruth(b *book, r *refund) RefundTruth {
	return RefundTruth{
		OutRefundNo: r.OutRefundNo, TransactionID: r.TransactionID, AmountFen: r.AmountFen,
		State: r.Status, Requests: b.of(r.OutTradeNo).count(callRefund, r.OutRefundNo),
	}
}

func shipmentTruth(b *book, sh *shipment) ShipmentTruth {
	return ShipmentTruth{
		Key: sh.Key, TransactionID: sh.TransactionID, ShipmentID: sh.ShipmentID, AmountFen: sh.AmountFen,
		Effects: sh.Effects, State: sh.State, Requests: b.of(sh.OutTradeNo).count(callShip, sh.Key),
	}
}

// count is how many calls of one kind carried a number.
func (d *dossier) count(call, number string) int {
	n := 0
	for _, c := range d.calls {
		if c.Call == call && c.Number == number {
			n++
		}
	}
	return n
}

// webhookTruths groups what arrived by webhook-id, in the order of first arrival.
func (d *dossier) webhookTruths() []WebhookTruth {
	list := []WebhookTruth{}
	at := map[string]int{}
	for _, c := range d.calls {
		if c.Call != callWebhook {
			continue
		}
		i, known := at[c.Number]
		if !known {
			i = len(list)
			at[c.Number] = i
			list = append(list, WebhookTruth{ID: c.Number, Type: c.Event})
		}
		list[i].Deliveries++
	}
	for _, w := range d.webhooks {
		if i, known := at[w.ID]; known {
			list[i].Taken++
		}
	}
	return list
}

// messageTruths groups the messages by who was to read them and their template, in
// the order of the first call.
func (d *dossier) messageTruths() []MessageTruth {
	list := []MessageTruth{}
	of := func(reader, template string) *MessageTruth {
		for i := range list {
			if list[i].Reader == reader && list[i].TemplateID == template {
				return &list[i]
			}
		}
		list = append(list, MessageTruth{Reader: reader, TemplateID: template})
		return &list[len(list)-1]
	}
	for _, c := range d.calls {
		if c.Call == callMessage {
			of(c.Number, c.Event).Requests++
		}
	}
	for _, m := range d.messages {
		of(m.Reader, m.Template).Count++
	}
	return list
}

// shippingInfoTruths tells of every payment for which an upload was tried.
func shippingInfoTruths(b *book, outTradeNo string) []ShippingInfoTruth {
	list := []ShippingInfoTruth{}
	d := b.of(outTradeNo)
	var ids []string
	for _, c := range d.calls {
		if c.Call == callShippingInfo {
			ids = once(ids, c.Number)
		}
	}
	for _, id := range ids {
		t := ShippingInfoTruth{TransactionID: id, OutTradeNo: outTradeNo, Requests: d.count(callShippingInfo, id)}
		if info := b.shippingInfos[id]; info != nil {
			t.Uploads = info.Uploads
		}
		list = append(list, t)
	}
	return list
}
