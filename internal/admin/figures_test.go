package admin

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/paysaga/paysaga/internal/payment"
)

var ours = regexp.MustCompile(`(?m)^paysaga_.*$`)

func TestFiguresOfTheBooks(t *testing.T) {
	cases := payment.Figure{Name: "paysaga_cases_open", Help: "Open cases.", Labels: []string{"kind"}}
	asked, clock, away := 0, time.Unix(0, 0), error(nil)
	books := NewBooks([]payment.Figure{cases}, func(ctx context.Context) ([]payment.Figure, error) {
		if _, bounded := ctx.Deadline(); !bounded {
			t.Error("a scrape may take for ever")
		}
		asked++
		told := cases
		told.Samples = []payment.Sample{{Labels: []string{"not_paid"}, Value: float64(asked)}}
		return []payment.Figure{told}, away
	})
	books.now = func() time.Time { return clock }
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(books)
	handler := Handler(metrics, nil)
	for _, step := range []struct {
		what  string
		after time.Duration
		away  error
		want  string
	}{
		{"the first scrape asks the books", 0, nil, `paysaga_books_up 1; paysaga_cases_open{kind="not_paid"} 1`},
		{"one right after it does not", goodFor - 1, nil, `paysaga_books_up 1; paysaga_cases_open{kind="not_paid"} 1`},
		{"a later one does", 1, nil, `paysaga_books_up 1; paysaga_cases_open{kind="not_paid"} 2`},
		{"silent books tell no old figures", goodFor, errors.New("away"), `paysaga_books_up 0`},
		{"and are asked again", goodFor, nil, `paysaga_books_up 1; paysaga_cases_open{kind="not_paid"} 4`},
	} {
		clock, away = clock.Add(step.after), step.away
		got := httptest.NewRecorder()
		handler.ServeHTTP(got, httptest.NewRequest("GET", "/metrics", http.NoBody))
		if told := strings.Join(ours.FindAllString(got.Body.String(), -1), "; "); got.Code != 200 || told != step.want {
			t.Errorf("%s: %d %s, want %s", step.what, got.Code, told, step.want)
		}
	}
}
