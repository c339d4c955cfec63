package strictjson_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/paysaga/paysaga/internal/strictjson"
)

func TestParse(t *testing.T) {
	deep := func(n int) string { return strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n) }
	for name, row := range map[string]struct {
		in   string
		good bool
	}{
		"an object":                      {`{"a":1}`, true},
		"an object with space around":    {" \n{\"a\":[1,{\"b\":null}]}\r\n ", true},
		"one key at two levels":          {`{"a":{"a":1}}`, true},
		"keys that differ in case":       {`{"a":1,"A":2}`, true},
		"as deep as allowed":             {deep(strictjson.MaxDepth), true},
		"one level deeper":               {deep(strictjson.MaxDepth + 1), false},
		"ten thousand levels":            {strings.Repeat("[", 10_001), false},
		"an array":                       {`[]`, false},
		"an array of objects":            {`[{"a":1}]`, false},
		"a string":                       {`"x"`, false},
		"a number":                       {`123`, false},
		"null":                           {`null`, false},
		"nothing":                        {``, false},
		"cut short":                      {`{"a":1`, false},
		"a key without a value":          {`{"a"}`, false},
		"a closing bracket for a value":  {`{"a":]}`, false},
		"a mismatched bracket":           {`{"a":[1}`, false},
		"a trailing comma":               {`{"a":1,}`, false},
		"a second value":                 {`{"a":1}{"a":2}`, false},
		"rubbish afterwards":             {`{"a":1}x`, false},
		"a key twice":                    {`{"a":1,"a":1}`, false},
		"a key twice, once escaped":      {`{"a":1,"\u0061":2}`, false},
		"a key twice deeper down":        {`{"x":[{"a":1,"a":2}]}`, false},
		"a byte order mark":              {"\xef\xbb\xbf{}", false},
		"bytes that are no UTF-8":        {"{\"a\":\"\xff\xfe\"}", false},
		"a bare NUL in a string":         {"{\"a\":\"\x00\"}", false},
		"a comment":                      {`{"a":1/**/}`, false},
		"a number with a leading zero":   {`{"a":01}`, false},
		"a key that is not text":         {`{1:2}`, false},
		"a single-quoted key":            {`{'a':2}`, false},
		"a number that fits no int64":    {`{"a":9223372036854775808}`, true},
		"an escaped NUL, which is legal": {`{"a":"\u0000"}`, true},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := strictjson.Parse([]byte(row.in))
			if got := err == nil; got != row.good {
				t.Errorf("Parse(%.40q): %v", row.in, err)
			}
		})
	}
}

func TestInt(t *testing.T) {
	o, err := strictjson.Parse([]byte(`{"one":1,"minus":-1,"max":9223372036854775807,"past":9223372036854775808,
		"point":100.0,"power":1e2,"text":"100","null":null,"list":[1],"zero":-0}`))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int64{}
	for key := range o {
		if n, ok := o.Int(key); ok || n != 0 {
			got[key] = n
		}
	}
	want := map[string]int64{"one": 1, "minus": -1, "max": 9223372036854775807, "zero": 0}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// FuzzParse holds Parse to two things: what it takes encoding/json takes too,
// and reading its own answer again gives the same.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{`{"a":1}`, `{"a":{"b":[1,"x",null,true]}}`, `{"a":"\ud800"}`, `{"a":1,"a":2}`, `[`, "\xef\xbb\xbf{}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := strictjson.Parse(data)
		if err != nil {
			return
		}
		if !json.Valid(data) {
			t.Fatalf("took what is no JSON: %q", data)
		}
		text, err := json.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		again, err := strictjson.Parse(text)
		if err != nil {
			t.Fatalf("refused its own answer %q: %v", text, err)
		}
		if diff := cmp.Diff(got, again); diff != "" {
			t.Error(diff)
		}
	})
}
