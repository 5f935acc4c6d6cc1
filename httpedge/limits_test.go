package httpedge

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"
)

// clocked are limits whose time is the test's.
func clocked(t *testing.T, c Config) (*Edge, *time.Duration) {
	t.Helper()
	now := time.Hour
	e := &Edge{config: c, limits: newLimits(c, prometheus.NewRegistry())}
	for _, l := range []*limiter{e.limits.posts, e.limits.reactions, e.limits.joins, e.limits.reads} {
		l.now = func() time.Duration { return now }
	}
	return e, &now
}

func named(id, role string) *user { return &user{id: id, role: role} }

// refusedFor is how long a refused client is to wait; 0: it was not refused.
func refusedFor(t *testing.T, err error) time.Duration {
	t.Helper()
	var p *problem
	if err == nil {
		return 0
	}
	if !errors.As(err, &p) || p.Status != fasthttp.StatusTooManyRequests || p.retryAfter < time.Second {
		t.Fatalf("refused by %v", err)
	}
	return p.retryAfter
}

func TestABucketAllowsItsBurstAndThenItsRate(t *testing.T) {
	b, now := newBuckets(10, 30), time.Hour
	for i := range 30 {
		if ok, s := b.take("ann", 1, now); !ok || s.left != int64(29-i) || s.wait <= 0 || s.wait > 100*time.Millisecond {
			t.Fatalf("post %d of a burst of 30: %v, %+v", i+1, ok, s)
		}
	}
	if ok, s := b.take("ann", 1, now); ok || s.left != 0 || s.wait != 100*time.Millisecond {
		t.Errorf("post 31: %v, %+v", ok, s)
	}
	if ok, _ := b.take("bob", 1, now); !ok {
		t.Error("another user is refused")
	}
	now += 100 * time.Millisecond
	if ok, _ := b.take("ann", 1, now); !ok {
		t.Error("a tenth of a second later it is still refused")
	}
	if ok, _ := b.take("ann", 1, now); ok {
		t.Error("a tenth of a second brought two")
	}
	for range 40 { // whoever tries all the time gets the rate, too
		now += 50 * time.Millisecond
		b.take("ann", 1, now)
	}
	if ok, s := b.take("ann", 1, now+50*time.Millisecond); !ok && s.wait > 100*time.Millisecond {
		t.Errorf("tries that were refused cost: %+v", s)
	}
	now += time.Hour
	if ok, s := b.take("ann", 1, now); !ok || s.left != 29 {
		t.Errorf("after an hour: %v, %+v", ok, s)
	}
}

func TestABucketGivesManyAtOnceOrNone(t *testing.T) {
	b, now := newBuckets(20, 100), time.Hour
	if ok, s := b.take("ann", 60, now); !ok || s.left != 40 {
		t.Fatalf("60 of 100: %v, %+v", ok, s)
	}
	if ok, s := b.take("ann", 50, now); ok || s.left != 40 || s.wait != 500*time.Millisecond {
		t.Errorf("50 of 40: %v, %+v", ok, s)
	}
	if ok, s := b.take("ann", 40, now); !ok || s.left != 0 {
		t.Errorf("40 of 40: %v, %+v", ok, s)
	}
	b.giveBack("ann", 40)
	if ok, s := b.take("ann", 40, now); !ok || s.left != 0 {
		t.Errorf("40 of those that were given back: %v, %+v", ok, s)
	}
	if ok, _ := b.take("bob", 5000, now); !ok { // as much as there is
		t.Error("a full bucket does not do for more than it holds")
	}
	if ok, s := b.take("bob", 5000, now); ok || s.wait != 5*time.Second {
		t.Errorf("and an empty one does: %v, %+v", ok, s)
	}
}

func TestAnyRateAndBurstWork(t *testing.T) {
	for _, rate := range []float64{1e-300, 1e-9, 0.5, 3, 1e6, 1e12, math.MaxFloat64} {
		for _, burst := range []int{1, 30, math.MaxInt32} {
			b := newBuckets(rate, burst)
			ok, s := b.take("ann", 1, time.Hour)
			if !ok || s.left < 0 || s.wait < 0 || s.left > int64(burst) {
				t.Errorf("%v a second, burst %d: %v, %+v", rate, burst, ok, s)
			}
			if ok, _ = b.take("ann", 1, 1000*time.Hour); !ok && rate > 1 {
				t.Errorf("%v a second, burst %d: refused weeks later", rate, burst)
			}
		}
		if burst := burstOf(rate, 1); burst < 1 {
			t.Errorf("%v a second: a burst of %d", rate, burst)
		}
	}
	if newBuckets(0, 30) != nil {
		t.Error("a rate of 0 is a limit")
	}
}

