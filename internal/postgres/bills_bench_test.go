package postgres_test

import (
	"fmt"
	"os"
	"runtime/debug"
	"testing"
	"time"

	"github.com/paysaga/paysaga/activities"
)

// BenchmarkCompareBill100k keeps a bill of 100,000 payments and holds it against
// the books, which know all but a few of them, among two hundred thousand others. It
// fails beyond half a minute for either, or 50 MB of memory more than before.
func BenchmarkCompareBill100k(b *testing.B) {
	const rows, slow = 100_000, 30 * time.Second
	w := open(b)
	w.db.Exec(b, `alter table payments disable trigger payment_moves_lawfully`) // a timeline for each takes minutes
	w.db.Exec(b, `
		insert into payments (transaction_id, out_trade_no, appid, mchid, amount_fen, currency, trade_state, paid_at, via, sweep_at, stage)
		select '42' || n, 'ORDER-' || n, 'wx1', $1, 12850, 'CNY', 'SUCCESS', $2::timestamptz - (n / 100000) * interval '1 day' + (n % 80000) * interval '1 s',
		       'callback', now(), 'completed'
		  from generate_series(1, 299999) n`, mchID, at("00:30:00"))
	w.db.Exec(b, `
		insert into inbox (key, kind, verdict, via, transaction_id, out_trade_no, appid, mchid, amount_fen, currency, trade_state, paid_at, done)
		select 'payment:' || transaction_id, 'payment', 'accepted', 'callback', transaction_id, out_trade_no, appid, mchid, amount_fen, currency, 'SUCCESS', paid_at, true
		  from payments`)
	w.db.Exec(b, `analyze`) // as autovacuum does with what is not new
	debug.FreeOSMemory()
	before, peak := residentMB(b), 0.0
	var reading, comparing time.Duration
	for b.Loop() {
		began := time.Now()
		fetch, err := w.BeginBill(b.Context(), billDay)
		w.ok(err)
		batch := make([]activities.BillLine, 0, 5000)
		for n := 100; n < rows+100; n++ { // the first 99 of the day are missing, and the last hundred are news
			batch = append(batch, billed(fmt.Sprint("42", n), func(l *activities.BillLine) {
				l.OutTradeNo = fmt.Sprint("ORDER-", n)
				if n >= rows {
					l.TransactionID = fmt.Sprint("43", n)
				}
			}))
			if len(batch) == cap(batch) {
				w.ok(w.AddBillLines(b.Context(), fetch, batch))
				fetch.Lines, batch = fetch.Lines+int64(len(batch)), batch[:0]
				peak = max(peak, residentMB(b))
			}
		}
		w.ok(w.BelieveBill(b.Context(), fetch))
		read := time.Since(began)
		found, err := w.CompareBill(b.Context(), billDay, activities.DifferencesAtMost)
		w.ok(err)
		peak = max(peak, residentMB(b))
		compared := time.Since(began) - read
		if r := found.Report; r.Lines != rows || r.Equal != rows-100 || r.Differences != 199 {
			b.Fatalf("%+v", r)
		}
		if read > slow || compared > slow {
			b.Errorf("reading took %s, comparing %s", read, compared)
		}
		reading, comparing = reading+read, comparing+compared
	}
	b.ReportMetric(reading.Seconds()/float64(b.N), "s-reading")
	b.ReportMetric(comparing.Seconds()/float64(b.N), "s-comparing")
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
