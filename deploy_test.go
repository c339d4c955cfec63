package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"
)

// settings is every variable the product reads in production, with its default.
func settings(t *testing.T) map[string]string {
	t.Helper()
	parser, err := kong.New(&playbill{})
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{"PAYSAGA_TOKEN": "", "TEMPORAL_ADDRESS": "127.0.0.1:7233", "TEMPORAL_NAMESPACE": "payments"}
	for _, command := range parser.Model.Leaves(false) {
		if command.Name == "simulator" {
			continue
		}
		for _, group := range command.AllFlags(false) {
			for _, flag := range group {
				for _, name := range flag.Envs {
					if _, known := all[name]; !known {
						all[name] = flag.Default
					}
				}
			}
		}
	}
	return all
}

var assignment = regexp.MustCompile(`(?m)^(#?)([A-Z][A-Z0-9_]+)=(.*)$`)

func TestEnvExampleListsEverySettingWithItsDefault(t *testing.T) {
	text, err := os.ReadFile(".env.example")
	if err != nil {
		t.Fatal(err)
	}
	known := settings(t)
	listed := map[string]bool{}
	for _, line := range assignment.FindAllStringSubmatch(string(text), -1) {
		name, shown := line[2], line[3]
		listed[name] = true
		if name == "POSTGRES_PASSWORD" || name == "PAYSAGA_TAG" {
			continue
		}
		want, ok := known[name]
		if !ok {
			t.Errorf("%s is listed, and nothing reads it", name)
		} else if want != "" && shown != want {
			t.Errorf("%s is shown as %q; its default is %q", name, shown, want)
		}
	}
	for name := range known {
		if !listed[name] {
			t.Errorf("%s is read, and not listed", name)
		}
	}
}

type compose struct {
	Services map[string]struct {
		Image       string
		Command     any
		Ports       []string
		Environment map[string]string
		DependsOn   map[string]struct{ Condition string } `yaml:"depends_on"`
	}
}

func TestComposeNamesOnlyWhatIsThere(t *testing.T) {
	text, err := os.ReadFile("docker-compose.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file compose
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"postgres", "temporal-schema", "temporal", "temporal-ui", "migrate", "api", "worker"} {
		if _, ok := file.Services[name]; !ok {
			t.Errorf("there is no service %s", name)
		}
	}
	parser, err := kong.New(&playbill{})
	if err != nil {
		t.Fatal(err)
	}
	known := settings(t)
	for name, service := range file.Services {
		for on := range service.DependsOn {
			if _, ok := file.Services[on]; !ok {
				t.Errorf("%s waits for %s, which is not a service", name, on)
			}
		}
		for _, port := range service.Ports {
			if !strings.HasPrefix(port, "127.0.0.1:") {
				t.Errorf("%s publishes %s beyond this machine", name, port)
			}
		}
		if !strings.HasPrefix(service.Image, "paysaga:") {
			continue
		}
		command, _ := service.Command.([]any)
		if len(command) != 1 || !slices.ContainsFunc(parser.Model.Leaves(false), func(n *kong.Node) bool { return n.Name == command[0] }) {
			t.Errorf("%s runs %v, which is no command", name, command)
		}
		for variable := range service.Environment {
			if _, ok := known[variable]; !ok {
				t.Errorf("%s is given %s, and nothing reads it", name, variable)
			}
		}
	}
	if got := file.Services["api"].Environment["API_ADDR"]; got != known["API_ADDR"] {
		t.Errorf("compose publishes 8080 and the api listens on %s", got)
	}
}

// Who migrates owns the tables; api and worker have the role that cannot change the audit log.
func TestComposeGivesTheProductItsRole(t *testing.T) {
	text, err := os.ReadFile("docker-compose.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file compose
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	owner := file.Services["migrate"].Environment["DATABASE_URL"]
	for _, name := range []string{"api", "worker"} {
		if got := file.Services[name].Environment["DATABASE_URL"]; got != owner+"&role=paysaga_app" {
			t.Errorf("%s is given %s", name, got)
		}
	}
}

// Temporal's UI and the api must find each other at the ports that compose publishes.
func TestComposeTellsTheUIWhereItsPayloadsAreOpened(t *testing.T) {
	text, err := os.ReadFile("docker-compose.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file compose
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	published := func(service string) string {
		ports := file.Services[service].Ports
		if len(ports) != 1 {
			t.Fatalf("%s publishes %v", service, ports)
		}
		return "http://" + ports[0][:strings.LastIndex(ports[0], ":")]
	}
	ui, desk := file.Services["temporal-ui"].Environment, file.Services["api"].Environment
	if got, want := ui["TEMPORAL_CODEC_ENDPOINT"], published("api")+"/codec"; got != want {
		t.Errorf("the UI asks %s, want %s", got, want)
	}
	if got, want := desk["TEMPORAL_UI_ORIGIN"], "${TEMPORAL_UI_ORIGIN:-"+published("temporal-ui")+"}"; got != want {
		t.Errorf("the api lets %s ask, want %s", got, want)
	}
	if ui["TEMPORAL_CODEC_INCLUDE_CREDENTIALS"] != "true" {
		t.Error("the UI does not say who asks")
	}
}
