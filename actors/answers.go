package actors

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"time"

	"barrage/actors/wire"
	"barrage/persistence"
)

// answers are what a live video remembers of recent posts, by their tokens: a
// post that is sent again gets the first answer again. What is older, and has
// an Idempotency-Key, is in the store.
type answers struct {
	byToken map[uint64]*keptAnswer
	// kept is in the order of time.
	kept []*keptAnswer
}

// keptAnswer is the answer to the first post with a token.
type keptAnswer struct {
	token   uint64
	userID  string
	digest  []byte         // nil: to be made of row
	pending *pendingRecord // until it is durable
	row     *wire.Row
	lsn     persistence.LSN
	until   time.Time
}

const (
	// answerMemory is how long the answer to a post with an Idempotency-Key is
	// remembered at least: longer than it takes to look one up in the store,
	// and to find that it was not there a moment ago.
	answerMemory = time.Minute
	// tryMemory is how long one without is remembered: longer than the edge
	// tries again.
	tryMemory = 30 * time.Second
)

func newAnswers() *answers { return &answers{byToken: map[uint64]*keptAnswer{}} }

// postToken is what tells a post apart: of its Idempotency-Key, or the edge's
// own for all its tries; 0 if there is neither.
func postToken(m *wire.PostComment) uint64 {
	if m.IdempotencyKey == "" {
		return m.PostToken
	}
	h := sha256.New()
	_ = binary.Write(h, binary.BigEndian, uint64(len(m.UserId)))
	h.Write([]byte(m.UserId))
	h.Write([]byte(m.IdempotencyKey))
	return max(1, binary.BigEndian.Uint64(h.Sum(nil)))
}

// find gives the answer to a user's post.
func (a *answers) find(token uint64, userID string) *keptAnswer {
	if k := a.byToken[token]; k != nil && k.userID == userID {
		return k
	}
	return nil
}

func (a *answers) add(token uint64, userID string, digest []byte, p *pendingRecord) *keptAnswer {
	k := &keptAnswer{token: token, userID: userID, digest: digest, pending: p}
	a.byToken[token] = k
	return k
}

func (a *answers) keep(k *keptAnswer, row *wire.Row, lsn persistence.LSN, until time.Time) {
	k.pending, k.row, k.lsn, k.until = nil, row, lsn, until
	a.kept = append(a.kept, k)
}

// adopt takes what another owner answered.
func (a *answers) adopt(row *wire.Row, until time.Time) {
	if row.PostToken != 0 && a.byToken[row.PostToken] == nil {
		a.keep(a.add(row.PostToken, row.UserId, nil, nil), row, 0, until)
	}
}

func (a *answers) remove(k *keptAnswer) {
	if a.byToken[k.token] == k {
		delete(a.byToken, k.token)
	}
}

// forget drops what is old and in the store.
func (a *answers) forget(applied persistence.LSN, now time.Time) {
	n := 0
	for n < len(a.kept) && a.kept[n].lsn <= applied && now.After(a.kept[n].until) {
		a.remove(a.kept[n])
		n++
	}
	if n > 0 {
		clear(a.kept[:n])
		a.kept = a.kept[n:]
	}
}

// comment is the answer, durable or not.
func (k *keptAnswer) comment() *wire.Row {
	if k.pending != nil {
		return k.pending.row
	}
	return k.row
}

func (k *keptAnswer) id() uint64 { return k.comment().GetId() }

// bodyDigest is that of the first post's body.
func (k *keptAnswer) bodyDigest() []byte {
	if k.digest == nil && len(k.row.GetBodyDigest()) > 0 {
		k.digest = k.row.BodyDigest
	}
	if k.digest == nil && k.row != nil {
		var c commentJSON
		if err := json.Unmarshal(RowJSON(k.row), &c); err == nil {
			k.digest = BodyDigest(c.Message, k.row.ParentId)
		}
	}
	return k.digest
}
