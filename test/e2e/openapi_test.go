package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"barrage/test/harness"
	"barrage/test/idp"
)

// described is a node with something on it for every operation.
type described struct {
	node                  *harness.Node
	strict                *harness.Node // live videos must be made, and there are no guests
	tight                 *harness.Node // reading and saying the same are limited
	alone                 *harness.Node // the site's login is away
	ann, moderator, admin string        // tokens
	comment, bobs         string        // comments of Ann and of Bob
	held                  []string      // that wait
	late                  string        // one that waits in a live video that has ended
	pinned                string        // of a live video of its own
}

func newDescribed(t *testing.T) *described {
	t.Helper()
	words := filepath.Join(t.TempDir(), "words.txt")
	if err := os.WriteFile(words, []byte("[block]\nforbiddenword\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	n := harness.Start(t, harness.Flags("--auth-guest", "--moderation-links", "hold", "--moderation-words-file", words,
		"--limits-posts-per-second", "1000", "--limits-posts-burst", "1000"))
	s := &described{
		node: n, strict: harness.Start(t, harness.Flags("--videos-autocreate=false")),
		tight: harness.Start(t, harness.Flags("--limits-reads-per-second-per-user=0.01", "--moderation-repeat-limit=1")),
	}
	site := idp.Start(t)
	s.alone = harness.Start(t, harness.Flags("--auth-introspection-url="+site.IntrospectionURL()))
	site.GoAway()
	s.ann, s.moderator, s.admin = n.Token("ann", "viewer"), n.Token("mo", "moderator"), n.Token("ada", "admin")
	ann := n.Client(s.ann)
	s.comment = post(t, ann, "room", "hello").ID
	s.bobs = post(t, n.User("bob", "viewer"), "room", "hello, Ann").ID
	s.pinned = post(t, ann, "pinned", "read this").ID
	if _, err := ann.Reply(t.Context(), "room", s.comment, "a reply"); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		s.held = append(s.held, post(t, ann, "room", fmt.Sprintf("see http://site%d.example", i)).ID)
	}
	post(t, ann, "over", "bye")
	s.late = post(t, ann, "over", "see http://late.example").ID
	for _, c := range []struct{ path, body string }{
		{"/videos/over", `{"state":"ended"}`},
		{"/videos/slow", `{"slowModeSeconds":60}`},
		{"/videos/pinned", `{"pinnedCommentId":"` + s.pinned + `"}`},
		{"/videos/room/mutes/mona", `{"seconds":600}`},
		{"/videos/room/mutes/max", `{"seconds":0}`},
	} {
		if answer := do(t, n.Client(s.admin), http.MethodPut, c.path, c.body, nil); answer.Status != http.StatusOK {
			t.Fatalf("PUT %s: %v", c.path, answer)
		}
	}
	post(t, ann, "slow", "the first")
	return s
}

