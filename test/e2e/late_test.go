package e2e

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"barrage/test/harness"
)

// A client that waited in vain may have tried elsewhere, and have been refused
// there: what it sent to a node that stood still must not be done later.
func TestAPostWhoseClientHasGoneIsNotTakenWhenTheNodeGoesOn(t *testing.T) {
	n := harness.Start(t)
	ann := n.User("ann", "viewer")
	if _, err := ann.Post(t.Context(), "room", "before", nil); err != nil {
		t.Fatal(err)
	}
	n.Pause()
	conn, err := net.Dial("tcp", n.Addr)
	if err != nil {
		t.Fatal(err)
	}
	const body = `{"message":"late"}`
	_, err = fmt.Fprintf(conn, "POST /comments/room HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		n.Token("ann", "viewer"), len(body), body)
	if err := errors.Join(err, conn.Close()); err != nil {
		t.Fatal(err)
	}
	n.Resume()
	eventually(t, func() error {
		all, err := ann.All(t.Context(), "room")
		if len(all) > 1 || strings.Contains(n.Logs(), "nobody waits for the answer") {
			return err
		}
		return errors.New("the node has not seen the request yet")
	})
	if _, err := ann.Post(t.Context(), "room", "after", nil); err != nil {
		t.Fatal(err)
	}
	if got := messages(history(t, ann, "room")); got != "before after" {
		t.Errorf("history is %q", got)
	}
}
