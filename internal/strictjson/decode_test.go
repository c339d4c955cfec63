package strictjson_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/paysaga/paysaga/internal/strictjson"
)

type order struct {
	Number    string          `json:"number"`
	AmountFen int64           `json:"amount_fen"`
	Marks     []string        `json:"marks,omitempty"`
	Shipping  json.RawMessage `json:"shipping"`
}

func TestDecodeTakesWhatMeansOneThing(t *testing.T) {
	var got order
	body := ` {"number":"茶 A1","amount_fen":12850,"marks":["a","b"],"shipping":{"to":{"street":"1 \u00e9","lines":[1,2.5e3,null,true]}}} `
	if err := strictjson.Decode([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	want := order{
		Number: "茶 A1", AmountFen: 12850, Marks: []string{"a", "b"},
		Shipping: json.RawMessage(`{"to":{"street":"1 \u00e9","lines":[1,2.5e3,null,true]}}`),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDecodeRefuses(t *testing.T) {
	for name, row := range map[string]struct{ body, says string }{
		"nothing":                       {``, "strict"},
		"two objects":                   {`{"amount_fen":1}{}`, "strict"},
		"an amount given twice":         {`{"amount_fen":1,"amount_fen":2}`, "strict"},
		"an amount twice, once escaped": {`{"amount_fen":1,"amount\u005ffen":2}`, "strict"},
		"a key twice deep inside":       {`{"shipping":{"a":[{"b":1,"b":1}]}}`, "strict"},
		"an unknown field":              {`{"limit_override":true}`, `unknown field "limit_override"`},
		"another case":                  {`{"Amount_Fen":1}`, `unknown field "Amount_Fen"`},
		"an amount with a point":        {`{"amount_fen":1.5}`, "amount_fen: not a whole number"},
		"an amount as text":             {`{"amount_fen":"100"}`, "amount_fen: not a whole number"},
		"an amount with an exponent":    {`{"amount_fen":1e3}`, "amount_fen: not a whole number"},
		"an amount past int64":          {`{"amount_fen":9223372036854775808}`, "amount_fen: not a whole number"},
		"a number past all numbers":     {`{"shipping":{"a":[1e999]}}`, "shipping: a number is out of range"},
		"NUL in a text":                 {`{"number":"a\u0000b"}`, "number: holds NUL"},
		"NUL in a key deep inside":      {`{"shipping":{"a":{"\u0000":1}}}`, "shipping: holds NUL"},
		"half a surrogate pair":         {`{"shipping":["\ud800"]}`, "broken character"},
		"text where a list should be":   {`{"marks":"a"}`, "marks: not a list"},
		"a long unknown field":          {`{"` + strings.Repeat("茶", 5000) + `":1}`, `茶…"`},
	} {
		t.Run(name, func(t *testing.T) {
			var got order
			err := strictjson.Decode([]byte(row.body), &got)
			if err == nil || !strings.Contains(err.Error(), row.says) {
				t.Fatalf("says %v, want %q", err, row.says)
			}
			if len(err.Error()) > 200 {
				t.Errorf("an error of %d bytes repeats its input", len(err.Error()))
			}
		})
	}
}
