package console

import (
	"crypto/rand"
	"errors"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/paysaga/paysaga/internal/payment"
)

// form reads what a form sent.
func (v *visit) form() error {
	v.r.Body = http.MaxBytesReader(v.w, v.r.Body, maxForm)
	if err := v.r.ParseForm(); err != nil {
		return &refusal{Status: http.StatusBadRequest, Code: "unreadable"}
	}
	return nil
}

// newKey is the Idempotency-Key of one form: sent twice, it asks once.
func newKey() string { return "console-" + rand.Text() }

// keyAfter is the key of a form that is shown again. A no would be repeated under
// the old one; without an answer the old one finds what was done, and a new one
// could do it twice.
func (v *visit) keyAfter(no *refusal) string {
	unknown := no != nil && (no.Status >= http.StatusInternalServerError || no.Code == payment.CodeKeyInUse)
	if key := v.r.PostForm.Get("key"); unknown && key != "" {
		return key
	}
	return newKey()
}

// refused tells whether the API said no. The form is then shown again, as it was
// filled in, with the reason.
func refused(err error) (*refusal, bool) { return errors.AsType[*refusal](err) }

// A comma stands between thousands, or it is no amount: 12,5 is not 125.
var yuanText = regexp.MustCompile(`^¥?(\d{1,9}|\d{1,3}(?:,\d{3}){1,2})(?:\.(\d{1,2}))?$`)

// fen reads an amount in yuan as people write it, without floats.
func fen(text string) (int64, bool) {
	m := yuanText.FindStringSubmatch(strings.TrimSpace(text))
	if m == nil {
		return 0, false
	}
	amount, err := strconv.ParseInt(strings.ReplaceAll(m[1], ",", "")+(m[2] + "00")[:2], 10, 64)
	return amount, err == nil
}
