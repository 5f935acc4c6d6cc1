package embedded

import (
	"crypto/sha256"
	"encoding/binary"
	"math"

	"barrage/persistence"
)

// The first byte of a key; see the package comment.
const (
	commentKind = 'c'
	deletedKind = 'd'
	replyKind   = 'r'
	totalsKind  = 't'
	keptKind    = 'k'
	metaKind    = 'm'
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
