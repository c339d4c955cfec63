package api

import (
	"flag"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write openapi.json anew from the operations and their types")

// The contract is made of the table of operations, of the types that go in and
// out, and of the comments on them; and the file that is served is what is made.
func TestTheContractIsWhatTheCodeSays(t *testing.T) {
	made := contractOf(t, (&Server{}).operations())
	if *update {
		if err := os.WriteFile("openapi.json", made, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile("openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(kept), string(made)); diff != "" {
		t.Errorf("run go test ./api -run Contract -update; what changed: %s", diff)
	}
}

// Every route is in the contract, and everything in the contract is a route.
func TestTheContractNamesEveryRouteAndNoOther(t *testing.T) {
	var routes, promised []string
	err := chi.Walk((&Server{Callbacks: http.NotFoundHandler()}).Routes().(chi.Routes), func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		if strings.HasPrefix(route, "/v1/") {
			routes = append(routes, method+" "+route)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for path, methods := range contract().Paths {
		for method := range methods {
			promised = append(promised, strings.ToUpper(method)+" "+path)
		}
	}
	slices.Sort(routes)
	slices.Sort(promised)
	if diff := cmp.Diff(routes, promised); diff != "" {
		t.Error(diff)
	}
}

// What a person reads first is never empty.
func TestTheContractSaysWhatEverythingIsFor(t *testing.T) {
	ids := map[string]bool{}
	for path, methods := range contract().Paths {
		for method, o := range methods {
			if o.Summary == "" || o.ID == "" || ids[o.ID] || len(o.Roles) == 0 {
				t.Errorf("%s %s: %+v", method, path, o)
			}
			ids[o.ID] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(contract().Components.Schemas)) {
		if contract().Components.Schemas[name].Description == "" {
			t.Errorf("%s has no description", name)
		}
	}
	if len(ids) == 0 || len(contract().Components.Schemas) == 0 {
		t.Error("an empty contract")
	}
}
