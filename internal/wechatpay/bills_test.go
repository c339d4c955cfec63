package wechatpay_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

// press is a WeChat that offers one bill, and hands it over.
type press struct {
	hash string
	kind string           // of the hash; SHA1 if empty
	at   string           // where the bill is; here, if empty
	hand http.HandlerFunc // hands it over
	ask  *fakeWeChat      // answers instead of an offer, if set

	mu    sync.Mutex
	heard []string
}

func (p *press) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.heard = append(p.heard, r.RequestURI)
	p.mu.Unlock()
	if !strings.HasPrefix(r.Header.Get("Authorization"), "WECHATPAY2-SHA256-RSA2048 ") {
		http.Error(w, "who are you?", http.StatusUnauthorized)
		return
	}
	switch {
	case r.URL.Path == "/v3/billdownload/file":
		p.hand(w, r)
	case p.ask != nil:
		p.ask.ServeHTTP(w, r)
	default:
		at := p.at
		if at == "" {
			at = "http://" + r.Host + "/v3/billdownload/file?token=x%2Fy&n=1"
		}
		kind := p.kind
		if kind == "" {
			kind = "SHA1"
		}
		body, _ := json.Marshal(map[string]string{"hash_type": kind, "hash_value": p.hash, "download_url": at})
		signAnswer(w.Header(), string(body))
		w.Write(body)
	}
}

// publishedBill is the bill of the vectors, as WeChat sent it, and its hash, as WeChat
// told it.
func publishedBill(t *testing.T) (text, hash string) {
	t.Helper()
	var vector struct {
		Hash string `json:"hash_value"`
		Text string `json:"text_lf_no_bom"`
	}
	if err := json.Unmarshal([]byte(readFile(t, "../bill/testdata/08_gunsluo_tradebill.json")), &vector); err != nil {
		t.Fatal(err)
	}
	return "\ufeff" + strings.ReplaceAll(vector.Text, "\n", "\r\n"), vector.Hash
}

func zip(text string) []byte {
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	io.WriteString(w, text)
	w.Close()
	return zipped.Bytes()
}

func hands(file []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.Write(file) }
}

func hashOf(text string) string {
	sum := sha1.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}

const billDay = "2021-01-28"

