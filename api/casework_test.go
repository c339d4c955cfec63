package api_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/paysaga/paysaga/activities"
	"github.com/paysaga/paysaga/internal/payment"
)

const (
	toBen  = `{"owner":"ben","reason":"he knows this shop"}`
	phoned = `{"resolution":"told by phone","reason":"the shop says it has it"}`
)

// story is a case's history in short.
func (d *desk) story(t *testing.T, id string) []string {
	t.Helper()
	var lines []string
	for _, event := range d.call(t, "ann", "GET", "/v1/cases/"+id, "").wants(t, 200, "").body["events"].([]any) {
		e := event.(map[string]any)
		line := fmt.Sprint(e["actor"], " ", e["what"])
		for _, key := range []string{"owner", "text", "reason"} {
			if text, _ := e[key].(string); text != "" {
				line += ", " + key + ": " + text
			}
		}
		lines = append(lines, line)
	}
	return lines
}

// opened has the books open a case, as a cause does, and returns its id.
func (d *desk) opened(t *testing.T, about payment.Case) string {
	t.Helper()
	if err := d.store.OpenCase(t.Context(), about); err != nil {
		t.Fatal(err)
	}
	return d.Text(t, `select id from cases order by opened_at desc, id desc limit 1`)
}

func TestACaseIsWorkedOnByPeople(t *testing.T) {
	d := newDesk(t)
	d.paid(t, "4200001", 12850, payment.Completed, "")
	untold := payment.Case{Kind: payment.CaseNotifyFailed, Subject: "order.shipped-4200001", TransactionID: "4200001", Detail: "the shop did not take it"}
	id := d.opened(t, untold)
	path := "/v1/cases/" + id

	d.call(t, "otto", "POST", path+"/assign", toBen).wants(t, 200, "")
	d.call(t, "ben", "POST", path+"/notes", `{"text":" nobody answers there on Mondays "}`).wants(t, 200, "")
	closed := d.call(t, "ben", "POST", path+"/close", phoned).wants(t, 200, "")
	if closed.body["state"] != "closed" || closed.body["resolution"] != "told by phone" || closed.body["closed_at"] == nil {
		t.Errorf("closed, it is %s", closed.raw)
	}
	d.call(t, "ben", "POST", path+"/notes", `{"text":"they called back"}`).wants(t, 200, "")
	d.call(t, "ann", "POST", path+"/close", phoned).wants(t, 409, "case_closed")
	d.call(t, "ann", "POST", path+"/assign", toBen).wants(t, 409, "case_closed")
	if again := d.opened(t, untold); again != id {
		t.Errorf("the cause came back as %s, was %s", again, id)
	}
	open := d.call(t, "ann", "GET", path, "").wants(t, 200, "")
	if open.body["owner"] != "ben" || open.body["state"] != "open" || open.body["times_opened"] != 2.0 || open.text("resolution") != "" {
		t.Errorf("reopened, it is %s", open.raw)
	}
	want := []string{
		"paysaga opened, owner: support, text: the shop did not take it",
		"otto assigned, owner: ben, reason: he knows this shop",
		"ben noted, text: nobody answers there on Mondays",
		"ben closed, text: told by phone, reason: the shop says it has it",
		"ben noted, text: they called back",
		"paysaga reopened, owner: ben, text: the shop did not take it",
	}
	if diff := cmp.Diff(want, d.story(t, id)); diff != "" {
		t.Error(diff)
	}
	if got := d.Text(t, `select what from payment_events where actor = 'ben'`); got != "closed the case notify_failed: told by phone" {
		t.Errorf("the payment's timeline says %q", got)
	}
	wantLog := []string{
		"ALLOW otto operator case.assign 4200001 support ben",
		"ALLOW ben support case.note 4200001",
		"ALLOW ben support case.close 4200001 open closed",
		"ALLOW ben support case.note 4200001",
		"DENY ann support case.close case_closed",
		"DENY ann support case.assign case_closed",
	}
	if diff := cmp.Diff(wantLog, d.audited(t)); diff != "" {
		t.Error(diff)
	}
	for _, sql := range []string{`update case_events set text = ''`, `delete from case_events`, `truncate case_events`} {
		if _, err := d.Pool.Exec(t.Context(), sql); err == nil {
			t.Errorf("the history allows %s", sql)
		}
	}
}

