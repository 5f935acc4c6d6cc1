package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"
)

const (
	restartDeadline = 2 * time.Minute // for posts while the server restarts
	minMissedRate   = 100.0           // comments a second then
	wholeStill      = 20 * time.Second
)

// restart is the phase of --reconnect: the server restarts while comments are
// posted, and then everybody resumes at once from where they were.
func (r *run) restart(ctx context.Context) error {
	for _, rd := range r.readers {
		rd.call(func() { rd.reconnect = false })
	}
	cutsBefore := r.sum(func(c *counts) int64 { return c.cuts.Load() })
	gapsBefore := r.sum(func(c *counts) int64 { return c.gaps.Load() })
	restarted := make(chan error, 1)
	go func() { restarted <- r.restartServer(ctx) }()

	r.poster.deadline = max(r.poster.deadline, restartDeadline)
	before := r.poster.done.Load()
	stop := r.progress("posting during the restart", r.cfg.Missed, func() int64 { return r.poster.done.Load() - before })
	stopPosting := context.AfterFunc(ctx, r.poster.stop)
	err := r.poster.run(newSchedule(r.clk.now(), max(r.cfg.Rate, minMissedRate), r.cfg.Missed))
	stopPosting()
	stop()
	select {
	case err := <-restarted:
		if err != nil {
			return fmt.Errorf("restart the server: %w", err)
		}
	case <-ctx.Done():
		return nil
	}
	if err != nil {
		return fmt.Errorf("post during the restart: %w", err)
	}
	out := &Restart{
		CutByServer: int(r.sum(func(c *counts) int64 { return c.cuts.Load() }) - cutsBefore),
		Missed:      int(r.poster.done.Load() - before),
	}
	for _, rd := range r.readers {
		rd.call(func() { out.CutByTool += rd.cutAll() })
	}
	r.resume(ctx, out)
	out.Gaps = r.sum(func(c *counts) int64 { return c.gaps.Load() }) - gapsBefore
	r.report.Restart = out
	return nil
}

// resume reconnects everybody at once and waits until they have everything.
func (r *run) resume(ctx context.Context, out *Restart) {
	began := r.clk.now()
	target := r.lastID()
	var full []<-chan int64
	for _, rd := range r.readers {
		rd.call(func() {
			var viewers int
			var ch <-chan int64
			viewers, ch = rd.resumeAll(target, began)
			out.Viewers += viewers
			full = append(full, ch)
		})
	}
	have := func() int64 {
		n := 0
		for _, rd := range r.readers {
			rd.call(func() { n += rd.await.have })
		}
		return int64(n)
	}
	stop := r.progress("resuming", out.Viewers, have)
	// Progress is also who has connected, and what they have read so far.
	moved := func() int64 {
		return have() + r.sum(func(c *counts) int64 { return c.joins.Load() + c.deliveries.Load() })
	}
	whole := r.waitWhile(ctx, wholeStill, moved, func() bool { return have() < int64(out.Viewers) })
	stop()
	times := newHistogram(3)
	var last int64
	for i, rd := range r.readers {
		rd.call(func() {
			times.Merge(rd.await.times)
			out.Whole += rd.await.have
			rd.reconnect = true
		})
		if whole {
			last = max(last, <-full[i])
		}
	}
	if whole {
		out.AllWhole = time.Duration(last - began).Seconds()
	}
	out.Latency = summarise(times)
	r.pause(ctx, "linger", linger)
}

// restartServer runs the command, or asks whoever sits at the terminal.
func (r *run) restartServer(ctx context.Context) error {
	if r.cfg.RestartCmd == "" {
		_, _ = fmt.Fprintln(r.errOut, "\nRestart the server now, then press Enter.")
		_, err := bufio.NewReader(os.Stdin).ReadString('\n')
		return err
	}
	cmd := exec.CommandContext(ctx, "sh", "-c", r.cfg.RestartCmd) //nolint:gosec // the user's own command
	cmd.Stdout, cmd.Stderr = r.errOut, r.errOut
	cmd.WaitDelay = time.Second // a server it started in the background may keep the output open
	if err := cmd.Run(); !errors.Is(err, exec.ErrWaitDelay) {
		return err
	}
	return nil
}

// cutAll ends the connections that are left and returns how many there were.
func (r *reader) cutAll() int {
	n := 0
	for i := range r.viewers {
		v := &r.viewers[i]
		if v.state == watching {
			n++
		}
		if v.state != broken {
			r.hangUp(v)
		}
	}
	return n
}

// resumeAll connects all viewers that have a position, at once, and waits for
// them to reach an id. Viewers that stalled take no part.
func (r *reader) resumeAll(target uint64, now int64) (viewers int, full <-chan int64) {
	r.limit = len(r.viewers)
	for i := range r.viewers {
		if v := &r.viewers[i]; v.state == away && !v.stalled && v.last != 0 {
			v.tries = 0
			v.resumes = true
			r.enqueue(v, i)
			viewers++
		}
	}
	full = r.await.beginID(target, viewers, now)
	for i := range r.viewers {
		if v := &r.viewers[i]; v.state == queued && v.last >= target {
			r.await.reached(v, r.now)
		}
	}
	r.reconnect = true
	return viewers, full
}
