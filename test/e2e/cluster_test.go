package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"testing"
	"time"

	"barrage/test/harness"
)

// Whatever a client can do, it can do at any node. What is done to nodes while
// clients are at work is in cluster_owner_test.go.

// roomsOfAll answers a live video of each node.
func roomsOfAll(t *testing.T, c *harness.Cluster) []string {
	t.Helper()
	var rooms []string
	for i, n := range c.Nodes {
		rooms = append(rooms, c.OwnedBy(t, n, fmt.Sprintf("of-%d-", i), 1)...)
	}
	return rooms
}

func TestAnyNodeServesEverything(t *testing.T) {
	t.Parallel()
	c := harness.StartCluster(t, harness.ClusterOptions{})
	rooms := roomsOfAll(t, c)
	t.Run("what is posted at one is read at all", func(t *testing.T) {
		for _, room := range rooms {
			var want string
			for i, n := range c.Nodes {
				want += fmt.Sprint(i, " ")
				posted := post(t, n.User("ann", "viewer"), room, fmt.Sprint(i))
				for _, other := range c.Nodes {
					if got := messages(history(t, other.Anyone(), room)); got+" " != want {
						t.Errorf("%s posted at %s: %s has %q, want %q", room, n.Addr, other.Addr, got, want)
					}
					if one, err := other.Anyone().One(t.Context(), room, posted.ID); err != nil || one != posted {
						t.Errorf("%s: %+v, %v, want %+v", room, one, err, posted)
					}
				}
			}
		}
	})
	t.Run("answers and deletions", func(t *testing.T) { repliesAndDeletions(t, c, rooms) })
	t.Run("a key is known at all", func(t *testing.T) {
		for i, room := range rooms {
			key := harness.Header("Idempotency-Key", "key-"+room)
			var first harness.Comment
			for k := range c.Nodes {
				ann := c.Nodes[(i+k)%len(c.Nodes)].User("ann", "viewer")
				got, err := ann.Post(t.Context(), room, "once", key)
				if err != nil || first.ID != "" && got != first {
					t.Errorf("%s: %+v, %v, the first answer was %+v", room, got, err, first)
				}
				first = got
				other := do(t, ann, http.MethodPost, "/comments/"+room, `{"message":"another"}`, key)
				expectProblem(t, other, http.StatusUnprocessableEntity)
			}
		}
	})
	t.Run("a cursor goes on at another node", func(t *testing.T) {
		room := rooms[0]
		postMany(t, c.Nodes[1].User("ops", "admin"), room, 30)
		want := history(t, c.Nodes[0].Anyone(), room)
		var got []harness.Comment
		query := url.Values{"sort": {"asc"}, "pageSize": {"7"}}
		for i := 0; ; i++ {
			page, err := c.Nodes[i%len(c.Nodes)].Anyone().Page(t.Context(), room, query.Encode())
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, page.Comments...)
			if page.NextCursor == nil {
				break
			}
			query.Set("cursor", *page.NextCursor)
		}
		if messages(got) != messages(want) {
			t.Errorf("got %q, want %q", messages(got), messages(want))
		}
	})
	t.Run("all name the same owner", func(t *testing.T) {
		for i, room := range rooms {
			for _, n := range c.Nodes {
				m, err := n.Anyone().Cluster(t.Context(), room)
				if err != nil || m.Owner == nil || m.Owner.HTTP != c.Nodes[i].Addr {
					t.Fatalf("%s: %+v, %v, want %s", room, m, err, c.Nodes[i].Addr)
				}
				if v := video(t, n.Anyone(), room); v.Owner != m.Owner.Name {
					t.Errorf("%s: GET /videos names %q, GET /cluster %q", room, v.Owner, m.Owner.Name)
				}
			}
		}
	})
	t.Run("viewers add up", func(t *testing.T) {
		room, want := rooms[0], 0
		for i, n := range c.Nodes {
			for range i + 2 {
				openedStream(t, n, n.Anyone(), room, "", nil)
				want++
			}
		}
		for _, n := range c.Nodes {
			eventually(t, func() error {
				v, err := n.Anyone().Video(t.Context(), room)
				if err == nil && v.Viewers != want {
					err = fmt.Errorf("%d viewers, want %d", v.Viewers, want)
				}
				return err
			})
		}
	})
}

