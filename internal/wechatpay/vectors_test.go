package wechatpay

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/paysaga/paysaga/internal/payment"
)

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// docsClient is the merchant of WeChat's documentation, with next in the place of
// the network; WeChat is at wechat.test and at the backups.
func docsClient(t *testing.T, next http.RoundTripper, backups ...string) *Client {
	t.Helper()
	key, err := ParsePrivateKey(strings.ReplaceAll(string(testdata(t, "docs_merchant_TESTING_key.pem")), "TESTING KEY", "PRIVATE KEY"))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := NewKeys(KeyMaterial{
		PublicKeyID: "PUB_KEY_ID_0000000000000024101100397200000006",
		PublicKey:   string(testdata(t, "docs_wechatpay_pubkey.pem")),
		APIv3Key:    strings.Repeat("k", 32),
	})
	if err != nil {
		t.Fatal(err)
	}
	wire := &transport{next: next}
	for _, host := range append([]string{"wechat.test"}, backups...) {
		wire.hosts = append(wire.hosts, &url.URL{Scheme: "http", Host: host})
	}
	c, err := newClient(Config{
		MchID: "1900007291", MchSerial: "408B07E79B8269FEC3D5D3E6AB8ED163A6A380DB", PrivateKey: key,
		Verifier: keys, PublicURL: &url.URL{Scheme: "https", Host: "shop.test"},
	}, wire)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func testdata(t *testing.T, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func vector[V any](t *testing.T, name string) (v V) {
	t.Helper()
	if err := json.Unmarshal(testdata(t, name), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestWeSignAsTheDocumentationDoes(t *testing.T) {
	vectors := vector[struct {
		Cases []struct{ What, Message, Signature string }
	}](t, "13_docs_request_signatures.json")
	if len(vectors.Cases) != 7 {
		t.Fatalf("%d cases, want 7", len(vectors.Cases))
	}
	c := docsClient(t, nil)
	for _, v := range vectors.Cases {
		signed, err := c.api.Sign(t.Context(), v.Message)
		if err != nil || signed.Signature != v.Signature {
			t.Errorf("%s: signed otherwise (%v)", v.What, err)
		}
	}
}

// The two vectors that open the cashier: a mini-program's, and an app's.
func TestThePayersClientIsGivenTheDocumentationsSignatures(t *testing.T) {
	vectors := vector[struct {
		Cases []struct{ What, Message, Signature string }
	}](t, "13_docs_request_signatures.json")
	signature := map[string]string{}
	for _, v := range vectors.Cases {
		signature[v.What] = v.Signature
	}
	const (
		timestamp, nonce = "1554208460", "593BEC0C930BF1AFEB40B4A08C8FB242"
		prepayID         = "wx201410272009395522657a690389285100"
	)
	c := docsClient(t, nil)
	for way, want := range map[payment.TradeType]map[string]string{
		payment.JSAPI: {
			"appId": "wx2421b1c4370ec43b", "timeStamp": timestamp, "nonceStr": nonce, "package": "prepay_id=" + prepayID,
			"signType": "RSA", "paySign": signature["paySign JSAPI / mini-program (skills, section 3)"],
		},
		payment.App: {
			"appId": "wx2421b1c4370ec43b", "partnerId": "1900007291", "prepayId": prepayID, "package": "Sign=WXPay",
			"timeStamp": timestamp, "nonceStr": nonce, "sign": signature["sign APP (skills, section 3)"],
		},
		payment.Native: nil,
		payment.H5:     nil,
	} {
		order := payment.Order{AppID: "wx2421b1c4370ec43b", TradeType: way, Offer: prepayID}
		got, err := c.clientParameters(t.Context(), order, timestamp, nonce)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", way, diff)
		}
	}

	order := payment.Order{AppID: "wx2421b1c4370ec43b", TradeType: payment.App, Offer: prepayID}
	one, err := c.ClientParameters(t.Context(), order)
	if err != nil {
		t.Fatal(err)
	}
	two, _ := c.ClientParameters(t.Context(), order)
	signedAt, err := strconv.ParseInt(one["timeStamp"], 10, 64)
	if age := time.Since(time.Unix(signedAt, 0)); err != nil || age < 0 || age > time.Minute {
		t.Errorf("signed at %q", one["timeStamp"])
	}
	if one["nonceStr"] == two["nonceStr"] || len(one["nonceStr"]) > 32 {
		t.Errorf("nonces %q and %q", one["nonceStr"], two["nonceStr"])
	}
}

// The documentation's signed answer is of 2024; a bubble's clock is set to its
// second, so that all of the client is in the test, its time window included.
func TestTheDocumentationsAnswerIsBelieved(t *testing.T) {
	v := vector[struct {
		Headers            map[string]string
		Message, Signature string
	}](t, "14_docs_response_pubkey.json")
	body := strings.Split(v.Message, "\n")[2]
	const signedAt = 1722850421

	for ending, tc := range map[string]struct {
		at     int64
		body   string
		header string
		want   string // code of the error; "" is belief
	}{
		"as WeChat sent it":      {at: signedAt, body: body},
		"five minutes later":     {at: signedAt + 300, body: body, want: codeUnsigned},
		"five minutes too early": {at: signedAt - 300, body: body, want: codeUnsigned},
		"one letter changed":     {at: signedAt, body: strings.Replace(body, "pr=J", "pr=K", 1), want: codeUnsigned},
		"under another serial":   {at: signedAt, body: body, header: "PUB_KEY_ID_1", want: codeUnsigned},
	} {
		t.Run(ending, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(time.Until(time.Unix(tc.at, 0))) // a bubble begins in 2000, and sleeps in no time
				c := docsClient(t, roundTrip(func(*http.Request) (*http.Response, error) {
					response := &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(tc.body))}
					for name, value := range v.Headers {
						response.Header.Set(name, value)
					}
					response.Header.Set("Wechatpay-Signature", v.Signature)
					if tc.header != "" {
						response.Header.Set("Wechatpay-Serial", tc.header)
					}
					return response, nil
				}))
				got, err := c.Prepay(t.Context(), payment.Order{TradeType: payment.Native})
				if payment.CodeOf(err) != tc.want {
					t.Fatalf("error %v, want %q", err, tc.want)
				}
				if tc.want == "" && got != "weixin://wxpay/bizpayurl?pr=JyC91EIz1" {
					t.Errorf("code_url %q", got)
				}
				if tc.want != "" && payment.KindOf(err) != payment.Unknown {
					t.Errorf("kind %q, want unknown: it may have been done", payment.KindOf(err))
				}
			})
		})
	}
}

