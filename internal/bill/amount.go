package bill

import (
	"errors"
	"strings"
)

// The figures of a bill, by how many decimals of a yuan they may have.
const (
	ones     = 0 // a count; some bills write it as 45.0
	fen      = 2
	milliFen = 5 // fees
)

// maxDigits bounds a figure far above any bill's, and far below int64.
const maxDigits = 15

var errFigure = errors.New("not a figure")

// figure reads a decimal number exactly, as a whole number of its last decimal:
// "0.01" with two decimals is 1. More decimals than that must be zeros.
func figure(text string, decimals int) (int64, error) {
	digits, negative := strings.CutPrefix(text, "-")
	whole, fraction, dotted := strings.Cut(digits, ".")
	if whole == "" || dotted && fraction == "" {
		return 0, errFigure
	}
	for len(fraction) > decimals && fraction[len(fraction)-1] == '0' {
		fraction = fraction[:len(fraction)-1]
	}
	if len(fraction) > decimals || len(whole)+decimals > maxDigits {
		return 0, errFigure
	}
	var n int64
	for _, digit := range whole + fraction + strings.Repeat("0", decimals-len(fraction)) {
		if digit < '0' || digit > '9' {
			return 0, errFigure
		}
		n = 10*n + int64(digit-'0')
	}
	if negative {
		n = -n
	}
	return n, nil
}
