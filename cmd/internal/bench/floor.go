package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"
)

const (
	maxFloorDuration = 10 * time.Second
	floorWait        = 30 * time.Second // for the last frame, after the child has written it
)

var errFloor = errors.New("the floor's process")

// floorPlan is what the floor is to do.
type floorPlan struct {
	viewers    int
	frame      []byte
	rate       float64 // frames a second
	perFrame   int     // comments a frame stands for
	duration   time.Duration
	oneAtATime bool
	sendBuffer int
}

// floorResult is what it did.
type floorResult struct {
	rec    *recorder
	frames int // frames written to each socket
	cpu    time.Duration
	tool   time.Duration // CPU time of this process, which only reads
	wall   time.Duration
}

// measureFloor runs the floor: a child process that writes, and a thread of
// this one that reads.
func measureFloor(ctx context.Context, clk clock, command []string, plan floorPlan) (*floorResult, error) {
	ctx, cancel := context.WithCancel(ctx)
	p, err := startFloor(ctx, command)
	if err != nil {
		cancel()
		return nil, err
	}
	defer func() {
		_ = p.in.Close() // the child ends at the end of its input
		cancel()
		_ = p.cmd.Wait()
	}()
	r, err := connectFloor(clk, p, plan)
	if err != nil {
		return nil, err
	}
	defer r.close()
	go r.loop()
	begin, tool := clk.now(), ownCPU()
	var due []int64
	var cpu time.Duration
	if plan.oneAtATime {
		due, cpu, err = floorOneAtATime(ctx, clk, p, r, plan)
	} else {
		due, cpu, err = floorScheduled(ctx, clk, p, r, plan)
	}
	r.stop()
	if err != nil {
		return nil, err
	}
	wall, tool := time.Duration(clk.now()-begin), ownCPU()-tool
	return &floorResult{rec: floorRecord(r, due, plan), frames: len(due), cpu: cpu, tool: tool, wall: wall}, r.err
}

func connectFloor(clk clock, p *floorProcess, plan floorPlan) (*floorReader, error) {
	order, err := json.Marshal(floorOrder{Viewers: plan.viewers, FrameBytes: len(plan.frame), SendBuffer: plan.sendBuffer})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errFloor, err)
	}
	if err := p.say("%s", order); err != nil {
		return nil, err
	}
	if _, err := p.in.Write(plan.frame); err != nil {
		return nil, fmt.Errorf("%w: %w", errFloor, err)
	}
	port, err := p.line()
	if err != nil {
		return nil, err
	}
	d, err := newDialer("http://127.0.0.1:" + port)
	if err != nil {
		return nil, err
	}
	r, err := dialFloor(clk, d, plan.viewers, len(plan.frame))
	if err != nil {
		return nil, err
	}
	line, err := p.line()
	if err == nil && line != "ready" {
		err = fmt.Errorf("%w said %q", errFloor, line)
	}
	if err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

// floorScheduled writes frames at the plan's rate, whether or not the loop
// keeps up.
func floorScheduled(ctx context.Context, clk clock, p *floorProcess, r *floorReader, plan floorPlan) ([]int64, time.Duration, error) {
	every := int64(float64(time.Second) / plan.rate)
	count := max(1, int(math.Round(plan.duration.Seconds()*plan.rate)))
	start := clk.now() + int64(50*time.Millisecond)
	due := make([]int64, count)
	for k := range due {
		due[k] = start + int64(k)*every
	}
	if err := p.say("run %d %d %d", start-clk.now()+monotonic(), every, count); err != nil {
		return nil, 0, err
	}
	cpu, err := p.cpu()
	if err != nil {
		return nil, 0, err
	}
	return due, cpu, r.wait(ctx, count-1)
}

// floorOneAtATime writes a frame when every viewer has the one before.
func floorOneAtATime(ctx context.Context, clk clock, p *floorProcess, r *floorReader, plan floorPlan) ([]int64, time.Duration, error) {
	if err := p.say("begin"); err != nil {
		return nil, 0, err
	}
	var due []int64
	for end := clk.now() + int64(plan.duration); clk.now() < end && ctx.Err() == nil; {
		due = append(due, clk.now())
		if err := p.say("one"); err != nil {
			return nil, 0, err
		}
		if err := r.wait(ctx, len(due)-1); err != nil {
			return nil, 0, err
		}
	}
	if err := p.say("end"); err != nil {
		return nil, 0, err
	}
	cpu, err := p.cpu()
	return due, cpu, err
}

// wait returns when all sockets have the k-th frame.
func (r *floorReader) wait(ctx context.Context, k int) error {
	timeout := time.NewTimer(floorWait)
	defer timeout.Stop()
	for r.complete.Load() <= int64(k) {
		select {
		case <-r.notify:
		case <-r.done:
			return r.err
		case <-timeout.C:
			return fmt.Errorf("%w: frame %d did not reach all within %s", errFloor, k, floorWait)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// floorRecord gives each frame the comments it stands for: the last is due with
// the frame, the others evenly spread over the interval before, in which a
// batching server would have collected them.
func floorRecord(r *floorReader, due []int64, plan floorPlan) *recorder {
	rec := newRecorder()
	rec.from = 0
	every := 0.0
	if !plan.oneAtATime {
		every = float64(time.Second) / plan.rate
	}
	for k, f := range r.frames[:min(len(r.frames), len(due))] {
		for i := range plan.perFrame {
			ago := int64(every * float64(i) / float64(plan.perFrame))
			f.comments = append(f.comments, comment{seq: k*plan.perFrame + i, due: due[k] - ago})
		}
		rec.fold(f)
	}
	rec.lastArrivals(r.frames, len(due)*plan.perFrame)
	return rec
}
