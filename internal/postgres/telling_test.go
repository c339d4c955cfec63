package postgres_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

const (
	openID  = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"
	toPayer = "order.shipped-" + txn + "-payer"
)

// shippedFrom brings an order of a payer known by openid, from an appid, to shipped.
func (w *world) shippedFrom(appID string) payment.Books {
	w.Helper()
	w.db.Order(w, orderNo, fen)
	w.db.Exec(w, `update orders set trade_type = 'jsapi', openid = $1, appid = $2`, openID, appID)
	paid := news(txn)
	paid.AppID = appID
	w.must(w.Claim(w.Context(), paid))
	w.claimShip()
	return w.dispatched(payment.ShipDispatched)
}

// messages are all of them, by whom they are for.
func (w *world) messages() string {
	w.Helper()
	return w.db.Text(w, `select coalesce(string_agg(whom || ' ' || state, ', ' order by whom), '') from webhooks`)
}

func (w *world) untoldTo(whom activities.Whom) activities.Message {
	w.Helper()
	untold, err := w.Untold(w.Context(), txn)
	w.ok(err)
	for _, m := range untold {
		if m.Whom == whom {
			return m
		}
	}
	w.Fatalf("nothing is left to tell %s: %+v", whom, untold)
	return activities.Message{}
}

func TestWhoIsToldOfAShipment(t *testing.T) {
	t.Run("an order from the mini-program: its payer and WeChat too", func(t *testing.T) {
		t.Parallel()
		w := open(t)
		w.shippedFrom("wx1")
		if got := w.messages(); got != "payer pending, shop pending, wechat pending" {
			t.Error(got)
		}
		want := activities.Delivery{
			TransactionID: txn, OutTradeNo: orderNo, Description: "tea", AmountFen: fen,
			Carrier: "SF", TrackingNo: "SF1", OpenID: openID,
		}
		for _, whom := range []activities.Whom{activities.ToPayer, activities.ToWeChat} {
			m := w.untoldTo(whom)
			want.ShippedAt = m.Delivery.ShippedAt
			if diff := cmp.Diff(want, m.Delivery); diff != "" || m.ID != "order.shipped-"+txn+"-"+string(whom) {
				t.Errorf("%s (-want +got):\n%s", m.ID, diff)
			}
		}
	})
	t.Run("an order from another app of the merchant: the shop alone", func(t *testing.T) {
		t.Parallel()
		w := open(t)
		w.shippedFrom("wx2")
		if got := w.messages(); got != "shop pending" {
			t.Error(got)
		}
	})
	t.Run("an order paid from a QR code: the shop alone", func(t *testing.T) {
		t.Parallel()
		w := open(t)
		w.bring(payment.Shipped)
		if got := w.messages(); got != "shop pending" {
			t.Error(got)
		}
	})
}

// The openid leaves the books in one field, for one call.
func TestTheOpenIDIsInNothingThatIsKeptOrShown(t *testing.T) {
	w := open(t)
	books := w.shippedFrom("wx1")
	m := w.untoldTo(activities.ToPayer)
	if string(m.Delivery.OpenID) != openID {
		t.Fatal("the payer is not known")
	}
	written, err := json.Marshal([]any{books, m})
	w.ok(err)
	shown := string(written) + fmt.Sprintf("%v %+v %#v", m, m, m) +
		w.db.Text(t, `select string_agg(w::text, ' ') from webhooks w`) +
		w.db.Text(t, `select string_agg(e::text, ' ') from payment_events e`)
	if strings.Contains(shown, openID) || w.untoldTo(activities.ToShop).Delivery.OpenID != "" {
		t.Error("the openid is shown: " + shown)
	}
}

func TestTheLastToBeToldCompletesThePayment(t *testing.T) {
	w := open(t)
	w.shippedFrom("wx1")
	w.want(w.must(w.Told(t.Context(), "order.shipped-"+txn, activities.Taken, "")), payment.Shipped)
	w.want(w.must(w.Told(t.Context(), toPayer, activities.Taken, "")), payment.Shipped)
	w.ok(w.NotTold(t.Context(), "order.shipped-"+txn+"-wechat", payment.Failf(payment.Busy, "busy", "busy")))
	w.want(w.must(w.GiveUp(t.Context(), txn)), payment.Completed)
	if got := w.messages(); got != "payer delivered, shop delivered, wechat gave_up" {
		t.Error(got)
	}
	w.wantCases(txn, "notify_failed")
	if got := w.step(txn, "notify") + ";" + w.step(txn, "notify_payer") + ";" + w.step(txn, "upload_shipping"); got != "done 1 ;done 1 ;gave_up 1 busy: busy" {
		t.Errorf("steps %q", got)
	}
}

// A payer's message has no key, so the note that it goes out is all that keeps
// it from going out twice.
func TestAPayersMessageGoesOutUnderOneNote(t *testing.T) {
	w := open(t)
	w.shippedFrom("wx1")
	w.ok(w.Asking(t.Context(), toPayer))
	w.wantKind(w.Asking(t.Context(), toPayer), payment.Conflict)
	if !w.untoldTo(activities.ToPayer).Asked {
		t.Fatal("the note is not seen")
	}
	w.ok(w.NotTold(t.Context(), toPayer, payment.Failf(payment.Unknown, "silent", "no answer")))
	w.wantKind(w.Asking(t.Context(), toPayer), payment.Conflict)

	// Only a word that nothing went out takes it back.
	w.ok(w.NotTold(t.Context(), toPayer, payment.Failf(payment.Busy, "busy", "not sent")))
	if w.untoldTo(activities.ToPayer).Asked {
		t.Fatal("the note stands")
	}
	w.ok(w.Asking(t.Context(), toPayer))
}

func TestAReportToWeChatMayBeMadeAgain(t *testing.T) {
	w := open(t)
	w.shippedFrom("wx1")
	for range 2 {
		w.ok(w.Asking(t.Context(), "order.shipped-"+txn+"-wechat"))
	}
	w.must(w.Told(t.Context(), "order.shipped-"+txn+"-wechat", activities.Taken, ""))
	w.wantKind(w.Asking(t.Context(), "order.shipped-"+txn+"-wechat"), payment.Conflict)
}

func TestAPayerWhoMayHaveBeenToldIsNoCase(t *testing.T) {
	w := open(t)
	w.shippedFrom("wx1")
	w.must(w.Told(t.Context(), toPayer, activities.Unsure, "cut: off"))
	w.wantCases(txn, "")
	if got := w.db.Text(t, `select what from payment_events order by id desc limit 1`); !strings.Contains(got, "not known whether the payer was told") {
		t.Errorf("people read %q", got)
	}

	// The attempt that was thought lost turns up and says that it was taken.
	w.must(w.Told(t.Context(), toPayer, activities.Taken, ""))
	if got := w.messages(); got != "payer delivered, shop pending, wechat pending" {
		t.Error(got)
	}
	w.must(w.Told(t.Context(), toPayer, activities.Unsure, "a straggler"))
	if got := w.messages(); got != "payer delivered, shop pending, wechat pending" {
		t.Error(got)
	}
}

func TestAPaymentBeingUndoneIsNoLongerToldToItsPayer(t *testing.T) {
	w := open(t)
	w.shippedFrom("wx1")
	w.want(w.begin("q1", payment.Compensate), payment.Compensating)
	if got := w.messages(); got != "payer stopped, shop pending, wechat stopped" {
		t.Error(got)
	}
	w.wantCases(txn, "")
}
