package bench

import (
	"context"
	"fmt"
	"time"
)

const (
	startDelay = 50 * time.Millisecond  // from the decision to post to the first post
	linger     = 250 * time.Millisecond // after the last comment arrived everywhere: doubles may follow
)

// sample is everything that is counted, at one moment.
type sample struct {
	at     int64
	server procSample
	tool   time.Duration
	tally
}

func (r *run) sample() sample {
	s := sample{at: r.clk.now(), tool: ownCPU()}
	_ = r.sampleServer(&s.server) // it was there a moment ago; if it died, the streams tell
	s.bytes = r.sum(func(c *counts) int64 { return c.bytes.Load() })
	s.frames = r.sum(func(c *counts) int64 { return c.frames.Load() })
	s.others = r.sum(func(c *counts) int64 { return c.others.Load() })
	s.deliveries = r.sum(func(c *counts) int64 { return c.deliveries.Load() })
	s.gaps = r.sum(func(c *counts) int64 { return c.gaps.Load() })
	return s
}

// load posts, and returns when everybody has everything or nothing comes any
// more.
func (r *run) load(ctx context.Context) error {
	if r.poster != nil {
		if err := r.poster.connect(joinTimeout); err != nil {
			return err
		}
		defer context.AfterFunc(ctx, r.poster.stop)()
	}
	start := r.clk.now() + int64(startDelay)
	r.from = start + int64(r.cfg.Warmup)
	r.to = r.from + int64(r.cfg.Duration)
	for _, rd := range r.readers {
		rd.call(func() { rd.rec.from, rd.rec.to = r.from, r.to })
	}
	began := make(chan struct{})
	beginning := time.AfterFunc(time.Duration(r.from-r.clk.now()), func() {
		r.begin = r.sample()
		for _, rd := range r.readers {
			rd.call(func() { rd.startChurn(r.cfg.Churn / float64(len(r.readers))) })
		}
		close(began)
	})
	reacted := make(chan struct{})
	go func() {
		defer close(reacted)
		if r.reactors != nil {
			r.reactors.run(ctx, start, r.from, r.to)
		}
	}()
	err := r.post(ctx, start)
	<-reacted
	if !beginning.Stop() {
		<-began
	}
	for _, rd := range r.readers {
		rd.call(func() { rd.startChurn(0) })
	}
	if err != nil {
		return err
	}
	r.drain(ctx)
	r.end = r.sample()
	r.pause(ctx, "linger", linger)
	return nil
}

// post runs the load's posting in the way that was asked for.
func (r *run) post(ctx context.Context, start int64) error {
	length := r.cfg.Warmup + r.cfg.Duration
	if r.poster == nil {
		r.pause(ctx, "watching", length)
		return nil
	}
	r.poster.reset(r.from, r.to)
	if r.cfg.OneAtATime {
		stop := r.progress("posting one at a time", int(length.Milliseconds()), func() int64 { return (r.clk.now() - start) / int64(time.Millisecond) })
		defer stop()
		return r.oneAtATime(ctx)
	}
	count := max(1, int(r.cfg.Rate*length.Seconds()+0.5))
	stop := r.progress("posting", count, r.poster.done.Load)
	defer stop()
	if err := r.poster.run(newSchedule(start, r.cfg.Rate, count)); err != nil {
		return fmt.Errorf("post: %w", err)
	}
	return nil
}

// oneAtATime posts a comment when every viewer has the one before.
func (r *run) oneAtATime(ctx context.Context) error {
	for r.clk.now() < r.to && ctx.Err() == nil {
		seq := len(r.poster.ledger.posts)
		var full []<-chan int64
		for _, rd := range r.readers {
			rd.call(func() { full = append(full, rd.await.begin(seq, rd.reading(), rd.now)) })
		}
		if err := r.poster.run(newSchedule(r.clk.now(), 1, 1)); err != nil {
			return fmt.Errorf("post: %w", err)
		}
		patience, done := context.WithTimeout(ctx, r.cfg.Settle)
		for _, ch := range full {
			select {
			case <-ch:
			case <-patience.Done(): // somebody lost it; the verdict will say who
			}
		}
		done()
	}
	return nil
}

// drain waits until every viewer has the last comment that was answered.
func (r *run) drain(ctx context.Context) {
	if r.poster == nil || r.poster.ledger.last == 0 {
		return
	}
	target := r.poster.ledger.last
	var sent int64 // nobody who joined later can wait for anything
	for i := range r.poster.ledger.posts {
		sent = max(sent, r.poster.ledger.posts[i].sent)
	}
	still := r.cfg.Settle
	if ctx.Err() != nil {
		ctx, still = context.WithoutCancel(ctx), min(still, time.Second)
	}
	behind := func() int {
		n := 0
		for _, rd := range r.readers {
			rd.call(func() { n += rd.behind(target, sent) })
		}
		return n
	}
	stop := r.progress("draining", 1, func() int64 { return 0 })
	defer stop()
	r.waitWhile(ctx, still, func() int64 { return r.sum(func(c *counts) int64 { return c.deliveries.Load() + c.joins.Load() }) },
		func() bool { return behind() > 0 })
}

// wakeStalled lets the stalled viewers read again, and sees what they get.
func (r *run) wakeStalled(ctx context.Context) {
	for _, rd := range r.readers {
		rd.call(rd.wakeStalled)
	}
	target := r.lastID()
	behind := func() int {
		n := 0
		for _, rd := range r.readers {
			rd.call(func() { n += rd.stalledBehind(target) })
		}
		return n
	}
	stop := r.progress("stalled viewers read on", 1, func() int64 { return 0 })
	defer stop()
	r.waitWhile(ctx, r.cfg.Settle, func() int64 { return r.sum(func(c *counts) int64 { return c.stalled.Load() + c.stalledCut.Load() }) },
		func() bool { return behind() > 0 })
	r.pause(ctx, "linger", linger)
}

func (r *run) lastID() uint64 {
	if r.poster == nil {
		return 0
	}
	return r.poster.ledger.last
}