func TestWhatACaseRefuses(t *testing.T) {
	d := newDesk(t)
	d.aCase(t, "c1", "1 day", "open", "")
	for _, row := range []struct {
		act, body string
		status    int
		code      string
	}{
		{"c1/assign", `{"owner":"","reason":"he knows this shop"}`, 422, "invalid_owner"},
		{"c1/assign", `{"owner":" ben","reason":"he knows this shop"}`, 422, "invalid_owner"},
		{"c1/assign", `{"reason":"he knows this shop"}`, 422, "invalid_owner"},
		{"c1/assign", `{"owner":"ben"}`, 422, "invalid_reason"},
		{"c1/close", `{"resolution":"","reason":"he knows this shop"}`, 422, "invalid_resolution"},
		{"c1/close", `{"resolution":"a\nb","reason":"he knows this shop"}`, 422, "invalid_resolution"},
		{"c1/close", `{"resolution":"done","reason":"done"}`, 422, "invalid_reason"},
		{"c1/close", `{"resolution":"done","reason":"he knows this shop","force":true}`, 422, "invalid_body"},
		{"c1/notes", `{"text":"  "}`, 422, "invalid_text"},
		{"c1/notes", `{"text":"` + strings.Repeat("x", 1001) + `"}`, 422, "invalid_text"},
		{"none/assign", toBen, 404, "no_such_case"},
		{"none/close", phoned, 404, "no_such_case"},
		{"none/notes", `{"text":"x"}`, 404, "no_such_case"},
		{"%00/notes", `{"text":"x"}`, 404, "no_such_case"},
	} {
		d.call(t, "ann", "POST", "/v1/cases/"+row.act, row.body).wants(t, row.status, row.code)
	}
	d.call(t, "ann", "GET", "/v1/cases/none", "").wants(t, 404, "no_such_case")
	if n := d.Int(t, `select count(*) from case_events`); n != 0 || d.Text(t, `select state || owner from cases`) != "opensupport" {
		t.Errorf("left %d lines in the history", n)
	}
}

