package httpedge

import (
	"hash/maphash"
	"math"
	"sync"
	"time"
)

// buckets are token buckets by name: of users, of addresses, or of rooms. They
// are not more than maxBuckets, whoever comes under however many names.
//
// Of a bucket only the moment is kept at which it will be full (the generic
// cell rate algorithm): all else follows from it and the rate.
type buckets struct {
	burst    int64         // tokens in a full bucket
	interval time.Duration // between two tokens
	seed     maphash.Seed  // nobody outside can aim at one shard
	shards   [bucketShards]bucketShard
}

type bucketShard struct {
	mu     sync.Mutex
	fullAt map[string]time.Duration // by name; an absent one is full
	swept  time.Duration
}

const (
	bucketShards = 16
	// maxBuckets is how many buckets that are not full are kept, of each kind:
	// 10 to 20 MB. When there are as many, new ones take the places of those
	// that are nearly full, which are as good as new.
	maxBuckets = 1 << 16
	// bucketsLooked is among how many buckets, picked at random, the fullest is
	// given up.
	bucketsLooked = 8
	// sweepEvery is how often full buckets are forgotten.
	sweepEvery = time.Minute
	// longestRefill bounds how long an empty bucket takes to fill, so that no
	// rate makes times overflow.
	longestRefill = 10 * 365 * 24 * time.Hour
)

// newBuckets makes buckets that hold burst tokens and get perSecond new ones a
// second; nil, which limits nothing, if that is 0.
func newBuckets(perSecond float64, burst int) *buckets {
	if perSecond <= 0 {
		return nil
	}
	b := &buckets{burst: int64(max(burst, 1)), seed: maphash.MakeSeed()}
	refill := min(float64(b.burst)/perSecond*float64(time.Second), float64(longestRefill))
	b.interval = max(1, time.Duration(refill/float64(b.burst)))
	for i := range b.shards {
		b.shards[i].fullAt = map[string]time.Duration{}
	}
	return b
}

// burstSeconds is how many seconds' worth of a rate may be used at once, where
// no setting says otherwise.
const burstSeconds = 3

// burstOf is the burst that goes with a rate: three seconds' worth, and not
// less than the most that one request may take.
func burstOf(perSecond float64, most int) int {
	return max(most, int(math.Ceil(min(burstSeconds*perSecond, math.MaxInt32))))
}

// standing is how it stands with a bucket after something was taken out of it,
// or was not.
type standing struct {
	left int64         // tokens
	wait time.Duration // until there is what was asked for, or else one token more; 0: it is full
}

// take takes n tokens out of a bucket, or none if there are not as many. More
// than a bucket holds are taken out of a full one. now is the time since a
// fixed moment.
func (b *buckets) take(name string, n int64, now time.Duration) (bool, standing) {
	cost, capacity := time.Duration(min(n, b.burst))*b.interval, time.Duration(b.burst)*b.interval
	s := b.shard(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	if now-s.swept > sweepEvery {
		s.sweep(now)
	}
	fullAt, known := s.fullAt[name]
	missing := max(fullAt-now, 0) + cost // once it is taken
	if missing > capacity {
		return false, standing{left: int64((capacity - missing + cost) / b.interval), wait: missing - capacity}
	}
	if !known && len(s.fullAt) >= maxBuckets/bucketShards {
		s.giveOneUp(now)
	}
	s.fullAt[name] = now + missing
	left := (capacity - missing) / b.interval
	return true, standing{left: int64(left), wait: missing - (capacity - (left+1)*b.interval)}
}

// giveBack puts tokens back that were taken for what was refused then.
func (b *buckets) giveBack(name string, n int64) {
	s := b.shard(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	if fullAt, known := s.fullAt[name]; known {
		s.fullAt[name] = fullAt - time.Duration(min(n, b.burst))*b.interval
	}
}

func (b *buckets) shard(name string) *bucketShard {
	return &b.shards[maphash.String(b.seed, name)%bucketShards]
}

// sweep forgets full buckets, and the room that they took: a map never shrinks.
func (s *bucketShard) sweep(now time.Duration) {
	s.swept = now
	kept := map[string]time.Duration{}
	for name, fullAt := range s.fullAt {
		if fullAt > now {
			kept[name] = fullAt
		}
	}
	s.fullAt = kept
}

// giveOneUp forgets the fullest of a few buckets. Who has used much up stays.
func (s *bucketShard) giveOneUp(now time.Duration) {
	looked, fullest, soonest := 0, "", time.Duration(math.MaxInt64)
	for name, fullAt := range s.fullAt {
		if fullAt <= now {
			delete(s.fullAt, name)
		} else if fullAt < soonest {
			fullest, soonest = name, fullAt
		}
		if looked++; looked == bucketsLooked {
			break
		}
	}
	if len(s.fullAt) >= maxBuckets/bucketShards {
		delete(s.fullAt, fullest)
	}
}

// size is the number of buckets that are kept.
func (b *buckets) size() (n int) {
	for i := range b.shards {
		s := &b.shards[i]
		s.mu.Lock()
		n += len(s.fullAt)
		s.mu.Unlock()
	}
	return n
}