func TestTheBillThatWeChatVouchedFor(t *testing.T) {
	text, hash := publishedBill(t)
	for form, hand := range map[string]http.HandlerFunc{
		"packed":   hands(zip(text)),
		"unpacked": hands([]byte(text)),
		"packed, and unpacked by whoever is in between": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(zip(text))
		},
	} {
		t.Run(form, func(t *testing.T) {
			p := &press{hash: strings.ToUpper(hash), hand: hand}
			var numbers []string
			sums, err := dial(t, serve(t, p), "").TradeBill(t.Context(), billDay, func(line activities.BillLine) error {
				numbers = append(numbers, line.TransactionID)
				return nil
			})
			if want := (activities.BillSums{Lines: 3, TotalFen: 3, SettlementFen: 3}); err != nil || sums != want {
				t.Errorf("sums %+v, error %v", sums, err)
			}
			if diff := cmp.Diff([]string{"4200000925202101284997714292", "4200000910202101282955148400", "4200000926202101281412639609"}, numbers); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff([]string{
				"/v3/bill/tradebill?bill_date=2021-01-28&bill_type=ALL&tar_type=GZIP", "/v3/billdownload/file?token=x%2Fy&n=1",
			}, p.heard); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTheFundFlowBillThatWeChatVouchedFor(t *testing.T) {
	const text = "\ufeff记账时间,微信支付业务单号,资金流水单号,业务名称,业务类型,收支类型,收支金额(元),账户结余(元),资金变更提交申请人,备注,业务凭证号\r\n" +
		"`2021-01-28 13:54:01,`50,`42,`退款,`退款,`支出,`0.01,`0.22,`API,`退款总金额0.01元;含手续费0.00元,`R1\r\n" +
		"资金流水总笔数,收入笔数,收入金额,支出笔数,支出金额\r\n`1,`0,`0.00,`1,`0.01\r\n"
	p := &press{hash: hashOf(text), hand: hands(zip(text))}
	var lines []activities.FundLine
	sums, err := dial(t, serve(t, p), "").FundFlowBill(t.Context(), billDay, func(line activities.FundLine) error {
		lines = append(lines, line)
		return nil
	})
	if want := (activities.FundSums{Lines: 1, OutgoLines: 1, OutgoFen: 1}); err != nil || sums != want || len(lines) != 1 || lines[0].Voucher != "R1" {
		t.Errorf("sums %+v, error %v, lines %+v", sums, err, lines)
	}
	if p.heard[0] != "/v3/bill/fundflowbill?account_type=BASIC&bill_date=2021-01-28&tar_type=GZIP" {
		t.Error(p.heard)
	}
}

func TestABillThatIsNotWhatWasPromised(t *testing.T) {
	text, hash := publishedBill(t)
	refused := func(status int, code string) *press {
		return &press{ask: &fakeWeChat{status: status, unsigned: true, body: `{"code":"` + code + `","message":"` + canary + `"}`}}
	}
	handed := func(hash string, file []byte) *press { return &press{hash: hash, hand: hands(file)} }
	cut := strings.Replace(text, "`0.03", "`0.04", 1)
	const unreadable, unusable = activities.CodeBillUnreadable, "wechat_unusable_answer"
	for ending, tc := range map[string]struct {
		from *press
		kind payment.Kind
		code string
	}{
		"nobody traded that day":       {refused(400, "NO_STATEMENT_EXIST"), payment.NotFound, activities.CodeNoStatement},
		"it is being made":             {refused(400, "STATEMENT_CREATING"), payment.Busy, activities.CodeStatementCreating},
		"we ask too often":             {refused(429, "FREQUENCY_LIMITED"), payment.Busy, "frequency_limited"},
		"the day is not over":          {refused(400, "INVALID_REQUEST"), payment.Refused, "invalid_request"},
		"the merchant may not":         {refused(403, "NO_AUTH"), payment.Refused, "no_auth"},
		"WeChat has trouble":           {refused(500, "SYSTEM_ERROR"), payment.Unknown, "system_error"},
		"the offer is not signed":      {&press{ask: &fakeWeChat{status: 200, unsigned: true, body: "{}"}}, payment.Unknown, "wechat_bad_signature"},
		"the offer is empty":           {&press{ask: &fakeWeChat{status: 200, body: "{}"}}, payment.Unknown, unusable},
		"the hash is of another kind":  {&press{hash: hash, kind: "MD5", hand: hands(zip(text))}, payment.Unknown, unusable},
		"the hash is of another bill":  {handed(hashOf(text+" "), zip(text)), payment.Unknown, activities.CodeBillHash},
		"there is no hash":             {handed("", zip(text)), payment.Unknown, activities.CodeBillHash},
		"the mark got lost":            {handed(hash, zip(strings.TrimPrefix(text, "\ufeff"))), payment.Unknown, activities.CodeBillHash},
		"the line ends were changed":   {handed(hash, zip(strings.ReplaceAll(text, "\r\n", "\n"))), payment.Unknown, activities.CodeBillHash},
		"goods have another name":      {handed(hash, zip(strings.Replace(text, "testing", "nothing", 1))), payment.Unknown, activities.CodeBillHash},
		"the sums differ":              {handed(hashOf(cut), zip(cut)), payment.Unknown, unreadable},
		"nothing comes":                {handed(hash, nil), payment.Unknown, unreadable},
		"a page comes":                 {handed(hash, []byte("<html>"+canary)), payment.Unknown, unreadable},
		"the gzip is cut":              {handed(hash, zip(text)[:300]), payment.Unknown, unreadable},
		"the gzip is cut at its start": {handed(hash, zip(text)[:5]), payment.Unknown, unreadable},
		"the gzip is damaged":          {handed(hash, bytes.Replace(zip(text), []byte{0}, []byte{1}, -1)), payment.Unknown, unreadable},
		"something follows the gzip":   {handed(hash, append(zip(text), canary...)), payment.Unknown, unreadable},
		"the gzip holds one line of twenty megabytes": {
			handed(hash, zip(strings.Repeat("x", 20<<20))), payment.Unknown, unreadable,
		},
		"the download is refused as well": {&press{hash: hash, hand: func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			io.WriteString(w, `{"code":"NO_AUTH","message":"`+canary+`"}`)
		}}, payment.Refused, "no_auth"},
		"the download is a page": {&press{hash: hash, hand: func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, canary, http.StatusBadGateway)
		}}, payment.Unknown, unusable},
		"the download is an endless page": {&press{hash: hash, hand: func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadGateway)
			w.Write(make([]byte, 2<<20))
		}}, payment.Unknown, "wechat_no_answer"},
		"the connection breaks": {&press{hash: hash, hand: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100000")
			w.Write(zip(text)[:300])
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}}, payment.Unknown, "wechat_no_answer"},
	} {
		t.Run(ending, func(t *testing.T) {
			t.Parallel()
			_, err := dial(t, serve(t, tc.from), "").TradeBill(t.Context(), billDay, func(activities.BillLine) error { return nil })
			if payment.KindOf(err) != tc.kind || payment.CodeOf(err) != tc.code {
				t.Errorf("error %v of kind %q, want %s of kind %q", err, payment.KindOf(err), tc.code, tc.kind)
			}
			wantDiscreet(t, err)
			var after time.Duration
			if e, ok := errors.AsType[*payment.Error](err); ok {
				after = e.RetryAfter
			}
			if creating := tc.code == activities.CodeStatementCreating; creating != (after == 30*time.Minute) {
				t.Errorf("ask again after %s", after)
			}
		})
	}
	if _, err := dial(t, "http://127.0.0.1:1", "").TradeBill(t.Context(), "2021-01-28&x=y", nil); payment.KindOf(err) != payment.Invalid {
		t.Errorf("a day that is none: %v", err)
	}
}

