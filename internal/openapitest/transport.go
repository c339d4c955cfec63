package openapitest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
)

// Transport holds every call under /v1 to the document that its host serves at
// /openapi.json: an answer that the document does not promise, or a body that was
// taken and that it does not describe, is an error of the call.
type Transport struct {
	mu       sync.Mutex
	contract *Contract
}

// RoundTrip makes one call.
func (t *Transport) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil || !strings.HasPrefix(request.URL.Path, "/v1/") {
		return response, err
	}
	contract, err := t.of(request)
	if err != nil {
		return response, nil // the host died meanwhile: there is nothing to hold it to
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(answer))
	path := request.URL.EscapedPath()
	if err := contract.Answer(request.Method, path, response.StatusCode, response.Header.Get("Content-Type"), answer); err != nil {
		return nil, fmt.Errorf("%s %s answers %s, against the contract: %w", request.Method, path, answer, err)
	}
	if response.StatusCode/100 != 2 || request.GetBody == nil {
		return response, nil
	}
	sent, err := request.GetBody()
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(sent)
	if err != nil || len(body) == 0 {
		return response, err
	}
	if err := contract.Body(request.Method, path, body); err != nil {
		return nil, fmt.Errorf("%s %s takes %s, against the contract: %w", request.Method, path, body, err)
	}
	return response, nil
}

// of reads the document once.
func (t *Transport) of(request *http.Request) (*Contract, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.contract != nil {
		return t.contract, nil
	}
	ask, err := http.NewRequestWithContext(request.Context(), http.MethodGet, request.URL.Scheme+"://"+request.URL.Host+"/openapi.json", nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultTransport.RoundTrip(ask)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	document, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	t.contract, err = Read(document)
	return t.contract, err
}
