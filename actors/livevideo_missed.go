package actors

import (
	"time"

	"barrage/actors/wire"
)

// A comment that comes late is told to relays as a gap, once. A relay that was
// not there, or lost that message, is told when it subscribes.

// missedRange is where comments came late: above one id and below another.
type missedRange struct {
	after, before uint64
	at            time.Time
}

// maxMissed bounds what is remembered; two ranges become one then.
const maxMissed = 64

// noteMissed remembers what relays are told.
func (l *liveVideo) noteMissed(events *wire.Publish, now time.Time) {
	if events.MissedBefore == 0 {
		return
	}
	l.missed = append(l.missed, missedRange{events.MissedAfter, events.MissedBefore, now})
	if len(l.missed) > maxMissed {
		a, b := l.missed[0], &l.missed[1]
		b.after, b.before = min(a.after, b.after), max(a.before, b.before)
		l.missed = l.missed[1:]
	}
}

// missedBy is above which id a relay that subscribes again may have missed
// comments below those that it has; 0: nothing. lost says that it has followed
// this activation, and may have lost a message of it.
func (l *liveVideo) missedBy(m *wire.Subscribe, lost bool) (after uint64) {
	other := m.Activation != 0 && m.Activation != l.activation
	if other && m.After > l.began {
		after = max(l.began, 1) // it followed another owner beyond where this one began
	}
	for _, r := range l.missed {
		// Of this activation's it has heard, but for the latest.
		if r.after < m.After && (other || lost && l.node.now().Sub(r.at) < answerMemory) && (after == 0 || r.after < after) {
			after = r.after
		}
	}
	return after
}