// What WeChat says when a person would close a case where money is concerned.
func TestACaseAboutMoneyClosesOnlyOnWeChatsWord(t *testing.T) {
	paid := func(state string, fen int64) activities.Transaction {
		return activities.Transaction{TransactionID: "4200001", OutTradeNo: "4200001-order", TradeState: state, AmountFen: fen}
	}
	back := func(state payment.RefundState, fen int64) map[string]activities.RefundWord {
		return map[string]activities.RefundWord{"R4200001": {OutRefundNo: "R4200001", TransactionID: "4200001", State: state, AmountFen: fen}}
	}
	aboutRefund := payment.Case{Kind: payment.CaseRefundAbnormal, Subject: "R4200001", TransactionID: "4200001"}
	of := func(kind payment.CaseKind, about payment.Case) payment.Case { about.Kind = kind; return about }
	aboutPayment := payment.Case{Kind: payment.CaseUnusableCallback, Subject: "n1", NotificationID: "n1", TransactionID: "4200001"}

	for name, row := range map[string]struct {
		about  payment.Case
		stage  payment.Stage // of the payment in our books; empty if it is not there
		held   payment.CaseKind
		refund payment.RefundState // of R4200001 in our books; empty if it is not there
		paid   activities.Transaction
		back   map[string]activities.RefundWord
		silent bool
		status int
		code   string
		says   string // in the answer, or in the evidence
	}{
		"the dead card got its money after all": {about: aboutRefund, stage: payment.Paid, refund: payment.RefundSuccess,
			back: back(payment.RefundSuccess, 100), status: 200, says: `"state":"success"`},
		"the card is still dead": {about: aboutRefund, stage: payment.Paid, refund: payment.RefundAbnormal,
			back: back(payment.RefundAbnormal, 100), status: 409, code: "contradicted", says: "still says abnormal"},
		"the money went back, and our books do not know yet": {about: aboutRefund, stage: payment.Paid, refund: payment.RefundAbnormal,
			back: back(payment.RefundSuccess, 100), status: 409, code: "contradicted", says: "our books say abnormal"},
		"WeChat is silent about a refund": {about: aboutRefund, stage: payment.Paid, refund: payment.RefundSuccess,
			back: back(payment.RefundSuccess, 100), silent: true, status: 503, code: "wechat_silent"},
		"WeChat gave back another amount": {about: of(payment.CaseRefundMismatch, aboutRefund), stage: payment.Paid, refund: payment.RefundSuccess,
			back: back(payment.RefundSuccess, 99), status: 409, code: "contradicted", says: "99 fen"},
		"the refund was closed": {about: of(payment.CaseRefundClosed, aboutRefund), stage: payment.Paid, refund: payment.RefundClosed,
			back: back(payment.RefundClosed, 100), status: 200, says: `"state":"closed"`},
		"the refused refund never was": {about: of(payment.CaseRefundRefused, aboutRefund), stage: payment.Paid, refund: payment.RefundWithdrawn,
			status: 200, says: `"NOT_FOUND"`},
		"the refused refund is there after all": {about: of(payment.CaseRefundRefused, aboutRefund), stage: payment.Paid, refund: payment.RefundWithdrawn,
			back: back(payment.RefundSuccess, 100), status: 409, code: "contradicted", says: "our books say withdrawn"},
		"the refund that our books have is not at WeChat": {about: aboutRefund, stage: payment.Paid, refund: payment.RefundSuccess,
			status: 409, code: "contradicted", says: "knows no refund"},
		"a foreign refund that is in our books": {about: of(payment.CaseForeignRefund, aboutRefund), stage: payment.Paid, refund: payment.RefundSuccess,
			back: back(payment.RefundSuccess, 100), status: 200},
		"a foreign refund that our books do not have": {about: of(payment.CaseForeignRefund, aboutRefund), stage: payment.Paid,
			back: back(payment.RefundSuccess, 100), status: 409, code: "contradicted", says: "not in our books"},
		"a foreign refund of a payment that never was ours": {about: of(payment.CaseForeignRefund, aboutRefund),
			back: back(payment.RefundSuccess, 100), status: 200},
		"a foreign refund of another's payment, still going": {about: of(payment.CaseForeignRefund, aboutRefund),
			back: back(payment.RefundProcessing, 100), status: 409, code: "contradicted"},
		"a stuck refund, named by its payment": {about: payment.Case{Kind: payment.CaseRefundStuck, TransactionID: "4200001"}, stage: payment.Completed, refund: payment.RefundSuccess,
			back: back(payment.RefundSuccess, 100), status: 200, says: `"R4200001"`},
		"a stuck refund that still is": {about: payment.Case{Kind: payment.CaseRefundStuck, TransactionID: "4200001"}, stage: payment.Paid, refund: payment.RefundProcessing,
			back: back(payment.RefundProcessing, 100), status: 409, code: "contradicted", says: "still says processing"},

		"an odd callback of a payment that a saga has": {about: aboutPayment, stage: payment.Completed, paid: paid("SUCCESS", 12850), status: 200, says: `"trade_state":"SUCCESS"`},
		"an odd callback of a payment that no saga has": {about: aboutPayment, paid: paid("SUCCESS", 12850),
			status: 409, code: "contradicted", says: "no saga has this payment"},
		"an odd callback of a payment that WeChat does not know": {about: aboutPayment, status: 200, says: `"trade_state":"NOT_FOUND"`},
		"an odd callback of what was not paid":                   {about: aboutPayment, paid: paid("CLOSED", 0), status: 200, says: `"CLOSED"`},
		"not paid, WeChat said, and says SUCCESS now": {about: of(payment.CaseNotPaid, aboutPayment), paid: paid("SUCCESS", 12850),
			status: 409, code: "contradicted"},
		"a second story, and it is the true one": {about: of(payment.CaseConflictingNews, aboutPayment), stage: payment.Completed, paid: paid("SUCCESS", 1),
			status: 409, code: "contradicted", says: "1 fen were paid"},
		"money went back that our books know nothing of": {about: aboutPayment, stage: payment.Completed, paid: paid("REFUND", 12850),
			status: 409, code: "contradicted", says: "no refund of it"},
		"money went back, as our books say": {about: aboutPayment, stage: payment.Completed, refund: payment.RefundSuccess, paid: paid("REFUND", 12850), status: 200},
		"WeChat is silent about a payment":  {about: aboutPayment, stage: payment.Completed, paid: paid("SUCCESS", 12850), silent: true, status: 503, code: "wechat_silent"},
		"an order that was paid as nobody looked": {about: payment.Case{Kind: payment.CaseCloseStuck, OutTradeNo: "4200001-order"}, paid: paid("SUCCESS", 12850),
			status: 409, code: "contradicted"},
		"an order that was paid after all, and a saga has it": {about: payment.Case{Kind: payment.CaseCloseStuck, OutTradeNo: "4200001-order"}, stage: payment.Completed, paid: paid("SUCCESS", 12850),
			status: 200, says: `"trade_state":"SUCCESS"`},
		"a kind that nobody thought of is about its payment": {about: of("bill_missing", aboutPayment), paid: paid("SUCCESS", 12850), status: 409, code: "contradicted"},
		"paid in our books, and WeChat knows nothing of it": {about: of(payment.CaseBillMissingPayment, aboutPayment), stage: payment.Completed,
			status: 409, code: "contradicted", says: "our books say that 12850 fen were paid"},
		"taken back by WeChat, and a person knows": {about: of("bill_revoked", aboutPayment), stage: payment.Completed, paid: paid("REVOKED", 12850), status: 200},
		"never paid, and a person closed it so":    {about: aboutPayment, stage: payment.Resolved, held: payment.CaseNotPaid, paid: paid("NOTPAY", 0), status: 200},
		"a line of the bill that no saga could be started for": {about: payment.Case{Kind: payment.CaseBillOddLine, Subject: "4200001", OutTradeNo: "4200001-order"},
			paid: paid("SUCCESS", 12850), status: 200},
		"a line of the bill whose order can be none": {about: payment.Case{Kind: payment.CaseBillOddLine, Subject: "line 7", OutTradeNo: "=1+1"}, silent: true, status: 200},
		"a callback that names no number at all":     {about: payment.Case{Kind: payment.CaseUnusableCallback, Subject: "n2", NotificationID: "n2"}, silent: true, status: 200},

		"the case that a payment is held by": {about: payment.Case{Kind: payment.CaseShipUnknown, TransactionID: "4200001"}, stage: payment.Holding, held: payment.CaseShipUnknown,
			status: 409, code: "payment_waits"},
		"another case of a held payment": {about: payment.Case{Kind: payment.CaseNotifyFailed, Subject: "m1", TransactionID: "4200001"}, stage: payment.Holding, held: payment.CaseShipUnknown,
			silent: true, status: 200},
		"the case of a quarantined payment": {about: payment.Case{Kind: payment.CaseAmountMismatch, TransactionID: "4200001"}, stage: payment.Quarantined, paid: paid("SUCCESS", 12850),
			status: 409, code: "payment_waits"},
		"a shipment that is still to leave": {about: payment.Case{Kind: payment.CaseDispatchOverdue, TransactionID: "4200001"}, stage: payment.Paid, status: 409, code: "payment_waits"},
		"a refund that is still to be made": {about: payment.Case{Kind: payment.CaseRefundStuck, TransactionID: "4200001"}, stage: payment.Compensating,
			status: 409, code: "payment_waits"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			if row.stage != "" {
				d.paid(t, "4200001", 12850, row.stage, row.held)
			}
			if row.refund != "" {
				d.Exec(t, `insert into refunds (out_refund_no, transaction_id, amount_fen, total_fen, state, ready_at, finished_at)
					values ('R4200001', '4200001', 100, 12850, $1, now(), case when $1 in ('success', 'closed', 'withdrawn') then now() end)`, row.refund)
			}
			d.till.back, d.till.silent = row.back, row.silent
			if row.paid.TransactionID != "" {
				d.till.paid = map[string]activities.Transaction{row.paid.OutTradeNo: row.paid}
			}
			id := d.opened(t, row.about)
			got := d.call(t, "ann", "POST", "/v1/cases/"+id+"/close", phoned).wants(t, row.status, row.code)
			if !strings.Contains(got.raw, row.says) {
				t.Errorf("answered %s, want it to say %q", got.raw, row.says)
			}
			if closed := d.Text(t, `select state from cases where id = $1`, id) == "closed"; closed != (row.status == 200) {
				t.Errorf("closed: %t", closed)
			}
			if n := d.Int(t, `select count(*) from case_events where what = 'closed'`); n != 0 && row.status != 200 {
				t.Error("it is closed in its history")
			}
		})
	}
}

