package bill

import "testing"

func TestFiguresAreExact(t *testing.T) {
	for text, want := range map[string]struct {
		decimals int
		n        int64
	}{
		"0.01":          {fen, 1},
		"0.1":           {fen, 10},
		"1":             {fen, 100},
		"-1.5":          {fen, -150},
		"-0.01":         {fen, -1},
		"0":             {fen, 0},
		"0.0":           {fen, 0},
		"0.00000":       {fen, 0},
		"0.29000":       {fen, 29}, // as a float times 100: 28.999999999999996
		"8.41":          {fen, 841},
		"1234567890.12": {fen, 123456789012},
		"9999999999999": {fen, 999999999999900},
		"0.03601":       {milliFen, 3601},
		"-0.02":         {milliFen, -2000},
		"007":           {ones, 7},
		"45":            {ones, 45},
		"45.0":          {ones, 45},
	} {
		if n, err := figure(text, want.decimals); n != want.n || err != nil {
			t.Errorf("%q is %d (%v), want %d", text, n, err, want.n)
		}
	}
	for _, text := range []string{
		"", "-", ".", "-.", ".5", "5.", "--1", "+1", "1,000.00", "1 000", " 1", "1 ", "0.001", "0.015", "1e3", "0x1", "1.2.3", "1.-2", "-1.-2",
		"¥1", "一", "１", "NaN", "10000000000000", "99999999999999999999.00", "0.00\x00",
	} {
		if n, err := figure(text, fen); err == nil {
			t.Errorf("%q is taken for %d", text, n)
		}
	}
}
