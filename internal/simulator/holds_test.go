package simulator

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"
)

// shipsAndDies starts a ship call, waits until it is held, and kills the caller.
func (w *world) shipsAndDies() {
	w.t.Helper()
	ctx, kill := context.WithCancel(context.Background())
	died := make(chan struct{})
	r := w.shopRequest(http.MethodPost, "/shipments", "ship-T1", shipBody).WithContext(ctx)
	go func() {
		defer close(died)
		if answer, err := http.DefaultClient.Do(r); err == nil {
			answer.Body.Close()
			w.t.Error("a held call was answered")
		}
	}()
	eventually(w.t, "the call waits", func() bool {
		_, body := w.try(http.MethodGet, "/holds", nil)
		var list []Hold
		return json.Unmarshal(body, &list) == nil && len(list) == 1 && list[0].Waiting == 1
	})
	kill()
	<-died
}

func (w *world) shipments() int {
	n := 0
	w.ledger.read(func(b *book) { n = len(b.shipments) })
	return n
}

func TestHeldCallOutlivesItsCaller(t *testing.T) {
	w := start(t)
	w.steer("/holds", Hold{Call: "ship", OutTradeNo: "order-1"}, nil)
	w.shipsAndDies()
	if n := w.shipments(); n != 0 {
		t.Errorf("held before, yet %d shipments", n)
	}
	var out Released
	w.steer("/holds/release", Release{OutTradeNo: "order-1"}, &out)
	if out.Released != 1 {
		t.Errorf("released %d", out.Released)
	}
	eventually(t, "the dead caller's shipment is made", func() bool { return w.shipments() == 1 })
	if _, body := w.try(http.MethodGet, "/holds", nil); string(body) != "[]\n" {
		t.Errorf("holds left: %s", body)
	}
}

func TestDroppedCallIsNeverExecuted(t *testing.T) {
	w := start(t)
	w.steer("/holds", Hold{Call: "ship", OutTradeNo: "order-1"}, nil)
	w.shipsAndDies()
	w.steer("/holds/release", Release{OutTradeNo: "order-1", Call: "ship", Drop: true}, nil)
	w.end() // every call has come to its end
	if n := w.shipments(); n != 0 {
		t.Errorf("dropped, yet %d shipments", n)
	}
}

func TestCallHeldAfterIsExecutedAtOnce(t *testing.T) {
	w := start(t)
	w.steer("/holds", Hold{Call: "ship", OutTradeNo: "order-1", When: "after"}, nil)
	w.shipsAndDies()
	if n := w.shipments(); n != 1 {
		t.Errorf("held after, and %d shipments", n)
	}
}

func TestOnlyTheHeldCallWaits(t *testing.T) {
	w := start(t)
	w.steer("/holds", Hold{Call: "ship", OutTradeNo: "order-1"}, nil)
	if status, _ := w.shop(http.MethodGet, "/shipments/order-1", "q", nil); status != http.StatusNotFound {
		t.Errorf("another call: %d", status)
	}
	w.shipsAndDies()
	if status, _ := w.ships("ship-T1"); status != http.StatusCreated {
		t.Errorf("the next such call: %d", status) // a hold catches one
	}
	w.steer("/holds/release", Release{OutTradeNo: "order-1"}, nil)
	w.end()
	if n := w.shipments(); n != 1 {
		t.Errorf("%d shipments", n)
	}
	if status, _ := start(t).try(http.MethodPost, "/holds", Hold{Call: "shop", OutTradeNo: "order-1"}); status != http.StatusUnprocessableEntity {
		t.Errorf("a hold that can catch nothing: %d", status)
	}
}