// Who comes under ever new names must not fill the memory, nor wipe out what
// is known of who has used up much.
func TestBucketsStayFewWhateverTheNames(t *testing.T) {
	b, now := newBuckets(0.01, 30), time.Hour
	for range 30 {
		b.take("flooder", 1, now)
	}
	for i := range 4 * maxBuckets {
		b.take(fmt.Sprint("name", i), 1, now)
	}
	if n := b.size(); n > maxBuckets {
		t.Errorf("%d buckets are kept", n)
	}
	if ok, _ := b.take("flooder", 1, now); ok {
		t.Error("new names gave one that was empty its burst back")
	}
	now += 2 * time.Hour // all are full again
	for i := range 100 * bucketShards {
		b.take(fmt.Sprint("later", i), 1, now)
	}
	if n := b.size(); n > 100*bucketShards {
		t.Errorf("%d buckets are kept, though all but %d are full", n, 100*bucketShards)
	}
}

func TestPostsAreLimitedPerUserAddressAndRoom(t *testing.T) {
	e, now := clocked(t, Config{Posts: Rates{User: 1, UserBurst: 5, Address: 3, Room: 4}})
	home, office := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	post := func(id string, from netip.Addr, room string) time.Duration {
		return refusedFor(t, e.limitPost(client{user: named(id, roleViewer), address: from}, room))
	}
	for range 5 {
		if post("ann", home, "a") != 0 {
			t.Fatal("within a user's burst")
		}
	}
	if post("ann", office, "b") == 0 {
		t.Error("a user's sixth post is taken")
	}
	for range 4 { // the address has 9
		if post("bob", home, "a") != 0 {
			t.Fatal("within the address's burst")
		}
	}
	if post("carl", home, "a") == 0 {
		t.Error("an address's tenth post is taken")
	}
	for i := range 3 { // the room has 12
		if post(fmt.Sprint("user", i), office, "a") != 0 {
			t.Fatal("within the room's burst")
		}
	}
	if post("dora", office, "a") == 0 {
		t.Error("a room's thirteenth post is taken")
	}
	for i := range 5 {
		if post("dora", office, "c") != 0 {
			t.Errorf("the refused post took tokens: post %d to another room is refused", i+1)
		}
	}
	for range 100 {
		for _, role := range []string{roleModerator, roleAdmin} {
			if err := e.limitPost(client{user: named("site", role), address: home}, "a"); err != nil {
				t.Fatalf("a post of the site's own: %v", err)
			}
		}
	}
	if *now += time.Second; post("ann", home, "a") != 0 {
		t.Error("after a second there is nothing new")
	}
}

func TestMalformedPostsUseNothingUp(t *testing.T) {
	edge, address := newTestEdge(t, func(c *Config) { c.Posts = Rates{User: 0.001, UserBurst: 2} })
	post := func(token, contentType, header, body string, want int) {
		t.Helper()
		mustAsk(t, dial(t, address), fmt.Sprintf("POST /comments/v HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer %s\r\n"+
			"Content-Type: %s\r\nContent-Length: %d\r\n%s\r\n%s", token, contentType, len(body), header, body), want)
	}
	ann := edge.bearer(t, "ann")
	const asJSON, good = "application/json", `{"message":"hello"}`
	for range 3 {
		post(ann, "text/plain", "", good, 415)
		post(ann, asJSON, "", good+strings.Repeat(" ", 8192), 413)
		post(ann, asJSON, "", "{", 400)
		post(ann, asJSON, "", `{"message":""}`, 400)
		post(ann, asJSON, "Idempotency-Key: a b\r\n", good, 400)
	}
	for _, want := range []int{201, 201, 429} {
		post(ann, asJSON, "", good, want)
	}
	post(ann, asJSON, "", "{", 400) // whatever is left

	s := openSocket(t, address, "/comments/v/ws?token="+edge.bearer(t, "bob"))
	for _, bad := range []string{`{"type":"post"}`, `{"type":"post","message":""}`, `{"type":"post","message":"x","parentId":"x"}`, `{"type":"post","message":"x","idempotencyKey":""}`} {
		s.text("%s", bad)
		if e := s.until("error"); !strings.Contains(string(e.Data), `"status":400`) {
			t.Errorf("%s: %s", bad, e.Data)
		}
	}
	for _, want := range []string{"posted", "posted", "error"} {
		s.text(`{"type":"post","message":"hello"}`)
		s.until(want)
	}
}

func TestReactionsTakeAsManyTokensAsTheyAre(t *testing.T) {
	e, now := clocked(t, Config{Reactions: Rates{User: 20, UserBurst: 100, Room: 1}})
	ann := client{user: named("ann", roleViewer)}
	for range 2 {
		if err := e.limitReactions(ann, fmt.Sprint("room", *now), maxReactions); err != nil {
			t.Fatal(err)
		}
		*now += time.Nanosecond
	}
	if wait := refusedFor(t, e.limitReactions(ann, "another", 40)); wait < time.Second || wait > 2*time.Second {
		t.Errorf("40 more are there after %v", wait)
	}
	bob := client{user: named("bob", roleViewer)}
	if err := e.limitReactions(bob, "quiet", maxReactions); err != nil {
		t.Errorf("a room's burst holds no request of the largest kind: %v", err)
	}
	if refusedFor(t, e.limitReactions(bob, "quiet", 1)) == 0 {
		t.Error("a room of 1 a second takes more")
	}
}

