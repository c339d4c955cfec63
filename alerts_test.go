package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.yaml.in/yaml/v3"

	"github.com/paysaga/paysaga/api"
	"github.com/paysaga/paysaga/internal/admin"
	"github.com/paysaga/paysaga/internal/postgres"
	"github.com/paysaga/paysaga/worker"
)

// exposed is the name of every metric of ours, seen as it is registered.
type exposed map[string]bool

var fqName = regexp.MustCompile(`fqName: "([^"]+)"`)

func (e exposed) Register(c prometheus.Collector) error {
	descriptions := make(chan *prometheus.Desc, 100)
	c.Describe(descriptions)
	close(descriptions)
	for d := range descriptions {
		e[fqName.FindStringSubmatch(d.String())[1]] = true
	}
	return nil
}

func (e exposed) MustRegister(all ...prometheus.Collector) {
	for _, c := range all {
		_ = e.Register(c)
	}
}

func (e exposed) Unregister(prometheus.Collector) bool { return false }

type alert struct {
	Alert, Expr string
	Labels      map[string]string
	Annotations map[string]string
}

func alerts(t *testing.T) (all []alert) {
	t.Helper()
	var file struct{ Groups []struct{ Rules []alert } }
	read(t, "deploy/alerts.yml", &file)
	for _, group := range file.Groups {
		all = append(all, group.Rules...)
	}
	if len(all) < 10 {
		t.Fatalf("only %d alerts: is the file read rightly?", len(all))
	}
	return all
}

func read(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, into); err != nil {
		t.Fatal(err)
	}
}

var metricName = regexp.MustCompile(`\b(?:paysaga|callback|signtest)_[a-z_]+\b`)

// An alert on a metric that nobody tells is never raised, and nobody ever notices.
func TestAlertsWatchWhatIsTold(t *testing.T) {
	told := exposed{}
	api.NewCounters(told)
	worker.NewDueCounter(told)
	worker.NewAlarmCounter(told)
	told.MustRegister(admin.NewBooks(postgres.Watched(), nil))
	for _, a := range alerts(t) {
		watched := metricName.FindAllString(a.Expr, -1)
		if len(watched) == 0 {
			t.Errorf("%s watches nothing of ours", a.Alert)
		}
		for _, name := range watched {
			if !told[name] {
				t.Errorf("%s watches %s, which nobody tells", a.Alert, name)
			}
		}
	}
	runbook, err := os.ReadFile("docs/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range metricName.FindAllString(string(runbook), -1) {
		if !told[name] {
			t.Errorf("the runbook speaks of %s, which nobody tells", name)
		}
	}
}

// promtool plays the tests (make check); that none is missing is seen here.
func TestEveryAlertHasARunbookAndATest(t *testing.T) {
	text, err := os.ReadFile("docs/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	headings := regexp.MustCompile(`(?m)^## (.*)$`).FindAllStringSubmatch(string(text), -1)
	described := map[string]bool{}
	for _, heading := range headings {
		described[heading[1]] = true
	}
	var played struct {
		Tests []struct {
			Alerts []struct {
				Alertname string
				Expected  []any `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		}
	}
	read(t, "deploy/alerts_test.yml", &played)
	fires, quiet := map[string]bool{}, map[string]bool{}
	for _, scene := range played.Tests {
		for _, a := range scene.Alerts {
			fires[a.Alertname] = fires[a.Alertname] || len(a.Expected) > 0
			quiet[a.Alertname] = quiet[a.Alertname] || len(a.Expected) == 0
		}
	}
	for _, a := range alerts(t) {
		if !fires[a.Alert] || !quiet[a.Alert] {
			t.Errorf("%s is never seen to fire, or never to be quiet", a.Alert)
		}
		if !described[a.Alert] || a.Annotations["runbook_url"] != "docs/runbook.md#"+strings.ToLower(a.Alert) {
			t.Errorf("%s has no heading in the runbook, or points elsewhere: %s", a.Alert, a.Annotations["runbook_url"])
		}
		if !slices.Contains([]string{"page", "ticket"}, a.Labels["severity"]) || a.Annotations["summary"] == "" {
			t.Errorf("%s does not say how urgent it is, or what it is", a.Alert)
		}
	}
}
