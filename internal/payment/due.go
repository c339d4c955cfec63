package payment

import "time"

// DueOrder is an order that nobody is known to have paid, and that is to be looked at.
type DueOrder struct {
	OutTradeNo string
	Expired    bool // it is to be closed; otherwise WeChat is to be asked
	// Turn is how long to wait before WeChat is called: all workers share the
	// calls that it allows the merchant.
	Turn time.Duration
}
