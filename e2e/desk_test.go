package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/paysaga/paysaga/internal/simulator"
)

// everybodys is what holds at the console whatever people do there: it is for all of
// them, and for nobody else.
func (b *browser) everybodys(w *world) {
	mei := w.fleet.Tokens.Support

	w.play("with the keyboard alone, a payment is undone", func(w *world) {
		number, id := w.waiting()
		p := b.arrives(w, true)
		p.visit("/console/payments/" + id)
		p.see("Access token")
		p.types(mei) // the field has the focus
		p.key(kb.Enter)
		p.see("Undo and refund…")
		p.tabTo(labelled("Undo and refund…"))
		p.key(kb.Enter)
		p.see("What will happen")
		p.tabTo(element("#reason"))
		p.types("the payer cancelled by phone")
		p.tabTo(labelled("Confirm"))
		p.key(kb.Enter)
		p.see("Taken as request", "refunded")
		w.endsRefunded(id, number)
	})

	w.play("without JavaScript, a payment is undone", func(w *world) {
		number, id := w.waiting()
		p := b.arrives(w, false)
		_, err := chromedp.Call(p.tab, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		p.do(err)
		p.visit("/console/payments/" + id)
		p.fill("#token", mei)
		p.press("登录")
		p.press("撤销并退款…")
		p.fill("#reason", "顾客来电取消了这个订单")
		p.press("确认")
		p.see("已提交，请求号")
		w.endsRefunded(id, number)
		p.press("查询") // nothing keeps a page fresh: the person looks
		p.fill("#q", id)
		p.click("search", element("main form button"))
		p.see("已退款")
	})

	w.play("a double click, and the same form sent once more later, ask once", func(w *world) {
		number := w.order(tea)
		id := w.pay(number, simulator.PayRequest{})
		w.endsShipped(id, number)
		p := b.signedIn(w, mei, true)
		p.visit("/console/payments/" + id + "/refunds")
		p.fill("#amount", "3.00")
		p.fill("#reason", "one of the cups was broken")
		form, err := js[string](p, `new URLSearchParams(new FormData(document.querySelector("main form"))).toString()`)
		p.do(err)
		p.press("Confirm", 2)
		p.see("Taken as request", "R"+id)
		w.await("it went back", func() bool { return w.payment(id).RefundedFen == 300 })
		again, err := js[string](p, `fetch("/console/payments/" + $it + "/refunds", {method: "POST", body: new URLSearchParams($it)}).then(a => a.url)`, id, form)
		if err != nil || !strings.HasSuffix(again, "/console/payments/"+id) {
			w.Errorf("the same form once more led to %s (%v)", again, err)
		}
		w.backFen(id, number, 300)
		if asked := w.payment(id).Requests; len(asked) != 1 {
			w.Errorf("the books hold %+v", asked)
		}
	})

	w.play("nobody is signed in by a wrong token, and the page says so", func(w *world) {
		p := b.arrives(w, true)
		for _, token := range []string{strings.Repeat("a", 52), w.fleet.Tokens.Merchant} {
			p.visit("/console/today")
			p.fill("#token", token)
			p.press("Sign in")
			p.see("This token is not known, or no longer good.")
			p.looks("sign in")
		}
		if cookies := p.cookies(); len(cookies) != 0 {
			w.Errorf("cookies: %+v", cookies)
		}
	})

	w.play("a session ends: left alone, and signed out", func(w *world) {
		_, id := w.waiting()
		p := b.signedIn(w, w.fleet.Tokens.SecondApprover, true)
		session := p.session()
		if !session.HTTPOnly || session.SameSite != network.CookieSameSiteLax || session.Path != "/" || !session.Session {
			w.Errorf("the cookie is %+v", session)
		}
		idle := func(minutes int) {
			w.change(fmt.Sprintf("update sessions set seen_at = seen_at - interval '%d min' where name = 'bo'", minutes))
		}
		p.visit("/console/payments/" + id) // which looks again by itself, and keeps nobody in
		p.see("Undo and refund…")
		idle(14)
		p.do(p.mark())
		p.until("the page looked again", `performance.getEntriesByType("resource").filter(e => e.initiatorType === "fetch").length > 0`)
		idle(2)
		p.see("You were signed out, after 15 idle minutes")
		p.looks("signed out")
		p.fill("#token", w.fleet.Tokens.SecondApprover)
		p.press("Sign in")
		p.see("Undo and refund…") // where they were
		p.press("Undo and refund…")
		p.fill("#reason", "the payer cancelled by phone")
		idle(16)
		p.press("Confirm")
		p.see("You were signed out, after 15 idle minutes")
		if asked := w.payment(id).Requests; len(asked) != 0 {
			w.Errorf("somebody who had left asked for %+v", asked)
		}
		p.fill("#token", w.fleet.Tokens.SecondApprover)
		p.press("Sign in")
		p.see("What will happen")
		old := p.session()
		p.press("Sign out")
		p.see("Access token")
		for _, c := range p.cookies() {
			if c.Name == old.Name {
				w.Errorf("the cookie is still there: %+v", c)
			}
		}
		request, err := http.NewRequestWithContext(w.Context(), "GET", b.home+"/console/", nil)
		p.do(err)
		request.AddCookie(&http.Cookie{Name: old.Name, Value: old.Value})
		answer, err := (&http.Transport{}).RoundTrip(request)
		p.do(err)
		defer answer.Body.Close()
		if to := answer.Header.Get("Location"); answer.StatusCode != http.StatusSeeOther || !strings.HasPrefix(to, "/console/login") {
			w.Errorf("with the cookie of a session that ended: %d to %q", answer.StatusCode, to)
		}
	})

	w.playAlone("another site's page cannot ask in a person's name", func(w *world) {
		number, id := w.waiting()
		p := b.signedIn(w, mei, true)
		foreign := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, _ *http.Request) {
			out.Header().Set("Content-Type", "text/html")
			fmt.Fprintf(out, `<!doctype html><form method="post" action="%s/console/payments/%s/compensate"><input name="reason" value="you have won a prize"><input name="goods" value="stop"><input name="key" value="k"><button>Your prize</button></form>`, b.home, id)
		}))
		w.Cleanup(foreign.Close)
		b.mayVisit(foreign.URL)
		p.do(chromedp.Do(p.tab, chromedp.Navigate(foreign.URL)))
		p.press("Your prize")
		p.see("another site's page may not ask this")
		if asked := w.payment(id).Requests; len(asked) != 0 || len(w.truth(number).Refunds) != 0 {
			w.Errorf("a stranger's page asked for %+v", asked)
		}
	})

	w.playAlone("the language is one's own choice, and every page is good in both", func(w *world) {
		_, id := w.waiting()
		p := b.signedIn(w, w.fleet.Tokens.Operator, false)
		p.press("English")
		p.see("What needs a person", "operator")
		for _, page := range []string{"/console/bulk", "/console/nothing", "/console/payments/" + id, "/console/payments/" + id + "/retry"} {
			for _, language := range []string{"English", "中文"} {
				p.visit(page)
				p.looks(language + page)
				p.press(map[string]string{"English": "中文", "中文": "English"}[language])
				p.until("the language changed", `document.documentElement.lang === $it`, map[string]string{"English": "zh-CN", "中文": "en"}[language])
			}
		}
	})
}

