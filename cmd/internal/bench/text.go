package bench

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Text prints the report for people.
func (r *Report) Text(w io.Writer) error {
	t := &textReport{}
	t.load(r)
	t.line("joins", "%s of %s in %.2f s   %s a second   first event %s", count(r.Joins.Joined), count(int64(r.Load.Viewers)), r.Joins.Seconds, count(int64(r.Joins.PerSecond)), short(r.Joins.Latency))
	if r.Posts.Offered > 0 {
		t.posts(&r.Posts)
		t.deliveries(r)
	}
	if a := r.Reactions; a != nil {
		t.line("reactions", "%s a second in requests of %d   %s of %s requests refused", count(int64(a.PerSecond)), a.Count, count(a.Refused), count(a.Requests))
		t.latency("  from due", a.Latency)
		if a.RefusedWith != "" {
			t.line("", "refused with: %s", a.RefusedWith)
		}
	}
	t.correctness("streams", &r.Correctness.Verdict)
	c := &r.Correctness
	t.line("", "gap events %s   ended by server %s   reconnects %s   not understood %s   away at the end %s",
		count(c.Gaps), count(c.Cuts), count(c.Reconnects), count(c.Garbled), count(c.Away))
	if r.Load.Churn > 0 {
		t.line("churn", "%s viewers left and were replaced", count(c.Left))
	}
	if s := r.Stalled; s != nil {
		t.correctness("stalled", &s.Verdict)
		t.line("", "%d viewers stopped reading   ended by server %d   gap events %s", s.Viewers, s.Cut, count(s.Gaps))
	}
	if s := r.Restart; s != nil {
		t.restart(s)
	}
	if p := r.Server; p != nil {
		t.line("server", "%.2f CPU-seconds in %.2f s   %s deliveries per CPU-second   %d threads", p.CPUSeconds, p.Seconds, count(int64(p.DeliveriesPerCPU)), p.Threads)
		t.line("", "memory %s before, %s with idle viewers, %s after the load   %s a viewer", bytesText(p.RSSBefore), bytesText(p.RSSIdle), bytesText(p.RSSAfter), bytesText(int64(p.RSSPerViewer)))
	}
	if r.Tool.CPUSeconds > 0 {
		bare := ""
		if r.Floor != nil {
			bare = fmt.Sprintf(" (reading alone, at the floor: %.1f µs)", r.Floor.ToolMicrosPerGet)
		}
		t.line("this tool", "%.2f CPU-seconds   %.1f µs for each frame at each viewer%s", r.Tool.CPUSeconds, r.Tool.MicrosPerGet, bare)
	}
	if f := r.Floor; f != nil {
		t.floor(f)
	}
	for _, s := range c.Examples {
		t.line("fault", "%s", s)
	}
	if s := r.Stalled; s != nil {
		for _, e := range s.Examples {
			t.line("fault", "stalled %s", e)
		}
	}
	if c.Fault != "" {
		t.line("first fault", "%s", c.Fault)
	}
	for _, s := range r.Warnings {
		t.line("note", "%s", s)
	}
	t.line("verdict", "%s", r.verdict())
	_, err := io.WriteString(w, t.b.String())
	return err
}

// verdict is the run in one line.
func (r *Report) verdict() string {
	switch err := r.Err(); {
	case err != nil:
		return "FAILED: " + err.Error()
	case r.Interrupted:
		return "interrupted; what was measured so far is correct"
	case r.Posts.Answered == 0:
		return "nothing was posted"
	default:
		return "every comment arrived once, in order, at every viewer, or a gap was announced"
	}
}

// textReport lines up labels and figures.
type textReport struct{ b strings.Builder }

func (t *textReport) line(label, format string, args ...any) {
	fmt.Fprintf(&t.b, "%-12s ", label)
	fmt.Fprintf(&t.b, format, args...)
	t.b.WriteByte('\n')
}

func (t *textReport) load(r *Report) {
	l := &r.Load
	var extra []string
	if l.WebSocket {
		extra = append(extra, "WebSocket")
	}
	if l.Gzip {
		extra = append(extra, "gzip")
	}
	if l.Stalled > 0 {
		extra = append(extra, fmt.Sprintf("%d stalled", l.Stalled))
	}
	if l.Churn > 0 {
		extra = append(extra, fmt.Sprintf("%g leave and join a second", l.Churn))
	}
	rate := fmt.Sprintf("%g comments a second", l.Rate)
	if l.OneAtATime {
		rate = "one comment at a time"
	}
	t.line("target", "%s", r.Target)
	t.line("load", "%s", strings.Join(append([]string{count(int64(l.Viewers)) + " viewers", rate, fmt.Sprintf("%g s", l.Seconds)}, extra...), ", "))
}

