package console

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// plot is a bar chart ready to be drawn as SVG, in units of a 720 × 200 picture.
type plot struct {
	Bars  []bar
	Marks []mark // along the left side
	Rows  []row  // the same in a table, for who cannot see it
}

type bar struct {
	X, Y, Width, Height float64
	Second              bool // of the second series
	Label               string
	LabelX              float64
}

type mark struct {
	Y    float64
	Text string
}

type row struct {
	Label string
	A, B  int64
}

const (
	widestBar                                = 60.0
	plotLeft, plotTop, plotRight, plotBottom = 40.0, 10.0, 715.0, 175.0
)

// bars draws one or two series over the same labels; b may be nil.
func bars(labels []string, a, b []int64) plot {
	var p plot
	top := max(1, slices.Max(append(append([]int64{1}, a...), b...)))
	for _, part := range []int64{0, (top + 1) / 2, top} {
		y := plotBottom - (plotBottom-plotTop)*float64(part)/float64(top)
		p.Marks = append(p.Marks, mark{Y: y, Text: fmt.Sprint(part)})
	}
	slot := (plotRight - plotLeft) / float64(max(1, len(labels)))
	both := min(slot*0.7, widestBar)
	width := both
	if b != nil {
		width /= 2
	}
	for i, label := range labels {
		x := plotLeft + slot*(float64(i)+0.5) - both/2
		height := (plotBottom - plotTop) * float64(a[i]) / float64(top)
		p.Bars = append(p.Bars, bar{X: x, Y: plotBottom - height, Width: width, Height: height, Label: label, LabelX: plotLeft + slot*(float64(i)+0.5)})
		r := row{Label: label, A: a[i]}
		if b != nil {
			height := (plotBottom - plotTop) * float64(b[i]) / float64(top)
			p.Bars = append(p.Bars, bar{X: x + width, Y: plotBottom - height, Width: width, Height: height, Second: true})
			r.B = b[i]
		}
		p.Rows = append(p.Rows, r)
	}
	return p
}

// seconds writes a span as people say it.
func seconds(s float64) string {
	d := time.Duration(s * float64(time.Second))
	switch {
	case d < time.Second:
		d = d.Round(time.Millisecond)
	case d < time.Minute:
		d = d.Round(100 * time.Millisecond)
	default:
		d = d.Round(time.Second)
	}
	// 1h0m0s is 1h
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func twoDigits(n int) string { return fmt.Sprintf("%02d", n) }
