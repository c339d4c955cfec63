package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/paysaga/paysaga/internal/simulator"
)

// inBothLanguages plays a scene twice, side by side.
func (w *world) inBothLanguages(scene string, play func(w *world, english bool)) {
	w.play(scene+", 中文", func(w *world) { play(w, false) })
	w.play(scene+", English", func(w *world) { play(w, true) })
}

// silent is an order that was paid and that the shop does not ship or refuse, held
// for a person.
func (w *world) silent() (number, id string) {
	w.Helper()
	number = w.order(tea)
	w.plan(number, simulator.Plan{Shop: "fail"})
	id = w.pay(number, simulator.PayRequest{})
	w.held(id, "holding", "ship_unknown")
	return number, id
}

// People at the console, in a real browser. One fleet serves them all, side by side.
func TestPeopleAtTheConsole(t *testing.T) {
	program := chromium(t)
	w := newWorld(t, nil, "SHIP_GIVE_UP_AFTER=2s", "TEMPORAL_UI_ORIGIN=http://127.0.0.1:8233")
	b := newBrowser(w, program)
	w.playAlone("the day", func(w *world) {
		b.jobs(w)
		b.everybodys(w)
	})
	w.playAlone("its evening", b.evening)
}

// jobs are the five that support staff do most, done by somebody with a mouse, who
// reads one language and sees what the page shows.
func (b *browser) jobs(w *world) {
	mei, ann := w.fleet.Tokens.Support, w.fleet.Tokens.Approver

	w.inBothLanguages("an overdue case is noted and handed over", func(w *world, english bool) {
		_, id := w.silent()
		w.change("update cases set due_at = now() - interval '125 minutes' where transaction_id = $1", id)
		p := b.signedIn(w, mei, english)
		p.see(id, p.say("已逾期 2 小时", "overdue by 2 h"))
		if first, err := js[bool](p, `document.querySelector("article").classList.contains("late")`); err != nil || !first {
			w.Error("what is overdue is not first")
		}
		p.looks("needs a person")
		p.click("the case", fmt.Sprintf(`[...document.querySelectorAll("article")].find(e => e.innerText.includes(%q))?.querySelector("a")`, id))
		p.see(p.say("建议处理", "What to do"))
		p.fill("#text", p.say("顾客来电，货还没有收到", "the payer called: nothing has arrived"))
		p.click("note", element("form[action$=notes] button"))
		p.see(p.say("备注已保存。", "The note is kept."), p.say("货还没有收到", "nothing has arrived"))
		p.press(p.say("转交", "Hand over"))
		p.fill("#owner", "warehouse")
		p.fill("#why", p.say("请仓库核对是否已经出库", "the warehouse knows whether it left"))
		p.looks("case")
		p.click("hand over", element("#assign button"))
		p.see(p.say("已转交。", "Handed over."), "warehouse")
		var owner string
		w.sql(&owner, "select owner from cases where transaction_id = $1", id)
		var notes int
		w.sql(&notes, "select count(*) from case_events e join cases c on c.id = e.case_id where c.transaction_id = $1 and e.actor = 'mei'", id)
		if owner != "warehouse" || notes != 2 {
			w.Errorf("the books say it is %s's, after %d acts of mei's", owner, notes)
		}
	})

	w.inBothLanguages("a payment is found by its order, with why it waits", func(w *world, english bool) {
		number, id := w.silent()
		p := b.signedIn(w, mei, english)
		p.press(p.say("查询", "Search"))
		p.fill("#q", number)
		p.click("search", element("main form button"))
		p.until("the answer is there", `location.search.includes($it)`, number) // the page before it lists the newest, this one too
		p.see(id, p.say("等人处理", "holding"))
		p.looks("search")
		p.press(id)
		p.see(p.say("等人处理", "holding"), p.say("通知发货", "ask the shop to ship"), p.say("商城", "shop"))
		steps := w.payment(id).Steps
		if last := steps[len(steps)-1]; last.LastError == "" {
			w.Error("the step tells no error")
		} else {
			p.see(last.LastError)
		}
		if link, err := js[string](p, `document.querySelector("a[target=_blank]").href`); err != nil || link != "http://127.0.0.1:8233/namespaces/"+w.namespace+"/workflows/"+id {
			w.Errorf("its run is at %q (%v)", link, err)
		}
		p.looks("one payment")
	})

	w.inBothLanguages("a payment is undone before it ships", func(w *world, english bool) {
		number := w.order(tea)
		w.plan(number, simulator.Plan{Shop: "accept"}) // and dispatches later
		id := w.pay(number, simulator.PayRequest{})
		w.await("the shop accepts", func() bool { return len(w.truth(number).Shipments) == 1 })
		p := b.signedIn(w, mei, english)
		p.visit("/console/payments/" + id)
		p.press(p.say("撤销并退款…", "Undo and refund…"))
		p.see(p.say("确认之后会发生", "What will happen"), yuan(tea), p.say("停止发货", "stop the shipment"))
		if refunds := len(w.truth(number).Refunds); refunds != 0 {
			w.Errorf("%d refunds before anybody confirmed", refunds)
		}
		p.fill("#reason", p.say("顾客来电取消了这个订单", "the payer cancelled by phone"))
		p.looks("confirm")
		p.press(p.say("确认", "Confirm"))
		p.see(p.say("已提交，请求号", "Taken as request"))
		p.do(p.mark()) // from here on nobody reloads
		p.see(p.say("已退款", "refunded"), "R"+id, p.say("已提交，请求号", "Taken as request"))
		p.marked()
		w.endsRefunded(id, number)
		if v := w.payment(id); len(v.Requests) != 1 || v.Requests[0].Actor != "mei" {
			w.Errorf("the books name %+v", v.Requests)
		}
		p.looks("refunded")
	})

	w.inBothLanguages("part of a shipped order, above the limit, goes back by two people", func(w *world, english bool) {
		number := w.order(200000)
		id := w.pay(number, simulator.PayRequest{})
		w.endsShipped(id, number)
		p := b.signedIn(w, mei, english)
		reason := p.say("三件里有两件破损，已收到照片", "two of three cups came broken, photos received")
		p.visit("/console/payments/" + id)
		p.press(p.say("部分退款…", "Refund part…"))
		p.fill("#amount", "2500")
		p.fill("#reason", reason)
		p.press(p.say("确认", "Confirm"))
		p.see(p.say("超过了可退金额。", "More than is left to refund."))
		p.until("the form is as it was filled in", `document.querySelector("#reason").value === $it`, reason)
		p.looks("refused")
		p.fill("#amount", "")
		p.do(p.empty("#amount"))
		p.fill("#amount", "1,500.00")
		p.press(p.say("确认", "Confirm"))
		p.see(p.say("待审批", "waits for approval"))
		asked := w.payment(id).Requests[0].ID
		p.visit("/console/approvals")
		p.see(reason, p.say("您可以查看，审批人可以决定。", "You may look; an approver decides."))
		p.mayNotDecide(asked)

		boss := b.signedIn(w, ann, english)
		boss.press(p.say("审批", "Approvals"))
		boss.see(reason, yuan(150000), "mei")
		boss.looks("approvals")
		if back := w.truth(number).Refunds; len(back) != 0 {
			w.Errorf("WeChat was asked before anybody approved: %+v", back)
		}
		boss.fill("#why-"+asked, p.say("照片已核对，同意退款", "photos checked, this is right"))
		boss.click("approve", element(`form[action*="`+asked+`"] button`))
		boss.see(p.say("已记录您的决定", "Your decision is kept"))
		w.ends(asked, "done")
		w.backFen(id, number, 150000)
		if v := w.payment(id); v.Stage != "completed" {
			w.Errorf("the payment is %s", v.Stage)
		}
	})

	w.inBothLanguages("an approver's own request is for somebody else", func(w *world, english bool) {
		number := w.order(200000)
		id := w.pay(number, simulator.PayRequest{})
		w.endsShipped(id, number)
		asked := w.ask(id, "refunds", ann, map[string]any{"amount_fen": 150000, "reason": "asked and approved by one"})
		p := b.signedIn(w, ann, english)
		p.visit("/console/approvals")
		p.see("asked and approved by one", p.say("这是您自己提出的，须由他人审批。", "You asked for this; somebody else must decide."))
		p.mayNotDecide(asked)
		if state := w.request(asked).State; state != "pending_approval" {
			w.Errorf("the request is %s", state)
		}
		if back := w.truth(number).Refunds; len(back) != 0 {
			w.Errorf("WeChat was asked: %+v", back)
		}
	})

	w.inBothLanguages("a held payment is tried again", func(w *world, english bool) {
		number, id := w.silent()
		w.plan(number, simulator.Plan{Shop: "normal"})
		p := b.signedIn(w, mei, english)
		p.visit("/console/payments/" + id)
		p.press(p.say("立即重试…", "Try again now…"))
		p.see(p.say("不重复发货", "nothing ships twice"))
		p.fill("#reason", p.say("商城回复说系统故障已经排除", "the shop says it is mended"))
		p.press(p.say("确认", "Confirm"))
		p.see(p.say("已提交，请求号", "Taken as request"))
		p.do(p.mark())
		p.see(p.say("已完成", "completed"))
		p.marked()
		w.endsShipped(id, number)
	})

	w.inBothLanguages("a held payment is closed with evidence", func(w *world, english bool) {
		number := w.order(tea)
		w.plan(number, simulator.Plan{Shop: "execute_then_fail"})
		id := w.pay(number, simulator.PayRequest{})
		w.held(id, "holding", "ship_unknown")
		p := b.signedIn(w, mei, english)
		p.visit("/console/payments/" + id)
		p.press(p.say("人工结案…", "Close with evidence…"))
		p.click("shipped", element("input[value=shipped]"))
		p.fill("#evidence", w.truth(number).Shipments[0].ShipmentID)
		p.fill("#reason", p.say("商城后台显示已经发出", "the shop's own pages show it left"))
		p.looks("close with evidence")
		p.press(p.say("确认", "Confirm"))
		p.see(p.say("已人工结案", "resolved"))
		w.reaches(id, "resolved")
		if shipped, backFen := w.whatHappened(id, number); shipped != 1 || backFen != 0 {
			w.Errorf("shipped %d, %d fen back", shipped, backFen)
		}
	})
}

