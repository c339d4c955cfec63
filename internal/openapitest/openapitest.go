// Package openapitest is for tests: it holds what an API takes and answers to the
// OpenAPI 3.1 document that it serves.
package openapitest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Contract is a document with its schemas at hand.
type Contract struct {
	compiler   *jsonschema.Compiler
	operations []operation

	mu       sync.Mutex
	compiled map[string]*jsonschema.Schema
}

type operation struct {
	method, path string
	matches      *regexp.Regexp
	responses    map[string]response
	takes        bool
}

type response struct {
	Ref     string         `json:"$ref"`
	Content map[string]any `json:"content"`
}

// name is what the document is called among schemas; nothing is loaded by it.
const name = "contract:///openapi.json"

// Read reads a document.
func Read(document []byte) (*Contract, error) {
	plain, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		return nil, err
	}
	c := &Contract{compiler: jsonschema.NewCompiler(), compiled: map[string]*jsonschema.Schema{}}
	c.compiler.AssertFormat()
	if err := c.compiler.AddResource(name, plain); err != nil {
		return nil, err
	}
	var read struct {
		Paths map[string]map[string]struct {
			RequestBody any                 `json:"requestBody"`
			Responses   map[string]response `json:"responses"`
		} `json:"paths"`
	}
	if err := json.Unmarshal(document, &read); err != nil {
		return nil, err
	}
	for path, methods := range read.Paths {
		pattern := regexp.MustCompile(`\\\{\w+\\\}`).ReplaceAllString(regexp.QuoteMeta(path), `[^/]+`)
		for method, o := range methods {
			c.operations = append(c.operations, operation{
				method: strings.ToUpper(method), path: path, matches: regexp.MustCompile("^" + pattern + "$"),
				responses: o.Responses, takes: o.RequestBody != nil,
			})
		}
	}
	return c, nil
}

func (c *Contract) operation(method, path string) *operation {
	path, _, _ = strings.Cut(path, "?")
	for i, o := range c.operations {
		if o.method == method && o.matches.MatchString(path) {
			return &c.operations[i]
		}
	}
	return nil
}

// Answer says what is wrong with an answer: a status, a type or a field that the
// document does not know. To what it describes nowhere, only "there is no such
// thing" may be the answer.
func (c *Contract) Answer(method, path string, status int, contentType string, body []byte) error {
	o := c.operation(method, path)
	if o == nil {
		if status == 401 || status == 404 || status == 405 {
			return nil
		}
		return fmt.Errorf("%s %s is in no document and answers %d", method, path, status)
	}
	described, ok := o.responses[strconv.Itoa(status)]
	if !ok {
		return fmt.Errorf("%s %s may not answer %d", method, o.path, status)
	}
	at := pointer("paths", o.path, strings.ToLower(method), "responses", strconv.Itoa(status))
	if described.Ref != "" {
		at, described.Content = described.Ref, map[string]any{"application/problem+json": nil}
	}
	kind, _, err := mime.ParseMediaType(contentType)
	if _, ok := described.Content[kind]; err != nil || !ok {
		return fmt.Errorf("%s %s may not answer %d as %q", method, o.path, status, contentType)
	}
	if !strings.HasSuffix(kind, "json") {
		return nil
	}
	return c.validate(at+"/content/"+escape(kind)+"/schema", body)
}

// Body says what is wrong with a body that was taken.
func (c *Contract) Body(method, path string, body []byte) error {
	o := c.operation(method, path)
	switch {
	case o == nil:
		return fmt.Errorf("%s %s is in no document", method, path)
	case !o.takes:
		return nil
	}
	return c.validate(pointer("paths", o.path, strings.ToLower(method), "requestBody", "content", "application/json", "schema"), body)
}

func (c *Contract) validate(at string, body []byte) error {
	c.mu.Lock()
	schema := c.compiled[at]
	if schema == nil {
		var err error
		if schema, err = c.compiler.Compile(name + at); err != nil {
			c.mu.Unlock()
			return err
		}
		c.compiled[at] = schema
	}
	c.mu.Unlock()
	plain, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return err
	}
	return schema.Validate(plain)
}

func pointer(parts ...string) string {
	at := "#"
	for _, part := range parts {
		at += "/" + escape(part)
	}
	return at
}

// escape writes a name as a part of a JSON pointer in a URL (RFC 6901 section 6).
func escape(part string) string {
	part = strings.NewReplacer("~", "~0", "/", "~1").Replace(part)
	return strings.NewReplacer("{", "%7B", "}", "%7D", "+", "%2B").Replace(part)
}
