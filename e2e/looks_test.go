package e2e

import (
	_ "embed"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

var shots = flag.String("shots", "", "write pictures of the console's pages into this directory")

// pictured are the pages whose pictures README and its readers want, by width.
var pictured = map[int64][]string{
	1200: {"needs a person", "one payment", "confirm", "approvals", "reconciliation", "today"},
	390:  {"one payment"},
}

//go:embed testdata/axe-core-4.14.1/axe.min.js
var axe string

// audit has axe-core look for violations of WCAG 2.2 AA and of best practice; each
// is a line with the rule, where, and why.
const audit = `axe.run(document, {
	resultTypes: ["violations"],
	runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
}).then(found => found.violations.flatMap(v => v.nodes.map(n => v.id + " at " + n.target + ": " + n.failureSummary)))`

// looks demands that a page is good for everybody, on a desk and on a phone, and
// takes its picture if pictures are wanted.
func (p *person) looks(name string) {
	p.Helper()
	for _, width := range []int64{390, 1200} {
		p.wide(width)
		if known, err := js[bool](p, `"axe" in window`); err != nil || !known {
			_, err := chromedp.Run(p.tab, chromedp.Evaluate[chromedp.Void](axe))
			p.do(err)
		}
		violations, err := js[[]string](p, audit)
		p.do(err)
		for _, violation := range violations {
			p.Errorf("%s, %d px: %s", name, width, violation)
		}
		beyond, err := js[int64](p, `document.documentElement.scrollWidth - document.documentElement.clientWidth`)
		if err != nil || beyond > 0 {
			p.Errorf("%s, %d px: %d px lie beyond the side (%v)", name, width, beyond, err)
		}
		if *shots != "" && slices.Contains(pictured[width], name) {
			p.picture(name, width)
		}
	}
}

// picture writes the page as a PNG, cut at a height that a reader takes in.
func (p *person) picture(name string, width int64) {
	p.Helper()
	height, err := js[int64](p, `scrollTo(0, 0), document.documentElement.scrollHeight`)
	p.do(err)
	beyond := true
	taken, err := chromedp.Call(p.tab, page.CaptureScreenshot, page.CaptureScreenshotParams{
		Clip:                  &page.Viewport{Width: float64(width), Height: float64(min(height, 1000)), Scale: 1},
		CaptureBeyondViewport: &beyond,
	})
	p.do(err)
	file := strings.ReplaceAll(name, " ", "-") + "." + p.say("zh", "en")
	if width < 600 {
		file += ".phone"
	}
	p.do(os.MkdirAll(*shots, 0o755))
	p.do(os.WriteFile(filepath.Join(*shots, file+".png"), taken.Data, 0o644))
}
