package verify

import (
	"fmt"
	"strings"
	"time"
)

// Row is one line of a report.
type Row struct {
	What     string   `json:"what"`
	Figure   string   `json:"figure"`
	ToReach  string   `json:"toReach"` // "": only to be known
	Met      bool     `json:"met"`
	Findings []string `json:"findings,omitempty"` // the first of them
}

// shown of a row's findings are in the report.
const shown = 40

// Count is a row of findings, which must be none.
func Count(what string, found []Finding) Row {
	row := Known(what, found)
	row.ToReach, row.Met = "0", len(found) == 0
	return row
}

// Known is a row of findings that may be.
func Known(what string, found []Finding) Row {
	row := Row{What: what, Figure: fmt.Sprint(len(found)), Met: true}
	// Those of one moment have one cause: each moment comes before the second
	// of any.
	found = spread(found)
	for _, f := range found[:min(shown, len(found))] {
		row.Findings = append(row.Findings, f.String())
	}
	return row
}

// spread puts the first finding of each room and second before the rest.
func spread(found []Finding) []Finding {
	var first, rest []Finding
	seen := map[string]bool{}
	for _, f := range found {
		moment := f.Room + f.At.Format(time.DateTime)
		if seen[moment] {
			rest = append(rest, f)
		} else {
			first = append(first, f)
		}
		seen[moment] = true
	}
	return append(first, rest...)
}

// Below is a row of a duration, which must be below a bound unless that is 0.
func Below(what string, d, bound time.Duration) Row {
	row := Row{What: what, Figure: d.Round(time.Millisecond).String(), Met: bound == 0 || d < bound}
	if bound > 0 {
		row.ToReach = "under " + bound.String()
	}
	return row
}

// Text is a row of what has been seen, with no bound.
func Text(what, figure string) Row { return Row{What: what, Figure: figure, Met: true} }

// Rows compares all that is in a record.
func Rows(r *Record) []Row {
	var missing, twice, returned, unposted, unsorted []Finding
	for _, h := range r.Histories {
		missing = append(missing, Missing(r, h)...)
		twice = append(twice, Twice(r, h)...)
		returned = append(returned, Returned(r, h)...)
		unposted = append(unposted, Unposted(r, h)...)
		unsorted = append(unsorted, Unsorted(h)...)
	}
	var h History // where nodes differ, one is right, and another row says so
	for _, x := range r.Histories {
		if size(x) > size(h) {
			h = x
		}
	}
	unannounced, cut := Unannounced(r, h)
	answered, bothSides := Answered(r)
	var failed []Finding
	for _, f := range r.Failures {
		failed = append(failed, Finding{Room: f.Room, At: f.Began, Text: fmt.Sprintf("%q, key %s: %s after %s", f.Message, f.Key, f.Why, f.At.Sub(f.Began).Round(time.Millisecond))})
	}
	return append([]Row{
		Count("answered comments missing from history (each node's counts)", missing),
		Count("comments twice in history, by id or by key (each node's counts)", twice),
		Count("history out of order", unsorted),
		Count("comments that nobody posted", unposted),
		Count("deleted comments that came back", returned),
		Count("keys answered with two comments", answered),
		Known("keys answered with two comments, during a cut-off", bothSides),
		Count("ids below that of an earlier comment (outside of cut-offs)", Backwards(r)),
		Count("comments twice or out of order on a stream", Disorder(r)),
		Count("comments on a stream that history lacks", Shown(r, h)),
		Count("comments not sent and not announced (outside of cut-offs)", unannounced),
		Known("comments not sent and not announced, posted during a cut-off", cut),
		Known("gaps announced", Gaps(r, h)),
		Count("viewers without the newest comment at the end", Behind(r, h)),
		Count("posts failed", failed),
	}, roomRows(r)...)
}

func size(h History) (n int) {
	for _, all := range h.Rooms {
		n += len(all)
	}
	return n
}

// Table writes rows as Markdown, and what is behind each that was not met.
func Table(rows []Row) string {
	var out strings.Builder
	out.WriteString("| what | figure | to reach | |\n| --- | --- | --- | --- |\n")
	for _, r := range rows {
		verdict := ""
		switch {
		case r.ToReach == "":
		case r.Met:
			verdict = "met"
		default:
			verdict = "MISSED"
		}
		fmt.Fprintf(&out, "| %s | %s | %s | %s |\n", r.What, r.Figure, r.ToReach, verdict)
	}
	for _, r := range rows {
		if r.Met {
			continue
		}
		fmt.Fprintf(&out, "\n%s: %s\n", r.What, r.Figure)
		for _, f := range r.Findings {
			fmt.Fprintf(&out, "  %s\n", f)
		}
	}
	return out.String()
}

// Met says whether all rows were.
func Met(rows []Row) bool {
	for _, r := range rows {
		if !r.Met {
			return false
		}
	}
	return true
}