func TestReadsAndJoinsAreLimitedForThoseWithoutNames(t *testing.T) {
	e, _ := clocked(t, Config{Reads: Rates{User: 1, Address: 2}, Joins: Rates{User: 1, Address: 1, Room: 2}})
	somebody := client{address: netip.MustParseAddr("2001:db8:0:1::1")}
	for range 6 {
		if err := e.limitRead(somebody, "a"); err != nil {
			t.Fatal(err)
		}
	}
	neighbour := client{address: netip.MustParseAddr("2001:db8:0:1:ffff::2")}
	if refusedFor(t, e.limitRead(neighbour, "b")) == 0 {
		t.Error("an address of the same /64 is another's")
	}
	if err := e.limitRead(client{address: netip.MustParseAddr("2001:db8:0:2::1")}, "b"); err != nil {
		t.Errorf("an address of another /64: %v", err)
	}
	for i := range 6 { // of a room six at once
		from := client{address: netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})}
		if err := e.limitJoin(from, "x", "y"); err != nil {
			t.Fatal(err)
		}
	}
	other := client{address: netip.MustParseAddr("192.0.2.9")}
	if refusedFor(t, e.limitJoin(other, "fresh", "y")) == 0 {
		t.Error("a stream of several rooms is not counted for each")
	}
	for range 3 {
		if err := e.limitJoin(other, "z"); err != nil {
			t.Errorf("the refused stream was counted: %v", err)
		}
	}
	if err := e.limitRead(client{}, "a"); err != nil {
		t.Errorf("who has neither name nor address: %v", err)
	}
}

// The form is that of draft-ietf-httpapi-ratelimit-headers-10.
func TestAnswersSayHowLimitsStand(t *testing.T) {
	e, now := clocked(t, Config{Posts: Rates{User: 10, UserBurst: 30, Address: 0.5}})
	said := func() (policy, state string, err error) {
		var h fasthttp.ResponseHeader
		err = e.limitPost(client{user: named("ann", roleViewer), address: netip.MustParseAddr("::1"), answer: &h}, "a")
		return string(h.Peek(rateLimitPolicyField)), string(h.Peek(rateLimitField)), err
	}
	policy, state, err := said()
	if policy != `"posts-user";q=30;w=3, "posts-address";q=2;w=4` || state != `"posts-user";r=29;t=1, "posts-address";r=1;t=2` || err != nil {
		t.Errorf("said %s and %s, %v", policy, state, err)
	}
	_, _, _ = said()
	*now += 500 * time.Millisecond
	policy, state, err = said()
	if wait := refusedFor(t, err); wait != 1500*time.Millisecond || !strings.HasSuffix(state, `"posts-address";r=0;t=2`) ||
		policy != `"posts-user";q=30;w=3, "posts-address";q=2;w=4` {
		t.Errorf("refused for %v, said %s and %s", wait, policy, state)
	}
	e, _ = clocked(t, Config{})
	if policy, state, err := said(); policy != "" || state != "" || err != nil {
		t.Errorf("without limits it says %q and %q, %v", policy, state, err)
	}
}

func TestStreamsAreCountedPerNodeAddressAndUser(t *testing.T) {
	a := newAdmission(Config{MaxStreams: 4, StreamsPerAddress: 3, StreamsPerUser: 2})
	enter := func(address, id string, want refusal) func() {
		t.Helper()
		c := client{address: netip.MustParseAddr("192.0.2." + address)}
		if id != "" {
			c.user = named(id, roleViewer)
		}
		got, leave := a.enter(c)
		if got != want {
			t.Fatalf("%s from %s: %q, not %q", id, address, got, want)
		}
		return leave
	}
	first := enter("1", "ann", admitted)
	second := enter("1", "ann", admitted)
	enter("1", "ann", refusedUser)
	third := enter("1", "", admitted)
	enter("1", "", refusedAddress)
	fourth := enter("2", "", admitted)
	enter("3", "", refusedNode)
	for _, leave := range []func(){first, second, third, fourth} {
		leave()
	}
	if a.streams() != 0 || len(a.byAddress) != 0 || len(a.byUser) != 0 {
		t.Errorf("when all have left, %d streams, %v and %v are counted", a.open, a.byAddress, a.byUser)
	}
}

func TestJoinsPerSecondAreLimited(t *testing.T) {
	a := newAdmission(Config{JoinsPerSecond: 5})
	refused := 0
	for range 100 {
		if r, _ := a.enter(client{}); r == refusedJoins {
			refused++
		}
	}
	if refused < 80 {
		t.Errorf("%d of 100 joins at once were refused at 5 a second", refused)
	}
}