// good are requests that are taken, one for each operation.
func (s *described) good() []exchange {
	return []exchange{
		{op: "listComments", status: 200, path: "/comments/room?pageSize=3", token: s.ann},
		{op: "postComment", status: 201, path: "/comments/room", token: s.ann, body: `{"message":"one more"}`},
		{op: "streamComments", status: 200, path: "/comments/room/stream?history=5&rate=10", token: s.ann},
		{op: "openWebSocket", status: 101, path: "/comments/room/ws", token: s.ann, header: handshake()},
		{op: "postReactions", status: 202, path: "/comments/room/reactions", token: s.ann, body: `{"type":"like","count":3}`},
		{op: "getComment", status: 200, path: "/comments/room/" + s.comment},
		{op: "listReplies", status: 200, path: "/comments/room/" + s.comment + "/replies?pageSize=5"},
		{op: "streamVideos", status: 200, path: "/stream?videos=room,over"},
		{op: "listVideos", status: 200, path: "/videos?state=all&sort=id&pageSize=2"},
		{op: "getVideo", status: 200, path: "/videos/room", token: s.ann},
		{op: "changeVideo", status: 200, path: "/videos/other", token: s.admin, body: `{"state":"live","slowModeSeconds":5,"pinnedCommentId":null}`},
		{op: "listMutes", status: 200, path: "/videos/room/mutes", token: s.moderator},
		{op: "mute", status: 200, path: "/videos/room/mutes/somebody", token: s.moderator, body: `{"seconds":60}`},
		{op: "unmute", status: 204, path: "/videos/room/mutes/somebody", token: s.moderator},
		{op: "listHeld", status: 200, path: "/videos/room/held", token: s.moderator},
		{op: "approve", status: 201, path: "/videos/room/held/" + s.held[0] + "/approve", token: s.moderator},
		{op: "reject", status: 204, path: "/videos/room/held/" + s.held[1] + "/reject", token: s.moderator},
		{op: "listAudit", status: 200, path: "/videos/room/audit?pageSize=3", token: s.moderator},
		{op: "deleteComment", status: 204, path: "/comments/room/" + s.bobs, token: s.moderator},
		{op: "becomeGuest", status: 200, path: "/guest", body: `{"name":"Ann"}`},
		{op: "health", status: 200, path: "/healthz"},
		{op: "ready", status: 200, path: "/readyz"},
		{op: "metrics", status: 200, path: "/metrics"},
		{op: "getCluster", status: 200, path: "/cluster?liveVideoId=room"},
		{op: "getNode", status: 200, path: "/cluster/node"},
		{op: "getDescription", status: 200, path: "/openapi.yaml"},
		{op: "getPage", status: 200, path: "/"},
		{op: "getAsset", status: 200, path: "/assets/barrage.js"},
	}
}

// refused makes of a good request one that is answered with a status, the same
// way for all operations; false if that is to be done for each.
func (s *described) refused(x exchange, status int) (exchange, bool) {
	x.status = status
	switch {
	case status == http.StatusUnauthorized:
		x.token = "no.such.token"
	case status == http.StatusBadRequest && strings.Contains(x.path, "/room"):
		x.path = strings.Replace(x.path, "/room", "/no%21room", 1)
	case status == http.StatusBadRequest && strings.Contains(x.path, "/other"):
		x.path = "/videos/no%21room"
	case status == http.StatusForbidden && (strings.HasPrefix(x.path, "/videos") || x.op == "deleteComment"):
		x.token = s.ann
		x.path = strings.Replace(x.path, s.bobs, "1", 1)
		return x, x.op != "deleteComment"
	case status == http.StatusForbidden && x.op == "becomeGuest":
		return x, false // whose cookie it is does not matter
	case status == http.StatusForbidden: // a page of another site uses the cookie
		x.header = x.header.Clone()
		if x.header == nil {
			x.header = http.Header{}
		}
		x.header.Set("Cookie", "session="+x.token)
		x.header.Set("Origin", "https://evil.example")
		x.token = ""
	case status == http.StatusNotFound && strings.Contains(x.path, "/room"):
		x.node = s.strict
		if x.token != "" {
			x.token = s.strict.Token("ada", "admin")
		}
	case status == http.StatusServiceUnavailable:
		if x.op == "openWebSocket" || !strings.Contains(x.path, "/room") && !strings.HasPrefix(x.path, "/videos") {
			return x, false // is put off, or asks nobody who it is
		}
		x.node, x.token = s.alone, ""
		x.header = harness.Header("X-Session-Token", "opaque")
	case status == http.StatusRequestEntityTooLarge:
		x.body = `{"name":"` + strings.Repeat("x", 9<<10) + `"}`
	case status == http.StatusUnsupportedMediaType:
		x.header = harness.Header("Content-Type", "text/plain")
	default:
		return x, false
	}
	return x, true
}

