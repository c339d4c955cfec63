package api_test

import (
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/paysaga/paysaga/api"
	"github.com/paysaga/paysaga/internal/sealed"
)

const (
	uiOrigin = "http://temporal.shop.test:8233"
	hidden   = "what the shop said"
)

// vault is a desk with a codec, and a payload that it sealed.
func vault(t *testing.T) (d *desk, payload string) {
	t.Helper()
	codec := payloadCodec(t, "one", "payments")
	d = newDesk(t, func(s *api.Server) { s.Codec = api.Codec{Payloads: codec, UIOrigin: uiOrigin} })
	return d, question(t, codec)
}

func payloadCodec(t *testing.T, id, namespace string) *sealed.Codec {
	t.Helper()
	keys, err := sealed.ParseKeys(id + ":" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat(id[:1], 32))))
	if err != nil {
		t.Fatal(err)
	}
	return sealed.NewCodec(keys, namespace)
}

// question is what the UI sends: payloads as protobuf's JSON.
func question(t *testing.T, codec converter.PayloadCodec) string {
	t.Helper()
	plain, err := converter.GetDefaultDataConverter().ToPayloads(hidden)
	if err != nil {
		t.Fatal(err)
	}
	payloads, err := codec.Encode(plain.Payloads)
	if err != nil {
		t.Fatal(err)
	}
	text, err := protojson.Marshal(&commonpb.Payloads{Payloads: payloads})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// asks sends a question as a page of this origin would, and returns what came
// back, opened as far as it is not sealed.
func (d *desk) asks(t *testing.T, client *http.Client, origin, token, path, body string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), "POST", d.url+path+"?preserveStorageRefs=true", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-Namespace", "payments")
	if origin != "" {
		request.Header.Set("Origin", origin)
		request.Header.Set("Sec-Fetch-Site", "same-site")
		request.Header.Set("Sec-Fetch-Dest", "empty")
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	var payloads commonpb.Payloads
	if response.StatusCode == http.StatusOK {
		if err := protojson.Unmarshal(text, &payloads); err != nil || len(payloads.Payloads) != 1 {
			t.Fatalf("answered %s, %v", text, err)
		}
		text = payloads.Payloads[0].Data
	}
	return response, string(text)
}

func TestWhoMayReadPayloads(t *testing.T) {
	d, payload := vault(t)
	for name, row := range map[string]struct {
		signedIn, token string // by cookie, by Authorization
		origin          string
		status          int
	}{
		"an operator in the UI":                        {"otto", "", uiOrigin, 200},
		"an operator's token, by the CLI":              {"", secretOf("otto"), "", 200},
		"an operator's token, by the UI":               {"", secretOf("otto"), uiOrigin, 200},
		"nobody":                                       {"", "", uiOrigin, 401},
		"an unknown token":                             {"", secretOf("nobody"), "", 401},
		"an unknown token beside an operator's cookie": {"otto", secretOf("nobody"), uiOrigin, 401},
		"support":                            {"ann", "", uiOrigin, 403},
		"an approver":                        {"dora", "", uiOrigin, 403},
		"a merchant's token":                 {"", secretOf("shop"), "", 403},
		"an operator on another site's page": {"otto", "", "http://evil.test", 403},
	} {
		t.Run(name, func(t *testing.T) {
			b := d.browser(t)
			if row.signedIn != "" {
				b.signsIn(secretOf(row.signedIn))
			}
			response, text := d.asks(t, b.client, row.origin, row.token, "/codec/decode", payload)
			if response.StatusCode != row.status || strings.Contains(text, hidden) != (row.status == 200) {
				t.Errorf("answered %d %s", response.StatusCode, text)
			}
			shown := response.Header.Get("Access-Control-Allow-Origin")
			if want := map[bool]string{true: uiOrigin}[row.origin == uiOrigin]; shown != want {
				t.Errorf("the answer may be read by %q, want %q", shown, want)
			}
		})
	}
}

// Temporal's UI asks again and again while a run goes on; who left it is signed out.
func TestAskingForPayloadsKeepsNobodySignedIn(t *testing.T) {
	d, payload := vault(t)
	b := d.browser(t)
	b.signsIn(secretOf("otto"))
	for _, status := range []int{200, 401} {
		d.Exec(t, `update sessions set seen_at = seen_at - interval '8 min'`)
		if response, text := d.asks(t, b.client, uiOrigin, "", "/codec/decode", payload); response.StatusCode != status {
			t.Errorf("answered %d %s, want %d", response.StatusCode, text, status)
		}
	}
}

func TestWhatAnOperatorSignalsIsSealed(t *testing.T) {
	d, _ := vault(t)
	plain := question(t, sealed.NewCodec(nil, "payments"))
	response, text := d.asks(t, http.DefaultClient, "", secretOf("otto"), "/codec/encode", plain)
	if response.StatusCode != 200 || strings.Contains(text, hidden) {
		t.Errorf("answered %d %s", response.StatusCode, text)
	}
	response, text = d.asks(t, http.DefaultClient, "", secretOf("otto"), "/codec/decode", plain)
	if response.StatusCode != 200 || !strings.Contains(text, hidden) {
		t.Errorf("what was never sealed came back as %d %s", response.StatusCode, text)
	}
}

func TestPayloadsThatCannotBeOpened(t *testing.T) {
	d, payload := vault(t)
	for name, row := range map[string]struct {
		body string
		code string
		says string
	}{
		"a key that is gone":     {question(t, payloadCodec(t, "old", "payments")), "unopenable", ": old"},
		"another namespace's":    {question(t, payloadCodec(t, "one", "staging")), "unopenable", "another namespace"},
		"no payloads":            {`{"payloads": "` + hidden + `"}`, "invalid_body", "no list"},
		"no JSON":                {hidden, "invalid_body", "no list"},
		"more than there can be": {strings.Repeat(" ", 4<<20) + payload, "too_large", "4 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			response, text := d.asks(t, http.DefaultClient, uiOrigin, secretOf("otto"), "/codec/decode", row.body)
			if response.StatusCode/100 != 4 || !strings.Contains(text, `"code":"`+row.code+`"`) || !strings.Contains(text, row.says) || strings.Contains(text, hidden) {
				t.Errorf("answered %d %s", response.StatusCode, text)
			}
		})
	}
}

