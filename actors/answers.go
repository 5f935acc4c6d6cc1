package actors

import (
	"time"

	"barrage/actors/wire"
	"barrage/persistence"
)

// answers are what a live video remembers of Idempotency-Keys. The edge asks
// the store before it sends a post here; so this needs to go back no further
// than to what the store did not have then.
type answers struct {
	byKey map[answerKey]*keptAnswer
	// kept is in the order of time.
	kept []*keptAnswer
}

type answerKey struct{ userID, key string }

// keptAnswer is the answer to the first post with a key.
type keptAnswer struct {
	key     answerKey
	digest  []byte
	pending *pendingRecord // until it is durable
	row     *wire.Row
	lsn     persistence.LSN
	at      time.Time
}

// answerMemory is how long an answer is remembered at least. It is longer
// than a post can be on its way from the edge, which then has looked into the
// store before the answer got there.
const answerMemory = time.Minute

func newAnswers() *answers { return &answers{byKey: map[answerKey]*keptAnswer{}} }

func (a *answers) find(userID, key string) *keptAnswer { return a.byKey[answerKey{userID, key}] }

func (a *answers) add(userID, key string, digest []byte, p *pendingRecord) *keptAnswer {
	k := &keptAnswer{key: answerKey{userID, key}, digest: digest, pending: p}
	a.byKey[k.key] = k
	return k
}

func (a *answers) keep(k *keptAnswer, row *wire.Row, lsn persistence.LSN, now time.Time) {
	k.pending, k.row, k.lsn, k.at = nil, row, lsn, now
	a.kept = append(a.kept, k)
}

func (a *answers) remove(k *keptAnswer) { delete(a.byKey, k.key) }

// forget drops what is old and in the store.
func (a *answers) forget(applied persistence.LSN, now time.Time) {
	n := 0
	for n < len(a.kept) && a.kept[n].lsn <= applied && now.Sub(a.kept[n].at) > answerMemory {
		a.remove(a.kept[n])
		n++
	}
	if n > 0 {
		clear(a.kept[:n])
		a.kept = a.kept[n:]
	}
}
