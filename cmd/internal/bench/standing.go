package bench

// This file holds the questions a run asks its readers; they are called on the
// reader's thread.

// reading counts the viewers that receive and read.
func (r *reader) reading() int {
	n := 0
	for i := range r.viewers {
		if v := &r.viewers[i]; v.state == watching && !v.stalled {
			n++
		}
	}
	return n
}

// behind counts the viewers that still wait for an id. Who joined after the
// last post was sent waits for nothing.
func (r *reader) behind(target uint64, sent int64) int {
	n := 0
	for i := range r.viewers {
		v := &r.viewers[i]
		switch {
		case v.stalled || v.last >= target:
		case v.state == watching && (v.joined < sent || v.last != 0):
			n++
		case v.state != watching && v.state != away && v.state != broken && v.last != 0:
			n++
		}
	}
	return n
}

// stalledBehind counts the stalled viewers that still read towards an id.
func (r *reader) stalledBehind(target uint64) int {
	n := 0
	for i := range r.viewers {
		if v := &r.viewers[i]; v.stalled && v.state == watching && v.last < target {
			n++
		}
	}
	return n
}

// wakeStalled lets stalled viewers read again.
func (r *reader) wakeStalled() {
	for i := range r.viewers {
		v := &r.viewers[i]
		if !v.silent || v.state != watching {
			continue
		}
		v.silent = false
		// With data waiting, the first event comes at once.
		if err := r.poll.add(int(v.fd), int32(i), v.gen); err != nil {
			r.giveUp(v, err)
		}
	}
}
