package bench

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

// fullReport has something in every part.
func fullReport() *Report {
	l := Latency{Count: 10, Mean: 5, P50: 4.5, P90: 9, P99: 90.25, P999: 900, Max: 1234}
	p := []Point{{0, 1}, {50, 4.5}, {99, 90.25}, {100, 1234}}
	r := &Report{
		Target: "http://127.0.0.1:1/comments/<b>", StartedAt: time.Unix(0, 0).UTC(),
		Load:       Load{Viewers: 12345, Rate: 100, Seconds: 3, Gzip: true, Stalled: 2, Churn: 1},
		Joins:      Joins{Joined: 12345, Seconds: 2, PerSecond: 6172.5, Latency: l},
		Posts:      Posts{Offered: 300, Answered: 299, Expired: 1, FromDue: l, Service: l, SentLate: 20, Retries: map[string]int64{"503": 4, "network": 1}},
		Deliveries: Deliveries{Comments: 3_000_000, PerSecond: 1e6, Latency: l, LastViewer: l, Frames: 1000, CommentsPerFrame: 3, FramesPerSecond: 10, BytesPerComment: 99},
		Stalled:    &Stalled{Viewers: 2, Gaps: 2},
		Restart:    &Restart{CutByServer: 5, Missed: 100, Viewers: 5, Whole: 5, AllWhole: 0.5, Latency: l},
		Server:     &Process{PID: 1, CPUSeconds: 2, Seconds: 3, DeliveriesPerCPU: 1.5e6, RSSIdle: 50 << 20, RSSPerViewer: 1500, Threads: 9},
		Tool:       Tool{CPUSeconds: 1, MicrosPerGet: 3},
		Floor:      &Floor{Frames: 30, FrameBytes: 900, CommentsPerFrame: 3, Latency: l, LastViewer: l, DeliveriesPerCPU: 2e6, Percentiles: p},
		Seconds:    []Second{{At: 0, Delivered: 5}, {At: 1, Delivered: 6}, {At: 2, Delivered: 7}, {At: 3, Delivered: 1}}, Percentiles: p,
	}
	r.Floor.compare(&r.Deliveries, r.Server)
	r.warn()
	return r
}

func TestTextReport(t *testing.T) {
	var b strings.Builder
	if err := fullReport().Text(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"12,345 viewers", "299 of 300 answered", "4 (503), 1 (network)", "p50 4.50 ms   p90 9.00 ms   p99 90.2 ms   p99.9 900 ms   max 1234 ms",
		"lost 0", "all 5 viewers whole after 0.50 s", "1,500,000 deliveries per CPU-second", "deliveries per CPU-second 0.75", "had no success within the deadline", "every comment arrived once",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the text lacks %q:\n%s", want, b.String())
		}
	}
}

// The page has no other resources, its plots are well formed, and what comes
// from outside is escaped.
func TestHTMLReport(t *testing.T) {
	var b bytes.Buffer
	if err := fullReport().HTML(&b); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	for _, bad := range []string{"<script", "<link", "src=", "url(", "comments/<b>", "NaN", "Inf"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	plots := strings.Split(page, "<svg")[1:]
	if len(plots) != 4 {
		t.Errorf("%d plots, want 4", len(plots))
	}
	for _, p := range plots {
		text, _, _ := strings.Cut(p, "</svg>")
		d := xml.NewDecoder(strings.NewReader("<svg" + text + "</svg>"))
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("plot: %v", err)
			}
		}
	}
}

func TestEmptyReport(t *testing.T) {
	var b bytes.Buffer
	r := &Report{}
	if err := errors.Join(r.Text(&b), r.HTML(&b), r.JSON(&b)); err != nil {
		t.Fatal(err)
	}
}

func TestReportErrors(t *testing.T) {
	for name, spoil := range map[string]func(r *Report){
		"lost":           func(r *Report) { r.Correctness.Lost = 1 },
		"doubled":        func(r *Report) { r.Correctness.Doubled = 1 },
		"out of order":   func(r *Report) { r.Correctness.OutOfOrder = 1 },
		"another id":     func(r *Report) { r.Correctness.Mismatched = 1 },
		"not understood": func(r *Report) { r.Correctness.Garbled = 1 },
		"stalled":        func(r *Report) { r.Stalled.Lost = 1 },
	} {
		r := fullReport()
		if err := r.Err(); err != nil {
			t.Fatalf("a good report: %v", err)
		}
		spoil(r)
		if err := r.Err(); !errors.Is(err, ErrIncorrect) {
			t.Errorf("%s: %v, want %v", name, err, ErrIncorrect)
		}
	}
	r := fullReport()
	r.Posts.Answered = 0
	if err := r.Err(); err == nil {
		t.Error("a run without any answered post is no failure")
	}
}

func TestNumbers(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", -1234567: "-1,234,567"} {
		if got := count(n); got != want {
			t.Errorf("count(%d) = %q, want %q", n, got, want)
		}
	}
	for v, want := range map[float64]float64{0: 1, 0.3: 0.5, 1: 1, 1.2: 2, 4: 5, 7: 10, 120: 200} {
		if got := niceStep(v); got < want*0.999 || got > want*1.001 {
			t.Errorf("niceStep(%g) = %g, want %g", v, got, want)
		}
	}
}
