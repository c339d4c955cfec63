package wechatpay

import (
	"encoding/xml"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadXML(t *testing.T) {
	const laughs = `<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">` +
		`<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]><xml><a>&c;</a></xml>`
	deep := func(n int) string {
		return "<xml>" + strings.Repeat("<a>", n-1) + "x" + strings.Repeat("</a>", n-1) + "</xml>"
	}
	for name, row := range map[string]struct {
		in     string
		fields map[string]string // nil if it is refused
		nested bool
	}{
		"as WeChat writes it":                 {"<xml>\n<a><![CDATA[x]]></a>\n<b>1</b>\n</xml>", map[string]string{"a": "x", "b": "1"}, false},
		"with a declaration":                  {`<?xml version="1.0" encoding="UTF-8"?><xml><a>x</a></xml>`, map[string]string{"a": "x"}, false},
		"with no element":                     {`<xml></xml>`, map[string]string{}, false},
		"an empty element":                    {`<xml><a></a><b/></xml>`, map[string]string{"a": "", "b": ""}, false},
		"text in pieces":                      {`<xml><a>x<![CDATA[<y>]]]]><![CDATA[>]]>z</a></xml>`, map[string]string{"a": "x<y>]]>z"}, false},
		"escaped text":                        {`<xml><a>&lt;&#33590;&amp;&gt;</a></xml>`, map[string]string{"a": "<茶&>"}, false},
		"space in text stays":                 {`<xml><a> 1 </a></xml>`, map[string]string{"a": " 1 "}, false},
		"names that differ in case":           {`<xml><a>1</a><A>2</A></xml>`, map[string]string{"a": "1", "A": "2"}, false},
		"a document type inside CDATA":        {`<xml><a><![CDATA[<!DOCTYPE a>]]></a></xml>`, map[string]string{"a": "<!DOCTYPE a>"}, false},
		"elements in an element":              {`<xml><a>1</a><b><c>2</c></b></xml>`, map[string]string{"a": "1", "b": ""}, true},
		"an inner name twice":                 {`<xml><b><a>2</a><a>3</a></b><a>1</a></xml>`, map[string]string{"a": "1", "b": ""}, true},
		"text around an inner element":        {`<xml><b>4<c>2</c>5</b></xml>`, map[string]string{"b": ""}, true},
		"as deep as allowed":                  {deep(maxElements), map[string]string{"a": ""}, true},
		"one level deeper":                    {deep(maxElements + 1), nil, false},
		"V2X-01 an external entity":           {`<!DOCTYPE xml [<!ENTITY f SYSTEM "file:///etc/passwd">]><xml><a>&f;</a></xml>`, nil, false},
		"V2X-02 billion laughs":               {laughs, nil, false},
		"V2X-04 an unused document type":      {`<!DOCTYPE xml><xml><a>x</a></xml>`, nil, false},
		"V2X-05 an element twice":             {`<xml><a>1</a><a>1</a></xml>`, nil, false},
		"an element twice, once with more":    {`<xml><a><b>1</b></a><a>1</a></xml>`, nil, false},
		"V2X-11 GBK":                          {`<?xml version="1.0" encoding="gbk"?><xml><a>x</a></xml>`, nil, false},
		"V2X-11 UTF-16":                       {`<?xml version="1.0" encoding="utf-16"?><xml><a>x</a></xml>`, nil, false},
		"GBK, told with spaces":               {`<?xml version="1.0" encoding = "gbk"?><xml><a>x</a></xml>`, nil, false},
		"GBK, told twice":                     {`<?xml version="1.0" encoding="utf-8" encoding="gbk"?><xml><a>x</a></xml>`, nil, false},
		"XML 1.1":                             {`<?xml version="1.1"?><xml><a>x</a></xml>`, nil, false},
		"bytes that are no UTF-8":             {"<xml><a>\xb2\xe8</a></xml>", nil, false},
		"UTF-16 itself":                       {"\xff\xfe<\x00x\x00m\x00l\x00/\x00>\x00", nil, false},
		"a byte order mark":                   {"\xef\xbb\xbf<xml><a>x</a></xml>", nil, false},
		"another root":                        {`<root><a>x</a></root>`, nil, false},
		"two roots":                           {`<xml><a>x</a></xml><xml><b>x</b></xml>`, nil, false},
		"text after the root":                 {`<xml><a>x</a></xml>x`, nil, false},
		"text before the root":                {`x<xml><a>x</a></xml>`, nil, false},
		"text between elements":               {`<xml>x<a>x</a></xml>`, nil, false},
		"an attribute":                        {`<xml><a b="c">x</a></xml>`, nil, false},
		"an attribute of the root":            {`<xml xmlns="http://x"><a>x</a></xml>`, nil, false},
		"a namespace":                         {`<xml><b:a>x</b:a></xml>`, nil, false},
		"a comment":                           {`<xml><a>1<!-- x -->0</a></xml>`, nil, false},
		"a processing instruction":            {`<xml><?php x ?><a>x</a></xml>`, nil, false},
		"an instruction first":                {`<?php version="1.0"?><xml><a>x</a></xml>`, nil, false},
		"a declaration that comes late":       {`<xml><a>x</a><?xml version="1.0"?></xml>`, nil, false},
		"an entity nobody declared":           {`<xml><a>&nbsp;</a></xml>`, nil, false},
		"NUL, escaped":                        {`<xml><a>&#0;</a></xml>`, nil, false},
		"an odd name":                         {`<xml><a.b>x</a.b></xml>`, nil, false},
		"a name of 65":                        {"<xml><" + strings.Repeat("a", 65) + "/></xml>", nil, false},
		"the wrong end":                       {`<xml><a>x</b></xml>`, nil, false},
		"cut short":                           {`<xml><a>x</a>`, nil, false},
		"nothing":                             {``, nil, false},
		"JSON":                                {`{"a":1}`, nil, false},
		"a document type with a nested quote": {`<!DOCTYPE xml [<!ENTITY a '<xml>'>]><xml/>`, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			doc, err := readXML([]byte(row.in), "xml")
			if (err == nil) != (row.fields != nil) {
				t.Fatalf("read as %v: %v", doc, err)
			}
			if diff := cmp.Diff(row.fields, doc.fields); diff != "" || doc.nested != row.nested {
				t.Errorf("nested %v, fields (-want +got):\n%s", doc.nested, diff)
			}
		})
	}
}

