package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"time"
)

// run is one run of the tool, from joining to the verdict.
type run struct {
	cfg     Config
	clk     clock
	tag     string
	dial    *dialer
	readers []*reader
	poster  *poster // nil if nothing is posted
	errOut  io.Writer
	report  Report

	reactors *reactors // nil if there are no reactions

	from, to   int64 // comments due within are measured
	begin, end sample
	idle       procSample
	before     procSample
}

// Run measures a server as cfg says. It prints the report to out, progress and
// questions to errOut. When ctx ends it stops early and reports what was
// measured so far. The error is ErrIncorrect if the streams broke a promise, and
// ErrUsage if cfg makes no sense.
func Run(ctx context.Context, cfg Config, out, errOut io.Writer) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	// Threads in system calls must find a processor when they come back.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(max(runtime.NumCPU(), cfg.Readers+2)))

	r := &run{cfg: cfg, clk: newClock(), tag: newTag(), errOut: errOut}
	if err := r.setUp(); err != nil {
		return err
	}
	if err := r.measure(ctx); err != nil {
		return err
	}
	if err := r.report.write(cfg, out); err != nil {
		return err
	}
	return r.report.Err()
}

// measure goes through the phases. What ends a phase early ends the run with
// what is known; only a run that found out nothing is an error.
func (r *run) measure(ctx context.Context) error {
	r.report.Target = r.cfg.URL + "/comments/" + r.cfg.Video
	r.report.StartedAt = time.Now().UTC()
	r.report.Load = Load{
		Viewers: r.cfg.Viewers, Gzip: r.cfg.Gzip, WebSocket: r.cfg.WebSocket, Rate: r.cfg.Rate, Seconds: r.cfg.Duration.Seconds(), MessageSize: r.cfg.MessageSize,
		PostWorkers: r.cfg.PostWorkers, Stalled: r.cfg.Stalled, Churn: r.cfg.Churn, OneAtATime: r.cfg.OneAtATime,
		Reactions: r.cfg.Reactions,
	}
	for _, rd := range r.readers {
		go rd.loop()
	}
	err := r.phases(ctx)
	r.report.Interrupted = ctx.Err() != nil
	r.report.Correctness.Away = max(0, int64(r.cfg.Viewers)-r.watching())
	for _, rd := range r.readers {
		rd.stop()
		err = errors.Join(err, rd.err)
	}
	if r.poster != nil {
		r.poster.close()
	}
	if err != nil {
		return err
	}
	r.conclude()
	if r.cfg.Floor && ctx.Err() == nil {
		if err := r.floor(ctx); err != nil {
			r.report.Warnings = append(r.report.Warnings, fmt.Sprintf("no floor: %v", err))
		}
	}
	r.report.warn()
	return nil
}

func (r *run) phases(ctx context.Context) error {
	if err := r.sampleServer(&r.before); err != nil {
		return err
	}
	if err := r.join(ctx); err != nil {
		return err
	}
	r.pause(ctx, "idle", r.cfg.Idle)
	if err := r.sampleServer(&r.idle); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return nil
	}
	if err := r.load(ctx); err != nil {
		return err
	}
	if r.cfg.Stalled > 0 && ctx.Err() == nil {
		r.wakeStalled(ctx)
	}
	if r.cfg.Reconnect && ctx.Err() == nil {
		return r.restart(ctx)
	}
	return nil
}

// sampleServer reads the server's figures, if its process id is known.
func (r *run) sampleServer(into *procSample) error {
	if r.cfg.PID == 0 {
		return nil
	}
	s, err := sampleProc(r.clk, r.cfg.PID)
	if err != nil {
		return err
	}
	*into = s
	return nil
}

// join opens all viewers and returns when each has joined or can't.
func (r *run) join(ctx context.Context) error {
	began := r.clk.now()
	for i, rd := range r.readers {
		stalled := (i+1)*r.cfg.Stalled/len(r.readers) - i*r.cfg.Stalled/len(r.readers)
		rd.call(func() { rd.start(stalled) })
	}
	settled := func() int64 {
		return r.sum(func(c *counts) int64 { return c.watching.Load() + c.failed.Load() + c.garbled.Load() })
	}
	stop := r.progress("joining", r.cfg.Viewers, settled)
	r.waitWhile(ctx, joinStall, settled, func() bool { return settled() < int64(r.cfg.Viewers) })
	stop()
	took := time.Duration(r.clk.now() - began)
	joined := r.sum(func(c *counts) int64 { return c.joins.Load() })
	r.report.Joins = Joins{Joined: joined, Seconds: took.Seconds(), PerSecond: ratio(float64(joined), took.Seconds())}
	if r.watching() == 0 && ctx.Err() == nil {
		return fmt.Errorf("no viewer could join: %s", r.fault())
	}
	return nil
}

// joinStall ends the joining when nothing has happened for so long.
const joinStall = 45 * time.Second
