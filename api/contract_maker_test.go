package api

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"net/http"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/invopop/jsonschema"
)

type object = map[string]any

// contractOf writes the OpenAPI 3.1 document of the operations.
func contractOf(t *testing.T, operations []operation) []byte {
	t.Helper()
	m := newMaker(t)
	paths := map[string]object{}
	for _, o := range operations {
		if paths[o.path] == nil {
			paths[o.path] = object{}
		}
		paths[o.path][strings.ToLower(o.method)] = m.operation(o)
	}
	document := object{
		"openapi": "3.1.0",
		"info": object{
			"title":       "paysaga",
			"version":     "1",
			"description": "Payments by WeChat Pay that end well. Amounts are whole fen, 1/100 yuan; times are RFC 3339. Errors are problem+json (RFC 9457) with a stable code.",
			"license":     object{"name": "Apache-2.0", "identifier": "Apache-2.0"},
		},
		"security": []any{object{"token": []any{}}},
		"paths":    paths,
		"components": object{
			"securitySchemes": object{"token": object{"type": "http", "scheme": "bearer", "description": "A token of at least 32 characters; API_TOKENS holds its SHA-256 and its role."}},
			"parameters":      object{"Idempotency-Key": idempotency},
			"responses":       object{"problem": object{"description": "Why not.", "content": object{"application/problem+json": object{"schema": m.answer(problem{})}}}},
			"schemas":         m.schemas,
		},
	}
	var out bytes.Buffer
	writer := json.NewEncoder(&out)
	writer.SetEscapeHTML(false)
	writer.SetIndent("", " ")
	if err := writer.Encode(document); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

var idempotency = object{
	"name": "Idempotency-Key", "in": "header", "required": true,
	"description": "1 to 255 visible characters. The same key and body get the same answer for two days, and nothing is done again.",
	"schema":      object{"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}

// maker turns Go types into schemas, with their comments as descriptions.
type maker struct {
	reflector *jsonschema.Reflector
	schemas   map[string]object
	words     map[string][]any // the constants of each named string type
}

func newMaker(t *testing.T) *maker {
	t.Helper()
	words, comments := readSource(t, "../internal/payment", ".")
	m := &maker{schemas: map[string]object{}, words: words}
	m.reflector = &jsonschema.Reflector{
		RequiredFromJSONSchemaTags: true, Anonymous: true, Namer: nameOf,
		LookupComment: func(kind reflect.Type, field string) string {
			name, _, _ := strings.Cut(kind.Name(), "[")
			return comments[strings.TrimSuffix(name+"."+field, ".")]
		},
		Mapper: func(kind reflect.Type) *jsonschema.Schema {
			switch values := m.words[kind.Name()]; {
			case kind == reflect.TypeFor[time.Time]():
				return &jsonschema.Schema{Type: "string", Format: "date-time"}
			case kind == reflect.TypeFor[json.RawMessage]():
				return &jsonschema.Schema{Type: "object"}
			case kind.Kind() == reflect.String && kind.PkgPath() != "" && len(values) > 0:
				return &jsonschema.Schema{Type: "string", Enum: values}
			}
			return nil
		},
	}
	return m
}

// readSource returns the constants of every named string type of some packages,
// and what is written about their types and fields.
func readSource(t *testing.T, dirs ...string) (words map[string][]any, comments map[string]string) {
	t.Helper()
	words, comments = map[string][]any{}, map[string]string{}
	for _, dir := range dirs {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			tree, err := parser.ParseFile(gotoken.NewFileSet(), file, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			for _, declared := range tree.Decls {
				if general, ok := declared.(*ast.GenDecl); ok {
					for _, spec := range general.Specs {
						readConstant(spec, words)
						readComments(spec, general.Doc, comments)
					}
				}
			}
		}
	}
	delete(words, "DifferenceKind") // of which the most are kinds of case
	return words, comments
}

func readConstant(spec ast.Spec, words map[string][]any) {
	value, ok := spec.(*ast.ValueSpec)
	if !ok {
		return
	}
	kind, ok := value.Type.(*ast.Ident)
	if !ok {
		return
	}
	for _, v := range value.Values {
		if literal, ok := v.(*ast.BasicLit); ok && literal.Kind == gotoken.STRING {
			if text, err := strconv.Unquote(literal.Value); err == nil {
				words[kind.Name] = append(words[kind.Name], text)
			}
		}
	}
}

func readComments(spec ast.Spec, doc *ast.CommentGroup, comments map[string]string) {
	kind, ok := spec.(*ast.TypeSpec)
	if !ok {
		return
	}
	comments[kind.Name.Name] = oneParagraph(doc)
	fields, ok := kind.Type.(*ast.StructType)
	if !ok {
		return
	}
	for _, field := range fields.Fields.List {
		for _, name := range field.Names {
			comments[kind.Name.Name+"."+name.Name] = oneParagraph(field.Doc) + oneParagraph(field.Comment)
		}
	}
}

func oneParagraph(of *ast.CommentGroup) string {
	return strings.Join(strings.Fields(of.Text()), " ")
}

var generic = regexp.MustCompile(`^(\w+)\[.*\.(\w+)\]$`)

// nameOf is a type's name in the contract: pageOf[payment.Case] is PageOfCase.
func nameOf(kind reflect.Type) string {
	name := kind.Name()
	if name == "" {
		return ""
	}
	if m := generic.FindStringSubmatch(name); m != nil {
		name = m[1] + m[2]
	}
	return strings.ToUpper(name[:1]) + name[1:]
}

// body is a reference to the schema of what goes in. Its fields say by a tag which
// of them there must be.
func (m *maker) body(of any) object {
	made := m.reflector.Reflect(of)
	for name, definition := range made.Definitions {
		if m.schemas[name] != nil {
			continue
		}
		text, err := json.Marshal(definition)
		if err != nil {
			panic(err)
		}
		var schema object
		if err := json.Unmarshal(bytes.ReplaceAll(text, []byte("#/$defs/"), []byte("#/components/schemas/")), &schema); err != nil {
			panic(err)
		}
		m.schemas[name] = schema
	}
	return object{"$ref": "#/components/schemas/" + nameOf(reflect.TypeOf(of))}
}

// answer is a reference to the schema of what comes out: all is there that is not
// left out when it is empty, and a pointer may be null.
func (m *maker) answer(of any) object {
	reference := m.body(of)
	m.refine(reflect.TypeOf(of))
	return reference
}

func (m *maker) refine(kind reflect.Type) {
	switch kind.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		m.refine(kind.Elem())
	case reflect.Struct:
		if schema := m.schemas[nameOf(kind)]; schema != nil && schema["required"] == nil {
			schema["required"] = []any{}
			m.refineFields(kind, schema)
		}
	}
}

func (m *maker) refineFields(kind reflect.Type, schema object) {
	for field := range kind.Fields() {
		name, how, _ := strings.Cut(field.Tag.Get("json"), ",")
		if field.Anonymous && name == "" { // its fields are the struct's own
			m.refineFields(field.Type, schema)
			continue
		}
		if name == "" || name == "-" {
			continue
		}
		m.refine(field.Type)
		if how != "" {
			continue
		}
		schema["required"] = append(schema["required"].([]any), name)
		if field.Type.Kind() == reflect.Pointer {
			properties := schema["properties"].(object)
			properties[name] = object{"oneOf": []any{properties[name], object{"type": "null"}}}
		}
	}
}

// answersOf are the statuses that an operation may answer with beside the good one.
func answersOf(o operation) []int {
	statuses := append([]int{401, 403, 500, 503}, o.also...)
	if strings.Contains(o.path, "{") {
		statuses = append(statuses, 404)
	}
	switch {
	case o.method == http.MethodPost:
		statuses = append(statuses, 400, 404, 409, 413, 422)
	case o.query != nil:
		statuses = append(statuses, 422)
	}
	slices.Sort(statuses)
	return slices.Compact(statuses)
}

func (m *maker) operation(o operation) object {
	content := object{"application/json": object{"schema": m.answer(o.gives)}}
	var parameters []any
	for _, match := range regexp.MustCompile(`\{(\w+)\}`).FindAllStringSubmatch(o.path, -1) {
		parameters = append(parameters, object{"name": match[1], "in": "path", "required": true, "schema": object{"type": "string"}})
	}
	for _, p := range o.query {
		schema := object{"type": "string"}
		switch {
		case p.flag:
			schema["enum"] = []string{"true", "false"}
		case p.words != nil:
			schema["enum"] = p.words
		case p.name == "limit":
			schema = object{"type": "integer", "minimum": 1, "maximum": itemsAtMost, "default": itemsByDefault}
		}
		if p.name == "format" {
			content["text/csv"] = object{"schema": object{"type": "string"}}
		}
		parameters = append(parameters, object{"name": p.name, "in": "query", "description": p.says, "schema": schema})
	}
	responses := object{strconv.Itoa(o.status): object{"description": http.StatusText(o.status), "content": content}}
	for _, status := range answersOf(o) {
		responses[strconv.Itoa(status)] = object{"$ref": "#/components/responses/problem"}
	}
	made := object{
		"operationId": operationID(o), "summary": o.says, "tags": []string{strings.Split(o.path, "/")[2]},
		"description": "For the roles " + strings.Join(words(o.roles...), ", ") + ".", "x-roles": o.roles,
		"responses": responses,
	}
	if o.method == http.MethodPost {
		parameters = append(parameters, object{"$ref": "#/components/parameters/Idempotency-Key"})
	}
	if o.takes != nil {
		made["requestBody"] = object{"required": true, "content": object{"application/json": object{"schema": m.body(o.takes)}}}
	}
	if parameters != nil {
		made["parameters"] = parameters
	}
	return made
}

func operationID(o operation) string {
	action := actionOf(o.method, o.path)
	if o.method == http.MethodGet && !strings.HasSuffix(o.path, "}") {
		action = strings.TrimSuffix(action, "read") + "list"
	}
	return action
}
