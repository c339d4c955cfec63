package wechatpay

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"strings"
)

// document is an XML document as WeChat writes them: one root, and elements of
// text below it, each there once.
type document struct {
	fields map[string]string
	// nested tells that an element holds others. Such a one is among the fields,
	// and empty: what is inside is read over.
	nested bool
}

// maxElements is how deep elements may lie in each other; WeChat's deepest push
// has five levels.
const maxElements = 16

var (
	errNotXML = errors.New("not one strict XML document")
	fieldName = regexp.MustCompile(`^[A-Za-z_][0-9A-Za-z_]{0,63}$`)
	// declaration is what may follow <?xml. encoding/xml looks less closely, and
	// would read as UTF-8 what another reader takes for GBK.
	declaration = regexp.MustCompile(`^version=["']1\.0["'](\s+encoding=["'](?i:utf-8)["'])?\s*$`)
)

// readXML reads one document with the given root. What two readers could
// understand in two ways it refuses: document types and all they declare,
// comments, attributes, namespaces, text between elements, an element given
// twice, and any encoding but UTF-8.
func readXML(data []byte, root string) (document, error) {
	r := xmlReader{root: root, document: document{fields: map[string]string{}}}
	decoder := xml.NewDecoder(bytes.NewReader(data))
	for first := true; ; first = false {
		token, err := decoder.Token()
		switch {
		case err == io.EOF && r.over:
			return r.document, nil
		case err != nil || !r.take(token, first):
			return document{}, errNotXML
		}
	}
}

// xmlReader is where in a document we are.
type xmlReader struct {
	document
	root   string
	over   bool     // the root has ended
	inside []string // the elements we are in, the root first
	parent bool     // the field we are in holds elements
	text   strings.Builder
}

// take goes one token on, or says that it should not be there.
func (r *xmlReader) take(token xml.Token, first bool) bool {
	switch token := token.(type) {
	case xml.ProcInst:
		return first && token.Target == "xml" && declaration.Match(token.Inst)
	case xml.StartElement:
		return token.Name.Space == "" && len(token.Attr) == 0 && r.open(token.Name.Local)
	case xml.EndElement: // the decoder has seen to it that it is the right one
		r.close()
		return true
	case xml.CharData:
		if len(r.inside) < 2 {
			return len(bytes.TrimSpace(token)) == 0
		}
		r.text.Write(token)
		return true
	}
	return false // a document type or a comment
}

func (r *xmlReader) open(name string) bool {
	_, twice := r.fields[name]
	switch depth := len(r.inside); {
	case depth == 0 && (r.over || name != r.root):
		return false
	case depth == 1 && (twice || !fieldName.MatchString(name)):
		return false
	case depth == maxElements:
		return false
	case depth == 1:
		r.fields[name], r.parent = "", false
		r.text.Reset()
	case depth > 1:
		r.parent, r.nested = true, true
	}
	r.inside = append(r.inside, name)
	return true
}

func (r *xmlReader) close() {
	depth := len(r.inside)
	if depth == 2 && !r.parent {
		r.fields[r.inside[1]] = r.text.String()
	}
	r.inside = r.inside[:depth-1]
	r.over = depth == 1
}