// special are requests for the answers that are an operation's own.
func (s *described) special() []exchange {
	nobody := s.node.Token("somebody-else", "viewer")
	return []exchange{
		{op: "listComments", status: 400, path: "/comments/room?pageSize=0"},
		{op: "postComment", status: 202, path: "/comments/room", token: s.ann, body: `{"message":"http://hold.example"}`},
		{op: "postComment", status: 403, path: "/comments/room", token: s.node.Token("mona", "viewer"), body: `{"message":"hm"}`},
		{op: "postComment", status: 403, path: "/comments/room", token: s.ann, body: `{"message":"a forbiddenword"}`},
		{op: "postComment", status: 409, path: "/comments/over", token: s.ann, body: `{"message":"wait"}`},
		{op: "postComment", status: 429, path: "/comments/slow", token: s.ann, body: `{"message":"the second"}`},
		{op: "postComment", status: 201, path: "/comments/room", token: s.ann, body: `{"message":"with a key"}`, header: harness.Header("Idempotency-Key", "k1")},
		{op: "postComment", status: 422, path: "/comments/room", token: s.ann, body: `{"message":"another"}`, header: harness.Header("Idempotency-Key", "k1")},
		{op: "postReactions", status: 404, path: "/comments/room/reactions", token: s.ann, body: `{"type":"like","commentId":"1"}`},
		{op: "postReactions", status: 409, path: "/comments/over/reactions", token: s.ann, body: `{"type":"like"}`},
		{op: "openWebSocket", status: 426, path: "/comments/room/ws", token: s.ann},
		{op: "getComment", status: 200, path: "/comments/room/" + s.held[2], token: s.ann},
		{op: "getComment", status: 404, path: "/comments/room/1"},
		{op: "deleteComment", status: 403, path: "/comments/room/" + s.comment, token: nobody},
		{op: "listReplies", status: 404, path: "/comments/room/1/replies"},
		{op: "streamVideos", status: 400, path: "/stream?videos="},
		{op: "streamVideos", status: 404, path: "/stream?videos=a,b", node: s.strict},
		{op: "listVideos", status: 400, path: "/videos?sort=age"},
		{op: "getVideo", status: 200, path: "/videos/pinned"},
		{op: "getVideo", status: 200, path: "/videos/room", token: s.node.Token("max", "viewer")},
		{op: "changeVideo", status: 404, path: "/videos/room", token: s.admin, body: `{"pinnedCommentId":"1"}`},
		{op: "approve", status: 404, path: "/videos/room/held/1/approve", token: s.moderator},
		{op: "approve", status: 409, path: "/videos/over/held/" + s.late + "/approve", token: s.moderator},
		{op: "becomeGuest", status: 403, path: "/guest", body: `{"name":"forbiddenword"}`},
		{op: "becomeGuest", status: 400, path: "/guest", body: `{}`},
		{op: "becomeGuest", status: 404, path: "/guest", body: `{"name":"Ann"}`, node: s.strict},
		{op: "getCluster", status: 400, path: "/cluster?liveVideoId=no%21"},
		{op: "getAsset", status: 404, path: "/assets/nothing.js"},
	}
}

// Every operation is done, and every answer that the description knows of is
// provoked.
func TestAnswersAreAsDescribed(t *testing.T) {
	s := newDescribed(t)
	d := readDescription(t, s.node)
	for _, x := range s.special() {
		if x.node == nil {
			x.node = s.node
		}
		_ = d.validate(t, x)
	}
	good := map[string]exchange{}
	for _, x := range s.good() {
		x.node = s.node
		good[x.op] = x
		_, _, _, op := d.operation(t, x.op)
		for text := range op.Responses.Map() {
			var status int
			if _, err := fmt.Sscan(text, &status); err != nil {
				t.Fatal(err)
			}
			if refused, ok := s.refused(x, status); ok && status >= 400 {
				_ = d.validate(t, refused)
			}
		}
	}
	for _, x := range s.good() {
		x.node = s.node
		answer := d.validate(t, x)
		if tag := answer.Header.Get("ETag"); tag != "" {
			x.status, x.header = http.StatusNotModified, harness.Header("If-None-Match", tag)
			_ = d.validate(t, x)
		}
	}
	tooMany(t, d, good["postReactions"])
	s.tooManyReads(t, d)
	tooManyGuests(t, d)
	s.repeats(t, d)
	s.waits(t, d)
	s.early(t, d)
	for path, item := range d.Paths.Map() {
		for method, op := range item.Operations() {
			if _, ok := good[op.OperationID]; !ok {
				t.Errorf("%s %s (%s) was not tried", method, path, op.OperationID)
			}
			for status := range op.Responses.Map() {
				if answer := op.OperationID + " " + status; !d.seen[answer] {
					t.Errorf("%s was not seen", answer)
				}
			}
		}
	}
}

