package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"barrage/test/harness"
)

// What other tests here ask of a node alone, a node of a cluster does as well for
// live videos that other nodes own. What has more to it in a cluster is in
// cluster_test.go, and rooms are in room_test.go.
func TestTheContractHoldsAtNodesThatOwnNothing(t *testing.T) {
	t.Parallel()
	c := harness.StartCluster(t, harness.ClusterOptions{
		Flags: []string{"--http-cors-origins=" + site + ",http://localhost:5173", "--videos-recent-comments=200", "--stream-ring-comments=200"},
	})
	owner, n := c.Nodes[2], c.Nodes[0]
	room := func(t *testing.T, prefix string) string {
		t.Helper()
		return c.OwnedBy(t, owner, prefix, 1)[0]
	}
	for name, test := range map[string]func(t *testing.T, n *harness.Node, room string){
		"tokens": badTokens, "origins": allowedOrigins, "samples": sampledStream, "heads": streamHeads, "opening": historyOpens,
		"limits": userLimit,
	} {
		t.Run(name, func(t *testing.T) { test(t, n, room(t, name+"-")) })
	}
	t.Run("bad input", func(t *testing.T) {
		m, err := n.Anyone().Cluster(t.Context(), "room")
		if err != nil || m.Owner == nil {
			t.Fatalf("%+v, %v", m, err)
		}
		for _, n := range c.Nodes[:2] {
			if n.Addr != m.Owner.HTTP {
				badInputIn(t, n)
				return
			}
		}
	})
}

// userLimit posts above the usual rate of a user.
func userLimit(t *testing.T, n *harness.Node, room string) {
	t.Helper()
	ann, posted := n.User("ann-of-limits", "viewer"), 0
	for range 300 { // within a burst and half a minute's worth
		answer := do(t, ann, http.MethodPost, "/comments/"+room, message(fmt.Sprint(posted)), nil)
		if !strings.HasPrefix(answer.Header.Get(rateLimit), `"posts-user";r=`) {
			t.Fatalf("%v, %v", answer, answer.Header)
		}
		if answer.Status == http.StatusCreated {
			posted++
			continue
		}
		expectKind(t, answer, http.StatusTooManyRequests, "rate-limited")
		if got := history(t, n.Anyone(), room); len(got) != posted || posted < 30 {
			t.Errorf("%d are in history, %d were answered", len(got), posted)
		}
		return
	}
	t.Errorf("all of %d posts were taken", posted)
}
