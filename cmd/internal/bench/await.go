package bench

import hdr "github.com/HdrHistogram/hdrhistogram-go"

// await counts the viewers of one reader that have come as far as a comment,
// named by its number in the run or by its id.
type await struct {
	round int // tells one waiting from the next
	seq   int
	id    uint64 // 0: wait for seq
	since int64
	want  int // 0: nobody waits
	have  int
	last  int64          // when the latest viewer got there
	times *hdr.Histogram // from since to then, one for each viewer
	full  chan int64     // gets last once all have it
}

// begin starts to wait for a comment of the run, at all viewers that watch.
func (a *await) begin(seq, want int, now int64) <-chan int64 {
	*a = await{round: a.round + 1, seq: seq, want: want, since: now, full: make(chan int64, 1)}
	if want == 0 {
		a.full <- now
	}
	return a.full
}

// beginID starts to wait for an id, at so many viewers. Those that have it
// already must be given to reached.
func (a *await) beginID(id uint64, want int, now int64) <-chan int64 {
	full := a.begin(0, want, now)
	a.id = id
	a.times = newHistogram(3)
	return full
}

func (a *await) deliver(v *viewer, f *frame, now int64) {
	if a.want == 0 || v.round == a.round {
		return
	}
	if a.id == 0 && f.newest >= a.seq || a.id != 0 && v.last >= a.id {
		a.reached(v, now)
	}
}

func (a *await) reached(v *viewer, now int64) {
	v.round = a.round
	a.have++
	a.last = now
	if a.times != nil {
		recordLatency(a.times, now-a.since, 1)
	}
	if a.have == a.want {
		a.full <- now
	}
}
