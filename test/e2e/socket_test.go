package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"

	"barrage/test/harness"
)

func TestAWebSocketResumesWithoutGapAndDuplicate(t *testing.T) {
	n := harness.Start(t, smallMemory)
	ops := n.User("ops", "admin")
	all := postMany(t, ops, "room", 260)
	for _, from := range []int{0, 60, 258, 259} { // far in the store, its edge, memory, nothing missed
		s := n.Socket(t, n.Anyone(), "room", "lastEventId="+all[from].ID)
		all = append(all, post(t, ops, "room", fmt.Sprint("live", len(all))))
		want := all[from+1:]
		if got, err := s.Comments(len(want)); err != nil || messages(got) != messages(want) {
			t.Errorf("from %d: got %q, %v", from, messages(got), err)
		}
		s.Close()
	}
	s := n.Socket(t, n.Anyone(), "room", "history=3")
	if got, err := s.Comments(3); err != nil || messages(got) != messages(all[len(all)-3:]) {
		t.Errorf("history=3: got %q, %v", messages(got), err)
	}
	if err := ops.Delete(t.Context(), "room", all[2].ID); err != nil {
		t.Fatal(err)
	}
	for e := (harness.SocketEvent{}); e.Event != "delete"; {
		var err error
		if e, err = s.Next(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := n.Anyone().Socket(t.Context(), "room", "lastEventId=x"); harness.StatusOf(err) != http.StatusBadRequest {
		t.Errorf("a bad resume point: %v", err)
	}
}

// Clients post and read over one WebSocket each, while the node dies again and
// again. What was answered is in history, and each client has everything once.
func TestKillsAndResumesOverWebSockets(t *testing.T) {
	n := harness.Start(t)
	const clients, rounds = 4, 3
	seen := make([][]harness.Comment, clients)
	var mu sync.Mutex
	answered := map[string]bool{}
	for round := range rounds {
		var wg sync.WaitGroup
		enough := make(chan struct{}, clients)
		for i := range clients {
			query := ""
			if k := len(seen[i]); k > 0 {
				query = "lastEventId=" + seen[i][k-1].ID
			}
			s := n.Socket(t, n.User(fmt.Sprint("user", i), "admin"), "room", query)
			wg.Go(func() {
				for k := 0; ; k++ {
					key := fmt.Sprintf("%d-%d-%d", round, i, k)
					posted, err := s.Post(key, "", key)
					seen[i] = append(seen[i], s.Seen...)
					s.Seen = nil
					if err != nil {
						if harness.StatusOf(err) != 0 {
							t.Errorf("%s: %v", key, err)
						}
						enough <- struct{}{}
						return
					}
					mu.Lock()
					answered[posted.Message] = true
					mu.Unlock()
					if k == 20 {
						enough <- struct{}{}
					}
				}
			})
		}
		for range clients {
			<-enough
		}
		n.Kill()
		wg.Wait()
		n.Start()
	}
	all := history(t, n.Anyone(), "room")
	for _, c := range all {
		delete(answered, c.Message)
	}
	if len(answered) > 0 {
		t.Errorf("%d answered comments are lost", len(answered))
	}
	for i := range clients {
		last := seen[i][len(seen[i])-1]
		if end := slices.Index(all, last); !slices.Equal(seen[i], all[:end+1]) && !slices.Equal(seen[i], all[slices.Index(all, seen[i][0]):end+1]) {
			t.Errorf("client %d has %d comments up to number %d of %d", i, len(seen[i]), end, len(all))
		}
		s := n.Socket(t, n.Anyone(), "room", "lastEventId="+last.ID)
		rest := all[slices.Index(all, last)+1:]
		if got, err := s.Comments(len(rest)); err != nil || !slices.Equal(got, rest) {
			t.Errorf("client %d: %q of %q, %v", i, messages(got), messages(rest), err)
		}
	}
}

func TestSIGTERMClosesWebSocketsAndAnswersPolls(t *testing.T) {
	n := harness.Start(t)
	ann := n.User("ann", "viewer")
	s := n.Socket(t, ann, "room", "")
	posted, err := s.Post("last words", "", "")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.NextComment(); err != nil || got != posted {
		t.Errorf("%+v, %v, want %+v", got, err, posted)
	}
	polled := make(chan error, 1)
	go func() {
		page, err := n.Anyone().Page(t.Context(), "room", "wait=60&since="+posted.ID)
		if err == nil && len(page.Comments) > 0 {
			err = fmt.Errorf("got %+v", page)
		}
		polled <- err
	}()
	eventually(t, func() error {
		if v := video(t, n.Anyone(), "room"); v.Viewers != 2 {
			return fmt.Errorf("%d viewers", v.Viewers)
		}
		return nil
	})
	if status := n.Terminate(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	retry := false
	for {
		e, err := s.Next()
		if err != nil {
			if got := websocket.CloseStatus(err); got != websocket.StatusGoingAway {
				t.Errorf("the WebSocket ended with %v", err)
			}
			break
		}
		retry = retry || e.Event == "retry"
	}
	if !retry {
		t.Error("no new retry before the end")
	}
	if err := <-polled; err != nil {
		t.Errorf("who waited is answered: %v", err)
	}
}

func TestWebSocketsAndPollsAtANodeThatIsNotTheOwner(t *testing.T) {
	c := harness.StartCluster(t, harness.ClusterOptions{})
	room := c.OwnedBy(t, c.Nodes[0], "room-", 1)[0]
	var sockets []*harness.Socket
	for i, n := range c.Nodes {
		sockets = append(sockets, n.Socket(t, n.User(fmt.Sprint("user", i), "viewer"), room, ""))
	}
	first := post(t, c.Nodes[0].User("ops", "admin"), room, "first")
	for _, s := range sockets {
		if got, err := s.NextComment(); err != nil || got != first {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	polled := make(chan string, len(c.Nodes))
	for _, n := range c.Nodes {
		anyone := n.Anyone()
		go func() {
			page, err := anyone.Page(t.Context(), room, "wait=60&since="+first.ID)
			polled <- fmt.Sprint(messages(page.Comments), err)
		}()
	}
	var want []string
	for i, s := range sockets {
		posted, err := s.Post(fmt.Sprint("from ", i), first.ID, "")
		if err != nil || posted.ParentID != first.ID {
			t.Fatalf("posting at %s: %+v, %v", c.Nodes[i].Addr, posted, err)
		}
		want = append(want, posted.ID)
	}
	for i, s := range sockets {
		got, err := s.Comments(len(sockets))
		var ids []string
		for _, c := range got {
			ids = append(ids, c.ID)
		}
		if err != nil || !slices.Equal(ids, want) {
			t.Errorf("%s got %v, %v, want %v", c.Nodes[i].Addr, ids, err, want)
		}
	}
	for range c.Nodes {
		if got := <-polled; !strings.HasPrefix(got, "from 0") || !strings.HasSuffix(got, "<nil>") {
			t.Errorf("a poll is answered %q", got)
		}
	}
}
