package payment

import "fmt"

// Yuan writes an amount as people read it: ¥12.50, and -¥12.50 below zero.
func Yuan(amountFen int64) string {
	sign := ""
	if amountFen < 0 {
		sign, amountFen = "-", -amountFen
	}
	return fmt.Sprintf("%s¥%d.%02d", sign, amountFen/100, amountFen%100)
}
