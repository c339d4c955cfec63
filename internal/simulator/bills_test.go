package simulator

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wechatpay-apiv3/wechatpay-go/core"
	"github.com/wechatpay-apiv3/wechatpay-go/core/auth/validators"
	"github.com/wechatpay-apiv3/wechatpay-go/core/consts"
)

// today is the pretend world's day in Beijing.
func (w *world) today() string { return w.clock.now().In(beijing).Format(time.DateOnly) }

type billOffer struct {
	HashType  string `json:"hash_type"`
	HashValue string `json:"hash_value"`
	URL       string `json:"download_url"`
}

// askForBill asks as WeChat's own client does, which verifies the answer.
func (w *world) askForBill(path string) (offer billOffer, err error) {
	result, err := w.sdk().Get(context.Background(), consts.WechatPayAPIServer+path)
	if err != nil {
		return offer, err
	}
	return offer, core.UnMarshalResponse(result.Response, &offer)
}

// download fetches what was offered; its answer is not signed.
func (w *world) download(offer billOffer) ([]byte, error) {
	result, err := core.NewClientWithValidator(w.sdk(), &validators.NullValidator{}).Get(context.Background(), offer.URL)
	if err != nil {
		return nil, err
	}
	if result.Response.Header.Get("Wechatpay-Signature") != "" {
		w.t.Error("a download is signed")
	}
	return io.ReadAll(result.Response.Body)
}

// bill is the text of a day's trade bill without mark and line ends, or the code
// that there is none.
func (w *world) bill(path string) ([]string, string) {
	w.t.Helper()
	offer, err := w.askForBill(path)
	if err != nil {
		return nil, code(err)
	}
	file, err := w.download(offer)
	if err != nil {
		return nil, code(err)
	}
	zipped, err := gzip.NewReader(bytes.NewReader(file))
	if err != nil {
		w.t.Fatal(err)
	}
	text, err := io.ReadAll(zipped)
	if err != nil {
		return nil, err.Error()
	}
	if sum := sha1.Sum(text); hex.EncodeToString(sum[:]) != offer.HashValue || offer.HashType != "SHA1" {
		return nil, "another hash"
	}
	body, marked := strings.CutPrefix(string(text), "\ufeff")
	if !marked || strings.Count(body, "\n") != strings.Count(body, "\r\n") {
		w.t.Errorf("no mark, or line ends of another kind: %q", text)
	}
	return strings.Split(strings.TrimSuffix(body, "\r\n"), "\r\n"), ""
}

func (w *world) tradeBill(day string) ([]string, string) {
	w.t.Helper()
	return w.bill("/v3/bill/tradebill?bill_type=ALL&tar_type=GZIP&bill_date=" + day)
}

// has fails unless exactly one line holds all the words.
func has(t *testing.T, lines []string, words ...string) {
	t.Helper()
	found := 0
	for _, line := range lines {
		holds := true
		for _, word := range words {
			holds = holds && strings.Contains(line, word)
		}
		if holds {
			found++
		}
	}
	if found != 1 {
		t.Errorf("%d lines hold %q, want 1:\n%s", found, words, strings.Join(lines, "\n"))
	}
}

