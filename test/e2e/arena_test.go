package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"barrage/test/harness"
)

// arena is where the tests of rooms run: on a node alone, or in a cluster, where
// each request goes to the next node that does not own the room.
type arena struct {
	t     *testing.T
	nodes []*harness.Node // at which requests are made, in turn
	room  func(t *testing.T, prefix string) string
	turn  atomic.Int64
}

// somebody is a user of an arena.
type somebody struct {
	*arena
	clients []*harness.Client
}

func (a *arena) user(id, role string) *somebody {
	s := &somebody{arena: a}
	for _, n := range a.nodes {
		s.clients = append(s.clients, n.User(id, role))
	}
	return s
}

func (a *arena) anyone() *somebody {
	s := &somebody{arena: a}
	for _, n := range a.nodes {
		s.clients = append(s.clients, n.Anyone())
	}
	return s
}

// next is the user at the next node.
func (s *somebody) next() *harness.Client {
	return s.clients[int(s.turn.Add(1))%len(s.clients)]
}

func (s *somebody) do(t *testing.T, method, path string, body any) *harness.Answer {
	t.Helper()
	return do(t, s.next(), method, path, body, nil)
}

func (s *somebody) post(t *testing.T, room, message string) harness.Comment {
	t.Helper()
	return post(t, s.next(), room, message)
}

func (s *somebody) stream(t *testing.T, room, query string) *harness.Stream {
	t.Helper()
	i := int(s.turn.Add(1)) % len(s.clients)
	return openedStream(t, s.nodes[i], s.clients[i], room, query, nil)
}

// socket opens a room's stream over a WebSocket at the next node.
func (s *somebody) socket(t *testing.T, room, query string) *harness.Socket {
	t.Helper()
	i := int(s.turn.Add(1)) % len(s.clients)
	return s.nodes[i].Socket(t, s.clients[i], room, query)
}

// inArenas runs a test on a node alone and, where servers may be started, in a
// cluster of three.
func inArenas(t *testing.T, flags []string, test func(t *testing.T, a *arena)) {
	flags = append([]string{"--limits-posts-per-second=0"}, flags...) // users post in many rooms at once here
	t.Run("alone", func(t *testing.T) {
		n := harness.Start(t, harness.Flags(flags...))
		var names atomic.Int64
		test(t, &arena{t: t, nodes: []*harness.Node{n}, room: func(_ *testing.T, prefix string) string {
			return fmt.Sprint(prefix, "-", names.Add(1))
		}})
	})
	t.Run("cluster", func(t *testing.T) {
		c := harness.StartCluster(t, harness.ClusterOptions{Flags: flags})
		var names atomic.Int64
		test(t, &arena{t: t, nodes: c.Nodes[:2], room: func(t *testing.T, prefix string) string {
			t.Helper()
			return c.OwnedBy(t, c.Nodes[2], fmt.Sprint(prefix, "-", names.Add(1), "-"), 1)[0]
		}})
	})
}

// expectKind checks that an answer is a problem of that status and kind.
func expectKind(t *testing.T, answer *harness.Answer, status int, kind string) {
	t.Helper()
	p, err := readProblem(answer)
	if err != nil {
		t.Error(err)
	}
	if answer.Status != status || p.Type != "urn:barrage:problem:"+kind {
		t.Errorf("got %v, want %d %s", answer, status, kind)
	}
	later := status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable
	if retry := answer.Header.Get("Retry-After"); later && (retry == "" || retry == "0") {
		t.Errorf("%s: Retry-After is %q", kind, retry)
	}
}

// expectStatus checks an answer's status, and if it is a success reads its body
// into v unless that is nil.
func expectStatus(t *testing.T, answer *harness.Answer, status int, v any) {
	t.Helper()
	if answer.Status != status {
		t.Fatalf("got %v, want status %d", answer, status)
	}
	if v == nil {
		return
	}
	if err := json.Unmarshal(answer.Body, v); err != nil {
		t.Fatalf("%v in %s", err, answer.Body)
	}
}

// wait reads a stream up to an event of a name whose data has a part.
func wait(t *testing.T, s *harness.Stream, name, part string) string {
	t.Helper()
	deadline := time.Now().Add(harness.Patience)
	e, err := s.Until(func(e harness.Event) bool {
		return e.Name == name && e.Kind == harness.KindEvent && strings.Contains(e.Data, part) || time.Now().After(deadline)
	})
	if err == nil && e.Name != name {
		err = fmt.Errorf("it did not come within %s", harness.Patience)
	}
	if err != nil {
		t.Fatalf("waiting for %s with %q: %v", name, part, err)
	}
	if name != "" && e.HasID {
		t.Errorf("%s carries an id: %+v", name, e)
	}
	return e.Data
}

// same waits until two readings are the same.
func same(t *testing.T, want string, read func() (string, error)) {
	t.Helper()
	eventually(t, func() error {
		got, err := read()
		if err == nil && got != want {
			err = errors.New("got " + got + ", want " + want)
		}
		return err
	})
}
