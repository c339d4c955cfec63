package api

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/paysaga/paysaga/internal/payment"
	"github.com/paysaga/paysaga/internal/strictjson"
)

// What only service providers and combined orders get comes under the event type
// and original_type of ordinary payments, and is known by its content alone
// (pay.weixin.qq.com/doc/v3/partner). Its amounts have other names or other owners, so it is never
// read as a payment of ours.

// isCombined recognises one payment for several orders, of several merchants perhaps.
func isCombined(content strictjson.Object) bool {
	return has(content, "combine_appid", "combine_mchid", "combine_out_trade_no", "sub_orders")
}

// isProvided recognises what a service provider gets for one of its merchants.
func isProvided(content strictjson.Object) bool {
	return has(content, "sp_appid", "sp_mchid", "sub_appid", "sub_mchid")
}

func has(content strictjson.Object, keys ...string) bool {
	return slices.ContainsFunc(keys, func(key string) bool { _, ok := content[key]; return ok })
}

// namedSubOrders is how many of the fifty that there may be a case names.
const namedSubOrders = 10

// subOrders names what a combined payment paid for, as far as it is legible.
func subOrders(content strictjson.Object) string {
	all, _ := content["sub_orders"].([]any)
	var names []string
	for _, one := range all[:min(len(all), namedSubOrders)] {
		order, _ := one.(strictjson.Object)
		names = append(names, fmt.Sprintf("%s (%s)",
			cmp.Or(legible(order, "out_trade_no", payment.ValidOutTradeNo), "?"),
			cmp.Or(legible(order, "transaction_id", payment.ValidTransactionID), "?")))
	}
	if len(all) > namedSubOrders {
		names = append(names, "and more")
	}
	return fmt.Sprintf("%d orders: %s", len(all), strings.Join(names, ", "))
}
