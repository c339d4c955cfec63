package payment_test

import (
	"testing"

	"github.com/paysaga/paysaga/internal/payment"
)

func TestAmountsAsPeopleReadThem(t *testing.T) {
	for amountFen, want := range map[int64]string{0: "¥0.00", 5: "¥0.05", 1250: "¥12.50", 123456789: "¥1234567.89", -5: "-¥0.05", -1250: "-¥12.50"} {
		if got := payment.Yuan(amountFen); got != want {
			t.Errorf("%d fen are written %s, want %s", amountFen, got, want)
		}
	}
}
