package main

import (
	"io"
	"strings"
	"testing"
)

func TestTallyCountsWhatGoTestSays(t *testing.T) {
	const passed = `{"Action":"pass","Package":"p","Test":"A"}` + "\n"
	for name, row := range map[string]struct {
		in   string
		want counts
	}{
		"tests and their sub-tests pass": {passed + `{"Action":"pass","Package":"p","Test":"A/x"}` + "\n" + `{"Action":"pass","Package":"p"}`, counts{2, 0}},
		"a test fails":                   {passed + `{"Action":"fail","Package":"p","Test":"B"}` + "\n" + `{"Action":"fail","Package":"p"}`, counts{1, 1}},
		"a skipped test is no success":   {`{"Action":"skip","Package":"p","Test":"A"}` + "\n" + `{"Action":"pass","Package":"p"}`, counts{0, 1}},
		"a package without tests":        {`{"Action":"skip","Package":"p"}`, counts{0, 0}},
		"a package does not build":       {`{"Action":"build-fail","ImportPath":"p"}` + "\n" + `{"Action":"fail","Package":"p"}`, counts{0, 1}},
		"a package dies between tests":   {passed + `{"Action":"fail","Package":"p"}`, counts{1, 1}},
		"a line that is not JSON":        {"make: entering\n" + passed, counts{1, 0}},
		"a whole part was skipped":       {"skipped: chromium, why\n" + passed, counts{1, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := count(strings.NewReader(row.in), io.Discard)
			if err != nil || got != row.want {
				t.Errorf("count = %+v, %v; want %+v", got, err, row.want)
			}
		})
	}
}

func TestTallyShowsTheOutputOfFailedTestsOnly(t *testing.T) {
	in := `{"Action":"output","Package":"p","Test":"A","Output":"quiet\n"}
{"Action":"output","Package":"p","Test":"B","Output":"why\n"}
{"Action":"pass","Package":"p","Test":"A"}
{"Action":"fail","Package":"p","Test":"B"}
`
	var out strings.Builder
	if _, err := count(strings.NewReader(in), &out); err != nil || out.String() != "why\n" {
		t.Errorf("printed %q, %v", out.String(), err)
	}
}
