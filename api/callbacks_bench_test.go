package api_test

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// BenchmarkCallbacks has 64 connections deliver distinct callbacks as fast as they
// are answered, to the real route on a real Postgres, in turn with a floor on the
// same machine: the least that verifies, opens and reads a callback, and keeps
// nothing. It reports the medians of five pairs.
func BenchmarkCallbacks(b *testing.B) {
	const pairs, callbacks, connections = 5, 1000, 64
	g := newGate(b)
	floor := httptest.NewServer(verifyAlone(b, g.wechat.PublicPEM()))
	defer floor.Close()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}}
	defer client.CloseIdleConnections()

	var rates, shares, slowest []float64
	for b.Loop() {
		for range pairs {
			b.StopTimer()
			letters := make([]letter, callbacks)
			for i := range letters {
				letters[i] = g.payment(freshNumber(), nil)
			}
			least, _ := deliver(b, client, floor.URL, letters, connections)
			b.StartTimer()
			took, p99 := deliver(b, client, g.url, letters, connections)
			rates = append(rates, callbacks/took.Seconds())
			shares = append(shares, least.Seconds()/took.Seconds())
			slowest = append(slowest, float64(p99)/float64(time.Millisecond))
		}
	}
	if kept := g.Int(b, `select count(*) from inbox`); kept != int64(len(rates)*callbacks) {
		b.Errorf("%d callbacks of %d are in the inbox", kept, len(rates)*callbacks)
	}
	b.ReportMetric(median(rates), "callbacks/s")
	b.ReportMetric(median(slowest), "p99-ms")
	b.ReportMetric(median(shares), "of-floor")
	b.ReportMetric(0, "ns/op")
}

// deliver posts every letter once, and returns how long all of them took, and the
// answer that ninety-nine of a hundred were faster than.
func deliver(b *testing.B, client *http.Client, url string, letters []letter, connections int) (all, p99 time.Duration) {
	b.Helper()
	next := make(chan int)
	took := make([]time.Duration, len(letters))
	began := time.Now()
	var posting sync.WaitGroup
	for range connections {
		posting.Go(func() {
			for i := range next {
				sent := time.Now()
				if status := deliverOne(client, url, letters[i]); status != http.StatusOK {
					b.Errorf("answered %d", status)
				}
				took[i] = time.Since(sent)
			}
		})
	}
	for i := range letters {
		next <- i
	}
	close(next)
	posting.Wait()
	all = time.Since(began)
	slices.Sort(took)
	return all, took[len(took)*99/100]
}

func deliverOne(client *http.Client, url string, l letter) (status int) {
	request, err := http.NewRequest(http.MethodPost, url+"/callbacks/wechatpay", strings.NewReader(l.body))
	if err != nil {
		return 0
	}
	request.Header = l.header.Clone()
	answer, err := client.Do(request)
	if err != nil {
		return 0
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, answer.Body) // so that the connection is used again
	return answer.StatusCode
}

func median(of []float64) float64 {
	slices.Sort(of)
	return of[len(of)/2]
}

// verifyAlone is the floor.
func verifyAlone(b *testing.B, public string) http.Handler {
	b.Helper()
	block, _ := pem.Decode([]byte(public))
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		b.Fatal(err)
	}
	sealed, err := aes.NewCipher([]byte(apiV3Key))
	if err != nil {
		b.Fatal(err)
	}
	aead, err := cipher.NewGCM(sealed)
	if err != nil {
		b.Fatal(err)
	}
	read := func(r *http.Request) error {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return err
		}
		signature, err := base64.StdEncoding.DecodeString(r.Header.Get("Wechatpay-Signature"))
		if err != nil {
			return err
		}
		hash := sha256.Sum256([]byte(r.Header.Get("Wechatpay-Timestamp") + "\n" + r.Header.Get("Wechatpay-Nonce") + "\n" + string(body) + "\n"))
		if err := rsa.VerifyPKCS1v15(parsed.(*rsa.PublicKey), crypto.SHA256, hash[:], signature); err != nil {
			return err
		}
		var envelope struct {
			Resource struct {
				Ciphertext     []byte `json:"ciphertext"`
				Nonce          string `json:"nonce"`
				AssociatedData string `json:"associated_data"`
			} `json:"resource"`
		}
		if err := json.Unmarshal(body, &envelope); err != nil {
			return err
		}
		in := envelope.Resource
		plain, err := aead.Open(nil, []byte(in.Nonce), in.Ciphertext, []byte(in.AssociatedData))
		if err != nil {
			return err
		}
		var transaction map[string]any
		return json.Unmarshal(plain, &transaction)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := read(r); err != nil {
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
}
