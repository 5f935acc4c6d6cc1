package bench

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// conclude makes the report once the readers have stopped.
func (r *run) conclude() {
	rec := newRecorder()
	rec.from, rec.to = r.from, r.to
	if r.from == 0 {
		rec.from = math.MaxInt64 // the load was never reached
	}
	joins := newHistogram(3)
	for _, rd := range r.readers {
		rec.merge(rd.rec)
		joins.Merge(rd.joins)
	}
	if r.poster != nil {
		rec.lastArrivals(r.frames(), len(r.poster.ledger.posts))
	}
	r.report.Joins.Failed = r.sum(func(c *counts) int64 { return c.failed.Load() })
	r.report.Joins.Latency = summarise(joins)
	r.report.Deliveries = r.deliveries(rec)
	r.report.Percentiles = points(rec.total)
	r.report.Server = r.server()
	r.report.Tool = r.tool()
	if r.reactors != nil && r.from != 0 {
		r.report.Reactions = r.reactors.report()
	}
	var answeredSeconds []int64
	if r.poster != nil && r.from != 0 {
		r.report.Posts = r.posts()
		answeredSeconds = r.poster.stats.seconds
	}
	r.report.Seconds = timeline(rec, answeredSeconds)
	r.judge()
}

// frames are all frames of all readers.
func (r *run) frames() []*frame {
	var all []*frame
	for _, rd := range r.readers {
		all = append(all, rd.table.frames...)
	}
	return all
}

// window is the measured time in seconds, up to the last arrival.
func (r *run) window() float64 { return max(0, time.Duration(r.end.at-r.begin.at).Seconds()) }

func (r *run) deliveries(rec *recorder) Deliveries {
	if r.begin.at == 0 || r.end.at == 0 {
		return Deliveries{Latency: summarise(rec.total), LastViewer: summarise(rec.last)}
	}
	d := Deliveries{
		Comments: r.end.deliveries - r.begin.deliveries,
		Frames:   r.end.frames - r.begin.frames, OtherFrames: r.end.others - r.begin.others,
		Bytes:   r.end.bytes - r.begin.bytes,
		Latency: summarise(rec.total), LastViewer: summarise(rec.last),
	}
	d.PerSecond = ratio(float64(d.Comments), r.window())
	d.CommentsPerFrame = ratio(float64(d.Comments), float64(d.Frames))
	d.FramesPerSecond = ratio(float64(d.Frames), r.window()*float64(r.cfg.Viewers-r.cfg.Stalled))
	d.BytesPerComment = ratio(float64(d.Bytes), float64(d.Comments))
	return d
}

func (r *run) posts() Posts {
	l, s := &r.poster.ledger, &r.poster.stats
	p := Posts{
		Answered: l.count(r.from, r.to, answered), Refused: l.count(r.from, r.to, refused), Expired: l.count(r.from, r.to, expired),
		FromDue: summarise(s.latency), Service: summarise(s.service), SentLate: s.late, Starved: s.starved, Retries: s.retries, RefusedWith: s.example,
	}
	var last int64
	for i := range l.posts {
		if q := &l.posts[i]; q.due >= r.from && q.due < r.to {
			p.Offered++
			last = max(last, q.done)
		}
	}
	p.PerSecond = ratio(float64(p.Answered), time.Duration(last-r.from).Seconds())
	return p
}

func (r *run) server() *Process {
	if r.cfg.PID == 0 || r.begin.server.at == 0 || r.end.server.at == 0 {
		return nil
	}
	p := &Process{
		PID: r.cfg.PID, CPUSeconds: (r.end.server.cpu - r.begin.server.cpu).Seconds(), Seconds: r.window(),
		RSSBefore: r.before.rss, RSSIdle: r.idle.rss, RSSAfter: r.end.server.rss, Threads: r.end.server.threads,
	}
	p.DeliveriesPerCPU = ratio(float64(r.end.deliveries-r.begin.deliveries), p.CPUSeconds)
	p.RSSPerViewer = ratio(float64(r.idle.rss-r.before.rss), float64(r.report.Joins.Joined))
	return p
}

func (r *run) tool() Tool {
	t := Tool{CPUSeconds: (r.end.tool - r.begin.tool).Seconds()}
	if r.begin.at == 0 || r.end.at == 0 {
		return Tool{}
	}
	t.MicrosPerGet = ratio(t.CPUSeconds*1e6, float64(r.end.frames-r.begin.frames))
	return t
}

// judge works out the verdict, for viewers that read on and for stalled ones.
func (r *run) judge() {
	var l ledger
	if r.poster != nil {
		l = r.poster.ledger
	}
	var reading, stalled []history
	var stalledGaps int64
	for _, rd := range r.readers {
		for _, h := range rd.past {
			if h.stalled {
				stalled = append(stalled, h)
				stalledGaps += int64(len(h.gaps))
				continue
			}
			reading = append(reading, h)
		}
	}
	r.report.Correctness = Correctness{
		Verdict:    judgeAll(&l, r.frames(), reading),
		Gaps:       r.sum(func(c *counts) int64 { return c.gaps.Load() }),
		Garbled:    r.sum(func(c *counts) int64 { return c.garbled.Load() }),
		Cuts:       r.sum(func(c *counts) int64 { return c.cuts.Load() }),
		Reconnects: r.sum(func(c *counts) int64 { return c.reconnects.Load() }),
		Left:       r.sum(func(c *counts) int64 { return c.left.Load() }),
		Away:       r.report.Correctness.Away,
		Fault:      r.fault(),
	}
	if r.cfg.Stalled > 0 {
		r.report.Stalled = &Stalled{
			Verdict: judgeAll(&l, r.frames(), stalled), Viewers: len(stalled), Gaps: stalledGaps,
			Cut: int(r.sum(func(c *counts) int64 { return c.stalledCut.Load() })),
		}
	}
}

// Err is the error a run ends with: nil if every stream kept its promises.
func (r *Report) Err() error {
	c := &r.Correctness
	bad := !c.ok() || c.Garbled > 0 || r.Stalled != nil && !r.Stalled.ok()
	if bad {
		return fmt.Errorf("%w: %d lost, %d doubled, %d out of order, %d under another id, %d streams not understood",
			ErrIncorrect, c.Lost, c.Doubled, c.OutOfOrder, c.Mismatched, c.Garbled)
	}
	if s := r.Restart; s != nil && s.Whole < s.Viewers && !r.Interrupted {
		return fmt.Errorf("%d of %d viewers did not get whole again after the restart", s.Viewers-s.Whole, s.Viewers)
	}
	if a := r.Reactions; a != nil && a.Requests > 0 && a.Refused == a.Requests && !r.Interrupted {
		return fmt.Errorf("no reaction had success: %s", a.RefusedWith)
	}
	if !r.Interrupted && r.Posts.Offered > 0 && r.Posts.Answered == 0 {
		return errors.New("no post had success")
	}
	return nil
}