// tooMany sends reactions until they are too many.
func tooMany(t *testing.T, d *description, x exchange) {
	t.Helper()
	x.body = `{"type":"like","count":50}`
	x.token = x.node.Token("fan", "viewer")
	for range 10 {
		if answer := do(t, x.node.Client(x.token), http.MethodPost, x.path, x.body, nil); answer.Status == http.StatusTooManyRequests {
			break
		}
	}
	x.status = http.StatusTooManyRequests
	_ = d.validate(t, x)
}

// tooManyReads reads more than is allowed, in all ways.
func (s *described) tooManyReads(t *testing.T, d *description) {
	t.Helper()
	comment := post(t, s.tight.User("ann", "viewer"), "room", "hello").ID
	token := s.tight.Token("reader", "viewer")
	first := d.validate(t, exchange{op: "getComment", status: 200, node: s.tight, path: "/comments/room/" + comment, token: token})
	if limit := first.Header.Get("RateLimit"); !strings.HasPrefix(limit, `"reads-user";r=0;t=`) {
		t.Errorf("the last that is allowed is answered with RateLimit: %s", limit)
	}
	for op, path := range map[string]string{
		"listComments": "/comments/room", "getComment": "/comments/room/" + comment, "deleteComment": "/comments/room/" + comment,
		"listReplies": "/comments/room/" + comment + "/replies", "getVideo": "/videos/room",
		"listVideos": "/videos", "listHeld": "/videos/room/held",
	} {
		answer := d.validate(t, exchange{op: op, status: 429, node: s.tight, path: path, token: token})
		if answer.Header.Get("RateLimit") == "" || answer.Header.Get("RateLimit-Policy") == "" {
			t.Errorf("%s: a refusal must say how the limits stand: %v", op, answer.Header)
		}
	}
}

// tooManyGuests are more than an address may be.
func tooManyGuests(t *testing.T, d *description) {
	t.Helper()
	n := harness.Start(t, harness.Flags("--auth-guest", "--limits-posts-per-second-per-address=0.01"))
	for _, status := range []int{http.StatusOK, http.StatusTooManyRequests} {
		answer := d.validate(t, exchange{op: "becomeGuest", status: status, node: n, path: "/guest", body: `{"name":"Ann"}`})
		if limit := answer.Header.Get("RateLimit"); !strings.HasPrefix(limit, `"posts-address";r=0;t=`) {
			t.Errorf("%d: RateLimit is %s", status, limit)
		}
	}
}

// repeats says the same more often than is allowed.
func (s *described) repeats(t *testing.T, d *description) {
	t.Helper()
	x := exchange{op: "postComment", status: 201, node: s.tight, path: "/comments/other", token: s.tight.Token("bob", "viewer"), body: `{"message":"again"}`}
	_ = d.validate(t, x)
	x.status = 429
	if answer := d.validate(t, x); !strings.Contains(string(answer.Body), "urn:barrage:problem:repeated") {
		t.Errorf("saying the same again is answered with %v", answer)
	}
}

// waits asks for what comes after a comment, and waits for it.
func (s *described) waits(t *testing.T, d *description) {
	t.Helper()
	x := exchange{op: "listComments", node: s.node, path: "/comments/quiet?since=0&wait=1", status: 200}
	if answer := d.validate(t, x); !strings.Contains(string(answer.Body), `"comments":[]`) {
		t.Errorf("a wait in vain is answered with %v", answer)
	}
	for _, query := range []string{"wait=1", "since=0&wait=61", "since=0&wait=1s"} {
		x.path, x.status = "/comments/quiet?"+query, 400
		_ = d.validate(t, x)
	}
}

