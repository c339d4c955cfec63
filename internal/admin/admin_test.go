package admin_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/paysaga/paysaga/internal/admin"
)

func TestProbes(t *testing.T) {
	metrics := prometheus.NewRegistry()
	sent := prometheus.NewCounter(prometheus.CounterOpts{Name: "refunds_total", Help: "Refunds."})
	metrics.MustRegister(sent)
	sent.Add(3)
	var away error
	handler := admin.Handler(metrics, func(ctx context.Context) error {
		if _, bounded := ctx.Deadline(); !bounded {
			t.Error("readiness may take for ever")
		}
		return away
	})
	for name, row := range map[string]struct {
		method, path string
		away         error
		status       int
		says         string
	}{
		"a process that works is alive":             {"GET", "/livez", nil, 200, "alive"},
		"and ready":                                 {"GET", "/readyz", nil, 200, "ready"},
		"without its database it is alive":          {"GET", "/livez", errors.New("no database"), 200, "alive"},
		"but not ready, and does not say why":       {"GET", "/readyz", errors.New("no database"), 503, "not ready\n"},
		"metrics are there":                         {"GET", "/metrics", nil, 200, "refunds_total 3"},
		"metrics are there without a database, too": {"GET", "/metrics", errors.New("no database"), 200, "refunds_total 3"},
		"nothing is changed here":                   {"POST", "/readyz", nil, 405, ""},
		"and nothing else is here":                  {"GET", "/debug/pprof/", nil, 404, ""},
	} {
		t.Run(name, func(t *testing.T) {
			away = row.away
			got := httptest.NewRecorder()
			handler.ServeHTTP(got, httptest.NewRequest(row.method, row.path, http.NoBody))
			if got.Code != row.status || !strings.Contains(got.Body.String(), row.says) {
				t.Errorf("%d %q", got.Code, got.Body)
			}
			if strings.Contains(got.Body.String(), "database") {
				t.Error("tells a stranger what is broken")
			}
		})
	}
}
