package workflows

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/proxy"
	"go.temporal.io/sdk/client"
)

// private is a field that names a payer, an openid, or a mainland phone number.
var private = regexp.MustCompile(`(?i)"[a-z_]*(openid|phone|mobile|address|receiver|consignee|payer|shipping)"\s*:|\bo[0-9A-Za-z_-]{27}\b|\b1[3-9][0-9]{9}\b`)

// Temporal is told what was paid, and never by whom: neither in payloads nor in
// search attributes.
func TestNoHistoryTellsWhoPaid(t *testing.T) {
	histories, err := filepath.Glob("testdata/histories/*.json")
	if err != nil {
		t.Fatal(err)
	}
	looked := 0
	for _, name := range histories {
		file, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		history, err := client.HistoryFromJSON(file, client.HistoryJSONOptions{})
		if err != nil {
			t.Fatal(err)
		}
		err = proxy.VisitPayloads(t.Context(), history, proxy.VisitPayloadsOptions{
			Visitor: func(_ *proxy.VisitPayloadsContext, payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
				for _, p := range payloads {
					looked++
					if found := private.Find(p.Data); found != nil {
						t.Errorf("%s tells %q", name, found)
					}
				}
				return payloads, nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if looked < len(histories) {
		t.Errorf("%d payloads in %d histories: are they readable?", looked, len(histories))
	}
}