// evening has people read the report of today's bill, which lacks a payment of
// ours, take it away as CSV, and look at the day.
func (b *browser) evening(w *world) {
	day := time.Now().In(time.FixedZone("UTC+8", 8*60*60)).Format(time.DateOnly)
	number := w.order(tea)
	id := w.pay(number, simulator.PayRequest{})
	w.endsShipped(id, number)
	w.control("POST", "/bills/"+day+"/plan", simulator.BillPlan{Early: true, DropTransactions: []string{id}}, nil)
	if out, err := w.fleet.Run(w.Context(), "reconcile", "--date", day, "--yes"); err != nil {
		w.Fatalf("%v\n%s", err, out)
	}
	for _, english := range []bool{false, true} {
		p := b.signedIn(w, w.fleet.Tokens.Support, english)
		p.press(p.say("对账", "Reconciliation"))
		p.see(day)
		p.looks("reports")
		p.press(day)
		p.see(id, p.say("微信账单", "WeChat's bill"))
		p.looks("reconciliation")
		text, err := js[string](p, `fetch([...document.querySelectorAll("a[download]")].find(a => a.href.includes("csv")).href).then(a => a.text())`)
		if err != nil || !strings.HasPrefix(text, "date,what,") || !strings.Contains(text, id) {
			w.Errorf("the CSV is %q (%v)", text, err)
		}
		p.press(p.say("今日", "Today"))
		p.see(day, p.say("收款笔数", "Payments"))
		p.looks("today")
	}
}

