package openapitest_test

import (
	"testing"

	"github.com/paysaga/paysaga/internal/openapitest"
)

const document = `{"openapi":"3.1.0","paths":{"/v1/teas/{id}":{"post":{
  "requestBody":{"content":{"application/json":{"schema":{"$ref":"#/components/schemas/Tea"}}}},
  "responses":{"201":{"content":{"application/json":{"schema":{"$ref":"#/components/schemas/Tea"}}}},"409":{"$ref":"#/components/responses/problem"}}}}},
 "components":{"responses":{"problem":{"content":{"application/problem+json":{"schema":{"type":"object","required":["code"]}}}}},
  "schemas":{"Tea":{"type":"object","additionalProperties":false,"required":["fen"],"properties":{"fen":{"type":"integer"},"at":{"type":"string","format":"date-time"}}}}}}`

func TestWhatTheContractSaysOfAnAnswer(t *testing.T) {
	contract, err := openapitest.Read([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct {
		method, path string
		status       int
		kind, body   string
		good         bool
	}{
		"as promised":             {"POST", "/v1/teas/7?x=1", 201, "application/json", `{"fen":5}`, true},
		"a problem":               {"POST", "/v1/teas/7", 409, "application/problem+json", `{"code":"x"}`, true},
		"nothing is there":        {"GET", "/v1/cups", 404, "application/problem+json", `{}`, true},
		"a field too many":        {"POST", "/v1/teas/7", 201, "application/json", `{"fen":5,"openid":"o"}`, false},
		"a field too few":         {"POST", "/v1/teas/7", 201, "application/json", `{}`, false},
		"a field of another type": {"POST", "/v1/teas/7", 201, "application/json", `{"fen":"5"}`, false},
		"a time that is none":     {"POST", "/v1/teas/7", 201, "application/json", `{"fen":5,"at":"noon"}`, false},
		"a status unheard of":     {"POST", "/v1/teas/7", 202, "application/json", `{"fen":5}`, false},
		"another type of answer":  {"POST", "/v1/teas/7", 201, "text/plain", `{"fen":5}`, false},
		"a problem without code":  {"POST", "/v1/teas/7", 409, "application/problem+json", `{}`, false},
		"a route unheard of":      {"GET", "/v1/cups", 200, "application/json", `{}`, false},
		"no JSON":                 {"POST", "/v1/teas/7", 201, "application/json", `{`, false},
	} {
		t.Run(name, func(t *testing.T) {
			err := contract.Answer(row.method, row.path, row.status, row.kind, []byte(row.body))
			if (err == nil) != row.good {
				t.Error(err)
			}
		})
	}
	if contract.Body("POST", "/v1/teas/7", []byte(`{"fen":5}`)) != nil || contract.Body("POST", "/v1/teas/7", []byte(`{"fen":5,"more":1}`)) == nil {
		t.Error("bodies are not held to the contract")
	}
}