// With a backup each address has half of the time for a question; what may have
// been done is waited for at the first alone.
func TestASilentWeChatAndItsBackup(t *testing.T) {
	for name, tc := range map[string]struct {
		call  func(context.Context, *Client) error
		hosts []string // that heard it, and when
	}{
		"a question": {
			call:  func(ctx context.Context, c *Client) error { _, err := c.QueryRefund(ctx, "R1"); return err },
			hosts: []string{"wechat.test after 0s", "backup.test after 5s"},
		},
		"a refund": {
			call:  func(ctx context.Context, c *Client) error { _, err := c.Refund(ctx, payment.Refund{}); return err },
			hosts: []string{"wechat.test after 0s"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var heard []string
				began := time.Now()
				c := docsClient(t, roundTrip(func(r *http.Request) (*http.Response, error) {
					heard = append(heard, r.Host+" after "+time.Since(began).String())
					httptrace.ContextClientTrace(r.Context()).GotConn(httptrace.GotConnInfo{})
					<-r.Context().Done()
					return nil, r.Context().Err()
				}), "backup.test")
				if err := tc.call(t.Context(), c); payment.CodeOf(err) != codeNoAnswer {
					t.Errorf("error %v, want %s", err, codeNoAnswer)
				}
				if waited := time.Since(began); waited != 10*time.Second {
					t.Errorf("waited %s, want 10s", waited)
				}
				if diff := cmp.Diff(tc.hosts, heard); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

func TestASilentWeChatIsGivenTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := docsClient(t, roundTrip(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}))
		began := time.Now()
		_, err := c.QueryRefund(t.Context(), "R1")
		if payment.KindOf(err) != payment.Unknown || payment.CodeOf(err) != codeNoAnswer {
			t.Errorf("error %v of kind %q, want unknown %s", err, payment.KindOf(err), codeNoAnswer)
		}
		if waited := time.Since(began); waited != 10*time.Second {
			t.Errorf("waited %s, want 10s", waited)
		}
	})
}