// FuzzXML holds readXML to two things: what it reads, encoding/xml reads too, and
// reads the same; and what it has read it reads again.
func FuzzXML(f *testing.F) {
	for _, seed := range []string{
		`<xml><a>1</a><b><![CDATA[x]]></b></xml>`, `<?xml version="1.0" encoding="utf-8"?><xml><a>&amp;&#33590;</a></xml>`,
		`<!DOCTYPE a [<!ENTITY b "c">]><xml><a>&b;</a></xml>`, `<xml><a><b>1</b></a></xml>`, `<xml><a>1</a><a>2</a></xml>`, `<xml/>`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		doc, err := readXML(data, "xml")
		if err != nil {
			return
		}
		var told struct {
			Fields []struct {
				XMLName xml.Name
				Text    string     `xml:",chardata"`
				Inner   []struct{} `xml:",any"`
			} `xml:",any"`
		}
		if err := xml.Unmarshal(data, &told); err != nil {
			t.Fatalf("took what is no XML: %v", err)
		}
		same := map[string]string{}
		for _, field := range told.Fields {
			if len(field.Inner) > 0 {
				field.Text = ""
			}
			same[field.XMLName.Local] = field.Text
		}
		if diff := cmp.Diff(same, doc.fields); diff != "" {
			t.Errorf("read otherwise (-encoding/xml +here):\n%s", diff)
		}
		var again strings.Builder
		again.WriteString("<xml>")
		for _, name := range slices.Sorted(maps.Keys(doc.fields)) {
			again.WriteString("<" + name + ">")
			_ = xml.EscapeText(&again, []byte(doc.fields[name])) // a Builder takes everything
			again.WriteString("</" + name + ">")
		}
		again.WriteString("</xml>")
		twice, err := readXML([]byte(again.String()), "xml")
		if err != nil || !maps.Equal(doc.fields, twice.fields) || twice.nested {
			t.Errorf("did not read %s again: %v", again.String(), err)
		}
	})
}
