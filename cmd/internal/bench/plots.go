package bench

import (
	"html/template"
	"math"
	"strconv"
)

// figure is a plot in the page.
type figure struct {
	Title  string
	Legend template.HTML
	SVG    template.HTML
}

func (p *plot) figure(title string) figure {
	return figure{Title: title, Legend: p.legend(), SVG: p.svg()}
}

// figures are the plots of a report: none without measurements.
func (r *Report) figures() []figure {
	var out []figure
	if len(r.Percentiles) > 0 {
		p := percentilePlot(r.Percentiles, nil)
		if r.Floor != nil {
			p = percentilePlot(r.Percentiles, r.Floor.Percentiles)
		}
		out = append(out, p.figure("End-to-end latency by percentile"))
	}
	seconds := r.Seconds
	if n := len(seconds); n > 0 && float64(seconds[n-1].At) >= r.Load.Seconds {
		seconds = seconds[:n-1] // the rest of the last deliveries, not a whole second
	}
	if len(seconds) < 2 {
		return out
	}
	line := func(name, class string, get func(Second) float64) series { return overTime(seconds, name, class, get) }
	return append(out,
		timePlot(seconds, "milliseconds",
			line("p50", "a", func(s Second) float64 { return s.P50 }),
			line("p99", "b", func(s Second) float64 { return s.P99 }),
			line("max", "c", func(s Second) float64 { return s.Max }),
		).figure("End-to-end latency of the comments due in each second"),
		timePlot(seconds, "deliveries", line("comments delivered", "a", func(s Second) float64 { return float64(s.Delivered) })).
			figure("Comment deliveries in each second"),
		timePlot(seconds, "posts", line("posts answered", "b", func(s Second) float64 { return float64(s.Answered) })).
			figure("Posts answered in each second"),
	)
}

// percentilePlot has one unit of x for each further nine.
func percentilePlot(server, floor []Point) *plot {
	const nines = 5
	x := func(percentile float64) float64 { return min(nines, -math.Log10(1-min(percentile, 99.9999999)/100)) }
	line := func(points []Point) (out [][2]float64) {
		for _, p := range points {
			out = append(out, [2]float64{x(p.Percentile), p.Ms})
		}
		return out
	}
	p := &plot{xLabel: "percentile", yLabel: "milliseconds", xMax: nines, lines: []series{{"server", "a", line(server)}}}
	for _, at := range []float64{0, 50, 90, 99, 99.9, 99.99} {
		p.xTicks = append(p.xTicks, tick{x(at), strconv.FormatFloat(at, 'g', 5, 64)})
	}
	p.xTicks = append(p.xTicks, tick{nines, "max"})
	if len(floor) > 0 {
		p.lines = append(p.lines, series{"bare write loop", "b", line(floor)})
	}
	return p
}

func overTime(seconds []Second, name, class string, get func(Second) float64) series {
	out := series{name: name, class: class}
	for _, s := range seconds {
		out.points = append(out.points, [2]float64{float64(s.At), get(s)})
	}
	return out
}

func timePlot(seconds []Second, yLabel string, lines ...series) *plot {
	last := float64(seconds[len(seconds)-1].At)
	p := &plot{xLabel: "seconds of the load", yLabel: yLabel, xMax: last, lines: lines}
	for v, step := 0.0, max(1, niceStep(last/10)); v <= last; v += step {
		p.xTicks = append(p.xTicks, tick{v, strconv.FormatFloat(v, 'g', 6, 64)})
	}
	return p
}