// mark and marked tell whether a page came to what it shows without being loaded anew.
func (p *person) mark() error {
	_, err := js[bool](p, `window.marked = true`)
	return err
}

func (p *person) marked() {
	p.Helper()
	if still, err := js[bool](p, `window.marked === true`); err != nil || !still {
		p.Errorf("the page was loaded anew (%v)", err)
	}
}

func (p *person) empty(field string) error {
	_, err := js[bool](p, `document.querySelector($it).value = "", true`, field)
	return err
}

// mayNotDecide demands that there is no button for it, and that asking without one is refused.
func (p *person) mayNotDecide(request string) {
	p.Helper()
	status, err := js[int](p, `document.querySelector("form[action*=" + $it + "]") ? 0 : fetch("/console/approvals/" + $it + "/approve", {
		method: "POST", body: new URLSearchParams({key: "by-hand-" + $it, reason: "this is quite all right"}),
	}).then(a => a.status)`, request, request, request)
	if err != nil || status != 403 {
		p.Errorf("approving was answered %d (%v)", status, err)
	}
}

func yuan(fen int64) string {
	text := fmt.Sprintf("%d.%02d", fen/100, fen%100)
	if len(text) > 6 {
		text = text[:len(text)-6] + "," + text[len(text)-6:]
	}
	return "¥" + text
}
