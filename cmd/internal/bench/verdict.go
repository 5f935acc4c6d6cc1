package bench

import "fmt"

// maxExamples is how many faults are described one by one.
const maxExamples = 10

// history is what one viewer received, from a join to its end. A reconnection
// with Last-Event-ID goes on with the same history.
type history struct {
	viewer int
	joined int64 // what was sent after this time must arrive
	path   []stretch
	gaps   []gap
	open   bool // still connected at the end of the run: nothing may be missing there

	stalled bool // the viewer had stopped reading for a while
}

// Verdict is how far the streams kept their promises. Deliveries are counted:
// one comment missing at ten viewers is ten lost.
type Verdict struct {
	Lost       int64    `json:"lost"`         // answered with 201, and skipped without a word
	Doubled    int64    `json:"doubled"`      // received twice
	OutOfOrder int64    `json:"out_of_order"` // received after a higher id
	Announced  int64    `json:"announced"`    // not delivered, but named by a gap event
	Mismatched int64    `json:"mismatched"`   // posts with one id in the answer and another in the stream
	Faulty     int64    `json:"faulty_viewers"`
	Examples   []string `json:"examples,omitempty"`
}

func (v *Verdict) ok() bool { return v.Lost+v.Doubled+v.OutOfOrder+v.Mismatched == 0 }

func (v *Verdict) example(format string, args ...any) {
	if len(v.Examples) < maxExamples {
		v.Examples = append(v.Examples, fmt.Sprintf(format, args...))
	}
}

// known is a comment that exists, by the ledger or because a viewer has it.
type known struct {
	id   uint64
	sent int64
	seq  int
	must bool // answered with 201
}

// verdict is the part of Verdict that is the same for all viewers that took the
// same path.
type verdict struct {
	lost, doubled, outOfOrder, announced int64
	example                              string
}

// judgeAll works out the verdict over all histories. frames are all the frames
// the readers saw.
func judgeAll(l *ledger, frames []*frame, histories []history) Verdict {
	j := &judge{memo: map[string]verdict{}}
	out := j.collect(l, frames)
	for i := range histories {
		h := &histories[i]
		v := j.history(h)
		out.Lost += v.lost
		out.Doubled += v.doubled
		out.OutOfOrder += v.outOfOrder
		out.Announced += v.announced
		if v.lost+v.doubled+v.outOfOrder > 0 {
			out.Faulty++
			out.example("viewer %d: %s", h.viewer, v.example)
		}
	}
	return out
}
