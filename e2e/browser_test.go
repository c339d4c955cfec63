package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// browser is one Chromium. It reaches the world through a proxy of ours alone,
// which lets it speak to the console and to nobody else.
type browser struct {
	ctx  context.Context
	home string // the console's origin

	mu      sync.Mutex
	allowed []string // origins; home is the first
	strays  []string // whom it would have spoken to
}

// chromium is the browser's program. Tests that want one say so before all else.
func chromium(t *testing.T) string {
	t.Helper()
	path := os.Getenv("PAYSAGA_CHROMIUM")
	if path == "" {
		t.Skip("skipped: chromium, PAYSAGA_CHROMIUM is not set; go run ./dev test ./e2e looks for one, and says why it has none")
	}
	return path
}

func newBrowser(w *world, chromium string) *browser {
	w.Helper()
	b := &browser{home: w.fleet.APIs[0].URL, allowed: []string{w.fleet.APIs[0].URL}}
	gate := httptest.NewServer(b.gate())
	w.Cleanup(gate.Close)
	allocator, stop := chromedp.NewExecAllocator(context.WithoutCancel(w.Context()),
		chromedp.ExecPath(chromium), chromedp.Headless, chromedp.NoSandbox, chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck,
		chromedp.Flag("disable-gpu", true), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true), chromedp.Flag("disable-renderer-backgrounding", true),
		chromedp.ProxyServer(gate.URL), chromedp.Flag("proxy-bypass-list", "<-loopback>"),
	)
	w.Cleanup(stop)
	ctx, closeAll := chromedp.NewContext(allocator)
	w.Cleanup(closeAll)
	if err := chromedp.Do(ctx); err != nil {
		w.Fatalf("Chromium does not start: %v", err)
	}
	b.ctx = ctx
	w.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if len(b.strays) > 0 {
			w.Errorf("the browser would have spoken to %v", b.strays)
		}
	})
	return b
}

// ofChromium is whom Chromium looks for by itself (updates, autofill), whatever its
// flags say. It is refused like everybody; that no page asks for it is in hear.
var ofChromium = regexp.MustCompile(`(^|\.)(google|googleapis|gstatic|gvt1)\.com(:\d+)?$`)

// gate is the proxy.
func (b *browser) gate() http.Handler {
	console := &httputil.ReverseProxy{
		Rewrite:      func(*httputil.ProxyRequest) {},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) {}, // a tab that closed
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect && b.knows(r.URL.String()) {
			console.ServeHTTP(w, r)
			return
		}
		if !ofChromium.MatchString(r.Host) {
			b.mu.Lock()
			b.strays = append(b.strays, r.Method+" "+r.Host)
			b.mu.Unlock()
		}
		http.Error(w, "nobody is here", http.StatusForbidden)
	})
}

// knows tells whether an address is of an origin that it may speak to.
func (b *browser) knows(address string) bool {
	u, err := url.Parse(address)
	b.mu.Lock()
	defer b.mu.Unlock()
	return err == nil && slices.Contains(b.allowed, u.Scheme+"://"+u.Host)
}

// mayVisit lets it speak to one more origin.
func (b *browser) mayVisit(origin string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.allowed = append(b.allowed, origin)
}

// person is somebody at the console, in a profile of their own.
type person struct {
	*world
	browser *browser
	tab     context.Context
	english bool

	mu     sync.Mutex
	faults []string // what the page's own console says is wrong
}

// arrives opens an empty tab, in which a person reads Chinese or English.
func (b *browser) arrives(w *world, english bool) *person {
	w.Helper()
	p := &person{world: w, browser: b, english: english}
	tab, leave := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext())
	w.Cleanup(leave)
	p.tab = tab
	if err := chromedp.Listen(tab, p.hear); err != nil {
		w.Fatal(err)
	}
	p.do(func() error { _, err := chromedp.Call(tab, log.Enable, struct{}{}); return err }())
	p.do(func() error {
		_, err := chromedp.Call(tab, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{
			Headers: network.Headers{"Accept-Language": p.say("zh-CN", "en-GB")},
		})
		return err
	}())
	p.wide(1200)
	w.Cleanup(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, fault := range p.faults {
			w.Errorf("the page complains: %s", fault)
		}
		if w.Failed() {
			text, _ := chromedp.Run(tab, chromedp.Evaluate[string](`location.href + "\n" + document.body.innerText`))
			w.Logf("the page was: %s", text)
		}
	})
	return p
}

// signedIn is somebody who has signed in by the page, as people do.
func (b *browser) signedIn(w *world, token string, english bool) *person {
	w.Helper()
	p := b.arrives(w, english)
	p.visit("/console/")
	p.fill("#token", token)
	p.press(p.say("登录", "Sign in"))
	p.see(p.say("需要人处理的事项", "What needs a person"))
	return p
}

