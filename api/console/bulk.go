package console

import (
	"cmp"
	"net/http"
	"net/url"
	"strings"

	"github.com/paysaga/paysaga/internal/payment"
)

// verdicts is what POST /v1/compensations answers: what was, or would be, asked.
type verdicts struct {
	Items []struct {
		TransactionID string               `json:"transaction_id"`
		AmountFen     int64                `json:"amount_fen"`
		RequestID     string               `json:"request_id"`
		State         payment.RequestState `json:"state"`
		Code          string               `json:"code"`
		Detail        string               `json:"detail"`
	} `json:"items"`
	Taken     int   `json:"taken"`
	Refused   int   `json:"refused"`
	AmountFen int64 `json:"amount_fen"`
}

type bulkPage struct {
	Draft   url.Values
	Preview *verdicts
	Key     string
}

// bulk undoes many payments for one reason: first counted, then asked for.
func (s *server) bulk(v *visit) error {
	f := frame{Section: "search", Title: v.t("bulk.title")}
	if v.r.Method == http.MethodGet {
		f.It = bulkPage{Draft: url.Values{}, Key: newKey()}
		return v.show(http.StatusOK, "bulk.html", f)
	}
	if err := v.form(); err != nil {
		return err
	}
	field := v.r.PostForm.Get
	it := bulkPage{Draft: v.r.PostForm, Key: cmp.Or(field("key"), newKey())} // the act's, through any number of looks
	sure := field("sure") != ""
	var answer verdicts
	key := newKey()
	if sure {
		key = it.Key
	}
	err := v.desk.post("/v1/compensations", key, map[string]any{
		"transaction_ids": strings.Fields(strings.ReplaceAll(field("ids"), ",", " ")),
		"reason":          field("reason"), "preview": !sure,
	}, &answer)
	if no, ok := refused(err); ok {
		it.Key = v.keyAfter(no)
		f.It, f.Wrong = it, no
		return v.show(no.Status, "bulk.html", f)
	}
	if err != nil {
		return err
	}
	it.Preview = &answer
	if sure {
		f.Said = v.title("bulk.said", answer.Taken, answer.Refused)
		it.Draft, it.Key = url.Values{}, ""
	}
	f.It = it
	return v.show(http.StatusOK, "bulk.html", f)
}
