package admin

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/paysaga/paysaga/internal/payment"
)

const (
	booksWithin = 3 * time.Second // a scrape waits ten by default
	goodFor     = 5 * time.Second // several watch one process, and it asks once
)

// Books collects figures of the books: it asks when it is scraped, and not more
// often than every few seconds. Where the books do not answer, there are no figures
// but paysaga_books_up, which is 0: an old figure would say that all is well.
//
// Every process tells the same figures. A rule takes the greatest.
type Books struct {
	told map[string]*prometheus.Desc // by the figure's name
	ask  func(context.Context) ([]payment.Figure, error)
	now  func() time.Time

	mu    sync.Mutex
	asked time.Time
	last  []prometheus.Metric
}

// NewBooks collects the watched figures, as ask answers for them; its errors must
// be free of secrets.
func NewBooks(watched []payment.Figure, ask func(context.Context) ([]payment.Figure, error)) *Books {
	b := &Books{told: map[string]*prometheus.Desc{}, ask: ask, now: time.Now}
	for _, f := range watched {
		b.told[f.Name] = prometheus.NewDesc(f.Name, f.Help, f.Labels, nil)
	}
	return b
}

var booksUp = prometheus.NewDesc("paysaga_books_up", "1 if the books answered when they were last asked for figures.", nil, nil)

// Describe names the figures.
func (b *Books) Describe(to chan<- *prometheus.Desc) {
	to <- booksUp
	for _, named := range b.told {
		to <- named
	}
}

// Collect tells the figures.
func (b *Books) Collect(to chan<- prometheus.Metric) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now := b.now(); b.asked.IsZero() || now.Sub(b.asked) >= goodFor {
		b.asked, b.last = now, b.fetch()
	}
	for _, m := range b.last {
		to <- m
	}
}

func (b *Books) fetch() []prometheus.Metric {
	ctx, cancel := context.WithTimeout(context.Background(), booksWithin)
	defer cancel()
	figures, err := b.ask(ctx)
	if err != nil {
		slog.Warn("the books told no figures", "why", payment.CodeOf(err))
		return []prometheus.Metric{gauge(booksUp, 0, nil)}
	}
	all := []prometheus.Metric{gauge(booksUp, 1, nil)}
	for _, f := range figures {
		for _, s := range f.Samples {
			all = append(all, gauge(b.told[f.Name], s.Value, s.Labels))
		}
	}
	return all
}

func gauge(named *prometheus.Desc, value float64, labels []string) prometheus.Metric {
	m, err := prometheus.NewConstMetric(named, prometheus.GaugeValue, value, labels...)
	if err != nil {
		return prometheus.NewInvalidMetric(named, err) // a figure of ours is misshapen: the scrape says so
	}
	return m
}