// waiting is an order that was paid, and whose goods have not left.
func (w *world) waiting() (number, id string) {
	w.Helper()
	number = w.order(tea)
	w.plan(number, simulator.Plan{Shop: "accept"})
	id = w.pay(number, simulator.PayRequest{})
	w.await("the shop accepts", func() bool { return len(w.truth(number).Shipments) == 1 })
	return number, id
}

func (p *person) key(key string) {
	p.Helper()
	p.do(chromedp.Do(p.tab, chromedp.KeyEvent(key)))
}

// tabTo presses Tab until what is found has the focus, and can be seen to have it.
func (p *person) tabTo(find string) {
	p.Helper()
	for range 60 {
		p.key(kb.Tab)
		there, err := js[bool](p, "document.activeElement === "+find)
		if err == nil && there {
			if seen, err := js[bool](p, `getComputedStyle(document.activeElement).outlineStyle !== "none"`); err != nil || !seen {
				p.Errorf("nobody can see that the focus is on %s", find)
			}
			return
		}
	}
	p.Fatalf("Tab does not lead to %s", find)
}

func (p *person) cookies() []*network.Cookie {
	p.Helper()
	found, err := chromedp.Call(p.tab, network.GetCookies, network.GetCookiesParams{})
	p.do(err)
	return found.Cookies
}

// session is the cookie by which somebody is signed in.
func (p *person) session() *network.Cookie {
	p.Helper()
	for _, c := range p.cookies() {
		if c.Name == "paysaga" { // on a machine of one's own, without TLS, it has no prefix
			return c
		}
	}
	p.Fatal("no cookie of a session")
	return nil
}
