package bench

import (
	"fmt"
	"math"
	"slices"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// summarise takes a histogram of microseconds.
func summarise(h *hdr.Histogram) Latency {
	if h == nil || h.TotalCount() == 0 {
		return Latency{}
	}
	at := func(p float64) float64 { return millis(h.ValueAtPercentile(p)) }
	return Latency{
		Count: h.TotalCount(), Mean: math.Round(h.Mean()) / 1000,
		P50: at(50), P90: at(90), P99: at(99), P999: at(99.9), Max: millis(h.Max()),
	}
}

func millis(us int64) float64 { return float64(us) / 1000 }

// plotted are the percentiles of the plot, ever closer to 100.
var plotted = []float64{0, 10, 25, 50, 75, 90, 95, 97.5, 99, 99.5, 99.75, 99.9, 99.95, 99.99, 99.999, 100}

func points(h *hdr.Histogram) []Point {
	if h.TotalCount() == 0 {
		return nil
	}
	var out []Point
	for _, p := range plotted {
		out = append(out, Point{Percentile: p, Ms: millis(h.ValueAtPercentile(p))})
	}
	return out
}

// timeline joins what the readers and the poster counted for each second.
func timeline(rec *recorder, answered []int64) []Second {
	out := make([]Second, max(len(rec.seconds), len(answered)))
	for i := range out {
		out[i].At = i
		if i < len(answered) {
			out[i].Answered = answered[i]
		}
		if i < len(rec.seconds) && rec.seconds[i].latency != nil {
			s := rec.seconds[i]
			out[i].Delivered = s.delivered
			out[i].P50 = millis(s.latency.ValueAtPercentile(50))
			out[i].P99 = millis(s.latency.ValueAtPercentile(99))
			out[i].Max = millis(s.latency.Max())
		}
	}
	return out
}

// ratio is a/b, 0 if that makes no sense.
func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// compare fills the ratios of the server's figures to the floor's.
func (f *Floor) compare(d *Deliveries, server *Process) {
	f.RatioP50 = ratio(d.Latency.P50, f.Latency.P50)
	f.RatioP99 = ratio(d.Latency.P99, f.Latency.P99)
	f.RatioLastViewer = ratio(d.LastViewer.P50, f.LastViewer.P50)
	if server != nil {
		f.RatioCPU = ratio(server.DeliveriesPerCPU, f.DeliveriesPerCPU)
	}
}

// warn collects what a reader of the figures should know before trusting them.
func (r *Report) warn() {
	add := func(format string, args ...any) { r.Warnings = append(r.Warnings, fmt.Sprintf(format, args...)) }
	if r.Joins.Failed > 0 {
		add("%d viewers could not join: %s", r.Joins.Failed, r.Correctness.Fault)
	}
	if p := r.Posts; p.Refused > 0 {
		add("%d posts were refused: %s", p.Refused, p.RefusedWith)
	}
	if r.Posts.Expired > 0 {
		add("%d posts had no success within the deadline; they may have been stored all the same", r.Posts.Expired)
	}
	if p := r.Posts; p.SentLate*100 > int64(p.Offered) {
		add("%d of %d posts were sent more than %s after they were due, and their latency includes the wait: %d had no free connection (more --post-workers may help), for the others this machine was too busy", p.SentLate, p.Offered, lateAfter, p.Starved)
	}
	if p := r.Server; p != nil && p.RSSPerViewer <= 0 {
		add("memory per viewer shows only at a server that was just started; this one reuses what earlier viewers took")
	}
	if r.Floor != nil && r.Floor.Overrun {
		add("the bare loop could not keep this pace on its one thread, and fell ever further behind: compare CPU, or measure it with fewer --floor-frames")
	}
	if slices.ContainsFunc(r.Seconds, func(s Second) bool { return s.Max >= float64(maxLatency.Milliseconds()) }) {
		add("latencies over %s were recorded as %s", maxLatency, maxLatency)
	}
}