// hear notes every request of the page to anybody else, and every complaint: errors
// of scripts, of the policy, of the browser. An answer that says no is no complaint.
func (p *person) hear(event any) {
	fault := ""
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if !p.browser.knows(e.Request.URL) {
			fault = "it asks for " + e.Request.URL
		}
	case *network.EventWebSocketCreated:
		fault = "it asks for " + e.URL
	case *runtime.EventExceptionThrown:
		fault = e.ExceptionDetails.Text
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			fault = fmt.Sprintf("console.%s", e.Type)
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError && e.Entry.Source != log.EntrySourceNetwork {
			fault = e.Entry.Text
		}
	}
	if fault != "" {
		p.mu.Lock()
		p.faults = append(p.faults, fault)
		p.mu.Unlock()
	}
}

func (p *person) do(err error) {
	p.Helper()
	if err != nil {
		p.Fatal(err)
	}
}

// say is a text in the person's language.
func (p *person) say(chinese, english string) string {
	if p.english {
		return english
	}
	return chinese
}

// wide makes the window so many pixels wide; below 600 it is a phone.
func (p *person) wide(pixels int64) {
	p.Helper()
	_, err := chromedp.Call(p.tab, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: pixels, Height: 860, DeviceScaleFactor: 1, Mobile: pixels < 600,
	})
	p.do(err)
}

func (p *person) visit(path string) {
	p.Helper()
	p.do(chromedp.Do(p.tab, chromedp.Navigate(p.browser.home+path)))
}

// js evaluates an expression in the page, with its arguments in place of $it. While the page changes there may be
// nobody to ask, which is an error.
func js[T any](p *person, expression string, args ...any) (T, error) {
	for _, arg := range args {
		text, _ := json.Marshal(arg) // strings and their lists
		expression = strings.Replace(expression, "$it", string(text), 1)
	}
	return chromedp.Run(p.tab, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// until waits for a condition of the page.
func (p *person) until(what, condition string, args ...any) {
	p.Helper()
	p.awaitFor(30*time.Second, what, func() bool {
		ok, err := js[bool](p, condition, args...)
		return err == nil && ok
	})
}

// see waits until every text is on the page.
func (p *person) see(texts ...string) {
	p.Helper()
	p.until(fmt.Sprintf("the page says %q", texts), `$it.every(t => document.body.innerText.includes(t))`, texts)
}

// place finds where on the screen something is, and brings it there first.
const place = `(() => {
	const found = FOUND;
	if (!found || !found.getClientRects().length) return [];
	found.scrollIntoView({block: "center", behavior: "instant"});
	const r = found.getClientRects()[0];
	return [r.x + r.width / 2, r.y + r.height / 2];
})()`

// click clicks with the mouse on what an expression finds.
func (p *person) click(what, find string, times ...int64) {
	p.Helper()
	var at []float64
	p.awaitFor(30*time.Second, what+" can be clicked", func() bool {
		found, err := js[[]float64](p, strings.Replace(place, "FOUND", find, 1))
		at = found
		return err == nil && len(at) == 2
	})
	for _, count := range append([]int64{1}, times...) {
		for _, kind := range []input.DispatchMouseEventType{input.DispatchMouseEventTypeMousePressed, input.DispatchMouseEventTypeMouseReleased} {
			_, err := chromedp.Call(p.tab, input.DispatchMouseEvent, input.DispatchMouseEventParams{
				Type: kind, X: at[0], Y: at[1], Button: input.MouseButtonLeft, ClickCount: count,
			})
			p.do(err)
		}
	}
}

// press clicks on the link or button with that text.
func (p *person) press(text string, times ...int64) {
	p.Helper()
	p.click(text, labelled(text), times...)
}

func labelled(text string) string {
	quoted, _ := json.Marshal(text)
	return fmt.Sprintf(`[...document.querySelectorAll("button, a, summary")].find(e => e.innerText.trim() === %s && e.getClientRects().length)`, quoted)
}

// element is for what has no text of its own, or shares it.
func element(selector string) string {
	quoted, _ := json.Marshal(selector)
	return fmt.Sprintf(`document.querySelector(%s)`, quoted)
}

// fill types into a field.
func (p *person) fill(field, text string) {
	p.Helper()
	p.click(field, element(field))
	p.types(text)
}

func (p *person) types(text string) {
	p.Helper()
	_, err := chromedp.Call(p.tab, input.InsertText, input.InsertTextParams{Text: text})
	p.do(err)
}