func TestACauseThatComesBackWhileWeChatIsAskedStaysOpen(t *testing.T) {
	d := newDesk(t)
	about := payment.Case{Kind: payment.CaseUnusableCallback, Subject: "n1", TransactionID: "4200001"}
	id := d.opened(t, about)
	d.till.asked = func() {
		d.Exec(t, `update cases set state = 'closed', resolution = 'by somebody', closed_at = now()`)
		d.opened(t, about)
	}
	d.call(t, "ann", "POST", "/v1/cases/"+id+"/close", phoned).wants(t, 409, "case_moved_on")
	if state := d.Text(t, `select state from cases`); state != "open" {
		t.Errorf("the case is %s", state)
	}
}

func TestOfManyWhoCloseACaseOneDoes(t *testing.T) {
	d := newDesk(t)
	for round := range 10 {
		id := d.opened(t, payment.Case{Kind: payment.CaseNotifyFailed, Subject: fmt.Sprint("m", round)})
		var mu sync.Mutex
		var all sync.WaitGroup
		answers := map[int]int{}
		for _, who := range []string{"ann", "ben", "dora", "otto"} {
			all.Go(func() {
				got := d.call(t, who, "POST", "/v1/cases/"+id+"/close", phoned)
				mu.Lock()
				defer mu.Unlock()
				answers[got.status]++
			})
		}
		all.Wait()
		if diff := cmp.Diff(map[int]int{200: 1, 409: 3}, answers); diff != "" {
			t.Fatal(diff)
		}
		if n := d.Int(t, `select count(*) from case_events where case_id = $1 and what = 'closed'`, id); n != 1 {
			t.Fatalf("closed %d times", n)
		}
	}
}

