package httpedge

import (
	"math"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
	"golang.org/x/time/rate"
)

// buckets are token buckets by name: of a user, or of an address.
type buckets struct {
	limit rate.Limit // 0: no limit
	burst int

	mu     sync.Mutex
	byName map[string]*rate.Limiter
	swept  time.Time
}

// sweepEvery is how often full buckets are forgotten: a full bucket is as good
// as a new one.
const sweepEvery = time.Minute

func newBuckets(perSecond float64, burst int) *buckets {
	return &buckets{limit: rate.Limit(perSecond), burst: burst, byName: map[string]*rate.Limiter{}}
}

// addressBurst is how many posts an address may make at once: three seconds'
// worth, as for a user.
func addressBurst(perSecond float64) int { return int(math.Ceil(3 * perSecond)) }

// take takes a token out of a bucket, or says how long until there is one.
func (b *buckets) take(name string, now time.Time) (ok bool, wait time.Duration) {
	if b.limit == 0 {
		return true, 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.Sub(b.swept) > sweepEvery {
		b.swept = now
		for n, l := range b.byName {
			if l.TokensAt(now) >= float64(b.burst) {
				delete(b.byName, n)
			}
		}
	}
	l, known := b.byName[name]
	if !known {
		l = rate.NewLimiter(b.limit, b.burst)
		b.byName[name] = l
	}
	if l.AllowN(now, 1) {
		return true, 0
	}
	missing := 1 - l.TokensAt(now)
	return false, time.Duration(missing / float64(b.limit) * float64(time.Second))
}

// limitPost refuses a post above its user's or its address's rate.
func (e *Edge) limitPost(ctx *fasthttp.RequestCtx, author *user) error {
	if author.moderates() {
		return nil
	}
	now := time.Now()
	if ok, wait := e.posts.take(author.id, now); !ok {
		return rateLimited.because("A user may post %v comments a second.", e.config.PostsPerSecond).after(wait)
	}
	if ok, wait := e.postsBy.take(ctx.RemoteIP().String(), now); !ok {
		return rateLimited.because("An address may post %v comments a second.", e.config.PostsPerSecondPerAddress).after(wait)
	}
	return nil
}

// admission bounds the open streams of a node, and of each user and address.
type admission struct {
	maxAll, maxAddress, maxUser int
	joins                       *rate.Limiter // nil: no limit

	mu        sync.Mutex
	open      int
	byAddress map[string]int
	byUser    map[string]int
}

func newAdmission(c Config) *admission {
	a := &admission{
		maxAll: c.MaxStreams, maxAddress: c.StreamsPerAddress, maxUser: c.StreamsPerUser,
		byAddress: map[string]int{}, byUser: map[string]int{},
	}
	if c.JoinsPerSecond > 0 {
		a.joins = rate.NewLimiter(rate.Limit(c.JoinsPerSecond), max(1, int(c.JoinsPerSecond)))
	}
	return a
}

// refusal is why a stream is not opened now.
type refusal string

const (
	admitted       refusal = ""
	refusedNode    refusal = "node_full"
	refusedAddress refusal = "address_full"
	refusedUser    refusal = "user_full"
	refusedJoins   refusal = "joins"
	refusedDrain   refusal = "draining"
	refusedStart   refusal = "starting"
)

var refusals = []refusal{refusedNode, refusedAddress, refusedUser, refusedJoins, refusedDrain, refusedStart}

// enter admits a stream, or says why not. leave must be called when an
// admitted stream ends. An empty user is nobody in particular.
func (a *admission) enter(address, userID string) (refusal, func()) {
	// Names are only counted where they are limited: most nodes keep no table
	// of a million addresses.
	if a.maxAddress == 0 {
		address = ""
	}
	if a.maxUser == 0 {
		userID = ""
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.maxAll > 0 && a.open >= a.maxAll:
		return refusedNode, nil
	case address != "" && a.byAddress[address] >= a.maxAddress:
		return refusedAddress, nil
	case userID != "" && a.byUser[userID] >= a.maxUser:
		return refusedUser, nil
	case a.joins != nil && !a.joins.Allow():
		return refusedJoins, nil
	}
	a.open++
	if address == "" && userID == "" {
		return admitted, a.leaveUnnamed
	}
	if address != "" {
		a.byAddress[address]++
	}
	if userID != "" {
		a.byUser[userID]++
	}
	return admitted, func() { a.leave(address, userID) }
}

func (a *admission) leaveUnnamed() { a.leave("", "") }

func (a *admission) leave(address, userID string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.open--
	countDown(a.byAddress, address)
	countDown(a.byUser, userID)
}

func countDown(counts map[string]int, name string) {
	if name == "" {
		return
	}
	if counts[name]--; counts[name] <= 0 {
		delete(counts, name)
	}
}