// early asks a node that waits for the others before it can serve.
func (s *described) early(t *testing.T, d *description) {
	t.Helper()
	n := harness.New(t, harness.Flags("--consul=127.0.0.1:9", "--advertise=127.0.0.1:9"))
	n.Launch()
	up := exchange{op: "health", status: 200, node: n, path: "/healthz"}
	eventually(t, func() error {
		_, err := n.Anyone().Do(t.Context(), http.MethodGet, up.path, nil, nil)
		return err
	})
	plain := exchange{op: "openWebSocket", path: "/comments/room/ws", status: http.StatusServiceUnavailable, node: n}
	_ = d.validate(t, plain) // no handshake
	for _, x := range s.good() {
		x.node, x.token = n, ""
		switch x.op {
		case "health", "metrics": // it is up
		case "streamComments", "streamVideos", "openWebSocket": // are put off
		default:
			x.status = http.StatusServiceUnavailable
		}
		_ = d.validate(t, x)
	}
}

// Events on a stream have the shapes that the description gives them.
func TestEventsAreAsDescribed(t *testing.T) {
	s := newDescribed(t)
	d := readDescription(t, s.node)
	ann, moderator := s.node.Client(s.ann), s.node.Client(s.moderator)
	admin := s.node.Client(s.admin)
	mine := openedStream(t, s.node, ann, "room", "history=5&token="+s.ann, nil)
	defer mine.Close()
	all := openedStream(t, s.node, moderator, "room", "token="+s.moderator, nil)
	defer all.Close()
	sampled := openedStream(t, s.node, s.node.Anyone(), "busy", "rate=1", nil)
	defer sampled.Close()
	for i := range 20 {
		post(t, ann, "busy", fmt.Sprint("busy ", i))
	}
	short := harness.Start(t, smallMemory, harness.Flags("--stream-replay-limit=10"))
	many := postMany(t, short.User("ops", "admin"), "room", 230)
	lacking := openedStream(t, short, short.Anyone(), "room", "", harness.Header("Last-Event-ID", many[0].ID))
	defer lacking.Close()

	put := func(path, body string) { _ = do(t, admin, http.MethodPut, path, body, nil) }
	put("/videos/room", `{"pinnedCommentId":"`+s.comment+`"}`)
	put("/videos/room", `{"pinnedCommentId":null}`)
	put("/videos/room", `{"slowModeSeconds":5}`)
	put("/videos/room", `{"slowModeSeconds":0}`)
	_ = do(t, ann, http.MethodPost, "/comments/room/reactions", `{"type":"like","commentId":"`+s.comment+`"}`, nil)
	_ = do(t, moderator, http.MethodPost, "/videos/room/held/"+s.held[0]+"/approve", nil, nil)
	_ = do(t, moderator, http.MethodPost, "/videos/room/held/"+s.held[1]+"/reject", nil, nil)
	put("/videos/room/mutes/ann", `{"seconds":600}`)
	_ = do(t, admin, http.MethodDelete, "/videos/room/mutes/ann", nil, nil)
	_ = do(t, moderator, http.MethodDelete, "/comments/room/"+s.bobs, nil, nil)
	put("/videos/room", `{"state":"ended"}`)

	wanted := map[*harness.Stream][]string{
		mine: {"", "viewers", "pin", "room", "reactions", "held", "muted", "delete", "end"},
		all:  {"viewers", "pin", "room", "reactions", "held", "delete", "end"},

		sampled: {"sampled"},
		lacking: {"gap", ""},
	}
	for stream, names := range wanted {
		late := time.After(harness.Patience)
		for len(names) > 0 {
			select {
			case event, ok := <-stream.Events:
				if !ok {
					t.Fatalf("the stream ended without %q", names)
				}
				d.checkEvent(t, event)
				names = slices.DeleteFunc(names, func(name string) bool { return name == event.Name })
			case <-late:
				t.Fatalf("there was no event %q", names)
			}
		}
	}
}
