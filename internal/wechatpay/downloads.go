package wechatpay

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/paysaga/paysaga/internal/payment"
)

// stall is how long a download may stand still.
const stall = 30 * time.Second

// downloads is transport for files, which are too large to be read before they are
// handed on and may take minutes: time is bounded from one read to the next, and
// never in all.
type downloads struct{ *transport }

// RoundTrip tries the next host where the one before gave no answer. Fetching a
// file twice does no harm.
func (d downloads) RoundTrip(r *http.Request) (response *http.Response, err error) {
	for _, host := range d.hosts {
		if response, err = d.open(host, r); err == nil {
			break
		}
	}
	return response, err
}

func (d downloads) open(host *url.URL, r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(r.Context())
	patience := time.AfterFunc(stall, cancel)
	defer patience.Stop()
	response, err := d.to(host, r.WithContext(ctx))
	if err != nil || response.StatusCode != http.StatusOK { // and its page is short, and in time
		defer cancel()
		return bounded(response, err)
	}
	response.Body = &download{response.Body, r.Context(), cancel}
	return response, nil
}

// download is the body of one.
type download struct {
	body   io.ReadCloser
	asked  context.Context
	cancel context.CancelFunc
}

// Read says in our words that a download was cut or stands still: what unpacks and
// reads the file passes them on as they are.
func (d *download) Read(p []byte) (int, error) {
	patience := time.AfterFunc(stall, d.cancel)
	defer patience.Stop()
	n, err := d.body.Read(p)
	if err != nil && err != io.EOF {
		err = payment.Fail(payment.Unknown, codeNoAnswer, "WeChat Pay broke off a download", d.asked.Err())
	}
	return n, err
}

func (d *download) Close() error {
	d.cancel()
	return d.body.Close()
}
