package actors

// A node, or the way to it, may be slower than a room. What is on its way to a
// relay waits in this process's memory, so it is bounded: a relay says with its
// lease, each few seconds and some times on the way to the bound, how far it has
// got, and one that is too far behind is sent nothing until it has caught up.
// Then it subscribes again, gets what memory has, and announces the rest as a gap.

// unheard is what is on its way to a relay.
type unheard struct {
	most                uint64 // bytes (Config.UnheardBytes)
	sent, heard, marked uint64 // bytes since the subscription began
	marks               []unheardMark
	talks               bool // the relay says how far it has got: not all versions do
	behind              bool // it is sent nothing now
}

// unheardMark says how many bytes were sent before the message with a number.
type unheardMark struct{ seq, sent uint64 }

// room says whether a relay may be sent more. One that may not has to catch up
// first; news is true if it was not so before.
func (u *unheard) room() (ok, news bool) {
	if u.behind || !u.talks || u.sent-u.heard <= u.most {
		return !u.behind, false
	}
	u.behind = true
	return false, true
}

// send notes that the message with a number was sent.
func (u *unheard) send(seq uint64, bytes int) {
	u.sent += uint64(bytes) //nolint:gosec // not negative
	if u.sent-u.marked >= u.most/64 {
		u.marked = u.sent
		u.marks = append(u.marks, unheardMark{seq + 1, u.sent})
	}
}

// hear notes which message a relay expects next.
func (u *unheard) hear(nextSeq uint64) {
	u.talks = true
	for len(u.marks) > 0 && u.marks[0].seq <= nextSeq {
		u.heard = u.marks[0].sent
		u.marks = u.marks[1:]
	}
}

// caughtUp says whether a relay that subscribes again may be sent something.
func (u *unheard) caughtUp() bool {
	if u.sent-u.heard <= u.most/2 {
		u.behind = false
	}
	return !u.behind
}
