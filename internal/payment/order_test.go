package payment_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/paysaga/paysaga/internal/payment"
)

func TestWhoPaysIsNotPrinted(t *testing.T) {
	const openid, ip = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o", "203.0.113.9"
	order := payment.Order{OutTradeNo: "ORDER-1", OpenID: openid, PayerClientIP: ip}
	encoded, err := json.Marshal(order)
	if err != nil {
		t.Fatal(err)
	}
	var logged strings.Builder
	log := slog.New(slog.NewJSONHandler(&logged, nil))
	log.Info("order", "order", order, "openid", order.OpenID)
	slog.New(slog.NewTextHandler(&logged, nil)).Info("order", "order", order, "openid", order.OpenID)
	for _, printed := range []string{
		fmt.Sprintf("%v %+v %#v %s %q", order, order, order, order.OpenID, order.OpenID), string(encoded), logged.String(),
	} {
		if strings.Contains(printed, openid) || strings.Contains(printed, ip) {
			t.Errorf("printed %s", printed)
		}
	}
	if string(order.OpenID) != openid {
		t.Error("WeChat would not get it either")
	}
}