// An api that died between the act and its answer is asked again, and does nothing twice.
func TestAnActOnACaseIsDoneOnceHoweverOftenItIsCalled(t *testing.T) {
	for act, body := range map[string]string{
		"cases/%s/assign": toBen, "cases/%s/notes": `{"text":"closed on Mondays"}`, "cases/%s/close": phoned,
		"webhooks/case.opened-%s-1/resend": reason(""),
	} {
		t.Run(act, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			id := d.opened(t, payment.Case{Kind: payment.CaseUnusableCallback, Subject: "n1", TransactionID: "4200001"})
			d.Exec(t, `update outbox set state = 'gave_up'`)
			path := "/v1/" + fmt.Sprintf(act, id)
			first := d.again(t, "K1", "ann", "POST", path, body)
			story, log := d.story(t, id), d.audited(t)
			d.Exec(t, `update idempotency_keys set answer = null`)
			d.leaseEnds(t)
			d.till.silent = true // nobody has to be asked twice
			if second := d.again(t, "K1", "ann", "POST", path, body); second.status/100 != 2 || first.status/100 != 2 || second.raw != first.raw {
				t.Errorf("answered %s, and then %s", first.raw, second.raw)
			}
			if diff := cmp.Diff(story, d.story(t, id)); diff != "" || len(story) != 2 {
				t.Errorf("the history is %q, %s", story, diff)
			}
			if diff := cmp.Diff(log, d.audited(t)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
