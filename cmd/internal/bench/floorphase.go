package bench

import (
	"context"
	"errors"
	"math"
)

// floor measures the bare loop with the frames that were seen.
func (r *run) floor(ctx context.Context) error {
	d := &r.report.Deliveries
	plan := floorPlan{
		viewers: r.cfg.Viewers, rate: r.cfg.FloorFrames, perFrame: max(1, int(math.Round(d.CommentsPerFrame))),
		duration: r.cfg.FloorDuration, oneAtATime: r.cfg.OneAtATime, sendBuffer: r.cfg.FloorSendBuffer,
		frame: typicalFrame(r.frames(), d.CommentsPerFrame),
	}
	if plan.rate == 0 {
		plan.rate = d.FramesPerSecond
	}
	if plan.duration == 0 {
		plan.duration = min(r.cfg.Duration, maxFloorDuration)
	}
	if len(plan.frame) == 0 || plan.rate == 0 {
		return errors.New("no frame with comments was seen")
	}
	stop := r.progress("floor", 1, func() int64 { return 0 })
	res, err := measureFloor(ctx, r.clk, r.cfg.FloorCommand, plan)
	stop()
	if err != nil {
		return err
	}
	f := &Floor{
		Frames: res.frames, FramesPerSecond: ratio(float64(res.frames), res.wall.Seconds()), FrameBytes: len(plan.frame), CommentsPerFrame: plan.perFrame,
		Latency: summarise(res.rec.total), LastViewer: summarise(res.rec.last), CPUSeconds: res.cpu.Seconds(),
		Deliveries: int64(res.frames) * int64(plan.viewers) * int64(plan.perFrame), Percentiles: points(res.rec.total),
	}
	f.Overrun = !plan.oneAtATime && f.LastViewer.P50 > 1500/plan.rate
	f.ToolMicrosPerGet = ratio(float64(res.tool.Microseconds()), float64(res.frames)*float64(plan.viewers))
	f.DeliveriesPerCPU = ratio(float64(f.Deliveries), f.CPUSeconds)
	f.compare(d, r.report.Server)
	r.report.Floor = f
	return nil
}

// typicalFrame is the frame whose number of comments is nearest to the mean, as
// it was on the wire.
func typicalFrame(frames []*frame, mean float64) []byte {
	var best []byte
	distance := math.Inf(1)
	for _, f := range frames {
		bytes := f.wire
		if bytes == nil {
			bytes = []byte(f.text)
		}
		if d := math.Abs(float64(len(f.comments)) - mean); d < distance && len(bytes) > 0 {
			best, distance = bytes, d
		}
	}
	return best
}