// A browser asks first whether it may ask, without any cookie.
func TestWhichPagesMayAsk(t *testing.T) {
	d, _ := vault(t)
	none := newDesk(t)
	for name, row := range map[string]struct {
		desk    *desk
		origin  string
		allowed bool
	}{
		"Temporal's UI":                     {d, uiOrigin, true},
		"another port of its host":          {d, "http://temporal.shop.test", false},
		"its name within another":           {d, uiOrigin + ".evil.test", false},
		"a page without an origin":          {d, "null", false},
		"where no UI is set, no one":        {none, uiOrigin, false},
		"where no UI is set, no one at all": {none, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			request, err := http.NewRequestWithContext(t.Context(), "OPTIONS", row.desk.url+"/codec/decode?preserveStorageRefs=true", nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Origin", row.origin)
			request.Header.Set("Access-Control-Request-Method", "POST")
			request.Header.Set("Access-Control-Request-Headers", "content-type,x-namespace")
			got := do(t, request)
			want := url.Values{}
			if row.allowed {
				want = url.Values{
					"Access-Control-Allow-Origin": {uiOrigin}, "Access-Control-Allow-Credentials": {"true"},
					"Access-Control-Allow-Methods": {"POST"}, "Access-Control-Allow-Headers": {"authorization, content-type, x-namespace"},
					"Access-Control-Max-Age": {"600"},
				}
			}
			shown := url.Values{}
			for header, values := range got.header {
				if strings.HasPrefix(header, "Access-Control") {
					shown[header] = values
				}
			}
			if shown.Encode() != want.Encode() || got.status != http.StatusNoContent || got.header.Get("Vary") != "Origin" {
				t.Errorf("answered %d %v", got.status, got.header)
			}
		})
	}
}
