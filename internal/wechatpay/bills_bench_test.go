package wechatpay_test

import (
	"fmt"
	"os"
	"runtime/debug"
	"testing"
	"time"

	"github.com/paysaga/paysaga/activities"
)

// BenchmarkTradeBill100k fetches, unpacks, hashes and reads a day of 100,000
// payments over HTTP. It fails beyond ten seconds, or 50 MB of memory more than
// before.
func BenchmarkTradeBill100k(b *testing.B) {
	const rows = 100_000
	text := longBill(rows)
	p := &press{hash: hashOf(text), hand: hands(zip(text))}
	client := dial(b, serve(b, p), "")
	text = ""
	debug.FreeOSMemory()
	before, peak := residentMB(b), 0.0
	for b.Loop() {
		began := time.Now()
		read := 0
		sums, err := client.TradeBill(b.Context(), billDay, func(activities.BillLine) error {
			if read++; read%1000 == 0 {
				peak = max(peak, residentMB(b))
			}
			return nil
		})
		if err != nil || sums.Lines != rows {
			b.Fatal(sums, err)
		}
		if took := time.Since(began); took > 10*time.Second {
			b.Errorf("100,000 lines took %s", took)
		}
	}
	b.ReportMetric(float64(rows*b.N)/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(peak-before, "MB-more")
	if peak-before > 50 {
		b.Errorf("memory grew by %.0f MB", peak-before)
	}
}

// residentMB is the memory of this process that is in use, as Linux counts it.
func residentMB(b *testing.B) float64 {
	raw, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		b.Skip("resident memory is only known on Linux")
	}
	var size, resident float64
	if _, err := fmt.Sscan(string(raw), &size, &resident); err != nil {
		b.Fatal(err)
	}
	return resident * float64(os.Getpagesize()) / (1 << 20)
}
