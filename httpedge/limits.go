package httpedge

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"
)

// Rates are how often something may be done a second: by a user, by all from
// an address, by all in a room. 0: no limit. A burst of three seconds' worth
// may be done at once, or UserBurst by a user.
type Rates struct {
	User, Address, Room float64
	UserBurst           int // 0: three seconds' worth
}

// client is who asks for something that is limited.
type client struct {
	user    *user      // nil: nobody in particular
	address netip.Addr // zero: not known
	// answer is told how the client's limits stand. nil: there is none, as for
	// a message of a WebSocket.
	answer *fasthttp.ResponseHeader
}

// client gives who makes a request.
func (e *Edge) client(ctx *fasthttp.RequestCtx, who *user) client {
	return client{user: who, address: e.addressOf(ctx), answer: &ctx.Response.Header}
}

// free says whether limits do not hold for a client: a site's own back end.
func (c client) free() bool { return c.user != nil && c.user.moderates() }

// limits are those of all that is limited by rates. They are this node's: who
// spreads requests over nodes has as many times as much.
type limits struct {
	posts, reactions, joins, reads *limiter
}

// maxReactions is how many reactions one request may bring.
const maxReactions = 50

func newLimits(c Config, registry prometheus.Registerer) *limits {
	refused := prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "barrage", Name: "rate_limited_total", Help: "Requests refused above a rate, by the limit.",
	}, []string{"limit"})
	registry.MustRegister(refused)
	began := time.Now()
	now := func() time.Duration { return time.Since(began) }
	limiterOf := func(r Rates, most int, name, may string) *limiter {
		l := &limiter{now: now}
		add := func(who, subject string, perSecond float64, burst int) *limit {
			b := newBuckets(perSecond, burst)
			if b == nil {
				return nil
			}
			n := name + "-" + who
			return &limit{
				buckets: b, name: n, policy: b.policy(n), refused: refused.WithLabelValues(n),
				detail: fmt.Sprintf("%s may "+may+" a second.", subject, perSecond),
			}
		}
		burst := r.UserBurst
		if burst == 0 {
			burst = burstOf(r.User, most)
		}
		l.user = add("user", "A user", r.User, burst)
		l.address = add("address", "All clients of an address", r.Address, burstOf(r.Address, most))
		l.room = add("room", "All clients of a live video", r.Room, burstOf(r.Room, most))
		return l
	}
	return &limits{
		posts:     limiterOf(c.Posts, 1, "posts", "post %v comments"),
		reactions: limiterOf(c.Reactions, maxReactions, "reactions", "send %v reactions"),
		joins:     limiterOf(c.Joins, 1, "joins", "open %v streams"),
		reads:     limiterOf(c.Reads, 1, "reads", "read %v times"),
	}
}

// limiter holds the limits of one thing; nil ones are none.
type limiter struct {
	user, address, room *limit
	now                 func() time.Duration
}

// limit are the buckets of users, of addresses or of rooms, and what is said
// of them.
type limit struct {
	buckets *buckets
	name    string
	policy  string
	detail  string
	refused prometheus.Counter
}

// take takes n tokens of a client, or refuses and takes none.
func (l *limiter) take(c client, n int, rooms ...string) error {
	if c.free() || l.user == nil && l.address == nil && l.room == nil {
		return nil
	}
	type taken struct {
		limit *limit
		key   string
	}
	needed := make([]taken, 0, 2+len(rooms))
	if l.user != nil && c.user != nil {
		needed = append(needed, taken{l.user, c.user.id})
	}
	if l.address != nil && c.address.IsValid() {
		key := network(c.address).As16()
		needed = append(needed, taken{l.address, string(key[:])})
	}
	if l.room != nil {
		for _, room := range rooms {
			needed = append(needed, taken{l.room, room})
		}
	}
	now := l.now()
	var toldOf *limit
	for i, t := range needed {
		ok, s := t.limit.buckets.take(t.key, int64(n), now)
		if c.answer != nil && t.limit != toldOf { // of several rooms, the first
			addItem(c.answer, rateLimitPolicyField, t.limit.policy)
			addItem(c.answer, rateLimitField, rateLimitItem(t.limit.name, s))
			toldOf = t.limit
		}
		if ok {
			continue
		}
		for _, before := range needed[:i] {
			before.limit.buckets.giveBack(before.key, int64(n))
		}
		t.limit.refused.Inc()
		return rateLimited.because("%s", t.limit.detail).after(s.wait)
	}
	return nil
}

// limitPost refuses a comment above a rate.
func (e *Edge) limitPost(c client, video string) error { return e.limits.posts.take(c, 1, video) }

// limitGuest refuses a new guest above the rate of an address's posts: who may
// not post more must not become others who may.
func (e *Edge) limitGuest(c client) error { return e.limits.posts.take(c, 1) }

// limitReactions refuses reactions above a rate; count are sent at once.
func (e *Edge) limitReactions(c client, video string, count int) error {
	return e.limits.reactions.take(c, count, video)
}

// limitRead refuses a reading of history, of a comment, of what waits, or of a
// live video's state, above a rate. The lobby is of no live video.
func (e *Edge) limitRead(c client, videos ...string) error {
	return e.limits.reads.take(c, 1, videos...)
}

// limitJoin refuses a new stream of live videos above a rate.
func (e *Edge) limitJoin(c client, videos ...string) error {
	return e.limits.joins.take(c, 1, videos...)
}
