package bench

import (
	"fmt"
	"html"
	"html/template"
	"math"
	"strconv"
	"strings"
)

// Size of a plot in SVG units, and the room around it for labels.
const (
	plotWidth, plotHeight  = 760.0, 300.0
	plotLeft, plotRight    = 64.0, 16.0
	plotTop, plotBottom    = 12.0, 40.0
	plotTicks              = 5
	plotInnerW, plotInnerH = plotWidth - plotLeft - plotRight, plotHeight - plotTop - plotBottom
)

// series is one line of a plot, in the plot's own units.
type series struct {
	name   string
	class  string // of the style sheet: a, b or c
	points [][2]float64
}

// tick is a mark on the x axis.
type tick struct {
	at    float64
	label string
}

// plot is a line plot; y begins at 0.
type plot struct {
	xLabel, yLabel string
	xTicks         []tick
	xMax           float64
	lines          []series
}

// svg draws the plot. Text in it is escaped, so it can stand in a page as it is.
func (p *plot) svg() template.HTML {
	yMax := 0.0
	for _, l := range p.lines {
		for _, pt := range l.points {
			yMax = max(yMax, pt[1])
		}
	}
	step := niceStep(yMax / plotTicks)
	yMax = max(step, math.Ceil(yMax/step)*step)
	x := func(v float64) float64 { return plotLeft + plotInnerW*v/max(p.xMax, 1e-9) }
	y := func(v float64) float64 { return plotTop + plotInnerH*(1-v/yMax) }

	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %g %g" role="img" aria-label="%s">`, plotWidth, plotHeight, html.EscapeString(p.yLabel+" by "+p.xLabel))
	for i := 0; float64(i)*step <= yMax+step/2; i++ {
		v := float64(i) * step
		fmt.Fprintf(&b, `<line class="grid" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`, plotLeft, y(v), plotWidth-plotRight, y(v))
		fmt.Fprintf(&b, `<text class="y" x="%.1f" y="%.1f">%s</text>`, plotLeft-6, y(v)+4, axisNumber(v))
	}
	for _, t := range p.xTicks {
		fmt.Fprintf(&b, `<line class="grid" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`, x(t.at), plotTop, x(t.at), plotTop+plotInnerH)
		fmt.Fprintf(&b, `<text class="x" x="%.1f" y="%.1f">%s</text>`, x(t.at), plotTop+plotInnerH+16, html.EscapeString(t.label))
	}
	fmt.Fprintf(&b, `<text class="x" x="%.1f" y="%.1f">%s</text>`, plotLeft+plotInnerW/2, plotHeight-6, html.EscapeString(p.xLabel))
	for _, l := range p.lines {
		fmt.Fprintf(&b, `<polyline class="%s" points="`, l.class)
		for _, pt := range l.points {
			fmt.Fprintf(&b, "%.1f,%.1f ", x(pt[0]), y(pt[1]))
		}
		b.WriteString(`"/>`)
		for _, pt := range l.points {
			fmt.Fprintf(&b, `<circle class="%s" cx="%.1f" cy="%.1f" r="2.5"><title>%s: %s</title></circle>`,
				l.class, x(pt[0]), y(pt[1]), html.EscapeString(l.name), axisNumber(pt[1]))
		}
	}
	b.WriteString(`</svg>`)
	return template.HTML(b.String()) //nolint:gosec // only numbers, and text that was escaped above
}

// legend names the lines.
func (p *plot) legend() template.HTML {
	var b strings.Builder
	for _, l := range p.lines {
		fmt.Fprintf(&b, `<span class="key %s">%s</span> `, l.class, html.EscapeString(l.name))
	}
	return template.HTML(b.String()) //nolint:gosec // the names were escaped
}

// niceStep rounds up to 1, 2 or 5 times a power of ten.
func niceStep(v float64) float64 {
	if v <= 0 {
		return 1
	}
	scale := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5} {
		if v <= m*scale*1.0001 {
			return m * scale
		}
	}
	return 10 * scale
}

func axisNumber(v float64) string {
	switch {
	case v >= 1e6:
		return strconv.FormatFloat(v/1e6, 'g', 4, 64) + " M"
	case v >= 1e4:
		return strconv.FormatFloat(v/1e3, 'g', 4, 64) + " k"
	default:
		return strconv.FormatFloat(v, 'g', 4, 64)
	}
}