func (t *textReport) posts(p *Posts) {
	t.line("posts", "%s of %s answered   %.1f a second   %d refused, %d without answer   retries %s   sent late %s",
		count(int64(p.Answered)), count(int64(p.Offered)), p.PerSecond, p.Refused, p.Expired, retriesText(p.Retries), count(p.SentLate))
	t.latency("  from due", p.FromDue)
	t.latency("  service", p.Service)
}

func (t *textReport) deliveries(r *Report) {
	d := &r.Deliveries
	t.line("deliveries", "%s comments   %s a second   %.1f bytes each", count(d.Comments), count(int64(d.PerSecond)), d.BytesPerComment)
	t.line("frames", "%s with %.2f comments each   %.1f a second at each viewer   %s other frames", count(d.Frames), d.CommentsPerFrame, d.FramesPerSecond, count(d.OtherFrames))
	t.latency("  end to end", d.Latency)
	t.latency("  last viewer", d.LastViewer)
}

func (t *textReport) correctness(label string, v *Verdict) {
	t.line(label, "lost %s   doubled %s   out of order %s   under another id %s   announced by gaps %s",
		count(v.Lost), count(v.Doubled), count(v.OutOfOrder), count(v.Mismatched), count(v.Announced))
}

func (t *textReport) restart(s *Restart) {
	t.line("restart", "%d connections ended by the server, %d by this tool   %s comments missed   gap events %s", s.CutByServer, s.CutByTool, count(int64(s.Missed)), count(s.Gaps))
	if s.AllWhole > 0 {
		t.line("", "all %s viewers whole after %.2f s", count(int64(s.Viewers)), s.AllWhole)
	} else {
		t.line("", "%s of %s viewers became whole", count(int64(s.Whole)), count(int64(s.Viewers)))
	}
	t.latency("  to whole", s.Latency)
}

func (t *textReport) floor(f *Floor) {
	t.line("floor", "%s frames of %s bytes (%d comments)   %.1f a second   %.2f CPU-seconds   %s deliveries per CPU-second",
		count(int64(f.Frames)), count(int64(f.FrameBytes)), f.CommentsPerFrame, f.FramesPerSecond, f.CPUSeconds, count(int64(f.DeliveriesPerCPU)))
	t.latency("  end to end", f.Latency)
	t.latency("  last viewer", f.LastViewer)
	cpu := "(needs --pid)"
	if f.RatioCPU > 0 {
		cpu = fmt.Sprintf("%.2f", f.RatioCPU)
	}
	t.line("server/floor", "p50 %.2f   p99 %.2f   last viewer p50 %.2f   deliveries per CPU-second %s", f.RatioP50, f.RatioP99, f.RatioLastViewer, cpu)
}

func (t *textReport) latency(label string, l Latency) {
	if l.Count == 0 {
		return
	}
	t.line(label, "p50 %s   p90 %s   p99 %s   p99.9 %s   max %s", ms(l.P50), ms(l.P90), ms(l.P99), ms(l.P999), ms(l.Max))
}

func short(l Latency) string { return fmt.Sprintf("p50 %s, p99 %s", ms(l.P50), ms(l.P99)) }

// ms writes milliseconds with three figures or so.
func ms(v float64) string {
	switch {
	case v < 10:
		return fmt.Sprintf("%.2f ms", v)
	case v < 100:
		return fmt.Sprintf("%.1f ms", v)
	default:
		return fmt.Sprintf("%.0f ms", v)
	}
}

// count writes a number with commas.
func count(n int64) string {
	if n < 0 {
		return "-" + count(-n)
	}
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func bytesText(n int64) string {
	switch {
	case n >= 10<<20:
		return fmt.Sprintf("%.0f MiB", float64(n)/(1<<20))
	case n >= 10<<10:
		return fmt.Sprintf("%.0f KiB", float64(n)/(1<<10))
	default:
		return fmt.Sprintf("%s bytes", count(n))
	}
}

func retriesText(retries map[string]int64) string {
	if len(retries) == 0 {
		return "0"
	}
	var parts []string
	for _, why := range slices.Sorted(maps.Keys(retries)) {
		parts = append(parts, fmt.Sprintf("%s (%s)", count(retries[why]), why))
	}
	return strings.Join(parts, ", ")
}