func TestABillTellsWhatHappenedThatDay(t *testing.T) {
	w := start(t, stopped)
	if _, err := w.prepay("order-1", 12850); err != nil {
		t.Fatal(err)
	}
	w.steer("/orders/order-1/pay", PayRequest{Lose: true, PayerFen: 12000, TransactionID: "4200000001"}, nil)
	w.steer("/orders/order-1/refund", ConsoleRefund{OutRefundNo: "HAND-1", AmountFen: 5000}, nil)
	before := w.clock.now().Add(-24 * time.Hour)
	w.steer("/orders/order-0/pay", PayRequest{Lose: true, AmountFen: 100, NotifyURL: "http://127.0.0.1:1/never", SuccessTime: &before}, nil)
	w.steer("/orders/order-2/pay", PayRequest{Lose: true, AmountFen: 7, NotifyURL: "http://127.0.0.1:1/never", MchID: "1999999999"}, nil)
	day := w.today()
	w.steer("/bills/"+day+"/plan", BillPlan{Early: true}, nil)

	lines, refused := w.tradeBill(day)
	if refused != "" || len(lines) != 5 {
		t.Fatalf("%q, %d lines:\n%s", refused, len(lines), strings.Join(lines, "\n"))
	}
	has(t, lines, "`4200000001,`order-1,`oSim", "`NATIVE,`SUCCESS,`OTHERS,`CNY,`128.50,`8.50,`0,`0,`0.00,`0.00,`,`,`tea & cake,`,`0.77000,`0.60%,`128.50,`0.00,`")
	has(t, lines, "`4200000001,`order-1,`oSim", "`REFUND,`OTHERS,`CNY,`0.00,`0.00,`5030000001", ",`HAND-1,`50.00,`0.00,`ORIGINAL,`PROCESSING,`tea & cake,`,`-0.30000,`0.60%,`0.00,`50.00,`")
	if lines[0] != tradeHeader || lines[3] != tradeSummary || lines[4] != "`2,`128.50,`50.00,`0.00,`0.47000,`128.50,`50.00" {
		t.Error(strings.Join(lines, "\n"))
	}

	funds, refused := w.bill("/v3/bill/fundflowbill?account_type=BASIC&tar_type=GZIP&bill_date=" + day)
	if refused != "" || len(funds) != 6 {
		t.Fatalf("%q, %d lines:\n%s", refused, len(funds), strings.Join(funds, "\n"))
	}
	has(t, funds, "`4200000001,`4200000001,`交易,`交易,`收入,`128.50,`129.49,`system") // 0.99 from the day before
	has(t, funds, "`扣除交易手续费,`支出,`0.77,`128.72,`system")
	has(t, funds, "`4200000001,`退款,`退款,`支出,`49.70,`79.02,`system,`退款总金额50.00元;含手续费0.30元,`HAND-1")
	if funds[5] != "`3,`1,`128.50,`2,`50.47" {
		t.Error(funds[5])
	}
}

func TestABillTakesItsTime(t *testing.T) {
	w := start(t, stopped)
	w.pays("order-1")
	day := w.today()
	const creating, refused = "400 STATEMENT_CREATING", "400 INVALID_REQUEST"
	midnight, _ := time.ParseInLocation(time.DateOnly, day, beijing)
	until := func(at time.Time) { w.passes(at.Sub(w.clock.now()).String()) }
	want := func(when, code string) {
		t.Helper()
		if _, got := w.tradeBill(day); got != code {
			t.Errorf("%s: %q, want %q", when, got, code)
		}
	}
	want("on the day", refused)
	until(midnight.AddDate(0, 0, 1))
	want("the next midnight", creating)
	until(midnight.AddDate(0, 0, 1).Add(9 * time.Hour))
	want("the next morning", "")
	if _, got := w.tradeBill(midnight.AddDate(0, 0, -1).Format(time.DateOnly)); got != "400 NO_STATEMENT_EXIST" {
		t.Errorf("a day without trade: %q", got)
	}
	offer, err := w.askForBill("/v3/bill/tradebill?bill_date=" + day)
	if err != nil {
		t.Fatal(err)
	}
	w.passes("4m59s")
	if text, err := w.download(offer); err != nil || !bytes.HasPrefix(text, []byte("\ufeff")) {
		t.Errorf("a bill that nobody asked to be packed: %q %v", text, err)
	}
	w.passes("1s")
	if _, err := w.download(offer); code(err) != "403 NO_AUTH" {
		t.Errorf("after five minutes: %v", err)
	}
	until(midnight.AddDate(0, 4, 0))
	want("four months later", refused)
}

