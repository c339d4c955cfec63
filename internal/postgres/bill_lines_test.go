package postgres

import (
	"testing"
)

func TestRatesAreReadWithoutFloats(t *testing.T) {
	for rate, want := range map[string]int64{
		"0.60%": 6000, "0.6%": 6000, "1.00%": 10000, "39.00%": 390000, "0%": 0, "0.3825%": 3825, "100%": 1000000,
		"": -1, "%": -1, "0.60": -1, "-0.60%": -1, "0.6 %": -1, ".6%": -1, "0.38251%": -1, "1e2%": -1, "99999999999%": -1, "0..6%": -1,
	} {
		got := int64(-1)
		if ppm := ratePPM(rate); ppm != nil {
			got = *ppm
		}
		if got != want {
			t.Errorf("%q is read as %d millionths, want %d", rate, got, want)
		}
	}
}
