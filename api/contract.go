package api

import (
	"bytes"
	"embed"
	"encoding/json"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// The contract, OpenAPI 3.1, is made of the operations and their types by a test,
// which fails while the file says anything else (contract_test.go).
//
//go:embed openapi.json
var openAPI []byte

//go:embed docs
var docsFiles embed.FS

// contract is what the page of it shows. It is read when somebody first looks: most
// processes that hold it serve nobody.
var contract = sync.OnceValue(readContract)

// contractDocument is as much of the document as people read.
type contractDocument struct {
	Info struct {
		Title       string `json:"title"`
		Description string `json:"description"`
	} `json:"info"`
	Paths      map[string]map[string]contractOperation `json:"paths"`
	Components struct {
		Schemas map[string]*contractSchema `json:"schemas"`
	} `json:"components"`
}

type contractOperation struct {
	ID         string   `json:"operationId"`
	Summary    string   `json:"summary"`
	Tags       []string `json:"tags"`
	Roles      []string `json:"x-roles"`
	Parameters []struct {
		Ref         string         `json:"$ref"`
		Name        string         `json:"name"`
		In          string         `json:"in"`
		Description string         `json:"description"`
		Schema      contractSchema `json:"schema"`
	} `json:"parameters"`
	RequestBody *struct {
		Content map[string]struct {
			Schema contractSchema `json:"schema"`
		} `json:"content"`
	} `json:"requestBody"`
	Responses map[string]struct {
		Description string `json:"description"`
		Content     map[string]struct {
			Schema contractSchema `json:"schema"`
		} `json:"content"`
	} `json:"responses"`
}

// contractSchema is a JSON Schema, as far as ours go.
type contractSchema struct {
	Ref         string                     `json:"$ref"`
	Type        string                     `json:"type"`
	Format      string                     `json:"format"`
	Description string                     `json:"description"`
	Enum        []string                   `json:"enum"`
	Properties  map[string]*contractSchema `json:"properties"`
	Required    []string                   `json:"required"`
	Items       *contractSchema            `json:"items"`
	OneOf       []contractSchema           `json:"oneOf"`
}

func readContract() contractDocument {
	var read contractDocument
	if err := json.Unmarshal(openAPI, &read); err != nil {
		panic(err) // the file is part of the program
	}
	return read
}

// Kind is a schema in a few words: what it is, or whose name it has.
func (s contractSchema) Kind() string {
	switch {
	case s.Ref != "":
		return s.Name()
	case s.Items != nil:
		return s.Items.Kind() + "[]"
	case len(s.OneOf) > 0:
		return s.OneOf[0].Kind() + " | null"
	case s.Format != "":
		return s.Format
	}
	return s.Type
}

// Name is the schema that a reference leads to; empty for none.
func (s contractSchema) Name() string {
	switch {
	case s.Items != nil:
		return s.Items.Name()
	case len(s.OneOf) > 0:
		return s.OneOf[0].Name()
	}
	return s.Ref[strings.LastIndex(s.Ref, "/")+1:]
}

// Needs tells whether a body or an answer always has the field.
func (s contractSchema) Needs(field string) bool { return slices.Contains(s.Required, field) }

// docsPage is everything on the page, in the order in which it is read.
type docsPage struct {
	contractDocument
	Groups []docsGroup
}

type docsGroup struct {
	Name       string
	Operations []docsOperation
}

type docsOperation struct {
	Method, Path string
	contractOperation
}

// docs is the contract as a page. It is made once: it changes with the program.
var docs = sync.OnceValue(makeDocs)

func makeDocs() []byte {
	page := docsPage{contractDocument: contract()}
	for _, o := range (&Server{}).operations() { // in their order, not the alphabet's
		group := strings.Split(o.path, "/")[2]
		at := slices.IndexFunc(page.Groups, func(g docsGroup) bool { return g.Name == group })
		if at < 0 {
			at, page.Groups = len(page.Groups), append(page.Groups, docsGroup{Name: group})
		}
		page.Groups[at].Operations = append(page.Groups[at].Operations, docsOperation{
			Method: o.method, Path: o.path, contractOperation: page.Paths[o.path][strings.ToLower(o.method)],
		})
	}
	var out bytes.Buffer
	if err := template.Must(template.ParseFS(docsFiles, "docs/docs.html")).Execute(&out, page); err != nil {
		panic(err)
	}
	return out.Bytes()
}

// docsPolicy lets the page use its own style, and nothing else.
const docsPolicy = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

func serveContract(w http.ResponseWriter, _ *http.Request) error {
	return static(w, "application/json", openAPI)
}

func serveDocs(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Security-Policy", docsPolicy)
	return static(w, "text/html; charset=utf-8", docs())
}

func serveDocsStyle(w http.ResponseWriter, _ *http.Request) error {
	style, err := docsFiles.ReadFile("docs/docs.css")
	if err != nil {
		return err
	}
	return static(w, "text/css; charset=utf-8", style)
}

func static(w http.ResponseWriter, contentType string, text []byte) error {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "public, max-age=300")
	h.Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(text) // the reader is gone
	return nil
}
