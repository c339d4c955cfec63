package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/paysaga/paysaga/internal/wechattest"
)

// What is not an ordinary payment of ours is kept and shown to a person by the
// numbers it has, and never taken for one.
func TestVariantsAreToldApartByTheirContent(t *testing.T) {
	sub := func(n int) fields {
		return fields{"mchid": "1900000109", "trade_state": "SUCCESS", "transaction_id": fmt.Sprintf("42%02d", n),
			"out_trade_no": fmt.Sprintf("SUB-%02d", n), "amount": fields{"total_amount": 10, "payer_amount": 10, "currency": "CNY"}}
	}
	combined := func(subs ...any) fields {
		return fields{"combine_appid": "wxd678efh567hg6787", "combine_mchid": "1230000109", "combine_out_trade_no": "CART-0001",
			"combine_payer_info": fields{"openid": wechattest.OpenID}, "sub_orders": subs}
	}
	many := make([]any, 12)
	for i := range many {
		many[i] = sub(i)
	}
	provided := wechattest.Transaction("4200000925202101284997714292", "ORDER1", 12850).With(fields{
		"appid": nil, "mchid": nil, "sp_appid": "wxd678efh567hg6787", "sp_mchid": "1230000109", "sub_mchid": "1900000109"})

	for name, row := range map[string]struct {
		content fields
		want    string // transaction_id, out_trade_no and detail of the case
	}{
		"a combined payment":               {combined(sub(1), sub(2)), "|CART-0001|a combined payment of 2 orders: SUB-01 (4201), SUB-02 (4202)"},
		"a combined payment of many":       {combined(many...), "|CART-0001|a combined payment of 12 orders: SUB-00 (4200), SUB-01 (4201), SUB-02 (4202), SUB-03 (4203), SUB-04 (4204), SUB-05 (4205), SUB-06 (4206), SUB-07 (4207), SUB-08 (4208), SUB-09 (4209), and more"},
		"one of odd numbers":               {combined(fields{"out_trade_no": "a b", "transaction_id": "../x"}, 7), "|CART-0001|a combined payment of 2 orders: ? (?), ? (?)"},
		"one that also looks ordinary":     {combined(sub(1)).With(wechattest.Transaction("42", "ORDER1", 12850)), "42|CART-0001|a combined payment of 1 orders: SUB-01 (4201)"},
		"a service provider's payment":     {provided, "4200000925202101284997714292|ORDER1|a service provider's payment or refund"},
		"one that also names us":           {provided.With(fields{"appid": "wxd678efh567hg6787", "mchid": "1230000109"}), "4200000925202101284997714292|ORDER1|a service provider's payment or refund"},
		"one that names the merchant only": {wechattest.Transaction("43", "ORDER1", 12850).With(fields{"sub_mchid": "1900000109"}), "43|ORDER1|a service provider's payment or refund"},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGate(t)
			before := g.rows(t)
			for range 2 { // WeChat's repeat is the same case
				l := g.sign(g.wechat.Envelope("b62e271c-3389-58a0-8146-4a704966e8f1", "TRANSACTION.SUCCESS", "transaction", row.content.JSON()).JSON())
				if status, _, body := g.post(t, l); status != http.StatusOK || body != successBody {
					t.Fatalf("answered %d %s", status, body)
				}
			}
			if diff := cmp.Diff(map[string]int64{"inbox": 1, "callbacks": 2, "cases": 1}, g.grown(t, before)); diff != "" {
				t.Errorf("the books grew otherwise (-want +got):\n%s", diff)
			}
			got := g.Text(t, `select concat_ws('|', kind, owner, transaction_id, out_trade_no, detail) from cases`)
			if diff := cmp.Diff("unsupported_variant|support|"+row.want, got); diff != "" {
				t.Error(diff)
			}
			if kind := g.Text(t, `select kind||' '||verdict||' '||amount_fen from inbox`); kind != "other case 0" || g.wakes.Load() != 0 {
				t.Errorf("booked as %s", kind)
			}
			if g.everything(t, wechattest.OpenID) || strings.Contains(g.log.String(), wechattest.OpenID) {
				t.Error("the payer's openid was kept or logged")
			}
		})
	}
}
