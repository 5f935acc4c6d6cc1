package journal

import "barrage/persistence"

// tally sums up a commit by sink, so that each sink is told once.
type tally struct {
	index map[persistence.Sink]int
	sums  []sum
}

type sum struct {
	sink persistence.Sink
	n    int
	last persistence.LSN // of the sink's last record in the commit
}

// tell calls each distinct sink, in the order of their first records. With an
// error the positions mean nothing.
func (t *tally) tell(runs []run, first persistence.LSN, err error) {
	if t.index == nil {
		t.index = make(map[persistence.Sink]int)
	}
	next := first
	for _, r := range runs {
		next += persistence.LSN(r.n)
		i, ok := t.index[r.sink]
		if !ok {
			i = len(t.sums)
			t.index[r.sink] = i
			t.sums = append(t.sums, sum{sink: r.sink})
		}
		t.sums[i].n += r.n
		t.sums[i].last = next - 1
	}
	for _, s := range t.sums {
		if err != nil {
			s.last = 0
		}
		s.sink.Durable(s.n, s.last, err)
	}
	clear(t.index)
	clear(t.sums)
	t.sums = t.sums[:0]
}