func repliesAndDeletions(t *testing.T, c *harness.Cluster, rooms []string) {
	a, b, d := c.Nodes[0], c.Nodes[1], c.Nodes[2]
	for _, room := range rooms {
		s := openedStream(t, d, d.Anyone(), room, "", nil)
		parent := post(t, a.User("ann", "viewer"), room, "parent")
		reply, err := b.User("bob", "viewer").Reply(t.Context(), room, parent.ID, "reply")
		if err != nil || reply.ParentID != parent.ID {
			t.Fatalf("%s: %+v, %v", room, reply, err)
		}
		// What is deleted before its frame goes out is not shown at all.
		if got, err := s.Comments(2); err != nil || messages(got) != "parent reply" {
			t.Fatalf("%s: the stream brings %q, %v", room, messages(got), err)
		}
		for _, n := range c.Nodes {
			replies, err := n.Anyone().Walk(t.Context(), "/comments/"+room+"/"+parent.ID+"/replies", url.Values{})
			if err != nil || messages(replies) != "reply" {
				t.Errorf("%s: the answers are %q, %v", room, messages(replies), err)
			}
		}
		if err := b.User("mallory", "viewer").Delete(t.Context(), room, reply.ID); harness.StatusOf(err) != http.StatusForbidden {
			t.Errorf("%s: who is not its author deletes a comment: %v", room, err)
		}
		if err := d.User("bob", "viewer").Delete(t.Context(), room, reply.ID); err != nil {
			t.Errorf("%s: its author can't delete a comment at another node: %v", room, err)
		}
		for _, n := range c.Nodes {
			if _, err := n.Anyone().One(t.Context(), room, reply.ID); harness.StatusOf(err) != http.StatusNotFound {
				t.Errorf("%s: %s still has what was deleted: %v", room, n.Addr, err)
			}
		}
		if e, err := s.Until(harness.Named("delete")); err != nil || e.Data == "" {
			t.Errorf("%s: %+v, %v", room, e, err)
		}
	}
}

