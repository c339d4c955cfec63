package sealed_test

import (
	"strings"
	"testing"

	"github.com/paysaga/paysaga/internal/sealed"
)

func TestMistakesInKeysAreReportedByLineAndWithoutTheKey(t *testing.T) {
	good := line("one", 1)
	_, secret, _ := strings.Cut(good, ":")
	for name, row := range map[string]struct{ lines, mistake string }{
		"no key":                {"", ""},
		"one key":               {good, ""},
		"two, and empty lines":  {"\n  " + good + "\r\n\n" + line("two", 2) + "\n", ""},
		"no id":                 {secret, "line 1: must be id:base64"},
		"an empty id":           {":" + secret, "line 1: must be id:base64"},
		"an id with a space":    {"my key:" + secret, "line 1: must be id:base64"},
		"an id too long":        {strings.Repeat("a", 65) + ":" + secret, "line 1: must be id:base64"},
		"the same id twice":     {good + "\n" + line("one", 2), "line 2: the same id twice"},
		"16 bytes":              {"one:AAAAAAAAAAAAAAAAAAAAAA==", "line 1: the key must be"},
		"base64 without its =":  {strings.TrimRight(good, "="), "line 1: the key must be"},
		"hex":                   {"one:" + strings.Repeat("0a", 32), "line 1: the key must be"},
		"a mistake in each":     {"x:y\n" + good + "\n:z", "line 3: must be id:base64"},
		"a key and a line less": {good + ":", "line 1: the key must be"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := sealed.ParseKeys(row.lines)
			switch {
			case row.mistake == "" && err != nil:
				t.Error(err)
			case row.mistake != "" && (err == nil || !strings.Contains(err.Error(), row.mistake)):
				t.Errorf("reported %v, want %q", err, row.mistake)
			case err != nil && strings.Contains(err.Error(), secret[:20]):
				t.Error("the report shows the key")
			}
		})
	}
}