func TestABillOnlyForTheMerchant(t *testing.T) {
	w := start(t, stopped)
	w.pays("order-1")
	w.steer("/bills/"+w.today()+"/plan", BillPlan{Early: true}, nil)
	offer, err := w.askForBill("/v3/bill/tradebill?bill_date=" + w.today())
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequest(http.MethodGet, w.wechat.URL+offer.URL[strings.Index(offer.URL, "/v3/"):], nil)
	if err != nil {
		t.Fatal(err)
	}
	if status, body := do(t, r); status != http.StatusUnauthorized {
		t.Errorf("a stranger's download: %d %s", status, body)
	}
	for _, path := range []string{
		"/v3/bill/tradebill", "/v3/bill/tradebill?bill_date=20260301", "/v3/bill/tradebill?bill_type=SUCCESS&bill_date=2026-03-01",
		"/v3/bill/fundflowbill?account_type=FEES&bill_date=2026-03-01", "/v3/bill/tradebill?tar_type=ZIP&bill_date=2026-03-01",
	} {
		if _, err := w.askForBill(path); code(err) != "400 PARAM_ERROR" {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestABillDiffersAsPlanned(t *testing.T) {
	w := start(t, stopped)
	paid, dropped := w.pays("order-1"), w.pays("order-2")
	for _, no := range []string{"HAND-1", "HAND-2"} {
		w.steer("/orders/order-1/refund", ConsoleRefund{OutRefundNo: no, AmountFen: 10}, nil)
	}
	day := w.today()
	w.steer("/bills/"+day+"/plan", BillPlan{
		Early: true, DropTransactions: []string{dropped}, DropRefunds: []string{"HAND-2"},
		ChangeAmounts: map[string]int64{paid: 99, "HAND-1": 11}, ChangeFees: map[string]int64{paid: 12345},
		ExtraLines: []ExtraLine{
			{At: w.clock.now(), TransactionID: "4299", AmountFen: 500},
			{At: w.clock.now(), TransactionID: "4298", OutTradeNo: "order-9", OutRefundNo: "R9", AmountFen: 30},
		},
	}, nil)
	lines, refused := w.tradeBill(day)
	if refused != "" || len(lines) != 7 {
		t.Fatalf("%q, %d lines:\n%s", refused, len(lines), strings.Join(lines, "\n"))
	}
	has(t, lines, "`"+paid, "`0.12345,`0.60%,`0.99,`0.00,`")
	has(t, lines, "`HAND-1,`0.11", "`0.00,`0.11,`")
	has(t, lines, "`4299,`EXTRA-4299,", "`SUCCESS", "`5.00,`0.00,`")
	has(t, lines, "`4298,`order-9,", "`REFUND", "`R9,`0.30,")
	if !strings.HasSuffix(lines[6], "`5.99,`0.41") {
		t.Error(lines[6])
	}
	w.end()
	again := startAgain(t, w.Config)
	if after, _ := again.tradeBill(day); len(after) != len(lines) {
		t.Error("after a restart the plan is another one")
	}
}

func TestABillIsSpoiltAsPlanned(t *testing.T) {
	w := start(t, stopped)
	w.pays("order-1")
	day := w.today()
	for want, plan := range map[string]BillPlan{
		"400 STATEMENT_CREATING": {State: "creating"},
		"400 NO_STATEMENT_EXIST": {State: "none"},
		"500 SYSTEM_ERROR":       {State: "fail"},
		"429 FREQUENCY_LIMITED":  {State: "limited"},
		"another hash":           {Spoil: "hash"},
		"unexpected EOF":         {Spoil: "truncate"},
		"403 NO_AUTH":            {Spoil: "expired"},
	} {
		plan.Early, plan.Times = true, 1
		w.steer("/bills/"+day+"/plan", plan, nil)
		if _, got := w.tradeBill(day); got != want {
			t.Errorf("%+v: %q, want %q", plan, got, want)
		}
		if lines, got := w.tradeBill(day); got != "" || !strings.HasSuffix(lines[3], "`1.00,`0.00") {
			t.Errorf("%+v, the second time: %q %q", plan, got, lines)
		}
	}
	w.steer("/bills/"+day+"/plan", BillPlan{Early: true, Spoil: "summary"}, nil)
	for range 2 {
		if lines, got := w.tradeBill(day); got != "" || !strings.HasSuffix(lines[3], "`1.01,`0.00") {
			t.Errorf("a summary of one fen more: %q %q", got, lines)
		}
	}
	for path, plan := range map[string]any{
		"/bills/today/plan":       BillPlan{},
		"/bills/" + day + "/plan": map[string]any{"stat": "creating"},
		"/bills/2026-03-01/plan":  BillPlan{State: "late"},
		"/bills/2026-03-02/plan":  BillPlan{Spoil: "ink"},
		"/bills/2026-03-03/plan":  BillPlan{Times: -1},
		"/bills/2026-03-04/plan":  BillPlan{ExtraLines: []ExtraLine{{AmountFen: 1}}},
	} {
		if status, body := w.try(http.MethodPost, path, plan); status != http.StatusUnprocessableEntity {
			raw, _ := json.Marshal(plan)
			t.Errorf("%s %s: %d %s", path, raw, status, body)
		}
	}
}