func TestAStreamIsTheSameAtAnyNode(t *testing.T) {
	t.Parallel()
	c := harness.StartCluster(t, harness.ClusterOptions{})
	rooms := roomsOfAll(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	all := map[string][]harness.Comment{}
	var followers []*harness.Follower
	for _, room := range rooms {
		all[room] = postMany(t, c.Nodes[0].User("ops", "admin"), room, 10)
		for _, n := range c.Nodes {
			for _, encoding := range []string{"identity", "gzip"} {
				f := n.Anyone().Follow(ctx, room, all[room][3].ID, harness.Header("Accept-Encoding", encoding))
				if err := f.Joined(); err != nil {
					t.Fatal(err)
				}
				followers = append(followers, f)
			}
		}
	}
	for i, n := range c.Nodes {
		for _, room := range rooms {
			for k := range 10 {
				all[room] = append(all[room], post(t, n.User("ops", "admin"), room, fmt.Sprint(i, "-", k)))
			}
		}
	}
	for i, f := range followers {
		want := all[rooms[i/(2*len(c.Nodes))]]
		if err := f.Reach(want[len(want)-1].ID); err != nil {
			t.Fatal(err)
		}
		if err := f.Check(); err != nil {
			t.Error(err)
		}
		if got := messages(f.Comments()); got != messages(want[4:]) {
			t.Errorf("got %q, want %q", got, messages(want[4:]))
		}
	}
	t.Run("several rooms over one connection", func(t *testing.T) {
		n := c.Nodes[1]
		s, err := n.Anyone().Open(t.Context(), fmt.Sprintf("/stream?videos=%s,%s,%s", rooms[0], rooms[1], rooms[2]), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if e, err := s.Next(); err != nil || e.Kind != harness.KindRetry {
			t.Fatalf("%+v, %v", e, err)
		}
		for i, room := range rooms {
			posted := post(t, c.Nodes[i].User("ops", "admin"), room, "bundled")
			e, err := s.Until(harness.IsComment)
			if err != nil || !containsID(e.Data, posted.ID) {
				t.Errorf("%s: %+v, %v, want %s", room, e, err, posted.ID)
			}
		}
	})
}

func containsID(data, id string) bool {
	events := harness.ParseEvents([]byte("id: " + id + "\ndata: " + data + "\n\n"))
	if len(events) != 1 {
		return false
	}
	c, err := events[0].Comment()
	return err == nil && c.ID == id
}

// A node that nobody watches a live video at receives nothing of it.
func TestANodeWithoutViewersReceivesNothing(t *testing.T) {
	const posts = 300
	c := harness.StartCluster(t, harness.ClusterOptions{Replicas: 1})
	room := c.OwnedBy(t, c.Nodes[0], "room-", 1)[0]
	ops := c.Nodes[0].User("ops", "admin")
	sent := func() float64 {
		value, err := c.Nodes[0].Anyone().Metric(t.Context(), "barrage_cluster_sent_bytes_total")
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
	during := func(act func()) float64 {
		before := sent()
		act()
		return sent() - before
	}
	burst := func() { postMany(t, ops, room, posts) }
	burst() // the room is there
	alone := during(burst)
	s := openedStream(t, c.Nodes[1], c.Nodes[1].Anyone(), room, "", nil)
	watched := during(func() {
		burst()
		if _, err := s.Comments(posts); err != nil {
			t.Fatal(err)
		}
	})
	t.Logf("%d posts: %.0f bytes without viewers elsewhere, %.0f with one", posts, alone, watched)
	const least = 100 // bytes of a comment
	if alone > posts*least/2 || watched-alone < posts*least {
		t.Errorf("%d posts: %.0f bytes left the owner without viewers elsewhere, %.0f with one", posts, alone, watched)
	}
}

// Consul's users see the members as a service, and which of them are well.
func TestConsulKnowsTheMembers(t *testing.T) {
	t.Parallel()
	// A member that goes without a word is one for nearly as long as this.
	const failure = 15 * time.Second
	c := harness.StartCluster(t, harness.ClusterOptions{Flags: []string{"--cluster-failure-timeout=" + failure.String()}})
	passing := func(want int) {
		t.Helper()
		consul := &harness.Client{Base: c.Consul.URL(), HTTP: c.Consul.HTTPClient()}
		eventually(t, func() error {
			var list []struct{ Service struct{ ID string } }
			answer, err := consul.Do(t.Context(), http.MethodGet, "/v1/health/service/barrage?passing", nil, nil)
			if err == nil {
				err = answer.JSON(&list)
			}
			if err == nil && len(list) != want {
				err = fmt.Errorf("%d members are well, want %d", len(list), want)
			}
			return err
		})
	}
	passing(3)
	began := time.Now()
	c.Nodes[0].Terminate()
	passing(2)
	if took := time.Since(began); took >= failure*2/3 {
		t.Errorf("a member that left was one for %s", took)
	}
	c.Nodes[1].Kill()
	passing(1)
	c.Nodes[0].Start()
	c.Nodes[1].Start()
	passing(3)
	c.WaitWhole()
}

// As docs/operations.md starts one.
func TestANodeThatListensOnAllAddressesJoins(t *testing.T) {
	t.Parallel()
	c := harness.NewCluster(t, harness.ClusterOptions{Nodes: 2})
	for _, n := range c.Nodes {
		_, port, err := net.SplitHostPort(n.Addr)
		if err != nil {
			t.Fatal(err)
		}
		harness.Flags("--http", "0.0.0.0:"+port)(n)
		n.Launch()
	}
	c.WaitWhole() // each names the address at which it can be reached
}