// What is sent there is signed in the merchant's name.
func TestNobodyElseIsAskedForABill(t *testing.T) {
	text, hash := publishedBill(t)
	var stranger press
	stranger.hand = hands(zip(text))
	elsewhere := serve(t, &stranger)
	read := func(p *press) error {
		_, err := dial(t, serve(t, p), "").TradeBill(t.Context(), billDay, func(activities.BillLine) error { return nil })
		return err
	}
	for _, at := range []string{
		elsewhere + "/v3/billdownload/file", "//" + strings.TrimPrefix(elsewhere, "http://") + "/v3/billdownload/file", " ",
		"http://api.mch.weixin.qq.com/v3/billdownload/file", "https://api.mch.weixin.qq.com.example.test/v3/billdownload/file",
		"https://api.mch.weixin.qq.com@example.test/v3/billdownload/file", "https://api.mch.weixin.qq.com:444/v3/billdownload/file",
		"/v3/billdownload/file", "%",
	} {
		p := &press{hash: hash, at: at, hand: hands(zip(text))}
		if err := read(p); payment.CodeOf(err) != "wechat_unusable_answer" || len(p.heard) != 1 {
			t.Errorf("from %q: %v, heard %q", at, err, p.heard)
		}
	}
	for _, at := range []string{"https://api2.mch.weixin.qq.com/v3/billdownload/file?token=1", " https://api.mch.weixin.qq.com/v3/billdownload/file?token=1"} {
		p := &press{hash: hash, at: at, hand: hands(zip(text))}
		if err := read(p); err != nil || len(p.heard) != 2 {
			t.Errorf("WeChat's own address, at whatever stands for it: %v, heard %q", err, p.heard)
		}
	}
	moved := &press{hash: hash, hand: func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere+"/v3/billdownload/file", http.StatusFound)
	}}
	if err := read(moved); payment.KindOf(err) != payment.Unknown || len(moved.heard) != 2 {
		t.Errorf("a redirect: %v, heard %q", err, moved.heard)
	}
	if len(stranger.heard) != 0 {
		t.Errorf("a stranger heard %q", stranger.heard)
	}
}

func TestADownloadThatRanOutIsAskedForAnew(t *testing.T) {
	text, hash := publishedBill(t)
	p := &press{hash: hash}
	p.hand = func(w http.ResponseWriter, _ *http.Request) {
		if len(p.heard) == 2 {
			w.WriteHeader(http.StatusForbidden)
			io.WriteString(w, `{"code":"NO_AUTH","message":"late"}`)
			return
		}
		w.Write(zip(text))
	}
	lines := 0
	_, err := dial(t, serve(t, p), "").TradeBill(t.Context(), billDay, func(activities.BillLine) error { lines++; return nil })
	if err != nil || lines != 3 || len(p.heard) != 4 {
		t.Errorf("error %v, %d lines, heard %q", err, lines, p.heard)
	}
}

func TestTheBackupHandsOverABill(t *testing.T) {
	text, hash := publishedBill(t)
	p := &press{hash: hash, hand: hands(zip(text))}
	if _, err := dial(t, "http://"+freeAddress(t), serve(t, p)).TradeBill(t.Context(), billDay, func(activities.BillLine) error { return nil }); err != nil {
		t.Error(err)
	}
}

func TestWhoeverReadsABillMayEndIt(t *testing.T) {
	text, hash := publishedBill(t)
	full := errors.New("no room")
	_, err := dial(t, serve(t, &press{hash: hash, hand: hands(zip(text))}), "").
		TradeBill(t.Context(), billDay, func(activities.BillLine) error { return full })
	if err != full {
		t.Errorf("error %v", err)
	}
}

// longBill is a bill of so many payments of one yuan.
func longBill(rows int) string {
	var text strings.Builder
	text.WriteString("\ufeff交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注\r\n")
	for i := range rows {
		fmt.Fprintf(&text, "`2021-01-28 17:07:11,`wx81be3101902f7cb2,`1601959334,`0,`,`42000009252021012849%08d,`S20210128170702%06d,`ofyak5qR_1wYsC99CsWA6R%06d,`NATIVE,`SUCCESS,`OTHERS,`CNY,`1.00,`0.00,`0,`0,`0.00,`0.00,`,`,`for testing,`cipher code,`0.01000,`0.60%%,`1.00,`0.00,`\r\n", i, i, i)
	}
	fmt.Fprintf(&text, "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额\r\n`%d,`%d.00,`0.00,`0.00,`%d.%02d000,`%d.00,`0.00\r\n", rows, rows, rows/100, rows%100, rows)
	return text.String()
}
