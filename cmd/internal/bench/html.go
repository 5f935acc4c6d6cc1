package bench

import (
	_ "embed"
	"html/template"
	"io"
	"strings"
)

//go:embed report.html
var pageText string

var page = template.Must(template.New("report").Parse(pageText))

// HTML writes the report as one page that needs nothing else.
func (r *Report) HTML(w io.Writer) error {
	var text strings.Builder
	if err := r.Text(&text); err != nil {
		return err
	}
	return page.Execute(w, map[string]any{
		"Report":  r,
		"OK":      r.Err() == nil,
		"Verdict": r.verdict(),
		"Facts":   r.facts(),
		"Figures": r.figures(),
		"Text":    text.String(),
		"Started": r.StartedAt.Format("2006-01-02 15:04:05 UTC"),
	})
}

// fact is one of the few figures at the top of the page.
type fact struct{ Name, Value, Note string }

func (r *Report) facts() []fact {
	d := &r.Deliveries
	out := []fact{
		{"viewers", count(r.Joins.Joined), "joined at " + count(int64(r.Joins.PerSecond)) + " a second"},
		{"comments delivered", count(int64(d.PerSecond)) + "/s", count(d.Comments) + " in all"},
		{"end to end, p50", ms(d.Latency.P50), "from the time a comment was due"},
		{"end to end, p99", ms(d.Latency.P99), "max " + ms(d.Latency.Max)},
	}
	if p := r.Server; p != nil {
		out = append(out,
			fact{"per server CPU-second", count(int64(p.DeliveriesPerCPU)), "comment deliveries"},
			fact{"memory per viewer", bytesText(int64(p.RSSPerViewer)), "user space, idle"})
	}
	if f := r.Floor; f != nil {
		out = append(out, fact{"p99 against the floor", ms(f.Latency.P99) + " floor", "ratio " + axisNumber(f.RatioP99)})
	}
	return out
}
