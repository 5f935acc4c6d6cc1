package embedded

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"

	"barrage/persistence"
	"barrage/persistence/records"
)

// The first byte of a key; see the package comment.
const (
	commentKind = 'c'
	deletedKind = 'd'
	replyKind   = 'r'
	totalsKind  = 't'
	keptKind    = 'k'
	metaKind    = 'm'
	roomKind    = 'o'
	muteKind    = 'u'
	heldKind    = 'h'
	slotKind    = 's'
	auditKind   = 'e'
	adoptedKind = 'a'
)

var (
	formatKey  = []byte{metaKind, 'f'}
	appliedKey = []byte{metaKind, 'a'}
	maxIDKey   = []byte{metaKind, 'i'}
	joinedKey  = []byte{metaKind, 'j'}
	floorKey   = []byte{metaKind, 'l'}

	be = binary.BigEndian
)

// appendVideo begins a key. The length keeps one video's keys from being a
// prefix of another's.
func appendVideo(b []byte, kind byte, video string) []byte {
	b = append(b, kind)
	b = binary.AppendUvarint(b, uint64(len(video)))
	return append(b, video...)
}

// videoOf answers the video that a key begins with.
func videoOf(key []byte) (string, error) {
	if len(key) < 2 {
		return "", fmt.Errorf("embedded store: the key %q is damaged", key)
	}
	length, n := binary.Uvarint(key[1:])
	if n <= 0 || length > uint64(len(key)-1-n) {
		return "", fmt.Errorf("embedded store: the key %q is damaged", key)
	}
	return string(key[1+n : 1+n+int(length)]), nil //nolint:gosec // no longer than the key
}

func hasPrefix(key, prefix []byte) bool { return bytes.HasPrefix(key, prefix) }

func commentKey(b []byte, video string, id uint64) []byte {
	return be.AppendUint64(appendVideo(b, commentKind, video), id)
}

func deletedKey(b []byte, video string, id uint64) []byte {
	return be.AppendUint64(appendVideo(b, deletedKind, video), id)
}

func replyKey(b []byte, video string, parent, id uint64) []byte {
	return be.AppendUint64(replyPrefix(b, video, parent), id)
}

func replyPrefix(b []byte, video string, parent uint64) []byte {
	return be.AppendUint64(appendVideo(b, replyKind, video), parent)
}

func totalsKey(b []byte, video string) []byte {
	return appendVideo(b, totalsKind, video)
}

func roomKey(b []byte, video string) []byte { return appendVideo(b, roomKind, video) }

func muteKey(b []byte, video, user string) []byte {
	return append(appendVideo(b, muteKind, video), user...)
}

func heldKey(b []byte, video string, id uint64) []byte {
	return be.AppendUint64(appendVideo(b, heldKind, video), id)
}

func slotKey(b []byte, id slotID) []byte {
	return be.AppendUint64(be.AppendUint64(appendVideo(b, slotKind, id.video), id.comment), id.session)
}

// auditKey has all that names an event.
func auditKey(b []byte, e *records.RoomEvent) []byte {
	b = be.AppendUint64(appendVideo(b, auditKind, e.GetLiveVideoId()), uint64(e.GetAtMs())) //nolint:gosec // not negative
	return append(be.AppendUint64(b, e.GetEventId()), e.GetKind()...)
}

// endOf is above all keys that begin with a prefix, which is not empty and does
// not end with 0xff bytes alone.
func endOf(prefix []byte) []byte {
	end := append([]byte(nil), prefix...)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i] != 0xff {
			end[i]++
			return end[:i+1]
		}
	}
	return nil
}

// idBounds answers the keys that hold the ids above after and below before (0:
// no end) behind a prefix; ok is false if there can be none.
func idBounds(prefix []byte, after, before uint64) (lower, upper []byte, ok bool) {
	if after == math.MaxUint64 || before != 0 && before <= after+1 {
		return nil, nil, false
	}
	n := len(prefix)
	lower = be.AppendUint64(prefix[:n:n], after+1)
	if before != 0 {
		return lower, be.AppendUint64(prefix[:n:n], before), true
	}
	// One byte more than the highest id, since the upper bound is exclusive.
	return lower, append(be.AppendUint64(prefix[:n:n], math.MaxUint64), 0), true
}

// digest names an Idempotency-Key of a user in a video.
type digest [16]byte

func digestOf(video, user, key string) digest {
	b := make([]byte, 0, 256)
	for _, s := range [...]string{video, user, key} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	sum := sha256.Sum256(b)
	return digest(sum[:16])
}

// bucket is a stretch of time whose kept answers are dropped together.
type bucket uint32

func bucketOf(ms int64) bucket {
	n := ms / persistence.IdempotencyKeyRetention.Milliseconds()
	return bucket(max(0, min(n, math.MaxUint32-1)))
}

func keptPrefix(b []byte, in bucket) []byte {
	return be.AppendUint32(append(b, keptKind), uint32(in))
}

func keptKey(b []byte, in bucket, d digest) []byte {
	return append(keptPrefix(b, in), d[:]...)
}
